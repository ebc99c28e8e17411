"""What every generator says about itself, so that one engine can run them all."""

from typing import Literal

from torch import nn

from srcore.scale import SCALE


class Generator(nn.Module):
    """A network that makes the high-resolution picture, or its luma.

    `colour` and `enlarges` say what `forward` takes and gives, float32:
    rgb        (N, 3, H, W) in [0, 1] -> (N, 3, sH, sW) in about [-1, 1], s being `scale`
    luma       (N, 1, H, W) in [0, 1] -> (N, 1, sH, sW), in about [0, 1]; without `enlarges`, (N, 1, sH, sW) ->
               the same, from the bicubic enlargement
    `radius` is the reach of the receptive field in pixels of the input; `floats_per_lr_pixel` the activations held at
    once, `macs_per_lr_pixel` the multiply-accumulates, for each pixel of the LR picture. `supports_half` says that
    float16 serves on a GPU. `tile` is for networks whose picture depends on where it is cut: LR pixels a side of the
    tiles they always see, 0 for the whole picture; with None the memory decides.
    """

    colour: Literal["rgb", "luma"] = "luma"
    enlarges: bool = True
    supports_half: bool = True
    scale: int = SCALE
    tile: int | None = None
    radius: int
    floats_per_lr_pixel: int
    macs_per_lr_pixel: int

    @property
    def lr_radius(self) -> int:
        """LR pixels around an output that its value depends on, the bicubic of luma methods included."""
        bicubic = 2
        if self.colour == "rgb":
            return self.radius
        return max(self.radius, bicubic) if self.enlarges else -(-self.radius // self.scale) + bicubic
