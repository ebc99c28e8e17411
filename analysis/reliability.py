"""Do raters agree with each other, and with themselves? ICC, Krippendorff's alpha, test-retest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from analysis.panel import matrix, rounding_of, settle
from analysis.schema import STIMULUS, scale_of
from analysis.significance import ZeroMethod, signed_rank

if TYPE_CHECKING:
    from analysis.scale import Scale


def icc(ratings: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Intraclass correlations of absolute agreement: ICC(2,1) and ICC(2,k) (Shrout and Fleiss 1979).

    The intervals are those of McGraw and Wong (1996), table 7. Only stimuli that every rater rated count.
    Columns: icc, value, ci_low, ci_high, n_stimuli, n_raters; NaN where fewer than two complete stimuli or
    raters are left.
    """
    scores = matrix(ratings).scores
    scores = scores[:, ~np.isnan(scores).any(axis=0)]
    raters, stimuli = scores.shape
    if raters < 2 or stimuli < 2:
        single = average = np.full(3, np.nan)
    else:
        single, average = _agreement(scores, confidence)
    rows = [("ICC(2,1)", *single, stimuli, raters), ("ICC(2,k)", *average, stimuli, raters)]
    return pd.DataFrame(rows, columns=["icc", "value", "ci_low", "ci_high", "n_stimuli", "n_raters"])


@np.errstate(divide="ignore", invalid="ignore")  # scores without any variance have no ICC, or no limits: NaN
def _agreement(scores: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """(value, low, high) of one rater and of the mean of all, from scores (raters, stimuli) without holes."""
    k, n = scores.shape
    mean = scores.mean()
    by_stimulus, by_rater = scores.mean(axis=0), scores.mean(axis=1)
    stimulus = k * ((by_stimulus - mean) ** 2).sum() / (n - 1)
    rater = n * ((by_rater - mean) ** 2).sum() / (k - 1)
    residual = scores - by_stimulus[None, :] - by_rater[:, None] + mean
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    value = (stimulus - error) / (stimulus + (k - 1) * error + k * (rater - error) / n)
    if np.isclose(value, 1):
        return np.ones(3), np.ones(3)
    a = k * value / (n * (1 - value))
    b = 1 + a * (n - 1)
    df = (a * rater + b * error) ** 2 / ((a * rater) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1)))
    upper = 0.5 + confidence / 2
    f_low, f_high = stats.f.ppf(upper, n - 1, df), stats.f.ppf(upper, df, n - 1)
    rest = k * rater + (k * n - k - n) * error
    low = n * (stimulus - f_low * error) / (f_low * rest + n * stimulus)
    high = n * (f_high * stimulus - error) / (rest + n * f_high * stimulus)
    single = np.array([value, low, high])
    average = k * single / (1 + (k - 1) * single)
    return np.where(np.isfinite(single), single, np.nan), np.where(np.isfinite(average), average, np.nan)


def krippendorff_alpha(ratings: pd.DataFrame) -> float:
    """Krippendorff's alpha with the ordinal distance, missing ratings allowed; first showings, all stimuli.

    The ordinal distance of two scores is that of their midranks among all scores that have a partner (Krippendorff,
    Computing Krippendorff's Alpha-Reliability, 2011), so no list of possible scores is needed. NaN where all scores are
    the same or no stimulus has two ratings: alpha is not defined there.
    """
    scores = matrix(ratings).scores
    paired = scores[:, (~np.isnan(scores)).sum(axis=0) >= 2]
    n = (~np.isnan(paired)).sum(axis=0)
    rank = stats.rankdata(paired, nan_policy="omit", axis=None).reshape(paired.shape)
    if paired.size == 0 or np.nanmin(rank) == np.nanmax(rank):
        return float("nan")
    within = np.nansum((rank - np.nanmean(rank, axis=0)) ** 2, axis=0) * n / (n - 1)
    return float(1 - within.sum() * (n.sum() - 1) / (n.sum() * np.nansum((rank - np.nanmean(rank)) ** 2)))


def retest(ratings: pd.DataFrame, *, zero_method: ZeroMethod = "pratt", scale: Scale | None = None) -> pd.DataFrame:
    """First against second showing of a stimulus to the same rater, as in the pilot of Ledig et al. 2017.

    Paired two-sided Wilcoxon test (`signed_rank`), over all such pairs. Columns: n_pairs, n_raters, n_zero,
    mean_difference (second - first), p, identical and within_one (shares; within one category, `Scale.category`),
    within_rater_sd = sqrt(mean d^2 / 2), the standard error of measurement of one rating (Bland, Altman 1996), and
    spearman. One row; none where nothing was shown twice.
    """
    columns = ["rater", *STIMULUS]
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
