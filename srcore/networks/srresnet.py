"""SRResNet, which is also SRGAN's generator: Ledig et al., CVPR 2017, section 3.1.1 and figure 4."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srcore.networks.generator import Generator
from srcore.networks.prelu import PReLU, PReLUBeforeShuffle


class ResidualBlock(nn.Module):
    """k3n64 BN PReLU k3n64 BN + skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),  # the bias is batch normalisation's
            nn.BatchNorm2d(channels),
            PReLU(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.layers(x)
        return residual.add_(x)  # in place: no layer needs its own output for its gradient


class ConvBeforeShuffle(nn.Conv2d):
    """A convolution of odd size after a pixel shuffle, run before it: (N, 4C, H, W) -> (N, O, 2H, 2W).

    9x9 from 64 to 3 channels equals 5x5 from 256 to 12 at half the resolution. With 3 output channels a convolution
    leaves most of a vector or matrix unit idle; 12 make it 2 to 3 times as fast, forward and backward.
    """

    _taps: Tensor

    def __init__(self, channels: int, out_channels: int, size: int) -> None:
        super().__init__(channels, out_channels, size, padding=size // 2)
        # A buffer: a CUDA graph cannot record that indices come from the host.
        self.register_buffer("_taps", _taps(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, bias = self.before_shuffle()
        return functional.pixel_shuffle(functional.conv2d(x, kernel, bias, padding=kernel.shape[2] // 2), 2)

    def before_shuffle(self) -> tuple[Tensor, Tensor | None]:
        """The kernel (4 O, 4 C, h, h) and the bias (4 O) that it is run with."""
        out, channels, size, _ = self.weight.shape
        side = 2 * _reach(size) + 1
        taps = self._taps
        kernel = functional.pad(self.weight, [_padding(size)] * 4)[:, :, taps][..., taps]
        kernel = kernel.view(out, channels, 2, 2, side, 2, 2, side).permute(0, 2, 5, 1, 3, 6, 4, 7)
        kernel = kernel.reshape(4 * out, 4 * channels, side, side)
        return kernel, None if self.bias is None else self.bias.repeat_interleave(4)


def _reach(size: int) -> int:
    """Of the kernel at half the resolution."""
    return (size // 2 + 1) // 2


def _padding(size: int) -> int:
    return 2 * _reach(size) + 1 - size // 2


def _taps(size: int) -> Tensor:
    """Where in the padded kernel each tap lies that a kernel at half the resolution has, for both subpixels.

    Subpixel `to` of an output sees subpixel `of` of the input that lies `step` away: at 2 step + of - to.
    """
    reach = _reach(size)
    to, of, step = torch.arange(2).view(2, 1, 1), torch.arange(2).view(1, 2, 1), torch.arange(-reach, reach + 1)
    return (2 * step + of - to + size // 2 + _padding(size)).flatten()


class SRResNet(Generator):
    """RGB (N, 3, H, W) in [0, 1] -> (N, 3, 4H, 4W) in about [-1, 1], not clamped: the paper's ranges."""

    enlarges = True
    colour = "rgb"
    floats_per_lr_pixel = 3 * 16 * 64  # the features before the last pixel shuffle, and those they come from

    def __init__(self, blocks: int = 16, channels: int = 64) -> None:
        super().__init__()
        self.entry = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), PReLU(channels))
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.exit = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.enlarge = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 3, padding=1),  # (N, 64, H, W) -> (N, 256, H, W)
            nn.PixelShuffle(2),  # -> (N, 64, 2H, 2W)
            PReLU(channels),
            nn.Conv2d(channels, 4 * channels, 3, padding=1),  # -> (N, 256, 2H, 2W)
            PReLUBeforeShuffle(channels),
        )
        self.output = ConvBeforeShuffle(channels, 3, 9)
        self.radius = 4 + 2 * blocks + 1 + 1 + 2  # the convolutions at 2x and 4x reach 1/2 + 4/4 LR pixels
        kernel = 9 * channels * channels
        self.macs_per_lr_pixel = 243 * channels * 17 + kernel * (2 * blocks + 1) + 4 * kernel * (1 + 4)

    def forward(self, lr: Tensor) -> Tensor:
        x = self.entry(lr)
        features = self.exit(self.blocks(x)).add_(x)
        sr: Tensor = self.output(self.enlarge(features))
        return sr
