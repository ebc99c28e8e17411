"""PAN: Zhao et al., Efficient Image Super-Resolution Using Pixel Attention, ECCVW 2020."""

from torch import nn
from torch.nn import functional


class PixelAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * self.weigh(x).sigmoid()


class Up(nn.Module):
    def __init__(self, inside, outside):
        super().__init__()
        self.first, self.attention = nn.Conv2d(inside, outside, 3, padding=1), PixelAttention(outside)
        self.last = nn.Conv2d(outside, outside, 3, padding=1)

    def forward(self, x):
        x = self.first(functional.interpolate(x, scale_factor=2, mode="nearest"))
        return functional.leaky_relu(self.last(functional.leaky_relu(self.attention(x), 0.2)), 0.2)


class PAN(nn.Module):
    def __init__(self, channels=12, inner=8):
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), PixelAttention(channels))
        self.up = nn.Sequential(Up(channels, inner), Up(inner, inner))
        self.last = nn.Conv2d(inner, 3, 3, padding=1)

    def forward(self, x):
        features = self.head(x)
        sr = self.last(self.up(features + self.body(features)))
        return sr + functional.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)


def build():
    return PAN()
