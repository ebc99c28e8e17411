"""The default test of a pair of methods, `two_way`, as rows of a table: interval, p, effect size, equivalence."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from analysis.crossed import NOTHING, Estimate, Numbers, Pair, complete, estimate
from analysis.intervals import Interval
from analysis.opinion import group_codes
from analysis.schema import first_showings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


class Scores(NamedTuple):
    """One method's scores, sorted by cell: cell = rater x number of sources + source."""

    method: str
    cell: np.ndarray
    score: np.ndarray


class Benchmark(NamedTuple):
    """The first showings of one benchmark: its methods in sorted order, and the number of its sources."""

    name: str
    methods: list[Scores]
    sources: int

    @property
    def has_pairs(self) -> bool:
        """Whether some source has two methods."""
        seen = np.zeros(self.sources, np.int64)
        for each in self.methods:
            seen[np.unique(each.cell % self.sources)] += 1
        return bool(seen.max() > 1)

    @property
    def cube(self) -> np.ndarray | None:
        """The scores, float64 (methods, raters, images), where every rater scored every method on every image."""
        cell = self.methods[0].cell
        if not all(np.array_equal(each.cell, cell) for each in self.methods):
            return None
        raters, images = (len(np.unique(codes)) for codes in np.divmod(cell, self.sources))
        if len(cell) != raters * images:
            return None
        return np.array([each.score for each in self.methods]).reshape(-1, raters, images)


def benchmarks(ratings: pd.DataFrame) -> Iterator[Benchmark]:
    """The benchmarks of a ratings table in sorted order, rows alone: no array has a place for what is not rated."""
    table = first_showings(ratings)
    codes, keys = group_codes(table, ["benchmark"])
    for index, name in enumerate(keys["benchmark"]):
        part = table if len(keys) == 1 else table[codes == index]
        method, methods = group_codes(part, ["method"])
        rater, _ = group_codes(part, ["rater"])
        source, sources = group_codes(part, ["source"])
        cell, score = rater * len(sources) + source, part["score"].to_numpy(np.float64)
        order = np.lexsort((cell, method))
        ends = np.cumsum(np.bincount(method))[:-1]
        split = zip(methods["method"], np.split(cell[order], ends), np.split(score[order], ends), strict=True)
        yield Benchmark(str(name), [Scores(*each) for each in split], len(sources))


class Comparison(NamedTuple):
    """Two methods of a benchmark: codes and scores (n, 2) of every cell with either, and the pair on common images."""

    a: Scores
    b: Scores
    rater: np.ndarray
    source: np.ndarray
    scores: np.ndarray
    pair: Pair

    def differences(self, unit: str = "rater_x_image") -> np.ndarray:
        """Of raters who scored both methods of an image: each difference, or their means by "rater" or by "image"."""
        both = ~np.isnan(self.scores).any(axis=1)
        difference = self.scores[both, 0] - self.scores[both, 1]
        if unit == "rater_x_image":
            return np.asarray(difference)
        codes = (self.rater if unit == "rater" else self.source)[both]
        n = np.bincount(codes)
        return np.asarray(np.bincount(codes, difference)[n > 0] / n[n > 0])


def comparisons(benchmark: Benchmark) -> Iterator[Comparison]:
    """Every pair of the benchmark's methods, the first by name first; none where no source has two methods."""
    if benchmark.has_pairs:
        for a, b in combinations(benchmark.methods, 2):
            yield compare(a, b, sources=benchmark.sources)


def compare(a: Scores, b: Scores, *, sources: int) -> Comparison:
    """Both methods' scores side by side; images of which only one method was rated say nothing of a difference."""
    if len(a.cell) == len(b.cell) and np.array_equal(a.cell, b.cell):
        cells, scores = a.cell, np.column_stack([a.score, b.score])
    else:
        cells = _union(a.cell, b.cell)
        scores = np.full((len(cells), 2), np.nan)
        for column, one in enumerate((a, b)):
            scores[np.searchsorted(cells, one.cell), column] = one.score
    rater, source = np.divmod(cells, sources)
    common = np.ones(sources, bool)
    for one in (a, b):
        common &= np.bincount(one.cell % sources, minlength=sources) > 0
    kept = common[source]
    pair = Pair(_dense(rater[kept]), _dense(source[kept]), scores[kept])
    return Comparison(a, b, rater, source, scores, pair)


def _union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Every value of two sorted arrays once, sorted: merged, which takes less time than `np.union1d`."""
    merged = np.sort(np.concatenate([a, b]), kind="stable")
    first = np.ones(len(merged), bool)
    first[1:] = merged[1:] != merged[:-1]
    return np.asarray(merged[first])


def _dense(codes: np.ndarray) -> np.ndarray:
    """The codes renumbered 0, 1, ... in their order."""
    if not len(codes):
        return codes
    present = np.bincount(codes) > 0
    return np.asarray((np.cumsum(present) - 1)[codes])


def two_way(benchmark: Benchmark, *, confidence: float, margin: float | None) -> dict[str, np.ndarray]:
    """The test of every pair in the order of `comparisons`: mean_difference, low, high, p, p_method, df, effect with
    limits, counts; arrays (pairs,).

    With a margin also margin and p_equivalence. Numbers are NaN and p_method is none where `crossed.estimate` finds no
    test.
    """
    found, n_raters, n_images = _estimates(benchmark)
    limits = interval(found, confidence=confidence)
    effect = effect_size(found, limits, confidence=confidence)
    columns: dict[str, np.ndarray] = {
        "mean_difference": found.difference,
        "low": np.asarray(limits.low),
        "high": np.asarray(limits.high),
        "p": p_value(found),
        "p_method": np.where(np.isnan(found.variance), "none", "satterthwaite").astype(object),
        "df": found.df,
        **dict(zip(("effect", "effect_low", "effect_high"), effect, strict=True)),
        "n_raters": n_raters,
        "n_images": n_images,
    }
    if margin is not None:
        columns |= {"margin": np.full(len(n_raters), margin), "p_equivalence": equivalence(found, margin)}
    return columns


def _estimates(benchmark: Benchmark) -> tuple[Estimate, np.ndarray, np.ndarray]:
    """The estimate of every pair as arrays, and the numbers of raters and of images it is from."""
    cube = benchmark.cube
    if cube is not None:
        methods, raters, images = cube.shape
        pairs = methods * (methods - 1) // 2
        return complete(cube), np.full(pairs, raters), np.full(pairs, images)
    rows, counts = [], []
    for pair in (comparison.pair for comparison in comparisons(benchmark)):
        rows.append(Estimate(*[NOTHING] * 5) if not len(pair.rater) else estimate(pair))
        counts.append((_count(pair.rater), _count(pair.image)))
    n_raters, n_images = np.array(counts).T
    return Estimate(*np.array(rows, np.float64).T), n_raters, n_images


def interval(found: Estimate, *, confidence: float) -> Interval:
    """The difference -+ t(df) times its standard error."""
    half = special.stdtrit(found.df, 0.5 + confidence / 2) * np.sqrt(found.variance)
    return Interval(found.difference - half, found.difference + half)


def p_value(found: Estimate) -> Numbers:
    """Two-sided p of no difference, Student's t."""
    return np.asarray(2 * special.stdtr(found.df, -np.abs(found.difference) / np.sqrt(found.variance)))[()]


def _count(codes: np.ndarray) -> int:
    return int(codes.max()) + 1 if len(codes) else 0


def equivalence(found: Estimate, margin: float) -> Numbers:
    """p of two one-sided tests (Schuirmann 1987) that the difference lies inside -margin to margin."""
    inside = margin - np.abs(found.difference)
    return np.asarray(special.stdtr(found.df, -inside / np.sqrt(found.variance)))[()]


@np.errstate(all="ignore")  # NaN stays NaN, and of two forms of a limit one may divide by nothing
def effect_size(found: Estimate, limits: Interval, *, confidence: float) -> tuple[Numbers, Numbers, Numbers]:
    """The difference in standard deviations of a score, with limits.

    d = difference / sqrt(rater + image + interactions + residual variance of one score): Westfall, Kenny and Judd
    (2014), whose d does not depend on the numbers of raters and images. Limits by recovery of the variances of
    numerator and denominator (MOVER, Zou and Donner 2008; Newcombe 2016), so that they hold 0 exactly where the
    difference's do.
    """
    least, most = (
        found.sd * np.sqrt(found.sd_df / special.chdtri(found.sd_df, tail))
        for tail in ((1 - confidence) / 2, (1 + confidence) / 2)
    )
    low = _ratio_limit(found, limits.low, np.where(limits.low >= 0, most, least), side=-1)
    high = _ratio_limit(found, limits.high, np.where(limits.high >= 0, least, most), side=1)
    known = ~np.isnan(found.sd) & ~np.isnan(limits.low)
    effect = found.difference / found.sd
    effect, low, high = (np.where(known, value, NOTHING)[()] for value in (effect, low, high))
    return effect, low, high


def _ratio_limit(found: Estimate, limit: Numbers, sd: Numbers, *, side: int) -> Numbers:
    """The x with (difference - x deviation)^2 = (difference - limit)^2 + x^2 (deviation - sd)^2 on that side."""
    product, constant = found.difference * found.sd, limit * (2 * found.difference - limit)
    quadratic = sd * (2 * found.sd - sd)
    root = side * np.sqrt(np.maximum(product**2 - quadratic * constant, 0.0))
    # Away from 0 on its own side the plain root; else its reciprocal form, which cannot cancel.
    return np.where(limit * side >= 0, (product + root) / quadratic, constant / (product - root))
