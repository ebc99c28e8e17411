"""Paired tests between methods: Wilcoxon for every pair, the paper's asterisks, Friedman with post-hoc tests.

The unit of a pair is stated in every result. Pairs of rater x image (the default, and what the published
number of samples suggests) treat the ratings of one rater, and of one image, as independent; pairs of raters
or of images average the rest away first and are the stricter tests.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import stats

from analysis.panel import Cube, cubes, settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Unit = Literal["rater_x_image", "rater", "image"]
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


def signed_rank(values: np.ndarray, counts: np.ndarray, *, zero_method: ZeroMethod = "pratt") -> SignedRank:
    """Wilcoxon signed-rank test of differences given as distinct `values` and how often each occurs.

    pratt ranks the zeros and then drops their ranks (Pratt 1959); wilcox drops the zeros first. p is
    two-sided: exact over all sign changes, ties included, where at most 50 pairs differ, else the normal
    approximation with tie correction and without continuity correction.
    """
    if zero_method not in get_args(ZeroMethod):
        raise ValueError(f"unknown zero_method {zero_method!r}; known: {', '.join(get_args(ZeroMethod))}")
    zeros = int(counts[values == 0].sum())
    sizes, group = np.unique(np.abs(values), return_inverse=True)
    ties = np.bincount(group, weights=counts, minlength=len(sizes))
    start = np.cumsum(ties) - ties  # zeros come first, so they shift the ranks unless dropped
    if zero_method == "wilcox":
        start = start - zeros
    ranks = start + (ties + 1) / 2
    plus = float((counts * ranks[group])[values > 0].sum())
    minus = float((counts * ranks[group])[values < 0].sum())
    ranks, ties = ranks[sizes > 0], ties[sizes > 0]
    differ = int(ties.sum())
    if counts.sum() == 0:
        p, how = float("nan"), "none"  # no pair, no test
    elif differ == 0:
        p, how = 1.0, "none"
    elif differ <= EXACT_UP_TO:
        p, how = _exact_p(ranks, ties, max(plus, minus)), "exact"
    else:
        variance = (ties * ranks**2).sum() / 4  # conditional on the ties, as each sign is a fair coin
        p, how = float(2 * stats.norm.sf(abs(plus - minus) / 2 / np.sqrt(variance))), "normal"
    return SignedRank(int(counts.sum()), zeros, plus, minus, p, how)


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
    ratings: pd.DataFrame, *, unit: Unit = "rater_x_image", zero_method: ZeroMethod = "pratt"
) -> pd.DataFrame:
    """Paired two-sided Wilcoxon signed-rank test of every pair of methods on each benchmark.

    Pairs are two first showings of one rater on one image, or the mean differences by rater or by image over
    such pairs. Columns: benchmark, method_a, method_b, unit, zero_method, n_pairs, n_zero, mean_difference (a
    - b over the units), w_plus, w_minus, p, p_holm (Holm 1979, within the benchmark), p_method,
    rank_biserial, and cliffs_delta (Cliff 1993, over all ratings of both, unpaired).
    """
    if unit not in get_args(Unit):
        raise ValueError(f"unknown unit {unit!r}; known: {', '.join(get_args(Unit))}")
    rows = []
    for cube in cubes(ratings):
        tests = [_test_pair(cube, a, b, unit, zero_method) for a, b in combinations(range(len(cube.methods)), 2)]
        adjusted = holm(np.array([test["p"] for test in tests]))
        rows += [test | {"p_holm": p} for test, p in zip(tests, adjusted, strict=True)]
    return pd.DataFrame(rows, columns=_PAIR_COLUMNS)


_PAIR_COLUMNS = [
    *("benchmark", "method_a", "method_b", "unit", "zero_method", "n_pairs", "n_zero", "mean_difference"),
    *("w_plus", "w_minus", "p", "p_holm", "p_method", "rank_biserial", "cliffs_delta"),
]


def _test_pair(cube: Cube, a: int, b: int, unit: Unit, zero_method: ZeroMethod) -> dict[str, object]:
    values, counts = _differences(cube.scores[a], cube.scores[b], unit, cube.rounding)
    test = signed_rank(values, counts, zero_method=zero_method)
    return {
        "benchmark": cube.benchmark,
        "method_a": cube.methods[a],
        "method_b": cube.methods[b],
        "unit": unit,
        "zero_method": zero_method,
        "mean_difference": float((values * counts).sum() / counts.sum()) if counts.sum() else np.nan,
        **test._asdict(),
        "rank_biserial": test.rank_biserial,
        "cliffs_delta": cliffs_delta(cube.scores[a], cube.scores[b]),
    }


def _differences(a: np.ndarray, b: np.ndarray, unit: Unit, rounding: float) -> tuple[np.ndarray, np.ndarray]:
    """Distinct paired differences of two (raters, sources) arrays with NaN for missing, and their counts."""
    difference = a - b
    both = ~np.isnan(difference)
    if unit == "rater_x_image":
        units = difference[both]
    else:
        axis = 1 if unit == "rater" else 0
        n = both.sum(axis=axis)
        units = np.where(both, difference, 0.0).sum(axis=axis)[n > 0] / n[n > 0]
    values, counts = np.unique(settle(units, rounding), return_counts=True)
    return values, counts


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


def friedman(ratings: pd.DataFrame, *, unit: Unit = "rater_x_image") -> pd.DataFrame:
    """Friedman's test over all methods of each benchmark, tie-corrected (Conover 1999, section 5.8).

    Blocks are the units with every method rated. Columns: benchmark, unit, n_blocks, n_methods, statistic
    (chi-square), df, p, kendalls_w. A benchmark with fewer than three methods or two blocks has no row.
    """
    rows = []
    for cube in cubes(ratings):
        ranks = _ranks(cube, unit)
        blocks, methods = ranks.shape
        if methods < 3 or blocks < 2:
            continue
        sums, squares = ranks.sum(axis=0), (ranks**2).sum()
        centre = blocks * methods * (methods + 1) ** 2 / 4
        spread = squares - centre
        statistic = (methods - 1) * ((sums**2).sum() - blocks * centre) / spread if spread > 0 else 0.0
        p = float(stats.chi2.sf(statistic, methods - 1))
        w = statistic / (blocks * (methods - 1))
        rows.append((cube.benchmark, unit, blocks, methods, statistic, methods - 1, p, w))
    return pd.DataFrame(
        rows, columns=["benchmark", "unit", "n_blocks", "n_methods", "statistic", "df", "p", "kendalls_w"]
    )


def friedman_posthoc(
    ratings: pd.DataFrame, *, test: Literal["nemenyi", "conover"] = "nemenyi", unit: Unit = "rater_x_image"
) -> pd.DataFrame:
    """Which methods differ, after `friedman`, with rank 1 the best.

    nemenyi: studentized range of the mean ranks (Demsar 2006, section 3.2.2), p adjusted for the family by
    itself. conover: t test on the rank sums (Conover 1999, eq. 5.8.9), p_adjusted by Holm. Columns:
    benchmark, test, unit, n_blocks, method_a, method_b, rank_a, rank_b, statistic, p, p_adjusted.
    """
    if test not in ("nemenyi", "conover"):
        raise ValueError(f"unknown post-hoc test {test!r}; known: nemenyi, conover")
    tables = []
    for cube in cubes(ratings):
        ranks = _ranks(cube, unit)
        if ranks.shape[1] < 3 or ranks.shape[0] < 2:
            continue
        statistic, p = _nemenyi(ranks) if test == "nemenyi" else _conover(ranks)
        mean = ranks.mean(axis=0)
        first, second = np.triu_indices(ranks.shape[1], 1)
        names = np.array(cube.methods)
        columns = {"benchmark": cube.benchmark, "test": test, "unit": unit, "n_blocks": len(ranks)}
        pairs = {
            "method_a": names[first],
            "method_b": names[second],
            "rank_a": mean[first],
            "rank_b": mean[second],
        }
        adjusted = p if test == "nemenyi" else holm(p)
        tables.append(pd.DataFrame({**columns, **pairs, "statistic": statistic, "p": p, "p_adjusted": adjusted}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_POSTHOC_COLUMNS)


_POSTHOC_COLUMNS = [
    *("benchmark", "test", "unit", "n_blocks", "method_a", "method_b", "rank_a", "rank_b"),
    *("statistic", "p", "p_adjusted"),
]


def _ranks(cube: Cube, unit: Unit) -> np.ndarray:
    """Ranks of the methods within each complete block, float64 (blocks, methods), 1 = best, ties averaged."""
    complete = cube.rated.all(axis=0)  # raters x sources
    scores = np.where(complete, cube.scores, 0.0)
    if unit == "rater_x_image":
        blocks = scores[:, complete].T
    else:
        axis = 1 if unit == "rater" else 0
        n = complete.sum(axis=axis)
        blocks = settle(scores.sum(axis=axis + 1)[:, n > 0] / n[n > 0], cube.rounding).T
    return np.asarray(stats.rankdata(-blocks, axis=1)) if blocks.size else np.empty((0, len(cube.methods)))


def _nemenyi(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    blocks, methods = ranks.shape
    first, second = np.triu_indices(methods, 1)
    mean = ranks.mean(axis=0)
    statistic = np.abs(mean[first] - mean[second]) / np.sqrt(methods * (methods + 1) / (6 * blocks))
    return statistic, np.asarray(stats.studentized_range.sf(statistic * np.sqrt(2), methods, np.inf))


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
