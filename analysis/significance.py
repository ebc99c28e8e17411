"""Tests between methods: the two-way test of every pair, Wilcoxon's as published, Holm, the paper's asterisks.

Every result states its unit, and with it what it generalises to. The default, two_way, takes raters and images as
samples: a difference found by it should show before other raters on other images. Wilcoxon's test by pairs of raters
or of images takes one of them as a sample and the other as given. By pairs of rater x image, the paper's own way, it
counts all ratings as independent: where methods differ by rater and by image, as they do in real panels, it calls equal
methods different in far more than 5 of 100 studies. It is here to reproduce the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import stats

from analysis.differences import Comparison, benchmarks, comparisons, two_way_row
from analysis.panel import rounding_of, settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Unit = Literal["two_way", "rater_x_image", "rater", "image"]
GENERALISES = {
    "two_way": "other raters and other images",
    "rater": "other raters, on these images only",
    "image": "other images, before these raters only",
    "rater_x_image": "neither other raters nor other images (as published; counts ratings as independent)",
}
AS_PUBLISHED: Unit = "rater_x_image"
ZeroMethod = Literal["pratt", "wilcox"]
ALPHA = 0.05
EXACT_UP_TO = 50  # pairs that differ: the exact distribution below, the normal approximation above


class SignedRank(NamedTuple):
    """Wilcoxon's test: pairs, zero differences, rank sums, two-sided p and how p was computed."""

    n_pairs: int
    n_zero: int
    w_plus: float
    w_minus: float
    p: float
    p_method: str

    @property
    def rank_biserial(self) -> float:
        """Matched-pairs rank-biserial correlation (Kerby 2014), in [-1, 1]; 0 where no pair differs."""
        total = self.w_plus + self.w_minus
        return (self.w_plus - self.w_minus) / total if total else 0.0


def rank_sums(values: np.ndarray, counts: np.ndarray, *, zero_method: ZeroMethod = "pratt") -> SignedRank:
    """`signed_rank` without its p: what describes the differences."""
    return _signed_rank(values, counts, zero_method)[0]


def signed_rank(values: np.ndarray, counts: np.ndarray, *, zero_method: ZeroMethod = "pratt") -> SignedRank:
    """Wilcoxon signed-rank test of differences given as distinct `values` and how often each occurs.

    pratt ranks the zeros and then drops their ranks (Pratt 1959); wilcox drops the zeros first. p is
    two-sided: exact over all sign changes, ties included, where at most 50 pairs differ, else the normal
    approximation with tie correction and without continuity correction.
    """
    if zero_method not in get_args(ZeroMethod):
        raise ValueError(f"unknown zero_method {zero_method!r}; known: {', '.join(get_args(ZeroMethod))}")
    sums, ranks, ties = _signed_rank(values, counts, zero_method)
    differ = int(ties.sum())
    if sums.n_pairs == 0:
        p, how = float("nan"), "none"  # no pair, no test
    elif differ == 0:
        p, how = 1.0, "none"
    elif differ <= EXACT_UP_TO:
        p, how = _exact_p(ranks, ties, max(sums.w_plus, sums.w_minus)), "exact"
    else:
        variance = (ties * ranks**2).sum() / 4  # conditional on the ties, as each sign is a fair coin
        p, how = float(2 * stats.norm.sf(abs(sums.w_plus - sums.w_minus) / 2 / np.sqrt(variance))), "normal"
    return sums._replace(p=p, p_method=how)


def _signed_rank(
    values: np.ndarray, counts: np.ndarray, zero_method: ZeroMethod
) -> tuple[SignedRank, np.ndarray, np.ndarray]:
    """The rank sums, without p, and rank and number of each size of difference above 0."""
    zeros = int(counts[values == 0].sum())
    sizes, group = np.unique(np.abs(values), return_inverse=True)
    ties = np.bincount(group, weights=counts, minlength=len(sizes))
    start = np.cumsum(ties) - ties  # zeros come first, so they shift the ranks unless dropped
    if zero_method == "wilcox":
        start = start - zeros
    ranks = start + (ties + 1) / 2
    plus = float((counts * ranks[group])[values > 0].sum())
    minus = float((counts * ranks[group])[values < 0].sum())
    sums = SignedRank(int(counts.sum()), zeros, plus, minus, float("nan"), "none")
    return sums, ranks[sizes > 0], ties[sizes > 0]


def _exact_p(ranks: np.ndarray, ties: np.ndarray, larger: float) -> float:
    """2 P(W+ >= larger) when every sign is a fair coin; doubled ranks are whole numbers."""
    steps = np.repeat(np.rint(2 * ranks).astype(int), ties.astype(int))
    chance = np.zeros(steps.sum() + 1)
    chance[0] = 1.0
    for step in steps:
        chance[step:] = (chance[step:] + chance[: len(chance) - step]) / 2 if step else chance
        chance[:step] /= 2
    return min(1.0, 2 * float(chance[int(np.rint(2 * larger)) :].sum()))


def pairwise_tests(
    ratings: pd.DataFrame,
    *,
    unit: Unit = "two_way",
    zero_method: ZeroMethod = "pratt",
    confidence: float = 0.95,
    margin: float | None = None,
) -> pd.DataFrame:
    """Two-sided test of every pair of methods on each benchmark, by first showings; `unit` says of what kind:

    two_way        mean difference with interval, raters and images both random (`analysis.crossed`); no rater need have
                   seen both methods of an image; compared on the images of which both methods were rated
    rater_x_image  Wilcoxon signed-rank, as published; counts ratings as independent
    rater, image   Wilcoxon over the mean differences by rater, or by image: the other is taken as given

    Columns: benchmark, method_a, method_b, unit, zero_method (none for two_way), n_pairs (raters x images with both),
    n_zero, mean_difference (a - b), low, high (at `confidence`), w_plus, w_minus, p, p_holm (Holm 1979, within the
    benchmark), p_method, df, p_least (the least p that so many pairs can give), rank_biserial and cliffs_delta (Cliff
    1993), which describe these ratings, effect with effect_low and effect_high (`differences.effect_size`), n_raters,
    n_images.
    What a unit does not have is NaN: Wilcoxon's tests an interval, df and effect; two_way rank sums.

    `margin`, in scores, adds margin, p_equivalence (two one-sided tests that the difference lies within -margin to
    margin) and p_equivalence_holm; two_way only. Raises ValueError on an unknown name and a margin not above 0.
    """
    _check_options(unit, zero_method, confidence, margin)
    rows: list[dict[str, object]] = []
    for benchmark in benchmarks(ratings):
        rounding = rounding_of(np.concatenate([each.score for each in benchmark.methods]))
        tests = []
        for pair in comparisons(benchmark):
            if unit == "two_way":
                tests.append(_described(pair, rounding) | two_way_row(pair, confidence=confidence, margin=margin))
            else:
                tests.append(_described(pair, rounding) | _wilcoxon(pair, unit, zero_method, rounding))
        rows += _adjusted(benchmark.name, tests)
    return pd.DataFrame(rows, columns=_PAIR_COLUMNS + (_MARGIN_COLUMNS if margin is not None else []))


_PAIR_COLUMNS = [
    *("benchmark", "method_a", "method_b", "unit", "zero_method", "n_pairs", "n_zero", "mean_difference"),
    *("low", "high", "w_plus", "w_minus", "p", "p_holm", "p_method", "df", "p_least", "rank_biserial", "cliffs_delta"),
    *("effect", "effect_low", "effect_high", "n_raters", "n_images"),
]
_MARGIN_COLUMNS = ["margin", "p_equivalence", "p_equivalence_holm"]


def _check_options(unit: str, zero_method: str, confidence: float, margin: float | None) -> None:
    for name, given, kind in (("unit", unit, Unit), ("zero_method", zero_method, ZeroMethod)):
        if given not in get_args(kind):
            raise ValueError(f"unknown {name} {given!r}; known: {', '.join(get_args(kind))}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1, such as 0.95")
    if margin is not None and not 0 < margin < np.inf:
        raise ValueError(f"the margin is {margin}; it must be a number of scores above 0, such as 0.2")
    if margin is not None and unit != "two_way":
        raise ValueError(f"the unit {unit} has no test of equivalence: leave out the margin, or take two_way")


def _adjusted(benchmark: str, tests: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rows of one benchmark with Holm's p beside each p."""
    for name in ("p", "p_equivalence"):
        if tests and name in tests[0]:
            adjusted = holm(np.array([test[name] for test in tests], np.float64))
            tests = [test | {f"{name}_holm": p} for test, p in zip(tests, adjusted, strict=True)]
    return [{"benchmark": benchmark, **test} for test in tests]


def unit_notes(tests: pd.DataFrame, *, alpha: float = ALPHA) -> list[str]:
    """What the unit of `tests` cannot say here, as sentences: pairs without a test, and levels out of its reach."""
    notes = []
    for benchmark, table in tests.groupby("benchmark"):
        unit, pairs = str(table["unit"].iloc[0]), len(table)
        none = int(table["p"].isna().sum())
        if none and unit == "two_way":
            notes.append(
                f"{benchmark}: {none} of {pairs} pairs of methods have no two-way test: it needs two raters and two "
                "images on which both methods were rated, and scores that vary."
            )
        elif none:
            notes.append(f"{benchmark}: {none} of {pairs} pairs of methods were never rated by one rater on one image.")
        least = table.loc[table["p"].notna(), "p_least"]
        tested = len(least)
        if (least > alpha / max(tested, 1)).any():
            reach = "no difference can be significant" if least.min() > alpha / tested else "some differences cannot be"
            notes.append(
                f"{benchmark}: with so few pairs of the unit {unit} p is at least {least.max():.4g}, and Holm's first "
                f"step over {tested} tests asks for {alpha / tested:.2g}: {reach}."
            )
    return notes


def _described(pair: Comparison, rounding: float) -> dict[str, object]:
    """What every unit has: names, counts of pairs, and effect sizes that describe these ratings alone."""
    described = rank_sums(*_counted(pair.differences(), rounding))
    return {
        "method_a": pair.a.method,
        "method_b": pair.b.method,
        "unit": "two_way",
        "zero_method": "none",
        "n_pairs": described.n_pairs,
        "n_zero": described.n_zero,
        "p_least": 0.0,
        "rank_biserial": described.rank_biserial,
        "cliffs_delta": cliffs_delta(pair.a.score, pair.b.score),
    }


def _counted(differences: np.ndarray, rounding: float) -> tuple[np.ndarray, np.ndarray]:
    values, counts = np.unique(settle(differences, rounding), return_counts=True)
    return values, counts


def _wilcoxon(pair: Comparison, unit: Unit, zero_method: ZeroMethod, rounding: float) -> dict[str, object]:
    values, counts = _counted(pair.differences(unit), rounding)
    test = signed_rank(values, counts, zero_method=zero_method)
    return {
        "unit": unit,
        "zero_method": zero_method,
        "mean_difference": float((values * counts).sum() / counts.sum()) if counts.sum() else np.nan,
        **test._asdict(),
        "rank_biserial": test.rank_biserial,
        "p_least": least_p(test.n_pairs),
        **pair.counts(),
    }


def least_p(pairs: int) -> float:
    """The least two-sided p of a signed-rank test of so many pairs: all signs alike, 2 / 2^pairs; 1 without a pair.

    >>> least_p(5)
    0.0625
    """
    return min(1.0, 2.0 ** (1 - pairs))


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


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p values (Holm 1979), in the order given; NaN is no test and stays NaN."""
    tested = ~np.isnan(p)
    if not tested.all():
        adjusted = np.full_like(p, np.nan)
        adjusted[tested] = holm(p[tested])
        return adjusted
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def family_asterisks(
    tests: pd.DataFrame, *, families: Mapping[str, Sequence[str]], alpha: float = ALPHA
) -> pd.DataFrame:
    """The asterisks of Table 1 (Ledig et al. 2017): significantly better than every other loss of the family.

    `tests` comes from `pairwise_tests`; p is the raw one, as in the paper. Columns: benchmark, family,
    method, p_max (the largest p against the others of the family), asterisk. A family with fewer than two of
    its methods on a benchmark gives no row.
    """
    rows = []
    for benchmark, table in tests.groupby("benchmark"):
        for family, methods in families.items():
            for method in methods:
                as_a = table[(table["method_a"] == method) & table["method_b"].isin(methods)]
                as_b = table[(table["method_b"] == method) & table["method_a"].isin(methods)]
                p = np.r_[as_a["p"], as_b["p"]]
                better = np.r_[as_a["mean_difference"] > 0, as_b["mean_difference"] < 0]
                if len(p):
                    rows.append((benchmark, family, method, p.max(), bool(better.all() and (p < alpha).all())))
    # Without any row the column would be no mask.
    return pd.DataFrame(rows, columns=["benchmark", "family", "method", "p_max", "asterisk"]).astype({"asterisk": bool})
