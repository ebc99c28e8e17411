"""SRCNN: Dong, Loy, He, Tang, Learning a Deep Convolutional Network for Image Super-Resolution, ECCV 2014."""

from torch import Tensor, nn

from srcore.networks.generator import Generator


class SRCNN(Generator):
    """Luma of the bicubic enlargement in, refined luma out, both float32 (N, 1, H, W) in [0, 1], not clamped.

    9-1-5 as in the paper's main experiments, or 9-5-5 with middle=5 (Dong et al., TPAMI 2016). Borders are replicated
    at each layer, as the authors' test code does.
    """

    enlarges = False  # works at the size of its input, which is already enlarged
    floats_per_lr_pixel = 16 * 64 * 3

    def __init__(self, middle: int = 1) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 64, 9, padding=4, padding_mode="replicate")
        self.mapping = nn.Conv2d(64, 32, middle, padding=middle // 2, padding_mode="replicate")
        self.reconstruction = nn.Conv2d(32, 1, 5, padding=2, padding_mode="replicate")
        self.radius = 4 + middle // 2 + 2  # of the receptive field, in pixels of the input
        self.macs_per_lr_pixel = 16 * (81 * 64 + 64 * 32 * middle**2 + 32 * 25)
        for layer in (self.patches, self.mapping, self.reconstruction):  # section 4.1
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, luma: Tensor) -> Tensor:
        x = self.patches(luma).relu()  # (N, 64, H, W)
        x = self.mapping(x).relu()  # (N, 32, H, W)
        refined: Tensor = self.reconstruction(x)  # (N, 1, H, W)
        return refined
