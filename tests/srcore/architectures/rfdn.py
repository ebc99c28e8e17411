"""RFDN: Liu et al., Residual Feature Distillation Network, AIM 2020; its attention sees far through a large stride."""

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        few = channels // 4
        self.reduce, self.side = nn.Conv2d(channels, few, 1), nn.Conv2d(few, few, 1)
        self.shrink, self.last = nn.Conv2d(few, few, 3, stride=2), nn.Conv2d(few, few, 3, padding=1)
        self.expand = nn.Conv2d(few, channels, 1)

    def forward(self, x):
        reduced = self.reduce(x)
        pooled = functional.max_pool2d(self.shrink(reduced), kernel_size=7, stride=3)
        wide = functional.interpolate(self.last(pooled), x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.expand(wide + self.side(reduced)))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.distil = nn.ModuleList(nn.Conv2d(channels, half, 1) for _ in range(3))
        self.refine = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.last, self.mix = nn.Conv2d(channels, half, 3, padding=1), nn.Conv2d(4 * half, channels, 1)
        self.attention = Attention(channels)

    def forward(self, x):
        kept, state = [], x
        for distil, refine in zip(self.distil, self.refine, strict=True):
            kept.append(functional.leaky_relu(distil(state), 0.05))
            state = functional.leaky_relu(refine(state) + state, 0.05)
        kept.append(functional.leaky_relu(self.last(state), 0.05))
        return self.attention(self.mix(torch.cat(kept, 1)))


class RFDN(nn.Module):
    def __init__(self, channels=16, blocks=2, scale=4):
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        self.gather = nn.Conv2d(channels * blocks, channels, 1)
        self.up = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x):
        shallow = state = self.head(x)
        states = []
        for block in self.blocks:
            state = block(state)
            states.append(state)
        return self.up(self.gather(torch.cat(states, 1)) + shallow)


def build():
    return RFDN()
