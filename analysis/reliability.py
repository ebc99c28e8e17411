"""Do raters agree with each other, and with themselves? ICC, Krippendorff's alpha, test-retest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from analysis import jackknife
from analysis.opinion import group_codes
from analysis.panel import panel_of, rounding_of, settle
from analysis.schema import STIMULUS, filled, scale_of
from analysis.signedrank import ZeroMethod, signed_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.crosstable import Matrix
    from analysis.panel import Panel
    from analysis.scale import Scale

FEW = 5  # raters or sources of which an interval says little


def icc(ratings: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Intraclass correlations of absolute agreement: ICC(2,1) and ICC(2,k) (Shrout and Fleiss 1979).

    Of the variances of stimuli, raters and residuals by Henderson's method 1 (1953), which is the analysis of variance
    on a complete panel and uses every rating of an incomplete one. k is the harmonic mean of the raters of a stimulus.
    Intervals for other raters and sources by leaving out one of each at a time (`jackknife`, on -log(1 - ICC)); that of
    ICC(2,k) is that of ICC(2,1) by Spearman and Brown's formula. Columns: icc, value, ci_low, ci_high, n_stimuli,
    n_raters, k, limit (what the number cannot tell). NaN where two raters of two stimuli are not there, or no score
    differs.

    >>> from analysis import example, icc
    >>> icc(example.ratings())[["icc", "value"]].round(2).to_numpy().tolist()
    [['ICC(2,1)', 0.48], ['ICC(2,k)', 0.9]]
    """
    panel = panel_of(ratings)
    source, _ = group_codes(panel.stimuli, ["benchmark", "source"])
    parts = _parts(panel, source)
    k = float(panel.shape[1] / (1 / panel.n).sum())
    single = (parts[0], *_reliability_limits(*parts, confidence=confidence))
    average = tuple(_spearman_brown(value, k) for value in single)
    limit = _limit(panel, source, single)
    rows = [
        (name, *row, *reversed(panel.shape), k, limit) for name, row in (("ICC(2,1)", single), ("ICC(2,k)", average))
    ]
    return pd.DataFrame(rows, columns=["icc", "value", "ci_low", "ci_high", "n_stimuli", "n_raters", "k", "limit"])


def _spearman_brown(value: float, k: float) -> float:
    """Reliability of the mean of k raters from that of one; NaN at -1 / (k - 1), where the mean has no variance."""
    below = 1 + (k - 1) * value
    return k * value / below if below else np.nan


def _reliability_limits(
    full: float, by_source: np.ndarray, by_rater: np.ndarray, *, confidence: float
) -> jackknife.Limits:
    """On -log(1 - r), which makes a coefficient that ends at 1 closer to normal; no interval without three raters."""
    if len(by_rater) < jackknife.FEWEST or not np.isfinite(by_rater).all():
        return jackknife.NONE
    return jackknife.transformed(
        full,
        by_source,
        by_rater,
        to=lambda r: np.asarray(-np.log(np.maximum(1 - r, 1e-12))),
        back=lambda x: np.asarray(1 - np.exp(-x)),
        fitted=False,
        confidence=confidence,
    )


def _limit(panel: Panel, source: np.ndarray, single: Sequence[float]) -> str:
    """What an agreement of these raters and sources cannot tell."""
    if np.isnan(single[0]):
        return "needs two raters of the same stimuli and scores that differ"
    said = []
    if panel.share < 1:
        said.append(f"{1 - panel.share:.0%} of the ratings of a complete panel are missing: taken as missing at random")
    counts = ((len(panel.raters), "raters"), (int(source.max()) + 1, "sources"))
    few = [f"{n} {what}" for n, what in counts if n < FEW]
    if np.isnan(single[1]):
        said.append(f"no interval: {', '.join(few) or 'without some rater or source nothing is left to compare'}")
    elif few:
        said.append(f"only {', '.join(few)}")
    return "; ".join(said)


def _parts(panel: Panel, source: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """ICC(2,1) of the panel, without each source and without each rater."""
    value = panel.score - panel.score.mean()
    n, total, square = panel.table(None, value, value**2)
    by_source = jackknife.leave_out(int(source.max()) + 1)[:, source]
    whole = _components(n, total, square, np.ones((1, len(panel.raters))))
    without_rater = _components(n, total, square, jackknife.leave_out(len(panel.raters)))
    without_source = _components(n.T, total.T, square.T, by_source)[:, [1, 0, 2]]
    with np.errstate(divide="ignore", invalid="ignore"):  # no variance at all, no ICC
        whole, without_source, without_rater = (c[:, 0] / c.sum(axis=1) for c in (whole, without_source, without_rater))
    return float(whole[0]), without_source, without_rater


def _components(filled: Matrix, value: Matrix, square: Matrix, weight: np.ndarray) -> np.ndarray:
    """Variances of columns, rows and residuals, (groups, 3), of value (rows, columns), and its square, where filled.

    weight (groups, rows) is 1 for the rows of a group. Henderson's method 1: sums of squares of totals, set equal to
    their expectations under row + column + residual, all random. NaN where they do not tell the three apart.
    """
    n_row, total_row = filled.sum(axis=1), value.sum(axis=1)
    n_column, total_column = weight @ filled, weight @ value
    n = np.maximum(n_column.sum(axis=1), 1)  # a group without ratings is not told apart below
    rows, columns = weight @ (n_row > 0), (n_column > 0).sum(axis=1)
    mean = total_column.sum(axis=1) ** 2 / n
    by_column = (
        np.divide(total_column**2, n_column, out=np.zeros(n_column.shape), where=n_column > 0).sum(axis=1) - mean
    )
    by_row = weight @ np.divide(total_row**2, n_row, out=np.zeros(n_row.shape), where=n_row > 0) - mean
    rest = weight @ square.sum(axis=1) - mean - by_column - by_row
    share_column, share_row = (n_column**2).sum(axis=1) / n, weight @ n_row**2 / n
    expected = np.stack(
        [
            np.stack([n - share_column, columns - share_row, columns - 1], axis=-1),
            np.stack([rows - share_column, n - share_row, rows - 1], axis=-1),
            np.stack([share_column - rows, share_row - columns, n - rows - columns + 1], axis=-1),
        ],
        axis=-2,
    )
    told = (rows > 1) & (columns > 1) & (n - rows - columns + 1 > 0)
    told &= np.abs(np.linalg.det(expected)) > 1e-9 * np.maximum(n, 1) ** 3 * 1e-3
    expected[~told] = np.eye(3)
    found = np.linalg.solve(expected, np.stack([by_column, by_row, rest], axis=-1)[..., None])[..., 0]
    return np.where(told[:, None], found, np.nan)


def krippendorff_alpha(ratings: pd.DataFrame) -> float:
    """Krippendorff's alpha with the ordinal distance, missing ratings allowed; first showings, all stimuli.

    The ordinal distance of two scores is that of their midranks among all scores that have a partner (Krippendorff,
    Computing Krippendorff's Alpha-Reliability, 2011), so no list of possible scores is needed. NaN where all scores are
    the same or no stimulus has two ratings: alpha is not defined there.

    >>> from analysis import example, krippendorff_alpha
    >>> round(krippendorff_alpha(example.ratings()), 2)
    0.48
    """
    panel = panel_of(ratings)
    return _alpha(panel.stimulus, np.unique(panel.score, return_inverse=True)[1], np.ones(len(panel.score)))


def alpha(ratings: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """`krippendorff_alpha` with its interval, made as that of `icc`.

    Columns: value, ci_low, ci_high, n_stimuli, n_raters, limit.

    >>> from analysis import example, alpha
    >>> alpha(example.ratings())["value"].round(2).to_list()
    [0.48]
    """
    panel = panel_of(ratings)
    source, _ = group_codes(panel.stimuli, ["benchmark", "source"])
    code = np.unique(panel.score, return_inverse=True)[1]
    cell, place = np.unique(panel.stimulus * (int(code.max()) + 1) + code, return_inverse=True)
    stimulus, level = np.divmod(cell, int(code.max()) + 1)
    n = np.bincount(place).astype(np.float64)
    value = _alpha(stimulus, level, n)
    without_source = jackknife.leave_out(int(source.max()) + 1)
    by_source = np.array([_alpha(stimulus, level, n * kept[source[stimulus]]) for kept in without_source])
    without_rater = jackknife.leave_out(len(panel.raters))
    by_rater = np.array([_alpha(stimulus, level, np.bincount(place, kept[panel.rater])) for kept in without_rater])
    single = (value, *_reliability_limits(value, by_source, by_rater, confidence=confidence))
    row = (*single, *reversed(panel.shape), _limit(panel, source, single))
    return pd.DataFrame([row], columns=["value", "ci_low", "ci_high", "n_stimuli", "n_raters", "limit"])


def _alpha(stimulus: np.ndarray, code: np.ndarray, count: np.ndarray) -> float:
    """Alpha of scores given as codes in their order (n,), the stimulus of each (n,) and how often it came (n,)."""
    n = np.bincount(stimulus, count)
    paired = (n[stimulus] > 1) & (count > 0)
    stimulus, code, count, n = stimulus[paired], code[paired], count[paired], np.where(n > 1, n, 0)
    counts, total = np.bincount(code, count), count.sum()
    if (counts > 0).sum() < 2:
        return float("nan")
    rank = (np.cumsum(counts) - (counts - 1) / 2)[code] - (total + 1) / 2
    sums = np.bincount(stimulus, count * rank, len(n))
    square = np.bincount(stimulus, count * rank**2, len(n))
    several = n > 1
    within = (n[several] * square[several] - sums[several] ** 2) / (n[several] - 1)
    return float(1 - within.sum() * (total - 1) / (total * (count * rank**2).sum()))


def retest(ratings: pd.DataFrame, *, zero_method: ZeroMethod = "pratt", scale: Scale | None = None) -> pd.DataFrame:
    """First against second showing of a stimulus to the same rater, as in the pilot of Ledig et al. 2017.

    Paired two-sided Wilcoxon test (`signed_rank`), over all such pairs. Columns: n_pairs, n_raters, n_zero,
    mean_difference (second - first), p, identical and within_one (shares; within one category, `Scale.category`),
    within_rater_sd = sqrt(mean d^2 / 2), the standard error of measurement of one rating (Bland, Altman 1996), and
    spearman. One row; none where nothing was shown twice.

    >>> from analysis import example, retest
    >>> retest(example.ratings())[["n_pairs", "p", "spearman"]].round(3).to_numpy().tolist()
    [[90.0, 0.576, -0.113]]
    """
    ratings, columns = filled(ratings), ["rater", *STIMULUS]
    first = ratings[ratings["repeat"] == 0][[*columns, "score"]]
    second = ratings[ratings["repeat"] == 1][[*columns, "score"]]
    pairs = first.merge(second, on=columns, suffixes=("_first", "_second"), validate="one_to_one")
    if pairs.empty:
        return pd.DataFrame(columns=_RETEST_COLUMNS)
    difference = (pairs["score_second"] - pairs["score_first"]).to_numpy(np.float64)
    difference = settle(difference, rounding_of(pairs[["score_first", "score_second"]].to_numpy(np.float64)))
    values, counts = np.unique(difference, return_counts=True)
    test = signed_rank(values, counts, zero_method=zero_method)
    constant = pairs["score_first"].nunique() == 1 or pairs["score_second"].nunique() == 1
    row = {
        "n_pairs": len(pairs),
        "n_raters": pairs["rater"].nunique(),
        "n_zero": test.n_zero,
        "mean_difference": difference.mean(),
        "p": test.p,
        "identical": (difference == 0).mean(),
        "within_one": (np.abs(difference) <= scale_of(ratings, scale).category).mean(),
        "within_rater_sd": np.sqrt((difference**2).mean() / 2),
        "spearman": np.nan if constant else stats.spearmanr(pairs["score_first"], pairs["score_second"]).statistic,
    }
    return pd.DataFrame([row], columns=_RETEST_COLUMNS)


_RETEST_COLUMNS = [
    *("n_pairs", "n_raters", "n_zero", "mean_difference", "p", "identical", "within_one"),
    *("within_rater_sd", "spearman"),
]
