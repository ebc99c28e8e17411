"""PSNR and SSIM as four schools print them; crop and luma are explicit.

Recipe "paper" is the chain of the daala package, which the SRGAN paper names: crop the RGB picture, make the dithered
8-bit BT.709 luma, PSNR and daala's SSIM on it. Recipe "matlab" is what most of the field prints: 8-bit BT.601 luma,
SSIM with an 11x11 Gaussian window (Wang et al. 2004). "basicsr" is the same with a luma that is not rounded, as the
package BasicSR has it; "rgb" takes the three channels, SSIM being their mean. Scores of a benchmark are means over its
pictures.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import exp, floor, log, log10, pi, sqrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from srcore.color import BT601, bt601_luma, daala_luma
from srcore.images import ImageError, Pixels, as_rgb, check_pixels
from srcore.metrics.metric import Comparison, Metric, Settings
from srcore.scale import SCALE

MetricRecipe = Literal["paper", "matlab", "basicsr", "rgb"]
METRIC_RECIPES: tuple[MetricRecipe, ...] = ("paper", "matlab", "basicsr", "rgb")

_PEAK = 255.0
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
_WINDOW = 11  # of all recipes but the paper's

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.uint8] | Floats


class Measurement(NamedTuple):
    """PSNR in dB (inf for equal pictures) and SSIM (at most 1)."""

    psnr: float
    ssim: float


def measure(hr: Pixels, sr: Pixels, *, recipe: MetricRecipe = "paper", crop: int = SCALE) -> Measurement:
    """PSNR and SSIM of `sr` against `hr`, uint8 (H, W, 3) RGB or (H, W) grey of one size.

    `crop` pixels are cut off on each side before anything else. If only one of the two is grey it is taken as RGB.
    Raises ImageError when the sizes differ or nothing is left to measure, ValueError for an unknown recipe.
    """
    return Measurement(psnr_of(hr, sr, recipe=recipe, crop=crop), ssim_of(hr, sr, recipe=recipe, crop=crop))


def psnr_of(hr: Pixels, sr: Pixels, *, recipe: MetricRecipe, crop: int) -> float:
    """PSNR in dB as in `measure`."""
    return psnr(*_planes(hr, sr, recipe, crop))


def ssim_of(hr: Pixels, sr: Pixels, *, recipe: MetricRecipe, crop: int) -> float:
    """SSIM as in `measure`."""
    reference, test = _planes(hr, sr, recipe, crop)
    if recipe == "paper":
        return ssim_daala(reference, test)
    if reference.ndim == 2:
        return ssim_gaussian(reference, test)
    return sum(ssim_gaussian(reference[..., c], test[..., c]) for c in range(3)) / 3


def luma(pixels: Pixels, *, recipe: MetricRecipe) -> Plane:
    """What a recipe measures on: a luma of 8 bits or, for `basicsr`, of real numbers 16..235; all channels for `rgb`.

    `paper` and `basicsr` replicate grey to RGB, `matlab` takes grey as luma. Raises ValueError for an unknown recipe.
    """
    if recipe == "paper":
        return daala_luma(as_rgb(pixels))
    if recipe == "matlab":
        return bt601_luma(pixels)
    if recipe == "basicsr":
        plane: Floats = 16 + as_rgb(pixels) @ BT601[0] / 255
        return plane
    if recipe == "rgb":
        return pixels
    raise ValueError(f"unknown recipe {recipe!r}; known: {', '.join(METRIC_RECIPES)}")


def psnr(reference: Plane, test: Plane) -> float:
    """10 log10(255^2 N / sum of squared errors) in dB of two arrays of one shape, 0..255; inf when they are equal."""
    _check_same_shape(reference, test)
    if reference.dtype == np.uint8 and test.dtype == np.uint8:
        error = float(int(((reference.astype(np.int64) - test) ** 2).sum()))
    else:
        error = float(((reference - test) ** 2).sum())
    return 10 * log10(_PEAK**2 * reference.size / error) if error else float("inf")


def ssim_gaussian(reference: Plane, test: Plane) -> float:
    """SSIM of two (H, W) planes, 0..255: 11x11 Gaussian, sigma 1.5, valid region, plain mean (Wang et al. 2004).

    Raises ImageError for pictures smaller than the window.
    """
    _check_same_shape(reference, test)
    if min(reference.shape) < _WINDOW:
        raise ImageError(f"SSIM needs at least {_WINDOW} x {_WINDOW} pixels after the crop, not {reference.shape}")
    return float(_ssim_map(reference, test, gaussian_blur).mean())


def gaussian_blur(x: Floats) -> Floats:
    """The means under the 11x11 Gaussian of sigma 1.5, where it lies inside: (H, W) -> (H - 10, W - 10)."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * 1.5**2))
    taps /= taps.sum()
    return _correlate_valid(_correlate_valid(x, taps).T, taps).T


def ssim_daala(reference: Plane, test: Plane) -> float:
    """SSIM of two uint8 (H, W) lumas as daala's tools/dump_ssim.c: a window that grows with the height.

    sigma = 1.5 H / 256; integer taps; taps outside the picture are dropped, moments divided by the taps' sum that
    remains, and the mean weighted with it.
    """
    _check_same_shape(reference, test)
    height, width = reference.shape
    taps = _daala_taps(height * 1.5 / 256, min(height, width) - 1)
    weight_rows, weight_columns = (_correlate_same(np.ones((n, 1)), taps) for n in (height, width))
    weight = weight_rows * weight_columns.T

    def blur(x: Floats) -> Floats:
        return _correlate_same(_correlate_same(x, taps).T, taps).T / weight

    return float((weight * _ssim_map(reference, test, blur)).sum() / weight.sum())


def _ssim_map(reference: Plane, test: Plane, blur: Callable[[Floats], Floats]) -> Floats:
    """Wang et al. 2004, eq. 13, with the window's population variances."""
    luminance, structure = ssim_terms(reference, test, blur)
    return luminance * structure


def ssim_terms(reference: Plane, test: Plane, blur: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """The luminance term and the contrast-structure term of SSIM, whose product it is, at each place."""
    x, y = reference.astype(np.float64), test.astype(np.float64)
    mean_x, mean_y = blur(x), blur(y)
    square_x, square_y, product = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    variances = blur(x * x + y * y) - square_x - square_y
    covariance = blur(x * y) - product
    return (2 * product + _C1) / (square_x + square_y + _C1), (2 * covariance + _C2) / (variances + _C2)


@lru_cache(maxsize=32)
def _daala_taps(sigma: float, largest_radius: int) -> Floats:
    """Integer taps that sum to 256; the centre takes what the others leave."""
    inside = sqrt(pi / 2) * sigma / 256
    radius = floor(sigma * sqrt(-2 * log(inside))) if inside < 1 else largest_radius
    radius = min(radius, largest_radius)
    height = 256 / (sigma * sqrt(2 * pi))
    one_side = [floor(height * exp(-(k * k) / (2 * sigma**2)) + 0.5) for k in range(1, radius + 1)]
    return np.array([*reversed(one_side), 256 - 2 * sum(one_side), *one_side], np.float64)


def _correlate_valid(x: Floats, taps: Floats) -> Floats:
    """Along axis 0, where all taps of this symmetric filter lie inside."""
    length, centre = x.shape[0] - len(taps) + 1, len(taps) // 2
    total: Floats = taps[centre] * x[centre : centre + length]
    for k in range(centre):
        total += taps[k] * (x[k : k + length] + x[2 * centre - k : 2 * centre - k + length])
    return total


def _correlate_same(x: Floats, taps: Floats) -> Floats:
    """Along axis 0, with zeros outside."""
    radius = len(taps) // 2
    return _correlate_valid(np.pad(x, ((radius, radius), (0, 0))), taps)


def _planes(hr: Pixels, sr: Pixels, recipe: MetricRecipe, crop: int) -> tuple[Plane, Plane]:
    reference, test = comparable(hr, sr, crop)
    return luma(reference, recipe=recipe), luma(test, recipe=recipe)


def comparable(hr: Pixels, sr: Pixels, crop: int) -> tuple[Pixels, Pixels]:
    """Both without `crop` pixels on each side, and both RGB if one is. Raises ImageError if they do not compare."""
    check_pixels(hr)
    check_pixels(sr)
    if hr.shape[:2] != sr.shape[:2]:
        raise ImageError(f"the sizes differ: {_size(hr)} and {_size(sr)}; compare pictures of one size")
    if hr.ndim != sr.ndim:
        hr, sr = as_rgb(hr), as_rgb(sr)
    if crop < 0 or min(hr.shape[:2]) <= 2 * crop:
        raise ImageError(f"nothing is left of {_size(hr)} pixels after cutting {crop} off each side")
    inner = slice(crop, -crop or None)
    return hr[inner, inner], sr[inner, inner]


def _check_same_shape(reference: Plane, test: Plane) -> None:
    if reference.shape != test.shape:
        raise ImageError(f"the sizes differ: {_size(reference)} and {_size(test)}; compare pictures of one size")


def _size(pixels: Plane) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


def _comparison(
    function: Callable[..., float], recipe: MetricRecipe, settings: Settings
) -> Comparison:
    return partial(function, recipe=recipe, crop=settings.crop)


def _metrics() -> tuple[Metric, ...]:
    found = []
    for recipe in METRIC_RECIPES:
        suffix, title = ("", "") if recipe == "paper" else (f"-{recipe}", f" ({recipe})")
        note = f"by the recipe {recipe}, which says the luma; other tools' luma, crop and window differ"
        of_psnr, of_ssim = (partial(_comparison, function, recipe) for function in (psnr_of, ssim_of))
        found += [
            Metric(
                name=f"psnr{suffix}", title=f"PSNR{title}", better="higher", unit="dB", decimals=2, note=note,
                prepare=of_psnr,
            ),
            Metric(name=f"ssim{suffix}", title=f"SSIM{title}", better="higher", decimals=4, note=note, prepare=of_ssim),
        ]  # fmt: skip
    return tuple(found)


METRICS = _metrics()
