"""CARN: Ahn et al., Fast, Accurate and Lightweight Super-Resolution with Cascading Residual Network, ECCV 2018."""

import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        layers = [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return torch.relu(self.body(x) + x)


class Cascade(nn.Module):
    """Three stages, each followed by a 1x1 convolution of all that came before it."""

    def __init__(self, channels, stage):
        super().__init__()
        self.stages = nn.ModuleList(stage() for _ in range(3))
        self.mixers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels * (number + 2), channels, 1), nn.ReLU()) for number in range(3)
        )

    def forward(self, x):
        gathered = out = x
        for stage, mix in zip(self.stages, self.mixers, strict=True):
            gathered = torch.cat([gathered, stage(out)], 1)
            out = mix(gathered)
        return out


class CARN(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.entry = nn.Conv2d(3, channels, 3, padding=1)
        self.cascade = Cascade(channels, lambda: Cascade(channels, lambda: Residual(channels)))
        up = [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.ReLU(), nn.PixelShuffle(2)]
        again = [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.ReLU(), nn.PixelShuffle(2)]
        self.up, self.exit = nn.Sequential(*up, *again), nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x):
        return self.exit(self.up(self.cascade(self.entry(x))))


def build():
    return CARN()
