"""Mean comparison scores of every two methods, from graded answers; raters and sources both random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import intervals
from analysis.pairs.schema import COMPARISON, counted, unordered
from analysis.pairs.shares import quantile_p
from analysis.significance import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ["method_a", "method_b", "n", "cmos", "sd", "low", "high", "se", "df", "p", "p_holm"]


def comparison_scores(pairs: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """CMOS of every two methods that met, the larger first; above 0, for method_a is the better of the two.

    The graded answer says how much better the right image is; turned so that method_a stands right, its mean over all
    answers is the CMOS (ITU-T P.800, annex E). Interval and p take raters and sources both as samples
    (`intervals.two_way_spread`: in a complete panel the crossed analysis of variance), with Student's t. Columns:
    COLUMNS; NaN where there is one rater and one source, or where all answers are alike: nothing shows then how raters
    and sources differ. Repeats and checks are left out.
    """
    rows = counted(pairs)
    if rows.empty:
        return pd.DataFrame(columns=COLUMNS)
    low, high = unordered(rows)
    # As if the method that is first in the alphabet stood right.
    score = np.where(rows["right"] == low, 1.0, -1.0) * rows[COMPARISON].to_numpy(np.float64)
    rater, source = (pd.factorize(rows[name], sort=True)[0] for name in ("rater", "source"))
    found = []
    methods = pd.MultiIndex.from_arrays([low, high])
    for a, b in methods.unique().sort_values():
        at = np.flatnonzero((low == a) & (high == b))
        found.append(_row(a, b, rater[at], source[at], score[at], confidence))
    table = pd.DataFrame(found, columns=COLUMNS[:-1])
    table["p_holm"] = holm(table["p"].to_numpy())
    return table.sort_values(["cmos", "method_a", "method_b"], ascending=[False, True, True], ignore_index=True)


def _row(
    a: str, b: str, rater: np.ndarray, source: np.ndarray, score: np.ndarray, confidence: float
) -> Sequence[object]:
    mean = float(score.mean())
    if mean < 0:
        a, b, score, mean = b, a, -score, -mean
    spread = intervals.two_way_spread(intervals.cells(rater, source, score))
    if (score == score[0]).all():
        spread = intervals.Spread(np.nan, np.nan)
    limits = intervals.analytic_interval(mean, spread, confidence=confidence)
    se = float(np.sqrt(spread.variance))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = quantile_p(float(np.divide(mean, se)), spread.df)
    sd = float(score.std(ddof=1)) if len(score) > 1 else np.nan
    return a, b, len(score), mean, sd, *limits, se, spread.df, p
