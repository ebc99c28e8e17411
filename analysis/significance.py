"""Tests between methods: the two-way test of every pair, Wilcoxon's as published, Holm, the paper's asterisks.

Every result states its unit, and with it what it generalises to. The default, two_way, takes raters and images as
samples: a difference found by it should show before other raters on other images. Wilcoxon's test by pairs of raters
or of images takes one of them as a sample and the other as given. By pairs of rater x image, the paper's own way, it
counts all ratings as independent: where methods differ by rater and by image, as they do in real panels, it calls equal
methods different in far more than 5 of 100 studies. It is here to reproduce the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from analysis.differences import benchmarks, two_way
from analysis.panel import rounding_of
from analysis.signedrank import SignedRank, ZeroMethod, least_p, rank_sums, signed_ranks
from analysis.tally import cliffs_deltas, common_counts, counted_differences, mean_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.differences import Benchmark

Unit = Literal["two_way", "rater_x_image", "rater", "image"]
GENERALISES = {
    "two_way": "other raters and other images",
    "rater": "other raters, on these images only",
    "image": "other images, before these raters only",
    "rater_x_image": "neither other raters nor other images (as published; counts ratings as independent)",
}
AS_PUBLISHED: Unit = "rater_x_image"
ALPHA = 0.05


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

    >>> from analysis import example, pairwise_tests
    >>> tests = pairwise_tests(example.ratings())
    >>> tests[["method_a", "method_b", "mean_difference", "p_holm"]].round(3).head(1).to_numpy().tolist()
    [['bicubic', 'drcn', -0.8, 1.0]]
    """
    _check_options(unit, zero_method, confidence, margin)
    columns = _PAIR_COLUMNS + (_MARGIN_COLUMNS if margin is not None else [])
    tables = []
    for benchmark in benchmarks(ratings):
        if not benchmark.has_pairs:
            continue
        if unit == "two_way":
            tested = _described(benchmark) | two_way(benchmark, confidence=confidence, margin=margin)
        else:
            tested = _wilcoxon(benchmark, unit, zero_method)
        tables.append(_named(benchmark, unit, tested).reindex(columns=columns))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


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


def _named(benchmark: Benchmark, unit: Unit, tested: dict[str, np.ndarray]) -> pd.DataFrame:
    """The rows of one benchmark, every pair of its methods, with Holm's p beside each p."""
    names = np.array([each.method for each in benchmark.methods], dtype=object)
    a, b = np.triu_indices(len(names), 1)
    named = {"benchmark": benchmark.name, "method_a": names[a], "method_b": names[b], "unit": unit}
    table = pd.DataFrame(named | tested)
    return table.assign(**{f"{name}_holm": holm(tested[name]) for name in ("p", "p_equivalence") if name in tested})


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


def _described(benchmark: Benchmark) -> dict[str, np.ndarray]:
    """What the two-way test has beside its own: counts of pairs, and effect sizes that describe these ratings alone."""
    blocks = counted_differences(benchmark, AS_PUBLISHED, _rounding(benchmark))
    found = _joined([rank_sums(values, counts) for values, counts in blocks])
    return {
        "zero_method": np.full(len(found.n_pairs), "none", dtype=object),
        "n_pairs": found.n_pairs,
        "n_zero": found.n_zero,
        "p_least": np.zeros(len(found.n_pairs)),
        "rank_biserial": found.rank_biserial,
        "cliffs_delta": cliffs_deltas(benchmark),
    }


def _wilcoxon(benchmark: Benchmark, unit: Unit, zero_method: ZeroMethod) -> dict[str, np.ndarray]:
    tests, means = [], []
    for values, counts in counted_differences(benchmark, unit, _rounding(benchmark)):
        tests.append(signed_ranks(values, counts, zero_method=zero_method))
        means.append(mean_of(values, counts))
    found = _joined(tests)
    return {
        "zero_method": np.full(len(found.n_pairs), zero_method, dtype=object),
        "mean_difference": np.concatenate(means),
        **found._asdict(),
        "rank_biserial": found.rank_biserial,
        "p_least": np.array([least_p(pairs) for pairs in found.n_pairs.tolist()]),
        "cliffs_delta": cliffs_deltas(benchmark),
        **common_counts(benchmark),
    }


def _rounding(benchmark: Benchmark) -> float:
    return rounding_of(np.concatenate([each.score for each in benchmark.methods]))


def _joined(parts: Sequence[SignedRank]) -> SignedRank:
    return SignedRank(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p values (Holm 1979), in the order given; NaN is no test and stays NaN.

    >>> import numpy as np
    >>> from analysis import holm
    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
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
