"""ESPCN: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel CNN, CVPR 2016."""

from torch import Tensor, nn

from srcore.networks.generator import Generator


class ESPCN(Generator):
    """Luma float32 (N, 1, H, W) in [0, 1] -> (N, 1, 4H, 4W); (5, 64)(3, 32)(3, 16), tanh, pixel shuffle."""

    enlarges = True
    radius = 2 + 1 + 1
    floats_per_lr_pixel = 64 * 3
    macs_per_lr_pixel = 25 * 64 + 9 * 64 * 32 + 9 * 32 * 16

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(1, 64, 5, padding=2)
        self.mapping = nn.Conv2d(64, 32, 3, padding=1)
        self.subpixels = nn.Conv2d(32, self.scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(self.scale)

    def forward(self, luma: Tensor) -> Tensor:
        x = self.features(luma).tanh()  # (N, 64, H, W)
        x = self.mapping(x).tanh()  # (N, 32, H, W)
        enlarged: Tensor = self.shuffle(self.subpixels(x))  # (N, 16, H, W) -> (N, 1, 4H, 4W)
        return enlarged
