"""SRResNet, which is also SRGAN's generator: Ledig et al., CVPR 2017, section 3.1.1 and figure 4."""

from itertools import product

import torch
from torch import Tensor, nn

from srcore.networks.generator import Generator


class ResidualBlock(nn.Module):
    """k3n64 BN PReLU k3n64 BN + skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),  # the bias is batch normalisation's
            nn.BatchNorm2d(channels),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.layers(x)
        return residual.add_(x)  # in place: no layer needs its own output for its gradient


class SRResNet(Generator):
    """RGB (N, 3, H, W) in [0, 1] -> (N, 3, 4H, 4W) in about [-1, 1], not clamped: the paper's ranges."""

    enlarges = True
    colour = "rgb"
    floats_per_lr_pixel = 4 * 64 + 4 * 48  # four features of the trunk and the result; the tail's go by in strips
    strip_pixels = 0
    """If not 0, the tail, whose features are 16 times the trunk's, works on strips of rows of so many LR pixels."""

    def __init__(self, blocks: int = 16, channels: int = 64) -> None:
        super().__init__()
        self.entry = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU(channels))
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.exit = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.enlarge = nn.Sequential(*(layer for _ in range(2) for layer in _doubling(channels)))
        self.output: nn.Module = nn.Conv2d(channels, 3, 9, padding=4)
        self.radius = 4 + 2 * blocks + 1 + 1 + 2  # the convolutions at 2x and 4x reach 1/2 + 4/4 LR pixels
        kernel = 9 * channels * channels
        self.macs_per_lr_pixel = 243 * channels * 17 + kernel * (2 * blocks + 1) + 4 * kernel * (1 + 4)

    def forward(self, lr: Tensor) -> Tensor:
        features = self.trunk(lr)
        rows = max(8, self.strip_pixels // (features.shape[0] * features.shape[3]))
        if not self.strip_pixels or features.shape[2] <= rows:
            return self.tail(features)
        reach = 3  # LR pixels that the tail sees beyond its own
        strips = []
        for top in range(0, features.shape[2], rows):
            above = min(top, reach)
            strip = self.tail(features[:, :, top - above : top + rows + reach])
            strips.append(strip[:, :, 4 * above : 4 * (above + rows)])
        return torch.cat(strips, dim=2)

    def trunk(self, lr: Tensor) -> Tensor:
        """(N, 3, H, W) -> features (N, 64, H, W)."""
        x = self.entry(lr)
        features: Tensor = self.exit(self.blocks(x)).add_(x)
        return features

    def tail(self, features: Tensor) -> Tensor:
        """(N, 64, H, W) -> (N, 3, 4H, 4W)."""
        sr: Tensor = self.output(self.enlarge(features))
        return sr


def _doubling(channels: int) -> list[nn.Module]:
    """(N, 64, H, W) -> (N, 256, H, W) -> (N, 64, 2H, 2W)."""
    return [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(channels)]


@torch.no_grad()
def prepared_for_inference(network: Generator) -> Generator:
    """Rewrite a network in place into an equal, faster one that can no longer be trained; returns it.

    SRResNet's batch normalisations are merged into the convolutions before them, and its output layer moves in front
    of the last pixel shuffle. The other networks have neither and stay as they are.
    """
    network.eval()
    if isinstance(network, SRResNet):
        for module in list(network.modules()):
            if isinstance(module, nn.Sequential):
                _fold_batch_norm(module)
        _move_output_before_shuffle(network)
    return network


def _fold_batch_norm(layers: nn.Sequential) -> None:
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and kept and isinstance(kept[-1], nn.Conv2d):
            kept[-1] = nn.utils.fuse_conv_bn_eval(kept[-1], layer)
        else:
            kept.append(layer)
    layers._modules.clear()
    for index, layer in enumerate(kept):
        layers.add_module(str(index), layer)


def _move_output_before_shuffle(network: SRResNet) -> None:
    """The 9x9 convolution 64 -> 3 after a pixel shuffle equals a 5x5 one 256 -> 12 before it, at half the resolution.

    With only 3 output channels a convolution leaves most of a vector unit idle; 12 make it 3 times as fast.
    """
    *before, shuffle, activation = network.enlarge
    output = network.output
    if not (isinstance(activation, nn.PReLU) and isinstance(output, nn.Conv2d) and output.bias is not None):
        return  # done before
    channels = output.in_channels
    moved = nn.Conv2d(4 * channels, 12, 5, padding=2).to(output.weight.device)
    moved.weight.zero_()
    taps = moved.weight.view(3, 2, 2, channels, 2, 2, 5, 5)  # out, its subpixel; in, its subpixel; the half-size grid
    for row, column, from_row, from_column, i, j in product(*[range(2)] * 4, *[range(5)] * 2):
        y, x = 2 * (i - 2) + from_row - row + 4, 2 * (j - 2) + from_column - column + 4
        if 0 <= y < 9 and 0 <= x < 9:
            taps[:, row, column, :, from_row, from_column, i, j] = output.weight[:, :, y, x]
    moved.bias.copy_(output.bias.repeat_interleave(4))  # type: ignore[union-attr]
    slopes = nn.PReLU(4 * channels).to(output.weight.device)
    slopes.weight.copy_(activation.weight.repeat_interleave(4))
    network.enlarge = nn.Sequential(*before, slopes)
    network.output = nn.Sequential(moved, shuffle)
