"""Scores and pairs of the same stimuli: do they say the same, and where not?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis import intervals
from analysis.opinion import mos
from analysis.pairs import models
from analysis.pairs.estimates import strengths
from analysis.pairs.schema import PairsError, counted
from analysis.pairs.shares import pair_shares
from analysis.schema import first_showings

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAWS = 1000
EVERY = "all"  # the source of a row that pools all sources
_BESIDE = [
    *("source", "method", "n_scores", "mos", "mos_low", "mos_high", "n_choices", "strength", "low", "high"),
    "mos_centred",
]


def beside_scores(pairs: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """MOS and strength of each method on the common sources: source ("all", then each), method, n_scores, mos, mos_low,
    mos_high, n_choices, strength, low, high, mos_centred (less its mean over the methods of the row's source).

    Strengths compare methods within a source, so scores are centred within it as well. A source whose choices cannot
    be fitted has no row. Raises PairsError where no stimulus is in both tables.
    """
    chosen, rated = common(pairs, ratings)
    tables = []
    for source, part, scores in _each(chosen, rated):
        try:
            worth = strengths(part)[["method", "n", "strength", "low", "high"]]
        except models.Unfittable:
            continue
        interval = "two_way" if source == EVERY else "student"
        means = mos(scores, by=["method"], interval=interval)  # type: ignore[arg-type]
        means = means.rename(columns={"n": "n_scores", "ci_low": "mos_low", "ci_high": "mos_high"}).drop(columns="sd")
        joined = means.merge(worth.rename(columns={"n": "n_choices"}), on="method")
        joined["mos_centred"] = joined["mos"] - joined["mos"].mean()
        joined.insert(0, "source", source)
        tables.append(joined)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_BESIDE)


def common(pairs: pd.DataFrame, ratings: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The choices between stimuli that were also scored, and the scores of stimuli that were also chosen from."""
    scores = first_showings(ratings)
    stimuli = scores[["benchmark", "source", "method"]].drop_duplicates()
    twice = stimuli[stimuli.duplicated(["source", "method"])]
    if len(twice):
        name = twice["source"].iloc[0]
        raise PairsError(f"the source {name} is in two benchmarks of the ratings; give the ratings of one benchmark")
    known = set(zip(stimuli["source"], stimuli["method"], strict=True))
    rows = counted(pairs)
    left, right = (
        np.array([key in known for key in zip(rows["source"], rows[side], strict=True)]) for side in ("left", "right")
    )
    chosen = rows[left & right].reset_index(drop=True)
    if chosen.empty:
        raise PairsError("no pair has both its stimuli in the ratings: check the names of sources and methods")
    shown = pd.concat([chosen[["source", side]].set_axis(["source", "method"], axis=1) for side in ("left", "right")])
    return chosen, scores.merge(shown.drop_duplicates(), on=["source", "method"])


def _each(chosen: pd.DataFrame, rated: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    yield EVERY, chosen, rated
    by_name = dict(tuple(rated.groupby("source")))
    for source, part in chosen.groupby("source"):
        yield str(source), part.reset_index(drop=True), by_name[source]


def score_correlation(pairs: pd.DataFrame, ratings: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Correlation of MOS and strength: level "methods" (pooled) and "stimuli" (each source's own, centred within it).

    Columns: level, n, sources, pearson, spearman, kendall, and for stimuli on at least five sources pearson_low,
    pearson_high: percentiles of draws that resample sources, for the stimuli of one source are not independent.
    """
    table, (chosen, _) = beside_scores(pairs, ratings), common(pairs, ratings)
    columns = ["level", "n", "sources", "pearson", "spearman", "kendall", "pearson_low", "pearson_high"]
    rows = []
    for level, part in (("methods", table[table["source"] == EVERY]), ("stimuli", table[table["source"] != EVERY])):
        x, y = part["mos_centred"].to_numpy(float), part["strength"].to_numpy(float)
        names, code = np.unique(part["source"].to_numpy(str), return_inverse=True)
        limits = _resampled(x, y, code, draws, seed) if level == "stimuli" and len(names) >= 5 else (np.nan, np.nan)
        sources = len(names) if level == "stimuli" else chosen["source"].nunique()
        rows.append((level, len(part), sources, *_correlations(x, y), *limits))
    return pd.DataFrame(rows, columns=columns)


def _correlations(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan"), float("nan")
    return tuple(float(f(x, y).statistic) for f in (stats.pearsonr, stats.spearmanr, stats.kendalltau))  # type: ignore[return-value]


def _resampled(x: np.ndarray, y: np.ndarray, source: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    weight = intervals.resample_counts(int(source.max()) + 1, draws=draws, seed=seed, stream=5)[:, source]
    total = weight.sum(axis=1, keepdims=True)
    dx, dy = x - (weight @ x)[:, None] / total, y - (weight @ y)[:, None] / total
    products = [(weight * a * b).sum(axis=1) for a, b in ((dx, dy), (dx, dx), (dy, dy))]
    low, high = np.percentile(products[0] / np.sqrt(products[1] * products[2]), [2.5, 97.5])
    return float(low), float(high)


class _Gap(NamedTuple):
    """Difference of MOS with its limits."""

    difference: float
    low: float
    high: float


def disagreements(pairs: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """Every two methods, over all sources and on each, by scores and by choices: where they differ comes first.

    Columns: source, method_a, method_b, n_choices, share_a (chosen, ties a half), low, high, n_scores, mos_difference
    (a - b over raters who scored both), mos_low, mos_high, verdict: "opposite, both clear" (both intervals exclude no
    difference), "opposite" (the signs), "only pairs", "only scores" (the other's interval holds 0), "alike".
    """
    chosen, rated = common(pairs, ratings)
    tables = []
    for source, part, scores in _each(chosen, rated):
        table = pair_shares(part)[["method_a", "method_b", "n", "share_a", "low", "high"]]
        gaps = [_gap(scores, a, b) for a, b in zip(table["method_a"], table["method_b"], strict=True)]
        wide = scores.pivot_table(index=["rater", "source"], columns="method", values="score")
        n = [int(wide[[a, b]].dropna().shape[0]) for a, b in zip(table["method_a"], table["method_b"], strict=True)]
        table = table.rename(columns={"n": "n_choices"}).assign(n_scores=n)
        table[["mos_difference", "mos_low", "mos_high"]] = np.array(gaps, dtype=float).reshape(-1, 3)
        table.insert(0, "source", source)
        tables.append(table)
    found = pd.concat(tables, ignore_index=True)
    found["verdict"] = [_verdict_of(row) for row in found.itertuples()]
    rank = found["verdict"].map(_VERDICTS.index)
    return (
        found.assign(rank=rank).sort_values(["rank", "source"], kind="stable", ignore_index=True).drop(columns="rank")
    )


_VERDICTS = ["opposite, both clear", "opposite", "only pairs", "only scores", "alike"]


def _gap(scores: pd.DataFrame, a: str, b: str) -> _Gap:
    """Mean difference over raters and sources with both scored; raters, and where there are several, sources random."""
    keys = ["rater", "source"]
    first, second = (scores[scores["method"] == name][[*keys, "score"]] for name in (a, b))
    both = first.merge(second, on=keys, suffixes=("_a", "_b"))
    if both.empty:
        return _Gap(np.nan, np.nan, np.nan)
    value = (both["score_a"] - both["score_b"]).to_numpy(np.float64)
    rater, source = (pd.factorize(both[key])[0] for key in keys)
    group = intervals.cells(rater, source, value)
    limits = intervals.analytic_interval(group.mean, intervals.two_way_spread(group), confidence=0.95)
    return _Gap(group.mean, limits.low, limits.high)


def _verdict_of(row: object) -> str:
    by_pairs, by_scores = row.share_a - 0.5, row.mos_difference  # type: ignore[attr-defined]
    pairs_clear = row.low > 0.5 or row.high < 0.5  # type: ignore[attr-defined]
    scores_clear = row.mos_low > 0 or row.mos_high < 0  # type: ignore[attr-defined]
    if by_pairs * by_scores < 0:
        if pairs_clear and scores_clear:
            return "opposite, both clear"
        return "opposite"
    if pairs_clear == scores_clear:
        return "alike"
    return "only pairs" if pairs_clear else "only scores"
