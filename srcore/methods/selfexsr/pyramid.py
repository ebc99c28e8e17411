"""The picture at many sizes, in the two buffers that matching reads, and back-projection.

Level 10 is the input; each step down in number is 2^(1/3) times larger, so that level 4 is 4 times larger. At each
level H is the picture itself and L what is left of it one level down and up again: L looks like a picture that is
still to be enlarged, so patches are compared with L and copied from H.
"""

import numpy as np
import numpy.typing as npt

from srcore.resize import resize_float

Image = npt.NDArray[np.float32]
"""(height, width, 3), about 0 to 1."""

STEP = 2 ** (1 / 3)  # between two levels
INPUT_LEVEL = 10
TARGET_LEVEL = 4
DEEPEST_LEVEL = 19
SOURCE_LEVELS = 9  # patches of level k come from the levels k+1 to k+9


def level_size(height: int, width: int, level: int) -> tuple[int, int]:
    """Height and width of a level of an input of height x width: rounded, and at least one pixel."""
    factor = STEP ** (INPUT_LEVEL - level)
    return max(1, round(height * factor)), max(1, round(width * factor))


class Pyramid:
    """H and L of the levels 5 to 18, each level within a frame of one zero pixel, one after the other in one array.

    The frame makes a bilinear reading outside the picture fade to 0 with no test for the border.
    """

    def __init__(self, lr: Image) -> None:
        self.lr = lr
        self.sizes = {k: level_size(lr.shape[0], lr.shape[1], k) for k in range(TARGET_LEVEL, DEEPEST_LEVEL + 1)}
        stored = range(TARGET_LEVEL + 1, DEEPEST_LEVEL)
        areas = [(self.sizes[k][0] + 2) * (self.sizes[k][1] + 2) for k in stored]
        self._starts = dict(zip(stored, np.cumsum([0, *areas[:-1]]), strict=True))
        slack = self.sizes[DEEPEST_LEVEL - 1][1] + 4  # a reading with weight 0 may lie a row and a pixel further
        self.high = np.zeros((sum(areas) + slack, 3), np.float32)
        self.low = np.zeros_like(self.high)
        below = lr
        for k in range(INPUT_LEVEL, DEEPEST_LEVEL):
            here, below = below, np.clip(resize_float(lr, *self.sizes[k + 1]), 0, 1)
            self._store(k, here, resize_float(below, *self.sizes[k]))

    def add(self, level: int, image: Image) -> None:
        """Store an upscaled level, as H and, one level down and up again, as L. Level 4 is no source of any other."""
        if level > TARGET_LEVEL:
            self._store(level, image, resize_float(resize_float(image, *self.sizes[level + 1]), *self.sizes[level]))

    def enlarged(self, level: int) -> Image:
        """Bicubic enlargement of the next smaller level to this one."""
        return np.clip(resize_float(self._view(self.high, level + 1), *self.sizes[level]), 0, 1)

    def sources(self, level: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Of the nine levels below: (9, 3) starts in the buffers, heights and widths; (9, 2) relative sizes."""
        levels = range(level + 1, level + 1 + SOURCE_LEVELS)
        places = np.array([(self._starts[k], *self.sizes[k]) for k in levels], np.int64)
        return places, (places[:, 1:] / np.array(self.sizes[level])).astype(np.float32)

    def _store(self, level: int, high: Image, low: Image) -> None:
        self._view(self.high, level)[...] = high
        self._view(self.low, level)[...] = np.clip(low, 0, 1)

    def _view(self, buffer: Image, level: int) -> Image:
        height, width = (size + 2 for size in self.sizes[level])
        start = self._starts[level]
        framed = buffer[start : start + height * width].reshape(height, width, 3)
        return framed[1:-1, 1:-1]


def back_project(image: Image, lr: Image, *, times: int = 20) -> Image:
    """Make `image`, shrunk bicubically, agree with `lr` (Irani and Peleg 1991); both in 0..1.

    Each time the enlarged difference, smoothed by a squared 5x5 Gaussian of sigma 1, is added, and the sum clipped.
    """
    for _ in range(times):
        difference = lr - resize_float(image, *lr.shape[:2])
        image = np.clip(image + _smooth(resize_float(difference, *image.shape[:2])), 0, 1)
    return image


def _smooth(image: Image) -> Image:
    taps = np.exp(-(np.arange(-2, 3, dtype=np.float32) ** 2))  # exp(-x^2 / 2), squared
    taps /= taps.sum()
    for axis in (0, 1):
        border = [(2, 2) if axis == a else (0, 0) for a in range(3)]
        padded = np.moveaxis(np.pad(image, border, "edge"), axis, 0)
        size = image.shape[axis]
        image = np.moveaxis(sum(tap * padded[i : i + size] for i, tap in enumerate(taps)), 0, axis)
    return image
