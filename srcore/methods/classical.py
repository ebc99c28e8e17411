"""The two methods that need no training."""

from collections.abc import Callable, Mapping

from srcore.images import Pixels
from srcore.resize import upscale_bicubic, upscale_nearest

CLASSICAL: Mapping[str, Callable[[Pixels], Pixels]] = {"nearest": upscale_nearest, "bicubic": upscale_bicubic}
"""Name -> uint8 (H, W, 3) or (H, W) in, the same 4 times larger out."""
