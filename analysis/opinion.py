"""Mean opinion scores with intervals by name; distributions, SOS, differential scores, average ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from scipy import special

from analysis import intervals
from analysis.schema import STIMULUS, RatingsError, first_showings, scale_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.scale import Scale

IntervalName = Literal["student", "normal", "rater_bootstrap", "two_way_bootstrap", "two_way"]
STANDARD: IntervalName = "two_way"  # of the site and of a report that asks for no other
DRAWS = 1000
FEW_IMAGES = 3  # fewer tell next to nothing of other images
BINS = 20  # of a continuous scale's score distribution


def mos(
    ratings: pd.DataFrame,
    *,
    by: Sequence[str] = ("benchmark", "method"),
    interval: IntervalName = "student",
    confidence: float = 0.95,
    clip: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
    scale: Scale | None = None,
) -> pd.DataFrame:
    """MOS of each group of a validated ratings table; only the first showing of a repeated stimulus counts.

    Columns: `by` (sorted), n, mos (mean score), sd (ddof 1, NaN for one rating), ci_low, ci_high. Intervals
    by name:

    student            mos -+ t(n-1) sd / sqrt(n), ITU-R BT.500 and ITU-T P.910; counts ratings as independent
    normal             the same with z = 1.959964, common in older software
    rater_bootstrap    raters are a sample, the sources are these
    two_way_bootstrap  raters and sources are both samples; see `intervals.bootstrap_interval`
    two_way            the same without draws: crossed random effects, t with Satterthwaite's df

    A bootstrap of more raters or sources than fit (`intervals.bootstrap_fits`) gives way to its formula, Student's t on
    the same variance; `method_scores` says so in each such row.

    An interval may leave the scale near its ends; `clip` cuts it there (`scale`, else the table's: `scale_of`).
    Raises ValueError on an unknown name.

    >>> import pandas as pd
    >>> from analysis import mos
    >>> ratings = pd.DataFrame({"rater": ["a", "b", "c"], "source": "s", "method": "m", "score": [3, 4, 5]})
    >>> mos(ratings).round(2).iloc[0].to_dict()
    {'benchmark': 'all', 'method': 'm', 'n': 3, 'mos': 4.0, 'sd': 1.0, 'ci_low': 1.52, 'ci_high': 6.48}
    """
    if interval not in get_args(IntervalName):
        raise ValueError(f"unknown interval {interval!r}; known: {', '.join(get_args(IntervalName))}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1, such as 0.95")
    table = first_showings(ratings)
    groups, keys = group_codes(table, by)
    score = table["score"].to_numpy(np.float64)
    n = np.bincount(groups)
    mean = np.bincount(groups, weights=score) / n
    squares = np.bincount(groups, weights=(score - mean[groups]) ** 2)
    sd = np.sqrt(np.divide(squares, n - 1, out=np.full(len(n), np.nan), where=n > 1))
    if interval in ("student", "normal"):
        quantile = special.ndtri(0.5 + confidence / 2) if interval == "normal" else _t(confidence, n)
        half = quantile * sd / np.sqrt(n)
        low, high = mean - half, mean + half
    else:
        low, high = _clustered(table, groups, score, interval, confidence, draws, seed)
    if clip:
        ends = scale_of(ratings, scale)
        low, high = (np.clip(limit, ends.low, ends.high) for limit in (low, high))
    return keys.assign(n=n, mos=mean, sd=sd, ci_low=low, ci_high=high)


def method_scores(
    ratings: pd.DataFrame,
    *,
    interval: IntervalName = STANDARD,
    draws: int = DRAWS,
    seed: int = 0,
    scale: Scale | None = None,
) -> pd.DataFrame:
    """MOS of each method on each benchmark as the site and the report print it, so that they print the same.

    The columns of `mos`, the interval at 95 % and cut at the ends of the scale, then n_raters, n_images and limit: what
    the row's numbers cannot tell, "" where nothing is to be said.

    >>> from analysis import example, method_scores
    >>> method_scores(example.ratings())[["method", "mos", "ci_low", "ci_high"]].round(2).head(1).to_numpy().tolist()
    [['bicubic', 1.98, 1.74, 2.21]]
    """
    by = ["benchmark", "method"]
    table = mos(ratings, by=by, interval=interval, draws=draws, seed=seed)
    ends = scale_of(ratings, scale)
    counts = first_showings(ratings).groupby(by)[["rater", "source"]].nunique()
    counts = counts.loc[pd.MultiIndex.from_frame(table[by])]
    cut = (table["ci_low"] < ends.low) | (table["ci_high"] > ends.high)
    table["ci_low"], table["ci_high"] = (table[limit].clip(ends.low, ends.high) for limit in ("ci_low", "ci_high"))
    table["n_raters"], table["n_images"] = counts["rater"].to_numpy(), counts["source"].to_numpy()
    table["limit"] = [
        _limit(raters, images, cut=bool(was), interval=interval, draws=draws)
        for raters, images, was in zip(table["n_raters"], table["n_images"], cut, strict=True)
    ]
    return table


def _limit(raters: int, images: int, *, cut: bool, interval: str, draws: int) -> str:
    said, two_way = [], interval.startswith("two_way")
    if interval.endswith("bootstrap") and not intervals.bootstrap_fits(raters, images, draws=draws):
        said.append(f"the interval is by formula: a bootstrap of {max(raters, images)} does not fit in memory")
    if raters * images == 1:
        said.append("one rating: no interval")
    elif raters == 1:
        said.append("one rater: the interval is silent on other raters")
    elif two_way and images < FEW_IMAGES:
        said.append(
            "one image: the interval is silent on others" if images == 1 else "two images: it says little of others"
        )
    if cut:
        said.append("the interval is cut at the end of the scale")
    return "; ".join(said)


def group_codes(table: pd.DataFrame, by: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Integer code of each row's group, int64 (n,), and the groups' keys in sorted order, one row a group."""
    by = list(by)
    missing = [column for column in by if column not in table]
    if missing:
        raise RatingsError(f"cannot group by {', '.join(missing)}: the table has {', '.join(table.columns)}")
    combined = np.zeros(len(table), dtype=np.int64)
    levels = []
    for column in by:
        code, values = pd.factorize(table[column], sort=True)
        levels.append(values)
        combined = combined * len(values) + code
    present, groups = np.unique(combined, return_inverse=True)
    keys = {}
    for column, values in zip(reversed(by), reversed(levels), strict=True):
        present, code = np.divmod(present, len(values))
        keys[column] = values.take(code)
    return groups, pd.DataFrame({column: keys[column] for column in by})


def _t(confidence: float, n: np.ndarray) -> np.ndarray:
    return np.asarray(special.stdtrit(np.maximum(n - 1, 1), 0.5 + confidence / 2))


def _clustered(
    table: pd.DataFrame,
    groups: np.ndarray,
    score: np.ndarray,
    interval: str,
    confidence: float,
    draws: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    rater, _ = group_codes(table, ["rater"])
    source, _ = group_codes(table, ["benchmark", "source"])
    order = np.argsort(groups, kind="stable")
    starts = np.cumsum(np.bincount(groups))[:-1]
    limits = []
    for rows in np.split(order, starts):
        group = intervals.cells(rater[rows], source[rows], score[rows])
        two_way = interval.startswith("two_way")
        if interval == "two_way" or not intervals.bootstrap_fits(*group.count.shape, draws=draws):
            spread = intervals.two_way_spread(group) if two_way else intervals.rater_spread(group)
            limits.append(intervals.analytic_interval(group.mean, spread, confidence=confidence))
        else:
            limits.append(
                intervals.bootstrap_interval(group, two_way=two_way, confidence=confidence, draws=draws, seed=seed)
            )
    low, high = np.array(limits).T
    return low, high


def score_distribution(
    ratings: pd.DataFrame, *, by: Sequence[str] = ("benchmark", "method"), scale: Scale | None = None
) -> pd.DataFrame:
    """Counts of each score: `by`, score, count, share (figure 5 of Ledig et al. 2017).

    Every level of the scale has a row. A continuous scale is cut into BINS equal parts, and score is the middle of one;
    a score between two parts counts in the upper. Raises RatingsError for scores off the scale, such as those of
    `remove_bias`: state a continuous scale that holds them.

    >>> from analysis import example, score_distribution
    >>> score_distribution(example.ratings()).head(5)["count"].to_list()
    [9, 26, 2, 3, 0]
    """
    table = first_showings(ratings)
    groups, keys = group_codes(table, by)
    ends = scale_of(ratings, scale)
    score = table["score"].to_numpy(np.float64)
    if not ends.mask(score).all():
        odd = score[~ends.mask(score)][0]
        raise RatingsError(f"the score {odd:g} is not on the scale {ends.text}: state the scores' scale (scale=)")
    if ends.step is None:
        levels = ends.low + ends.width * (np.arange(BINS) + 0.5) / BINS
        level = np.minimum((score - ends.low) / ends.width * BINS, BINS - 1).astype(np.int64)
    else:
        levels = np.array(ends.levels)
        level = np.rint((score - ends.low) / ends.step).astype(np.int64)
    counts = np.bincount(groups * len(levels) + level, minlength=len(levels) * len(keys))
    tidy = keys.loc[keys.index.repeat(len(levels))].reset_index(drop=True)
    tidy["score"] = np.tile(levels, len(keys))
    tidy["count"] = counts
    tidy["share"] = counts / np.repeat(np.bincount(groups), len(levels))
    return tidy


def sos(ratings: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of opinion scores a stimulus: benchmark, source, method, n, mos, sos (ddof 1).

    >>> from analysis import example, sos
    >>> sos(example.ratings()).head(1).round(2).to_numpy().tolist()
    [['Set14', 'Set14-001', 'bicubic', 10, 1.7, 0.67]]
    """
    table = mos(ratings, by=STIMULUS, interval="normal")
    return table.rename(columns={"sd": "sos"})[[*STIMULUS, "n", "mos", "sos"]]


def sos_parameter(ratings: pd.DataFrame, *, scale: Scale | None = None) -> float:
    """The SOS parameter a of SOS^2 = a (x - low) (high - x) (Hossfeld, Schatz, Egger, QoMEX 2011).

    Least squares over stimuli with at least two ratings, scores mapped to [0, 1]:
    a = sum (m - m^2) v / sum (m - m^2)^2. NaN where every stimulus has its MOS at an end of the scale.

    >>> from analysis import example, sos_parameter
    >>> round(sos_parameter(example.ratings()), 3)
    0.183
    """
    table = sos(ratings).dropna()
    ends = scale_of(ratings, scale)
    mean = (table["mos"].to_numpy() - ends.low) / ends.width
    variance = (table["sos"].to_numpy() / ends.width) ** 2
    shape = mean - mean**2
    weight = float((shape**2).sum())
    return float((shape * variance).sum() / weight) if weight > 0 else float("nan")


def differential_scores(
    ratings: pd.DataFrame, *, reference: str = "hr", crushed: bool = False, scale: Scale | None = None
) -> pd.DataFrame:
    """Each rater's score against the same rater's score of the hidden reference, ITU-T P.910 section 8.

    DV = score(stimulus) - score(reference of the same source) + the scale's high end; `crushed` maps DV > 5 to 7 DV /
    (2 + DV), as on 1 to 5 (another scale is stretched onto it and back). Columns: rater, benchmark, source, method,
    score, reference_score, dv. Rows whose rater never saw the source's reference are left out (they have none); the
    reference's own rows too. Raises RatingsError where no row has that method.

    >>> from analysis import example, differential_scores
    >>> differential_scores(example.ratings(), reference="hr").head(1)["method"].item()
    'srgan-mse'
    """
    table = first_showings(ratings)[["rater", *STIMULUS, "score"]]
    hidden = table["method"] == reference
    if not hidden.any():
        raise RatingsError(f"no row has the method {reference!r}: name the hidden reference with reference=")
    anchors = table[hidden].drop(columns="method").rename(columns={"score": "reference_score"})
    merged = table[~hidden].merge(anchors, on=["rater", "benchmark", "source"], validate="many_to_one")
    ends = scale_of(ratings, scale)
    difference = (merged["score"] - merged["reference_score"]).to_numpy(np.float64)
    if crushed:
        five = 5 + np.maximum(difference, 0) * 4 / ends.width
        difference = np.where(difference > 0, (7 * five / (2 + five) - 5) * ends.width / 4, difference)
    merged["dv"] = ends.high + difference
    return merged


def dmos(
    ratings: pd.DataFrame,
    *,
    reference: str = "hr",
    crushed: bool = False,
    by: Sequence[str] = ("benchmark", "method"),
    interval: IntervalName = "student",
    scale: Scale | None = None,
) -> pd.DataFrame:
    """Differential MOS: `mos` of `differential_scores`, with the column dmos in place of mos.

    >>> from analysis import example, dmos
    >>> dmos(example.ratings(), reference="hr")[["method", "dmos"]].round(2).head(1).to_numpy().tolist()
    [['bicubic', 2.65]]
    """
    table = differential_scores(ratings, reference=reference, crushed=crushed, scale=scale)
    scores = table.drop(columns="score").rename(columns={"dv": "score"}).assign(repeat=0)
    return mos(scores, by=by, interval=interval).rename(columns={"mos": "dmos"})


def average_ranks(ratings: pd.DataFrame) -> pd.DataFrame:
    """Average rank of each method on each benchmark, 1 = best (supplement of Ledig et al. 2017).

    Methods are ranked within one rater and source, ties take the average rank. A rater and source count only
    where every method of the benchmark was rated, for else the ranks have no common range. Columns:
    benchmark, method, n (rater x source blocks), rank, sd.

    >>> from analysis import example, average_ranks
    >>> average_ranks(example.ratings()).query("benchmark == 'Set5'").sort_values("rank")["method"].iloc[0]
    'hr'
    """
    rows = []
    for benchmark, table in first_showings(ratings).groupby("benchmark"):
        methods = sorted(set(table["method"]))
        complete = table.groupby(["rater", "source"])["score"].transform("size") == len(methods)
        wide = table[complete].pivot(index=["rater", "source"], columns="method", values="score")
        ranks = (-wide).reindex(columns=methods).rank(axis=1).to_numpy(np.float64)
        for column, method in enumerate(methods):
            rank = ranks[:, column]
            sd = rank.std(ddof=1) if len(rank) > 1 else np.nan
            mean = rank.mean() if len(rank) else np.nan
            rows.append((benchmark, method, len(rank), mean, sd))
    return pd.DataFrame(rows, columns=["benchmark", "method", "n", "rank", "sd"])
