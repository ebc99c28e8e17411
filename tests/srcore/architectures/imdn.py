"""IMDN: Hui et al., Lightweight Image Super-Resolution with Information Multi-distillation Network, ACM MM 2019."""

import torch
from torch import nn


def conv(inside, outside, size=3):
    return nn.Conv2d(inside, outside, size, padding=size // 2)


class ContrastAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        squeezed = max(1, channels // 16)
        self.weigh = nn.Sequential(conv(channels, squeezed, 1), nn.ReLU(), conv(squeezed, channels, 1), nn.Sigmoid())

    def forward(self, x):
        mean = x.mean(dim=(2, 3), keepdim=True)
        deviation = (x - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
        return x * self.weigh(mean + deviation)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.kept = channels // 4
        self.first = conv(channels, channels)
        self.others = nn.ModuleList([conv(channels - self.kept, channels), conv(channels - self.kept, channels)])
        self.last = conv(channels - self.kept, self.kept)
        self.attention, self.mix = ContrastAttention(channels), conv(channels, channels, 1)

    def forward(self, x):
        distilled, rest = [], nn.functional.leaky_relu(self.first(x), 0.05)
        for layer in self.others:
            distilled.append(rest[:, : self.kept])
            rest = nn.functional.leaky_relu(layer(rest[:, self.kept :]), 0.05)
        distilled += [rest[:, : self.kept], self.last(rest[:, self.kept :])]
        return self.mix(self.attention(torch.cat(distilled, 1))) + x


class IMDN(nn.Module):
    def __init__(self, channels=16, blocks=2, scale=4):
        super().__init__()
        self.head = conv(3, channels)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        self.gather, self.tail = conv(channels * blocks, channels, 1), conv(channels, channels)
        self.up = nn.Sequential(conv(channels, 3 * scale**2), nn.PixelShuffle(scale))

    def forward(self, x):
        shallow = self.head(x)
        states, state = [], shallow
        for block in self.blocks:
            state = block(state)
            states.append(state)
        deep = self.tail(nn.functional.leaky_relu(self.gather(torch.cat(states, 1)), 0.05)) + shallow
        return self.up(deep)


def build():
    return IMDN()
