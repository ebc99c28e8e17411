"""EDSR: Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPR Workshops 2017."""

import torch
from torch import nn

MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K's training pictures, as the authors' code has it


class MeanShift(nn.Conv2d):
    """Adds a colour; a convolution with fixed weights, which their checkpoints hold too."""

    def __init__(self, sign):
        super().__init__(3, 3, 1)
        self.weight.data = torch.eye(3).view(3, 3, 1, 1)
        self.bias.data = sign * torch.tensor(MEAN)
        self.requires_grad_(False)


class Residual(nn.Module):
    def __init__(self, channels, scaling):
        super().__init__()
        self.scaling = scaling
        layers = [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.scaling * self.body(x)


class EDSR(nn.Module):
    def __init__(self, channels=16, blocks=3, scaling=0.1):
        super().__init__()
        self.sub_mean, self.add_mean = MeanShift(-1), MeanShift(1)
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        residuals = [Residual(channels, scaling) for _ in range(blocks)]
        self.body = nn.Sequential(*residuals, nn.Conv2d(channels, channels, 3, padding=1))
        up = [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2)]
        again = [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2)]
        self.tail = nn.Sequential(*up, *again, nn.Conv2d(channels, 3, 3, padding=1))

    def forward(self, x):
        entered = self.head(self.sub_mean(x))
        return self.add_mean(self.tail(entered + self.body(entered)))


def build():
    return EDSR()
