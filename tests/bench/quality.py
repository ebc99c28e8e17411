"""How pictures look, as figures: grid, colour cast, BRISQUE; and whether a perceptual generator reaches its goals."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import srcore
from analysis.paper import published
from srcore.images import Pixels, as_rgb
from srcore.metrics import Settings, get_metric
from srcore.metrics.metric import Comparison
from srcore.perceptual import FeatureDistance

PERCEPTUAL = ("srresnet-vgg22", "srgan-mse", "srgan-vgg22", "srgan-vgg54")
REFERENCE = "srresnet-mse"  # what a perceptual generator must look better than

PSNR_BELOW, GRID_RATIO, CAST = 1.0, 1.5, 1.0  # dB under the published row; times HR's; levels of 255

_BLOCK = 64  # pixels of a spectrum's side
_ROUNDING = 15 / 12 / _BLOCK**2  # energy of rounding to whole levels in the 15 frequencies: a floor for flat surfaces


def grid_energy(pixels: Pixels) -> NDArray[np.float64]:
    """The energy at periods of 2 and 4 pixels, along rows, columns or both, of each 64x64 block of a picture's luma.

    In squared levels of 255, as a share of the Hann window's energy. A generator that enlarges by two pixel shuffles
    can draw a grid at just these 15 frequencies, and it is plainest where the picture is flat.
    """
    luma = as_rgb(pixels)[4:-4, 4:-4] @ np.array([0.299, 0.587, 0.114])
    window = np.hanning(_BLOCK + 1)[:-1]
    window = np.outer(window, window)
    step, energies = _BLOCK // 2, []
    for top in range(0, luma.shape[0] - _BLOCK + 1, step):
        for left in range(0, luma.shape[1] - _BLOCK + 1, step):
            block = luma[top : top + _BLOCK, left : left + _BLOCK]
            power = np.abs(np.fft.fft2((block - block.mean()) * window)) ** 2
            energies.append(power[:: _BLOCK // 4, :: _BLOCK // 4].sum() - power[0, 0])
    return np.array(energies) / (window**2).sum() / _BLOCK**2


def grid_ratio(hr: Pixels, sr: Pixels) -> float:
    """SR's energy at periods of 2 and 4 pixels, times HR's: the geometric mean over blocks.

    By the arithmetic mean one block of grass would hide a grid on a whole sky.
    """
    ours, theirs = grid_energy(sr) + _ROUNDING, grid_energy(hr) + _ROUNDING
    return float(np.exp(np.log(ours / theirs).mean()))


def cast(hr: Pixels, sr: Pixels) -> tuple[float, float, float]:
    """How much lighter SR's red, green and blue are than HR's, on the mean, in levels of 255."""
    red, green, blue = as_rgb(sr).mean((0, 1)) - as_rgb(hr).mean((0, 1))
    return float(red), float(green), float(blue)


@cache
def _brisque() -> Comparison:
    return get_metric("brisque").prepare(Settings())


def brisque(pixels: Pixels) -> float:
    """BRISQUE (Mittal et al., IEEE TIP 2012) without the four pixels at each side: 0 good to 100 bad."""
    return _brisque()(pixels, pixels)


def measure_pictures(
    folder: Path, method: str, upscale: Callable[[Pixels], Pixels] | None, distance: FeatureDistance
) -> pd.DataFrame:
    """A row for each picture of a benchmark folder: psnr, ssim, vgg54, brisque, grid, red, green, blue.

    `upscale` None measures HR itself.
    """

    def rows() -> Iterator[dict[str, str | float]]:
        for source in srcore.find_sources(folder):
            hr, lr = srcore.load_source(source)
            sr = hr if upscale is None else upscale(lr)
            score, (red, green, blue) = srcore.measure(hr, sr), cast(hr, sr)
            yield {
                "benchmark": folder.name,
                "source": source.name,
                "method": method,
                "psnr": score.psnr,
                "ssim": score.ssim,
                "vgg54": 0.0 if sr is hr else distance(hr, sr),
                "brisque": brisque(sr),
                "grid": grid_ratio(hr, sr),
                "red": red,
                "green": green,
                "blue": blue,
            }

    return pd.DataFrame(rows())


def means(pictures: pd.DataFrame) -> pd.DataFrame:
    """One row a benchmark and method: means of the scores, the grid's geometric mean, the largest channel's cast."""
    rows = []
    for (benchmark, method), group in pictures.groupby(["benchmark", "method"], sort=False):
        scores = {name: fmean(group[name]) for name in ("psnr", "ssim", "vgg54", "brisque")}
        grid = float(np.exp(np.log(group["grid"]).mean()))
        worst = max(fmean(group[channel].abs()) for channel in ("red", "green", "blue"))
        rows.append({"benchmark": benchmark, "method": method, **scores, "grid": grid, "cast": worst})
    return pd.DataFrame(rows)


def goals(table: pd.DataFrame) -> pd.DataFrame:
    """`means` with a column for each goal: True, False, or None where there is nothing to compare with."""
    theirs = {(row.benchmark, row.method): row.psnr for row in published().itertuples()}
    known = {(row.benchmark, row.method): row for row in table.itertuples()}

    def judged(row: pd.Series) -> dict[str, bool | None]:
        benchmark, method = row["benchmark"], row["method"]
        paper = theirs.get((benchmark, method))
        reference, hr = known.get((benchmark, REFERENCE)), known.get((benchmark, "hr"))
        nearer = None
        if reference is not None and hr is not None:
            nearer = abs(row["brisque"] - hr.brisque) < abs(reference.brisque - hr.brisque)
        return {
            "psnr_reached": None if paper is None else row["psnr"] >= paper - PSNR_BELOW,
            "vgg54_reached": None if reference is None else row["vgg54"] < reference.vgg54,
            "brisque_reached": nearer,
            "grid_reached": row["grid"] <= GRID_RATIO,
            "cast_reached": row["cast"] <= CAST,
        }

    return pd.concat([table, pd.DataFrame([judged(row) for _, row in table.iterrows()], dtype=object)], axis=1)
