"""How far an estimate would move with other raters and sources: cluster-robust variances, crossed where both count.

Raters, and sources, count as a sample of more of their kind where there are at least `ENOUGH` of them. Fewer cannot
tell how much people or images differ, and then the variance is for these very raters, or these sources, alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse, special

if TYPE_CHECKING:
    from analysis.pairs.choices import Choices
    from analysis.pairs.models import Fit

ENOUGH = 20  # of raters, and of sources: with fewer clusters a cluster-robust variance is too small too often
LEAST_LEFT = 0.05  # of a variance that is still to be seen beside the largest cluster; with less nothing is claimed

_SHRINKAGE = {"bradley_terry": 16 * np.sqrt(3) / (15 * np.pi), "thurstone": 1.0}


class Random(NamedTuple):
    """Which of the two the intervals take as a sample."""

    raters: bool
    sources: bool

    @property
    def text(self) -> str:
        """As the tables print it."""
        names = [name for name, sampled in zip(("raters", "sources"), self, strict=True) if sampled]
        return " and ".join(names) or "neither"


@dataclass(frozen=True)
class Spread:
    """Variances and degrees of freedom of several estimates, (k,) each; infinite degrees where neither is a sample."""

    variance: np.ndarray
    df: np.ndarray
    stretch: float = 1.0

    def limits(self, value: np.ndarray, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """value -+ t(df) se, each limit moved away from 0 by the factor `stretch` where that makes it wider."""
        half = quantile(self.df, confidence) * np.sqrt(self.variance)
        low, high = value - half, value + half
        return np.minimum(low, self.stretch * low), np.maximum(high, self.stretch * high)

    def p(self, value: np.ndarray) -> np.ndarray:
        """Two-sided p of value = 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(value) / np.sqrt(self.variance)
        normal = 2 * special.ndtr(-t)
        return np.asarray(np.where(np.isinf(self.df), normal, 2 * special.stdtr(np.minimum(self.df, 1e9), -t)))


def quantile(df: np.ndarray, confidence: float) -> np.ndarray:
    """Student's quantile for a two-sided interval; the normal one where df is infinite."""
    upper = 0.5 + confidence / 2
    return np.asarray(np.where(np.isinf(df), special.ndtri(upper), special.stdtrit(np.minimum(df, 1e9), upper)))


def sampled(choices: Choices) -> Random:
    """Raters and sources as a sample from ENOUGH of each on."""
    return Random(len(choices.raters) >= ENOUGH, len(choices.sources) >= ENOUGH)


@dataclass(frozen=True)
class Covariance:
    """Of the strengths: one matrix (methods, methods) and the choices of each cluster by method, for each way."""

    random: Random
    model: np.ndarray
    rater: np.ndarray
    source: np.ndarray
    cell: np.ndarray
    by_rater: Sums
    by_source: Sums
    shrinkage: float

    def strengths(self) -> Spread:
        """Of each centred strength."""
        every = np.arange(len(self.model))
        ways = [
            _way(np.diag(matrix), n.of(every))
            for matrix, n in ((self.rater, self.by_rater), (self.source, self.by_source))
        ]
        found = combine(self.random, *ways, cell=np.diag(self.cell), model=np.diag(self.model))
        return replace(found, stretch=self.stretch())

    def differences(self, first: np.ndarray, second: np.ndarray) -> Spread:
        """Of strength[first] - strength[second]."""
        ways = [_way(variance, clusters) for variance, clusters in self._ways(first, second)]
        cell, model = (_contrast(matrix, first, second) for matrix in (self.cell, self.model))
        return replace(combine(self.random, *ways, cell=cell, model=model), stretch=self.stretch())

    def _ways(self, first: np.ndarray, second: np.ndarray) -> list[tuple[np.ndarray, Clusters]]:
        """For raters and for sources: the plain sandwich variance of each difference, and its clusters."""
        ways = ((self.rater, self.by_rater), (self.source, self.by_source))
        return [(_contrast(matrix, first, second), n.of_both(first, second)) for matrix, n in ways]

    def components(self) -> tuple[float, float]:
        """Variance between raters, and between sources, of the difference of two methods' strengths; mean of all pairs.

        By moments: what the cluster-robust variance has beyond the model's, times the clusters, cut at 0. NaN where
        there are fewer than two clusters.
        """
        first, second = np.triu_indices(len(self.model), 1)
        model = _contrast(self.model, first, second)
        found = []
        for variance, clusters in self._ways(first, second):
            excess = (_way(variance, clusters)[0] - model) * clusters.size
            known = ~np.isnan(excess)
            found.append(max(float(excess[known].mean()), 0.0) if known.any() else float("nan"))
        return found[0], found[1]

    def stretch(self) -> float:
        """How much larger a difference is for one typical rater and source than in the choices of all pooled.

        Pooling over raters and sources that differ shrinks log odds by sqrt(1 + c^2 v), v the variance of a difference
        between them and c = 16 sqrt(3) / (15 pi) (Zeger, Liang and Albert 1988; for the probit c = 1). The limits
        cover both, the pooled and the typical. 1 where neither is a sample: the pooled ones are then meant.
        """
        ways = zip(self.components(), self.random, strict=True)
        total = sum(variance for variance, sampled in ways if sampled and not np.isnan(variance))
        return float(np.sqrt(1 + self.shrinkage**2 * total))


def _contrast(matrix: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[first, first] + matrix[second, second] - 2 * matrix[first, second])


class Clusters(NamedTuple):
    """Of each estimate: `size`, so many clusters of one size would weigh alike, and the `correction` of a variance.

    With w the shares of the choices, size = 1 / sum w^2, and the plain sandwich holds only (sum w^2 - 2 sum w^3 +
    (sum w^2)^2) of the sum w^2 that it should, as the estimate follows the largest clusters; the correction is that
    ratio, G / (G - 1) for G clusters alike. NaN where one cluster has nearly all choices: nothing shows the variance.
    """

    size: np.ndarray
    correction: np.ndarray


def clusters(total: np.ndarray, squares: np.ndarray, cubes: np.ndarray) -> Clusters:
    """From the sums over clusters of n, n^2 and n^3."""
    second, third = squares / total**2, cubes / total**3
    left = 1 - 2 * third / second + second
    return Clusters(1 / second, np.where(left > LEAST_LEFT, 1 / np.maximum(left, LEAST_LEFT), np.nan))


def _way(variance: np.ndarray, found: Clusters) -> tuple[np.ndarray, np.ndarray]:
    """A sandwich variance, corrected, and its degrees of freedom."""
    return np.maximum(variance, 0) * found.correction, np.maximum(found.size - 1, 1.0)


@dataclass(frozen=True)
class Sums:
    """Over clusters, n their choices of each method: sums of n (methods,), n_i n_j and n_i^2 n_j (methods, methods)."""

    n: np.ndarray
    product: np.ndarray
    squared: np.ndarray

    def of(self, method: np.ndarray) -> Clusters:
        """The clusters of one method's choices."""
        return clusters(self.n[method], self.product[method, method], self.squared[method, method])

    def of_both(self, a: np.ndarray, b: np.ndarray) -> Clusters:
        """The clusters of two methods' choices together."""
        squares = self.product[a, a] + self.product[b, b] + 2 * self.product[a, b]
        cubes = self.squared[a, a] + self.squared[b, b] + 3 * self.squared[a, b] + 3 * self.squared[b, a]
        return clusters(self.n[a] + self.n[b], squares, cubes)


def combine(
    random: Random,
    rater: tuple[np.ndarray, np.ndarray],
    source: tuple[np.ndarray, np.ndarray],
    *,
    cell: np.ndarray,
    model: np.ndarray,
) -> Spread:
    """The variance that `random` asks for, from each way's (variance, df), the cells' and the model's own.

    Both: V_rater + V_source - V_cell (Cameron, Gelbach and Miller 2011, eq. 2.9), never under the larger of the first
    two; degrees of freedom after Satterthwaite. Neither: the model's variance, normal.
    """
    if not random.raters and not random.sources:
        return Spread(model, np.full_like(model, np.inf))
    if not random.sources:
        return Spread(*rater)
    if not random.raters:
        return Spread(*source)
    both = rater[0] + source[0] - cell
    larger = np.maximum(rater[0], source[0])
    df = np.where(rater[0] >= source[0], rater[1], source[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = both**2 / (rater[0] ** 2 / rater[1] + source[0] ** 2 / source[1])
    return Spread(np.maximum(both, larger), np.where(both > larger, joint, df))


def covariance(choices: Choices, fit: Fit, *, side: bool = False) -> Covariance:
    """Sandwich covariances of a fit's strengths, the choices of one rater, source and cell each taken together.

    bread meat bread with the bread the inverse information and the meat the sum over clusters of the outer product of
    their summed scores (Liang and Zeger 1986).
    """
    table, size = choices.table, len(choices.methods)
    design = table.design(side=side)
    outcomes = [sparse.hstack([design * fit.slope[:, o, [0]], fit.slope[:, o, [1]]], format="csr") for o in range(3)]
    scores = sparse.vstack(outcomes, format="csr")  # (3 k, p): outcome by outcome
    bread = fit.bread
    if len(bread) < scores.shape[1]:  # no ties, so no parameter for them
        scores = scores[:, : len(bread)]
    column = choices.outcome * len(table.left) + table.pair
    cells = choices.rater * len(choices.sources) + choices.source
    meats = {}
    for name, code in (("rater", choices.rater), ("source", choices.source), ("cell", cells)):
        _, cluster = np.unique(code, return_inverse=True)
        ones = np.ones(len(cluster))
        grouped = sparse.csr_array((ones, (cluster, column)), shape=(int(cluster.max()) + 1, scores.shape[0])) @ scores
        meats[name] = (bread @ (grouped.T @ grouped).toarray() @ bread)[:size, :size]
    return Covariance(
        random=sampled(choices),
        model=bread[:size, :size],
        by_rater=_sums(choices, choices.rater),
        by_source=_sums(choices, choices.source),
        shrinkage=_SHRINKAGE[fit.model],
        **meats,
    )


def _sums(choices: Choices, cluster: np.ndarray) -> Sums:
    size = len(choices.methods)
    code = np.concatenate([cluster, cluster])
    method = np.concatenate([choices.left, choices.right])
    n = sparse.csr_array((np.ones(len(code)), (code, method)), shape=(int(cluster.max()) + 1, size))
    return Sums(n.sum(axis=0), (n.T @ n).toarray(), ((n * n).T @ n).toarray())


def mean_spread(choices: Choices, value: np.ndarray, random: Random | None = None) -> Spread:
    """Of the mean of `value` (n,) over the choices; (1,) arrays. Neither a sample: s^2 / n, each choice by itself."""
    random = sampled(choices) if random is None else random
    n = len(value)
    residual = value - value.mean()
    cells = choices.rater * len(choices.sources) + choices.source
    ways = []
    for code in (choices.rater, choices.source):
        sums, count = np.bincount(code, weights=residual), np.bincount(code)
        found = clusters(*(np.array([(count.astype(float) ** power).sum()]) for power in (1, 2, 3)))
        ways.append(_way(np.array([(sums**2).sum() / n**2]), found))
    _, cell = np.unique(cells, return_inverse=True)
    within = np.array([(np.bincount(cell, weights=residual) ** 2).sum() / n**2])
    return combine(random, *ways, cell=within, model=np.array([residual @ residual / max(n - 1, 1) / n]))
