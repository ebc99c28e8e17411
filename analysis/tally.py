"""Counts that describe every pair of a benchmark's methods: how often which difference occurs, and Cliff's delta.

On a scale of few levels the counts of all pairs come from sparse products, in time and memory that follow the ratings;
else a pair at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from analysis.differences import comparisons
from analysis.panel import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analysis.differences import Benchmark

MOST_LEVELS = 25  # distinct scores: the counts of a pair have a place for every two of them


def counted_differences(benchmark: Benchmark, unit: str, rounding: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Distinct differences (d,) and how often each occurs, float64 (k, d), for the next k pairs of `comparisons`.

    `unit` as in `Comparison.differences`; differences that only rounding tells apart are one (`panel.settle`).
    """
    levels = _levels(benchmark) if unit == "rater_x_image" else None
    if levels is not None:
        yield _differences_of_levels(benchmark, levels, rounding)
        return
    for pair in comparisons(benchmark):
        values, counts = np.unique(settle(pair.differences(unit), rounding), return_counts=True)
        yield values, counts[None].astype(np.float64)


def mean_of(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean of the differences of each pair, (k,); NaN without any."""
    n = counts.sum(axis=1)
    return np.asarray(np.divide(counts @ values, n, out=np.full(len(n), np.nan), where=n > 0))


def _levels(benchmark: Benchmark) -> np.ndarray | None:
    """The distinct scores, where there are few."""
    levels = np.unique(np.concatenate([each.score for each in benchmark.methods]))
    return levels if len(levels) <= MOST_LEVELS else None


def _differences_of_levels(benchmark: Benchmark, levels: np.ndarray, rounding: float) -> tuple[np.ndarray, np.ndarray]:
    between = settle(levels[:, None] - levels, rounding)
    values, group = np.unique(between, return_inverse=True)
    collect = (group.reshape(-1)[:, None] == np.arange(len(values))).astype(np.float64)  # (L * L, d)
    known, size = _cells(benchmark, levels), len(levels)
    every = sparse.vstack(known).T.tocsr()
    parts = []
    for first in range(len(known) - 1):
        both = (known[first] @ every).toarray().reshape(size, -1, size)  # (L, methods, L)
        later = both[:, first + 1 :].transpose(1, 0, 2)
        parts.append(later.reshape(len(later), -1) @ collect)
    return values, np.concatenate(parts)


def _cells(benchmark: Benchmark, levels: np.ndarray) -> list[sparse.csr_array]:
    """Of each method a 1 at the level and the cell of each score, (levels, cells of the benchmark)."""
    used, places = _places(benchmark)
    return [
        sparse.csr_array(
            (np.ones(len(where)), (np.searchsorted(levels, each.score), where)), shape=(len(levels), len(used))
        )
        for each, where in zip(benchmark.methods, places, strict=True)
    ]


def _places(benchmark: Benchmark) -> tuple[np.ndarray, list[np.ndarray]]:
    """The cells with a score of any method, and where each method's cells stand among them."""
    cells = [each.cell for each in benchmark.methods]
    used, place = np.unique(np.concatenate(cells), return_inverse=True)
    return used, np.split(place, np.cumsum([len(cell) for cell in cells])[:-1])


def common_counts(benchmark: Benchmark) -> dict[str, np.ndarray]:
    """n_raters and n_images of every pair: those with a difference of their own."""
    used, places = _places(benchmark)
    sizes = [len(where) for where in places]
    rows, columns = np.repeat(np.arange(len(sizes)), sizes), np.concatenate(places)
    rated = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(sizes), len(used)))
    found: dict[str, list[np.ndarray]] = {"n_raters": [], "n_images": []}
    for first, where in enumerate(places[:-1]):
        for name, codes in zip(found, np.divmod(used, benchmark.sources), strict=True):
            own = sparse.csr_array((np.ones(len(where)), (where, codes[where])), shape=(len(used), codes.max() + 1))
            found[name].append(np.diff((rated[first + 1 :] @ own).indptr))
    return {name: np.concatenate(counts) for name, counts in found.items()}


def cliffs_deltas(benchmark: Benchmark) -> np.ndarray:
    """`cliffs_delta` of every pair."""
    levels = _levels(benchmark)
    a, b = np.triu_indices(len(benchmark.methods), 1)
    if levels is None:
        scores = [each.score for each in benchmark.methods]
        return np.array([cliffs_delta(scores[i], scores[j]) for i, j in zip(a.tolist(), b.tolist(), strict=True)])
    places = [np.searchsorted(levels, each.score) for each in benchmark.methods]
    counts = np.array([np.bincount(place, minlength=len(levels)) for place in places], np.float64)
    upto = np.cumsum(counts, axis=1)
    above_less_below = 2 * upto - counts - upto[:, -1:]  # of another method's scores: below this level less above it
    n = counts.sum(axis=1)
    return np.asarray(((counts / n[:, None]) @ (above_less_below / n[:, None]).T)[a, b])


def cliffs_delta(a: np.ndarray, b: np.ndarray) -> float:
    """P(A > B) - P(A < B) over all ratings of both, NaN for missing, in [-1, 1]; NaN where one has none."""
    values_a, n_a = np.unique(a[~np.isnan(a)], return_counts=True)
    values_b, n_b = np.unique(b[~np.isnan(b)], return_counts=True)
    if not len(n_a) or not len(n_b):
        return float("nan")
    upto = np.r_[0, np.cumsum(n_b)]
    below = upto[np.searchsorted(values_b, values_a, side="left")]
    above = upto[-1] - upto[np.searchsorted(values_b, values_a, side="right")]
    return float((n_a * (below - above)).sum() / (n_a.sum() * n_b.sum()))
