"""MS-SSIM (Wang, Simoncelli and Bovik, 2003): SSIM at five sizes, on the BT.601 luma of 8 bits."""

from functools import partial

import numpy as np

from srcore.images import ImageError, Pixels
from srcore.metrics.fidelity import Floats, comparable, gaussian_blur, luma, ssim_terms
from srcore.metrics.metric import Comparison, Metric, Settings

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_SMALLEST = 11 * 2 ** (len(WEIGHTS) - 1)  # pixels a side, so that the window fits into the smallest size


def ms_ssim(hr: Pixels, sr: Pixels, *, crop: int) -> float:
    """The product over five sizes of the mean contrast-structure term, and at the last of the luminance term too.

    Each size is the 2 x 2 means of the one before. A negative term counts as 0. Raises ImageError for pictures with a
    side below 176 pixels after the crop.
    """
    x, y = (luma(picture, recipe="matlab").astype(np.float64) for picture in comparable(hr, sr, crop))
    if min(x.shape) < _SMALLEST:
        raise ImageError(f"MS-SSIM needs at least {_SMALLEST} pixels a side after the crop, not {min(x.shape)}")
    total = 1.0
    for number, weight in enumerate(WEIGHTS):
        luminance, structure = ssim_terms(x, y, gaussian_blur)
        term = luminance * structure if number == len(WEIGHTS) - 1 else structure
        total *= max(0.0, float(term.mean())) ** weight
        x, y = _halved(x), _halved(y)
    return total


def _halved(x: Floats) -> Floats:
    height, width = (size // 2 * 2 for size in x.shape)
    means: Floats = x[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return means


def _prepare(settings: Settings) -> Comparison:
    return partial(ms_ssim, crop=settings.crop)


METRICS = (
    Metric(
        name="ms-ssim",
        title="MS-SSIM",
        better="higher",
        decimals=4,
        prepare=_prepare,
        note="on 8-bit BT.601 luma; tools that take RGB, or drop an odd row another way, differ in the third decimal",
    ),
)
