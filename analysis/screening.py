"""Which raters may be unreliable, why, and what leaving them out would do to every MOS.

A screen never drops a row. It returns one row a rater with its numbers, `rejected` and a `reason` for the
reader; `exclusion_effect` then shows every MOS with and without the rejected raters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import stats

from analysis.columns import Rule, checked_copy, no_duplicate, numbers, some, text
from analysis.matching import near_names, unmatched
from analysis.opinion import mos
from analysis.panel import panel_of, rounding_of, settle
from analysis.recovery import rater_bias
from analysis.schema import STIMULUS, RatingsError, filled, first_showings, scale_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from analysis.scale import Scale

BT500_SHARE = 0.05  # ITU-R BT.500-15, annex 1, section 2.3.1
BT500_BALANCE = 0.3
CORRELATION = 0.7  # ITU-T P.910 and BT.500's annex on correlation; see `correlation`
MAX_BIAS = 1.0  # ours, in categories (`Scale.category`): a whole step where five span the scale
RUN_CHANCE = 0.01  # ours: a run so long in fewer than one session in a hundred
SHORTEST_RUN = 5  # ours: on a fine scale even two equal scores are rare, and still prove nothing
MEDIAN_MS = 600.0  # ours: an image cannot be looked at and judged faster, time after time
HASTE_MS = 200.0  # ours: below a human's choice reaction time
HASTE_SHARE = 0.1  # ours
GOLD_TOLERANCE = 1.0  # in categories; ITU-T P.808 and P.910 crowd practice: gold items within one
GOLD_SHARE = 0.2  # ours: up to one gold item in five may be missed


def bt500(ratings: pd.DataFrame) -> pd.DataFrame:
    """ITU-R BT.500 screening: columns rater, n, above (P), below (Q), share, balance, rejected, reason.

    Per stimulus with mean m and standard deviation s (ddof 1), kurtosis b2 = m4 / m2^2 of population moments:
    eps = 2 where 2 <= b2 <= 4, else sqrt(20). P and Q count a rater's scores at or beyond m +- eps s.
    Rejected where (P + Q) / n > 0.05 and |P - Q| / (P + Q) < 0.3. A stimulus on which all agree has s = 0 and
    would count every rater on both sides: it is skipped in P and Q, but stays in n.
    """
    panel = panel_of(ratings)
    n = panel.n
    deviation = panel.score - (panel.by_stimulus(panel.score) / n)[panel.stimulus]
    m2, m4 = (panel.by_stimulus(deviation**power) / n for power in (2, 4))
    rounding = rounding_of(panel.score)
    spread = m2 > rounding**2
    kurtosis = np.divide(m4, m2**2, out=np.full(len(n), np.nan), where=spread)
    eps = np.where((kurtosis >= 2) & (kurtosis <= 4), 2.0, np.sqrt(20))
    limit, judged = (eps * np.sqrt(m2 * n / np.maximum(n - 1, 1)))[panel.stimulus], spread[panel.stimulus]
    # The limit is reached, not only passed: a rounding error must not decide.
    above = panel.by_rater((deviation >= limit - rounding) & judged).astype(np.int64)
    below = panel.by_rater((deviation <= -limit + rounding) & judged).astype(np.int64)
    rated = panel.rated
    outside = above + below
    share = outside / rated
    balance = np.divide(np.abs(above - below), outside, out=np.full(len(outside), np.nan), where=outside > 0)
    rejected = (share > BT500_SHARE) & (balance < BT500_BALANCE)
    reason = [
        f"{o} of {k} scores far from the mean ({s:.1%}), on both sides ({b:.2f})"
        for o, k, s, b in zip(outside, rated, share, balance, strict=True)
    ]
    table = pd.DataFrame({"rater": panel.raters, "n": rated, "above": above, "below": below})
    return _verdict(table.assign(share=share, balance=balance), rejected, reason)


def correlation(ratings: pd.DataFrame, *, kind: Literal["pearson", "spearman"] = "pearson") -> pd.DataFrame:
    """Correlation of each rater with the MOS: columns rater, n, correlation, threshold, rejected, reason.

    The threshold is 0.7 where mean(r) - std(r) exceeds 0.7 (population std over raters), else mean - std; at
    or under it a rater is rejected (ITU-T P.910, correlation screening). A constant rater has no correlation
    and is rejected; a rater with fewer than three stimuli is not judged.
    """
    panel = panel_of(ratings)
    rounding, n = rounding_of(panel.score), panel.rated
    average = settle(panel.by_stimulus(panel.score) / panel.n, rounding)[panel.stimulus]
    both = zip(panel.split(panel.score), panel.split(average), strict=True)
    r = np.array([_correlate(mine, theirs, kind, rounding) for mine, theirs in both])
    spread = float(np.nanmean(r) - np.nanstd(r)) if np.isfinite(r).any() else CORRELATION
    threshold = min(CORRELATION, spread)
    constant = np.isnan(r) & (n >= 3)
    # A panel of equal raters has std 0 and a threshold equal to every r: rounding must not reject it.
    reject = constant | ((r <= threshold + 1e-12) & ~np.isclose(r, np.nanmax(r, initial=-1.0)))
    reason = [
        f"r = {x:.3f}, not above {threshold:.3f}" if np.isfinite(x) else "gave one score to everything" for x in r
    ]
    table = pd.DataFrame({"rater": panel.raters, "n": n, "correlation": r, "threshold": threshold})
    return _verdict(table, reject, reason)


def _correlate(x: np.ndarray, y: np.ndarray, kind: str, rounding: float) -> float:
    if len(x) < 3 or np.ptp(x) <= rounding or np.ptp(y) <= rounding:
        return np.nan
    if kind == "spearman":
        x, y = stats.rankdata(x), stats.rankdata(y)
    return float(np.corrcoef(x, y)[0, 1])


def bias(ratings: pd.DataFrame, *, limit: float = MAX_BIAS, scale: Scale | None = None) -> pd.DataFrame:
    """Raters whose bias (ITU-T P.913 12.4, `recovery.rater_bias`) exceeds `limit`: rater, n, bias, rejected, reason.

    `limit` is in categories of the scale (`Scale.category`), which are steps on 1 to 5; bias in units of the scores.
    P.913 removes the bias rather than the rater (`recovery.remove_bias`); the limit is ours.
    """
    table = rater_bias(first_showings(ratings))
    reason = [f"on average {value:+.2f} from the others" for value in table["bias"]]
    return _verdict(table, table["bias"].abs().to_numpy() > limit * scale_of(ratings, scale).category, reason)


def straight_lining(ratings: pd.DataFrame, *, chance: float = RUN_CHANCE) -> pd.DataFrame:
    """Long runs of one score in the order shown: rater, n, longest_run, limit, rejected, reason.

    Someone who scores at random, with the panel's most frequent score at its share p, has n (1 - p) p^L runs
    of L or longer in n trials; `limit` is the L where that falls to `chance` (`run_limit`). Needs the column position.
    """
    _needs(ratings, "position")
    keys = ["rater", *(c for c in ("session",) if c in ratings), "position"]
    table = ratings.sort_values(keys, kind="stable")
    p = float(table["score"].value_counts(normalize=True).iloc[0])
    rows = []
    for rater, scores in table.groupby("rater")["score"]:
        values = scores.to_numpy()
        edges = np.flatnonzero(np.r_[True, np.diff(values) != 0, True])
        rows.append((rater, len(values), int(np.diff(edges).max())))
    runs = pd.DataFrame(rows, columns=["rater", "n", "longest_run"])
    limit = run_limit(runs["n"].to_numpy(), p, chance=chance)
    reason = [f"{run} equal scores in a row" for run in runs["longest_run"]]
    return _verdict(runs.assign(limit=limit), runs["longest_run"].to_numpy() >= limit, reason)


def run_limit(n: NDArray[np.intp], p: float | NDArray[np.float64], *, chance: float) -> NDArray[np.float64]:
    """The length L at which n (1 - p) p^L, the runs so long in n trials, falls to `chance`; at least SHORTEST_RUN.

    `p`: the share of the commonest score. Infinite where that is 1: all gave one score, and no run of it says anything.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.ceil(np.log(n * (1 - p) / chance) / np.log(1 / p))
    return np.where(np.isfinite(limit), np.maximum(limit, SHORTEST_RUN), np.inf)


def too_fast(ratings: pd.DataFrame, *, median_ms: float = MEDIAN_MS, haste_ms: float = HASTE_MS) -> pd.DataFrame:
    """Raters who cannot have looked: rater, n, median_ms, hasty_share, rejected, reason.

    Rejected where the median response is under `median_ms`, or more than a tenth are under `haste_ms`. Both
    limits are ours. Needs the column response_ms; ratings without a time do not count. Where there is a column
    possible_ms, what the server's clock allows of a response, no more than that is believed.
    """
    _needs(ratings, "response_ms")
    if "possible_ms" in ratings:
        ratings = ratings.assign(response_ms=ratings[["response_ms", "possible_ms"]].min(axis=1))
    timed = ratings.dropna(subset=["response_ms"])
    groups = timed.groupby("rater")["response_ms"]
    table = groups.agg(n="size", median_ms="median", hasty_share=lambda ms: (ms < haste_ms).mean()).reset_index()
    rejected = (table["median_ms"] < median_ms) | (table["hasty_share"] > HASTE_SHARE)
    reason = [
        f"median {median:.0f} ms, {share:.0%} under {haste_ms:.0f} ms"
        for median, share in zip(table["median_ms"], table["hasty_share"], strict=True)
    ]
    return _verdict(table, rejected.to_numpy(), reason)


def gold(
    ratings: pd.DataFrame,
    items: pd.DataFrame,
    *,
    tolerance: float = GOLD_TOLERANCE,
    share: float = GOLD_SHARE,
    scale: Scale | None = None,
) -> pd.DataFrame:
    """Items with a known answer: rater, n, missed, missed_share, rejected, reason.

    `items` is checked by `gold_items_of`. A rating further than `tolerance` categories (`Scale.category`) from the
    expected is missed; a rater who misses more than `share` of the items seen is rejected. Raises RatingsError where no
    item was rated.
    """
    ratings = filled(ratings)
    checked, _ = gold_items_of(items, ratings, scale=scale)
    keys = [key for key in STIMULUS if key in checked]
    seen = ratings.merge(checked[[*keys, "expected"]], on=keys, validate="many_to_one")
    limit = tolerance * scale_of(ratings, scale).category + rounding_of(ratings["score"].to_numpy(np.float64))
    seen = seen.assign(missed=(seen["score"] - seen["expected"]).abs() > limit)
    table = seen.groupby("rater")["missed"].agg(n="size", missed="sum").reset_index()
    table["missed_share"] = table["missed"] / table["n"]
    reason = [f"missed {m} of {n} gold items" for m, n in zip(table["missed"], table["n"], strict=True)]
    return _verdict(table, (table["missed_share"] > share).to_numpy(), reason)


def gold_items_of(
    items: pd.DataFrame, ratings: pd.DataFrame, *, scale: Scale | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """The gold items that were rated, their names as text, and notes on the others.

    `items` has source, method, expected and, where needed, benchmark. Raises RatingsError naming the row that breaks a
    rule, or where no item was rated.
    """
    table = checked_copy(items, ("source", "method", "expected"), what="table of gold items")
    keys = [key for key in STIMULUS if key in table]
    for key in keys:
        table[key] = text(table[key], required=True)
    ends = scale_of(ratings, scale)
    table["expected"] = numbers(table["expected"], Rule(ends.low, ends.high, whole=False, empty=False))
    no_duplicate(table, keys, hint="a gold item has one expected score")
    return unmatched(ratings, table, keys, what="table of gold items", whole=False)


def named_raters(ratings: pd.DataFrame, raters: Collection[object]) -> list[str]:
    """Raters to leave out as the ratings name them; RatingsError names those who are not there, and who is near."""
    names = list(dict.fromkeys(str(rater) for rater in raters))
    there = set(filled(ratings)["rater"])
    unknown = [name for name in names if name not in there]
    if unknown:
        known = sorted(there)
        near = near_names(unknown, known)
        hint = f"; did you mean {near[0][1]!r}?" if near else f"; the table has {some(known)}"
        raise RatingsError(f"cannot exclude {some(unknown)}: no such rater in the table{hint}")
    return names


def screens(
    ratings: pd.DataFrame, *, gold_items: pd.DataFrame | None = None, scale: Scale | None = None
) -> dict[str, pd.DataFrame]:
    """Every screen that the table's columns allow, by name.

    >>> from analysis import example, screens
    >>> sorted(screens(example.ratings()))
    ['bias', 'bt500', 'correlation', 'straight_lining', 'too_fast']
    """
    found = {"bt500": bt500(ratings), "correlation": correlation(ratings), "bias": bias(ratings, scale=scale)}
    if "position" in ratings and ratings["position"].notna().all():
        found["straight_lining"] = straight_lining(ratings)
    if "response_ms" in ratings and ratings["response_ms"].notna().any():
        found["too_fast"] = too_fast(ratings)
    if gold_items is not None:
        found["gold"] = gold(ratings, gold_items, scale=scale)
    return found


def exclusion_effect(ratings: pd.DataFrame, raters: Collection[object]) -> pd.DataFrame:
    """Every MOS with all raters and without `raters`: benchmark, method, n, mos, n_kept, mos_kept, change.

    change = mos_kept - mos; NaN where nobody is left. Raises RatingsError on a rater who is not in the table.

    >>> from analysis import example, exclusion_effect
    >>> exclusion_effect(example.ratings(), ["simulated_01"])["change"].abs().max().round(3).item()
    0.136
    """
    ratings, by = filled(ratings), ["benchmark", "method"]
    everyone = mos(ratings, by=by)[[*by, "n", "mos"]]
    kept = ratings[~ratings["rater"].isin(named_raters(ratings, raters))]
    if kept.empty:
        return everyone.assign(n_kept=0, mos_kept=np.nan, change=np.nan)
    rest = mos(kept, by=by)[[*by, "n", "mos"]].rename(columns={"n": "n_kept", "mos": "mos_kept"})
    merged = everyone.merge(rest, on=by, how="left")
    merged["n_kept"] = merged["n_kept"].fillna(0).astype(int)
    return merged.assign(change=merged["mos_kept"] - merged["mos"])


def _needs(ratings: pd.DataFrame, column: str) -> None:
    if column not in ratings:
        raise RatingsError(f"this screen needs the column {column}; the table has {', '.join(ratings.columns)}")


def _verdict(table: pd.DataFrame, rejected: np.ndarray, reason: list[str]) -> pd.DataFrame:
    reasons = [text if no else "" for text, no in zip(reason, rejected, strict=True)]
    return table.assign(rejected=rejected.astype(bool), reason=reasons)
