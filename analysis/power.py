"""Planning a study: how many raters for a difference worth finding, by formula and by simulation from a pilot."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import proportion_interval
from analysis.panel import cubes
from analysis.significance import ALPHA, Unit, pairwise_tests
from analysis.simulate import RaterPopulation, image_qualities, quality_for, simulate_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

DIFFERENCES = (0.1, 0.2, 0.3)
POWER = 0.8
MOST_RATERS = 10_000  # a study that needs more is reported as impossible


@dataclass(frozen=True)
class DifferenceVariance:
    """Variance of the paired difference of two methods: between raters, between images, and the rest of one pair."""

    rater: float
    image: float
    residual: float

    @property
    def one_pair(self) -> float:
        """Variance of a single difference of one rater on one image."""
        return self.rater + self.image + self.residual


def difference_variance(ratings: pd.DataFrame) -> DifferenceVariance:
    """Variance components of the difference between two methods, averaged over all pairs of methods of a pilot.

    Two-way ANOVA of score_a - score_b over raters and images without replication, expected mean squares solved for
    the components and cut at 0; only raters and images with every cell of the pair filled count. Raises ValueError
    where no pair has two raters and two images.
    """
    found = []
    for cube in cubes(ratings):
        for a, b in combinations(range(len(cube.methods)), 2):
            both = cube.rated[a] & cube.rated[b]
            images = both[both.any(axis=1)].all(axis=0)  # raters who saw the pair at all decide which images count
            raters = both[:, images].all(axis=1) if images.any() else images
            if raters.sum() >= 2 and images.sum() >= 2:
                difference = cube.scores[a] - cube.scores[b]
                found.append(_components(difference[np.ix_(raters, images)]))
    if not found:
        raise ValueError(
            "no two methods were both rated by two raters on two images: the pilot is too small to plan from"
        )
    return DifferenceVariance(*(float(value) for value in np.mean(found, axis=0)))


def _components(difference: np.ndarray) -> tuple[float, float, float]:
    raters, images = difference.shape
    mean, by_rater, by_image = difference.mean(), difference.mean(axis=1), difference.mean(axis=0)
    rater = images * by_rater.var(ddof=1)
    image = raters * by_image.var(ddof=1)
    rest = ((difference - by_rater[:, None] - by_image + mean) ** 2).sum() / ((raters - 1) * (images - 1))
    return max((rater - rest) / images, 0.0), max((image - rest) / raters, 0.0), rest


def pairs_needed(difference: float, sd: float, *, alpha: float = ALPHA, power: float = POWER) -> int:
    """Pairs for a two-sided paired t test to find `difference` (noncentral t; Cohen 1988), at least 2.

    `sd` is that of one paired difference. The Wilcoxon test needs about pi / 3 times as many where differences are
    normal (Pitman efficiency), fewer where their tails are heavy. Counts pairs as independent.
    """
    if difference <= 0 or sd <= 0:
        raise ValueError("the difference and its standard deviation must be above 0")
    low, high = 2, 2
    while _power_t(difference / sd * np.sqrt(high), high - 1, alpha) < power:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        enough = _power_t(difference / sd * np.sqrt(middle), middle - 1, alpha) >= power
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def _power_t(shift: float, df: float, alpha: float) -> float:
    if np.isinf(df):
        limit = stats.norm.ppf(1 - alpha / 2)
        return float(stats.norm.sf(limit - shift) + stats.norm.cdf(-limit - shift))
    limit = stats.t.ppf(1 - alpha / 2, df)
    return float(stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift))


def raters_needed(
    difference: float,
    variance: DifferenceVariance,
    *,
    images: int,
    alpha: float = ALPHA,
    power: float = POWER,
    images_sampled: bool = True,
) -> float:
    """Raters for a test that takes raters as a sample, and with `images_sampled` the images too; inf where none do.

    Var(mean difference) = rater / R + image / S + residual / (R S); noncentral t with R - 1 degrees of freedom.
    More raters cannot lower the images' share of it: that is when the answer is inf, and more images are needed.
    """
    image = variance.image / images if images_sampled else 0.0
    if image > 0 and _power_t(difference / np.sqrt(image), np.inf, alpha) < power:
        return float("inf")
    for raters in range(2, MOST_RATERS + 1):
        spread = image + variance.rater / raters + variance.residual / (raters * images)
        if _power_t(difference / np.sqrt(spread), raters - 1, alpha) >= power:
            return float(raters)
    return float("inf")


def plan(
    pilot: pd.DataFrame,
    *,
    images: int,
    comparisons: int,
    differences: Sequence[float] = DIFFERENCES,
    alpha: float = ALPHA,
    power: float = POWER,
) -> pd.DataFrame:
    """Raters for each difference of MOS at `alpha` / `comparisons` (Bonferroni), from a pilot's own variance.

    Columns: difference, alpha, power, images, pairs (paired formula), raters_pairs (those pairs over the images),
    raters (raters a sample, these images), raters_and_images (both samples; inf: more images, not raters).
    """
    variance = difference_variance(pilot)
    level = alpha / comparisons
    rows = []
    for difference in differences:
        pairs = pairs_needed(difference, np.sqrt(variance.one_pair), alpha=level, power=power)
        fixed, sampled = (
            raters_needed(difference, variance, images=images, alpha=level, power=power, images_sampled=both)
            for both in (False, True)
        )
        rows.append((difference, level, power, images, pairs, int(np.ceil(pairs / images)), fixed, sampled))
    names = ["difference", "alpha", "power", "images", "pairs", "raters_pairs", "raters", "raters_and_images"]
    return pd.DataFrame(rows, columns=names)


def simulated_power(
    raters: RaterPopulation,
    *,
    difference: float,
    n_raters: int,
    images: int,
    deviation: float = 0.0,
    level: float = 3.0,
    alpha: float = ALPHA,
    unit: Unit = "rater_x_image",
    panels: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of simulated panels in which Wilcoxon's test finds `difference` between two methods around MOS `level`.

    Raters come from a pilot by `simulate.fit_raters`. One row: difference, n_raters, images, deviation, unit, alpha,
    panels, power, ci_low, ci_high (Wilson), simulated (True). A difference of 0 gives the false alarm rate.
    """
    targets = np.array([level + difference / 2, level - difference / 2])
    quality = quality_for(targets, raters, deviation=deviation)
    methods = pd.DataFrame({"benchmark": "plan", "method": ["a", "b"], "quality": quality})
    hits = 0
    for panel in range(panels):
        rng = np.random.default_rng([seed, panel])
        stimuli = image_qualities(methods, {"plan": images}, deviation=deviation, rng=rng)
        ratings = simulate_panel(stimuli, raters, n_raters=n_raters, rng=rng).assign(repeat=0)
        hits += int(pairwise_tests(ratings, unit=unit)["p"].iloc[0] < alpha)
    low, high = proportion_interval(hits, panels)
    stated = {"difference": difference, "n_raters": n_raters, "images": images, "deviation": deviation, "unit": unit}
    share = {"power": hits / panels, "ci_low": low, "ci_high": high, "simulated": True}
    return pd.DataFrame([{**stated, "alpha": alpha, "panels": panels, **share}])
