"""Intervals of a mean score that respect what was sampled: raters, sources, or both.

A cell is one rater and one source within a group (a method on a benchmark); a group's cells form a raters x
sources matrix, possibly with holes. Ratings of one rater are dependent, and so are ratings of one source: an
interval that counts rows as independent is too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import special

from analysis.crosstable import crosstable

if TYPE_CHECKING:
    from analysis.crosstable import Matrix

MOST_COUNTS = 10_000_000  # of a bootstrap, draws x raters or x sources at once: 80 MB
ROUNDING = 1e-9  # relative; the order of the rows must not decide between two variances that are equal
BACKFIT_SWEEPS = 20  # alternating row and column means: enough for the residuals of an incomplete design


class Interval(NamedTuple):
    """Lower and upper limit on the score scale."""

    low: float
    high: float


@dataclass(frozen=True)
class Cells:
    """One group: `total` and `count` of the scores per rater x source, float64 (R, S), both full or both sparse."""

    total: Matrix
    count: Matrix

    @property
    def mean(self) -> float:
        return float(self.total.sum() / self.count.sum())


class Spread(NamedTuple):
    """Variance of a group's mean, and the degrees of freedom of that estimate."""

    variance: float
    df: float


def cells(rater: np.ndarray, source: np.ndarray, score: np.ndarray) -> Cells:
    """A group's cells from integer codes (n,) and scores (n,); absent raters and sources are left out."""
    rater, source = _dense(rater), _dense(source)
    return Cells(*crosstable(rater, source, (int(rater.max()) + 1, int(source.max()) + 1), score, None))


def _dense(codes: np.ndarray) -> np.ndarray:
    present = np.bincount(codes) > 0
    return np.asarray((np.cumsum(present) - 1)[codes])


def proportion_interval(
    hits: int, trials: int, *, method: Literal["wilson", "exact"] = "wilson", confidence: float = 0.95
) -> Interval:
    """Binomial interval of a share: Wilson (1927) score or exact (Clopper and Pearson 1934), both inside [0, 1]."""
    if trials == 0:
        return Interval(0.0, 1.0)
    # Here, because the web process uses this module and loads no more of scipy than it needs.
    from scipy.stats import binomtest

    found = binomtest(hits, trials).proportion_ci(confidence_level=confidence, method=method)
    return Interval(float(found.low), float(found.high))


def rater_spread(group: Cells) -> Spread:
    """Variance of the mean when raters are a sample and the sources are fixed: cluster-robust over raters."""
    return _clusters(group, axis=1)


def two_way_spread(group: Cells) -> Spread:
    """Variance of the mean when raters and sources are both samples.

    V = V_rater + V_source - V_cell, each a cluster-robust variance (Cameron, Gelbach and Miller 2011, eq.
    2.9), with V_cell from the residuals of the additive rater + source model; on a complete design this is
    the crossed random-effects ANOVA, (MS_rater + MS_source - MS_residual) / (R S). Never below the larger
    one-way variance. Degrees of freedom after Satterthwaite (1946). One rater or one source leaves the other
    way alone.
    """
    raters, sources = _clusters(group, axis=1), _clusters(group, axis=0)
    if np.isnan(sources.variance):
        return raters
    if np.isnan(raters.variance):
        return sources
    cell, df_cell = _interaction(group)
    smaller, larger = sorted((raters, sources))
    if smaller.variance >= larger.variance * (1 - ROUNDING):
        larger = min(raters, sources, key=lambda spread: spread.df)
    both = raters.variance + sources.variance - cell
    if both <= larger.variance * (1 + ROUNDING):
        return larger
    pieces = [(raters.variance, raters.df), (sources.variance, sources.df), (cell, df_cell)]
    return Spread(both, both**2 / sum(v**2 / df for v, df in pieces if df > 0))


def analytic_interval(mean: float, spread: Spread, *, confidence: float) -> Interval:
    """mean -+ t(df) sqrt(V); NaN where there was nothing to estimate a variance from."""
    if np.isnan(spread.variance):
        return Interval(np.nan, np.nan)
    half = float(special.stdtrit(spread.df, 0.5 + confidence / 2) * np.sqrt(spread.variance))
    return Interval(mean - half, mean + half)


def bootstrap_interval(group: Cells, *, two_way: bool, confidence: float, draws: int, seed: int) -> Interval:
    """Percentiles of resampled means, stretched to an unbiased variance and Student's t.

    Raters are drawn with replacement, all their ratings together; with `two_way` the sources as well
    (pigeonhole bootstrap, Owen 2007). Few raters or sources make percentiles too narrow, and the pigeonhole
    counts the interaction three times over, so the draws give the shape (skew near the scale's end) and
    `rater_spread` or `two_way_spread` the width: deviations times t(df) se / (z sd of the draws), the
    expanded percentile interval of Hesterberg (2015).
    """
    spread = two_way_spread(group) if two_way else rater_spread(group)
    if np.isnan(spread.variance):
        return Interval(np.nan, np.nan)
    deviation = resampled_means(group, two_way=two_way, draws=draws, seed=seed) - group.mean
    deviation = deviation[~np.isnan(deviation)]  # a draw may miss every cell of a sparse group
    wide = deviation.std()
    if wide == 0:
        return analytic_interval(group.mean, spread, confidence=confidence)
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    stretch = special.stdtrit(spread.df, tails[1]) / special.ndtri(tails[1]) * np.sqrt(spread.variance) / wide
    low, high = group.mean + stretch * np.quantile(deviation, tails)
    return Interval(float(low), float(high))


def bootstrap_fits(raters: int, sources: int, *, draws: int) -> bool:
    """Whether a bootstrap of so many units fits in memory; where not, the formula stands in its place."""
    return draws * max(raters, sources) <= MOST_COUNTS


def resampled_means(group: Cells, *, two_way: bool, draws: int, seed: int) -> np.ndarray:
    """Means of `draws` resamples of the group, shape (draws,); NaN where a resample holds no rating."""
    raters, sources = group.total.shape
    by_rater = resample_counts(raters, draws=draws, seed=seed, stream=0)
    total, count = by_rater @ group.total, by_rater @ group.count  # (draws, S)
    if two_way and sources > 1:
        by_source = resample_counts(sources, draws=draws, seed=seed, stream=1)
        total, count = total * by_source, count * by_source
    total, count = total.sum(axis=1), count.sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(draws, np.nan), where=count > 0))


@lru_cache(maxsize=16)
def resample_counts(size: int, *, draws: int, seed: int, stream: int) -> np.ndarray:
    """How often each of `size` units is drawn, float64 (draws, size); each size has its own stream."""
    rng = np.random.default_rng([seed, stream, size])
    counts = rng.multinomial(size, np.full(size, 1 / size), size=draws).astype(np.float64)
    counts.setflags(write=False)
    return counts


def _clusters(group: Cells, *, axis: int) -> Spread:
    residual = (group.total - group.mean * group.count).sum(axis=axis)
    size = len(residual)
    if size < 2:
        return Spread(np.nan, np.nan)
    return Spread(size / (size - 1) * float((residual**2).sum()) / group.count.sum() ** 2, size - 1)


def _interaction(group: Cells) -> tuple[float, float]:
    """Variance of the mean from the residuals of cell = rater + source, and its degrees of freedom."""
    row, column = group.count.nonzero()
    weight, total = (np.asarray(matrix[row, column]).ravel() for matrix in (group.count, group.total))
    raters, sources = group.count.shape
    residual = total / weight - group.mean
    by_rater, by_source = np.bincount(row, weight, raters), np.bincount(column, weight, sources)
    complete = len(weight) == raters * sources and np.ptp(weight) == 0
    for _ in range(1 if complete else BACKFIT_SWEEPS):
        residual = residual - (np.bincount(row, residual * weight, raters) / by_rater)[row]
        residual = residual - (np.bincount(column, residual * weight, sources) / by_source)[column]
    df = float(len(weight) - raters - sources + 1)
    if df <= 0:
        return 0.0, 0.0
    return float((weight**2 * residual**2).sum() / weight.sum() ** 2 * len(weight) / df), df
