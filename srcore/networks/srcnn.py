"""SRCNN: Dong, Loy, He, Tang, Learning a Deep Convolutional Network for Image Super-Resolution, ECCV 2014."""

from torch import Tensor, nn
from torch.nn import functional

from srcore.networks.generator import Generator


class SRCNN(Generator):
    """Luma of the bicubic enlargement in, refined luma out, both float32 (N, 1, H, W) in [0, 1], not clamped.

    9-1-5 as in the paper's main experiments, or 9-5-5 with middle=5 (Dong et al., TPAMI 2016). Borders are replicated
    at each layer, as the authors' test code does; in training nothing is padded, and the output is smaller by `radius`
    on each side (section 4.1).
    """

    enlarges = False  # works at the size of its input, which is already enlarged
    floats_per_lr_pixel = 16 * 64 * 3

    def __init__(self, middle: int = 1) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 64, 9)
        self.mapping = nn.Conv2d(64, 32, middle)
        self.reconstruction = nn.Conv2d(32, 1, 5)
        self.radius = 4 + middle // 2 + 2  # of the receptive field, in pixels of the input
        self.macs_per_lr_pixel = 16 * (81 * 64 + 64 * 32 * middle**2 + 32 * 25)
        for layer in (self.patches, self.mapping, self.reconstruction):  # section 4.1
            nn.init.normal_(layer.weight, std=0.001)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, luma: Tensor) -> Tensor:
        x = self.patches(self._bordered(luma, self.patches)).relu()  # (N, 64, H, W)
        x = self.mapping(self._bordered(x, self.mapping)).relu()  # (N, 32, H, W)
        refined: Tensor = self.reconstruction(self._bordered(x, self.reconstruction))  # (N, 1, H, W)
        return refined

    def _bordered(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        reach = layer.kernel_size[0] // 2
        return x if self.training or not reach else functional.pad(x, [reach] * 4, mode="replicate")
