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

    def __init__(self, channels: int, out_channels: int, size: int) -> None:
        super().__init__(channels, out_channels, size, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        out, channels, size, _ = self.weight.shape
        reach = (size // 2 + 1) // 2  # of the kernel at half the resolution
        side = 2 * reach + 1
        # Subpixel `to` of an output sees subpixel `of` of the input that lies `step` away: at 2 step + of - to.
        to, of, step = torch.arange(2).view(2, 1, 1), torch.arange(2).view(1, 2, 1), torch.arange(-reach, reach + 1)
        pad = 2 * reach + 1 - size // 2
        taps = (2 * step + of - to + size // 2 + pad).flatten().to(x.device)
        kernel = functional.pad(self.weight, [pad] * 4)[:, :, taps][..., taps]
        kernel = kernel.view(out, channels, 2, 2, side, 2, 2, side).permute(0, 2, 5, 1, 3, 6, 4, 7)
        kernel = kernel.reshape(4 * out, 4 * channels, side, side)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return functional.pixel_shuffle(functional.conv2d(x, kernel, bias, padding=reach), 2)


class SRResNet(Generator):
    """RGB (N, 3, H, W) in [0, 1] -> (N, 3, 4H, 4W) in about [-1, 1], not clamped: the paper's ranges."""

    enlarges = True
    colour = "rgb"
    floats_per_lr_pixel = 4 * 64 + 4 * 48  # four features of the trunk and the result; the tail's go by in strips
    strip_pixels = 0
    """If not 0, the tail, whose features are 16 times the trunk's, works on strips of rows of so many LR pixels."""

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


@torch.no_grad()
def prepared_for_inference(network: Generator) -> Generator:
    """Rewrite a network in place into an equal, faster one that can no longer be trained; returns it.

    SRResNet's batch normalisations are merged into the convolutions before them; the other networks have none and
    stay as they are.
    """
    network.eval()
    if isinstance(network, SRResNet):
        for module in list(network.modules()):
            if isinstance(module, nn.Sequential):
                _fold_batch_norm(module)
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
