"""How far an estimate would move with other raters and other sources: cluster-robust variances, crossed where both count.

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
        return np.where(np.isinf(self.df), normal, 2 * special.stdtr(np.minimum(self.df, 1e9), -t))


def quantile(df: np.ndarray, confidence: float) -> np.ndarray:
    """Student's quantile for a two-sided interval; the normal one where df is infinite."""
    upper = 0.5 + confidence / 2
    return np.where(np.isinf(df), special.ndtri(upper), special.stdtrit(np.minimum(df, 1e9), upper))


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
    by_rater: np.ndarray
    by_source: np.ndarray
    shrinkage: float

    def strengths(self) -> Spread:
        """Of each centred strength."""
        ways = [
            _way(np.diag(matrix), effective(n[-1], np.diag(n[:-1])))
            for matrix, n in ((self.rater, self.by_rater), (self.source, self.by_source))
        ]
        found = combine(self.random, *ways, cell=np.diag(self.cell), model=np.diag(self.model))
        return replace(found, stretch=self.stretch())

    def differences(self, first: np.ndarray, second: np.ndarray) -> Spread:
        """Of strength[first] - strength[second]."""
        ways = [_way(v, size) for v, size in self._ways(first, second)]
        cell, model = (_contrast(matrix, first, second) for matrix in (self.cell, self.model))
        return replace(combine(self.random, *ways, cell=cell, model=model), stretch=self.stretch())

    def _ways(self, first: np.ndarray, second: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """For raters and for sources: the plain sandwich variance of each difference, and the effective clusters."""
        found = []
        for matrix, n in ((self.rater, self.by_rater), (self.source, self.by_source)):
            squares = n[first, first] + n[second, second] + 2 * n[first, second]
            found.append((_contrast(matrix, first, second), effective(n[-1, first] + n[-1, second], squares)))
        return found

    def components(self) -> tuple[float, float]:
        """Variance between raters, and between sources, of the difference of two methods' strengths; mean of all pairs.

        By moments: what the cluster-robust variance has beyond the model's, times the clusters, cut at 0. NaN where
        there are fewer than two clusters.
        """
        first, second = np.triu_indices(len(self.model), 1)
        model = _contrast(self.model, first, second)
        found = []
        for variance, size in self._ways(first, second):
            enough = size > 1.5
            excess = (_way(variance, size)[0] - model) * size
            found.append(max(float(excess[enough].mean()), 0.0) if enough.any() else float("nan"))
        return found[0], found[1]

    def stretch(self) -> float:
        """How much larger a difference is for one typical rater and source than in the choices of all pooled.

        Pooling over raters and sources that differ shrinks log odds by sqrt(1 + c^2 v), v the variance of a difference
        between them and c = 16 sqrt(3) / (15 pi) (Zeger, Liang and Albert 1988; for the probit c = 1). The limits
        cover both, the pooled and the typical. 1 where neither is a sample: the pooled ones are then meant.
        """
        ways = zip(self.components(), self.random, strict=True)
        total = sum(variance for variance, sampled in ways if sampled)
        return float(np.sqrt(1 + self.shrinkage**2 * total))


def _contrast(matrix: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[first, first] + matrix[second, second] - 2 * matrix[first, second])


def _way(variance: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A sandwich variance with the correction for `size` clusters, and its degrees of freedom."""
    return np.maximum(variance, 0) * size / np.maximum(size - 1, 0.5), np.maximum(size - 1, 1.0)


def effective(total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """(sum n)^2 / sum n^2: so many clusters of one size would weigh alike. One of three raters with most counts 2."""
    return np.asarray(np.maximum(total**2 / np.maximum(squares, 1e-12), 1.0))


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
        by_rater=_counts(choices, choices.rater),
        by_source=_counts(choices, choices.source),
        shrinkage=_SHRINKAGE[fit.model],
        **meats,
    )


def _counts(choices: Choices, cluster: np.ndarray) -> np.ndarray:
    """Sums over clusters of products of the choices they have of each two methods; the last row: all choices of each."""
    size = len(choices.methods)
    code = np.concatenate([cluster, cluster])
    method = np.concatenate([choices.left, choices.right])
    n = sparse.csr_array((np.ones(len(code)), (code, method)), shape=(int(cluster.max()) + 1, size))
    return np.vstack([(n.T @ n).toarray(), n.sum(axis=0)])


def mean_spread(choices: Choices, value: np.ndarray, random: Random | None = None) -> Spread:
    """Of the mean of `value` (n,) over the choices; (1,) arrays. Neither a sample: s^2 / n, each choice by itself."""
    random = sampled(choices) if random is None else random
    n = len(value)
    residual = value - value.mean()
    cells = choices.rater * len(choices.sources) + choices.source
    ways = []
    for code in (choices.rater, choices.source):
        sums, count = np.bincount(code, weights=residual), np.bincount(code)
        size = effective(np.array([n]), (count.astype(float) ** 2).sum())
        ways.append(_way(np.array([(sums**2).sum() / n**2]), size))
    _, cell = np.unique(cells, return_inverse=True)
    within = np.array([(np.bincount(cell, weights=residual) ** 2).sum() / n**2])
    return combine(random, *ways, cell=within, model=np.array([residual @ residual / max(n - 1, 1) / n]))
