"""Friedman's test over all methods of a benchmark, and which of them differ after it.

Each unit of a block answers one question alone, and the column generalises_to says which: blocks of raters speak of
other raters on these images, blocks of images of other images before these raters, and blocks of rater x image of
neither, since they count the ratings of one rater, and of one image, as independent. No test of this kind takes raters
and images as samples at once: `significance.pairwise_tests` does.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import special, stats

from analysis.differences import Benchmark, benchmarks
from analysis.panel import rounding_of, settle
from analysis.significance import GENERALISES, holm

Blocks = Literal["rater_x_image", "rater", "image"]
MOST_AT_ONCE = 4096  # values of the studentized range: 6 MB an array


def friedman(ratings: pd.DataFrame, *, unit: Blocks = "image") -> pd.DataFrame:
    """Friedman's test over all methods of each benchmark, tie-corrected (Conover 1999, section 5.8).

    Blocks are the units with every method rated. Columns: benchmark, unit, n_blocks, n_methods, statistic
    (chi-square), df, p, kendalls_w, generalises_to. A benchmark with fewer than three methods or two blocks has no row.

    >>> from analysis import example, friedman
    >>> friedman(example.ratings())[["benchmark", "n_blocks", "n_methods"]].head(1).to_numpy().tolist()
    [['Set14', 4, 12]]
    """
    rows = []
    for benchmark in benchmarks(ratings):
        ranks = _ranks(benchmark, unit)
        blocks, methods = ranks.shape
        if methods < 3 or blocks < 2:
            continue
        sums, squares = ranks.sum(axis=0), (ranks**2).sum()
        centre = blocks * methods * (methods + 1) ** 2 / 4
        spread = squares - centre
        statistic = (methods - 1) * ((sums**2).sum() - blocks * centre) / spread if spread > 0 else 0.0
        p = float(stats.chi2.sf(statistic, methods - 1))
        w = statistic / (blocks * (methods - 1))
        rows.append((benchmark.name, unit, blocks, methods, statistic, methods - 1, p, w, GENERALISES[unit]))
    names = ["benchmark", "unit", "n_blocks", "n_methods", "statistic", "df", "p", "kendalls_w", "generalises_to"]
    return pd.DataFrame(rows, columns=names)


def friedman_posthoc(
    ratings: pd.DataFrame, *, test: Literal["nemenyi", "conover"] = "nemenyi", unit: Blocks = "image"
) -> pd.DataFrame:
    """Which methods differ, after `friedman`, with rank 1 the best.

    nemenyi: studentized range of the mean ranks (Demsar 2006, section 3.2.2), p adjusted for the family by
    itself. conover: t test on the rank sums (Conover 1999, eq. 5.8.9), p_adjusted by Holm. Columns:
    benchmark, test, unit, n_blocks, method_a, method_b, rank_a, rank_b, statistic, p, p_adjusted,
    generalises_to.

    >>> from analysis import example, friedman_posthoc
    >>> friedman_posthoc(example.ratings())[["method_a", "method_b", "p_adjusted"]].round(3).head(1).to_numpy().tolist()
    [['bicubic', 'drcn', 0.752]]
    """
    if test not in ("nemenyi", "conover"):
        raise ValueError(f"unknown post-hoc test {test!r}; known: nemenyi, conover")
    tables = []
    for benchmark in benchmarks(ratings):
        ranks = _ranks(benchmark, unit)
        if ranks.shape[1] < 3 or ranks.shape[0] < 2:
            continue
        statistic, p = _nemenyi(ranks) if test == "nemenyi" else _conover(ranks)
        mean = ranks.mean(axis=0)
        first, second = np.triu_indices(ranks.shape[1], 1)
        names = np.array([each.method for each in benchmark.methods])
        columns = {"benchmark": benchmark.name, "test": test, "unit": unit, "n_blocks": len(ranks)}
        pairs = {
            "method_a": names[first],
            "method_b": names[second],
            "rank_a": mean[first],
            "rank_b": mean[second],
        }
        adjusted = p if test == "nemenyi" else holm(p)
        tested = {"statistic": statistic, "p": p, "p_adjusted": adjusted}
        tables.append(pd.DataFrame({**columns, **pairs, **tested, "generalises_to": GENERALISES[unit]}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_POSTHOC_COLUMNS)


_POSTHOC_COLUMNS = [
    *("benchmark", "test", "unit", "n_blocks", "method_a", "method_b", "rank_a", "rank_b"),
    *("statistic", "p", "p_adjusted", "generalises_to"),
]


def _ranks(benchmark: Benchmark, unit: Blocks) -> np.ndarray:
    """Ranks of the methods within each complete block, float64 (blocks, methods), 1 = best, ties averaged."""
    if unit not in get_args(Blocks):
        raise ValueError(f"unknown unit {unit!r}; known: {', '.join(get_args(Blocks))}")
    cells = reduce(partial(np.intersect1d, assume_unique=True), [each.cell for each in benchmark.methods])
    scores = np.array([each.score[np.searchsorted(each.cell, cells)] for each in benchmark.methods])
    if not len(cells):
        return np.empty((0, len(benchmark.methods)))
    if unit != "rater_x_image":
        rater, source = np.divmod(cells, benchmark.sources)
        codes = rater if unit == "rater" else source
        n = np.bincount(codes)
        means = np.array([np.bincount(codes, row)[n > 0] / n[n > 0] for row in scores])
        rounding = rounding_of(np.concatenate([each.score for each in benchmark.methods]))
        scores = settle(means, rounding)
    return np.asarray(stats.rankdata(-scores.T, axis=1))


def _nemenyi(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    blocks, methods = ranks.shape
    first, second = np.triu_indices(methods, 1)
    mean = ranks.mean(axis=0)
    statistic = np.abs(mean[first] - mean[second]) / np.sqrt(methods * (methods + 1) / (6 * blocks))
    return statistic, studentized_range_sf(statistic * np.sqrt(2), methods)


def studentized_range_sf(q: np.ndarray, k: int) -> np.ndarray:
    """P(range of k standard normal variables > q) for q (n,) above 0; `stats.studentized_range` with infinite df.

    k times the integral of phi(z) [Phi(z)^(k - 1) - (Phi(z) - Phi(z - q))^(k - 1)] (Pearson and Hartley 1942) by the
    trapezoidal rule, which on such an integrand is exact to the last digits; scipy's takes milliseconds a value, and
    320 methods have 51,040.
    """
    z = np.arange(-9.0, 9.05, 0.1)
    largest = special.log_ndtr(z)
    weight = 0.1 * k * np.exp((k - 1) * largest - z**2 / 2) / np.sqrt(2 * np.pi)
    values, place = np.unique(q, return_inverse=True)
    found = np.empty(len(values))
    for start in range(0, len(values), MOST_AT_ONCE):
        part = slice(start, start + MOST_AT_ONCE)
        outside = np.exp(special.log_ndtr(z - values[part, None]) - largest)
        with np.errstate(divide="ignore"):  # q = 0 leaves nothing inside
            found[part] = -np.expm1((k - 1) * np.log1p(-outside)) @ weight
    return np.minimum(found, 1.0)[place]


def _conover(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    blocks, methods = ranks.shape
    first, second = np.triu_indices(methods, 1)
    sums = ranks.sum(axis=0)
    df = (blocks - 1) * (methods - 1)
    residual = max((ranks**2).sum() - (sums**2).sum() / blocks, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # blocks that agree fully leave no residual: t = inf
        statistic = np.abs(sums[first] - sums[second]) / np.sqrt(2 * blocks * residual / df)
    statistic = np.nan_to_num(statistic, nan=0.0, posinf=np.inf)
    return statistic, 2 * np.asarray(stats.t.sf(statistic, df))
