"""Nearest neighbour and MATLAB's bicubic, on uint8 arrays; the bicubic on float32 ones too.

The bicubic is `imresize` in MATLAB's old convention, which made the low-resolution images of every benchmark in the
field: cubic kernel with a = -0.5 (Keys 1981), stretched when shrinking (antialiasing), borders replicated, rows
before columns, and each of the two passes rounded to uint8.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil

import numpy as np
import numpy.typing as npt

from srcore.images import Pixels, check_pixels
from srcore.scale import SCALE

Floats = npt.NDArray[np.float32]

_BLOCK = 1 << 20  # output samples computed at once: keeps float64 intermediates at a few MB for any picture


def imresize(pixels: Pixels, scale: Fraction | float) -> Pixels:
    """Bicubic: uint8 (H, W, 3) or (H, W) -> the same with ceil(scale * H) x ceil(scale * W) pixels.

    `scale` is a positive factor: 4 enlarges, Fraction(1, 4) or 0.25 shrinks. Raises ImageError for other arrays and
    ValueError for a factor that is not positive.
    """
    check_pixels(pixels)
    factor = Fraction(scale)
    if factor <= 0:
        raise ValueError(f"the scale must be positive, not {scale}")
    return _resize_axis(_resize_axis(pixels, factor, axis=0), factor, axis=1)


def resize_float(image: Floats, height: int, width: int) -> Floats:
    """Bicubic in the same convention, float32 (H, W, C) -> (height, width, C), neither rounded nor clipped.

    Each axis has its own scale, output size over input size. Raises ValueError for a size below 1 or another array.
    """
    if image.ndim != 3 or image.dtype != np.float32 or image.size == 0:
        raise ValueError(f"expected float32 (height, width, channels), not {image.dtype} {image.shape}")
    if min(height, width) < 1:
        raise ValueError(f"cannot resize to {width} x {height}; both must be at least 1")
    for axis, size in enumerate((height, width)):
        source = np.moveaxis(image, axis, 0)
        indices, weights = contributions(len(source), Fraction(size, len(source)))
        weights = weights.astype(np.float32)
        total = np.zeros((size, *source.shape[1:]), np.float32)
        for tap in range(indices.shape[1]):
            total += weights[:, tap, None, None] * source[indices[:, tap]]
        image = np.moveaxis(total, 0, axis)
    return np.ascontiguousarray(image)


def crop_to_multiple(pixels: Pixels, multiple: int = SCALE) -> Pixels:
    """Cut rows off the bottom and columns off the right until both sizes are multiples of `multiple`.

    Raises ImageError when nothing would be left.
    """
    height, width = (size - size % multiple for size in pixels.shape[:2])
    cropped = pixels[:height, :width]
    check_pixels(cropped)
    return cropped


def downscale(hr: Pixels, factor: int = SCALE) -> Pixels:
    """The low-resolution image of an HR picture whose sizes are multiples of `factor`. Raises ValueError otherwise."""
    height, width = hr.shape[:2]
    if height % factor or width % factor:
        raise ValueError(f"{width} x {height} is not a multiple of {factor}; crop it first (crop_to_multiple)")
    return imresize(hr, Fraction(1, factor))


def upscale_bicubic(lr: Pixels, factor: int = SCALE) -> Pixels:
    """Bicubic enlargement of each channel, `factor` times."""
    return imresize(lr, Fraction(factor))


def upscale_nearest(lr: Pixels, factor: int = SCALE) -> Pixels:
    """Each pixel becomes a square of factor x factor equal ones."""
    check_pixels(lr)
    return lr.repeat(factor, axis=0).repeat(factor, axis=1)


@lru_cache(maxsize=64)
def contributions(size: int, scale: Fraction) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """For each of the ceil(scale * size) outputs along one axis: the inputs that enter (0-based) and their weights.

    Both arrays have the shape (outputs, taps); each row of weights sums to 1; indices are clamped to the picture.
    """
    outputs = ceil(scale * size)
    stretch = min(float(scale), 1.0)
    half_width = 2 / stretch
    taps = ceil(2 * half_width) + 2
    # Output x, counted from 1, is centred at x/s + (1 - 1/s)/2 in the input, counted from 1.
    centres = np.arange(1, outputs + 1) / float(scale) + (1 - 1 / float(scale)) / 2
    indices = np.floor(centres - half_width)[:, None] + np.arange(taps)
    weights = stretch * _cubic(stretch * (centres[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.any(weights != 0, axis=0)
    clamped = np.clip(indices - 1, 0, size - 1).astype(np.intp)
    return clamped[:, used], weights[:, used]


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic convolution kernel (1981, eq. 15), a = -1/2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _resize_axis(pixels: Pixels, scale: Fraction, *, axis: int) -> Pixels:
    source = np.moveaxis(pixels, axis, 0)
    indices, weights = contributions(source.shape[0], scale)
    result = np.empty((len(indices), *source.shape[1:]), np.uint8)
    step = max(1, _BLOCK // max(1, source[0].size))
    for start in range(0, len(indices), step):
        rows = slice(start, start + step)
        total = np.zeros(result[rows].shape)
        for tap in range(indices.shape[1]):
            weight = weights[rows, tap].reshape(-1, *[1] * (source.ndim - 1))
            total += weight * source[indices[rows, tap]]
        result[rows] = np.clip(np.floor(total + 0.5), 0, 255)
    return np.ascontiguousarray(np.moveaxis(result, 0, axis))
