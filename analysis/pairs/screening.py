"""Which raters may be unreliable in a study of pairs, why, and what leaving them out would do to every strength.

A screen drops nobody. It returns one row a rater with its numbers, `rejected` and a `reason`, as those for ratings do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from analysis.pairs.consistency import repeats, triads, with_others
from analysis.pairs.estimates import strengths
from analysis.pairs.models import Unfittable
from analysis.pairs.schema import TIE, TRAP, without_checks
from analysis.screening import HASTE_MS, HASTE_SHARE, MEDIAN_MS, _verdict

if TYPE_CHECKING:
    from collections.abc import Collection

CHANCE = 0.01  # ours: an honest rater falls into a screen in fewer than one panel in a hundred (Bonferroni over raters)
ONE_SIDED = 0.75  # ours: three choices of four on one side are not explained by the images
ONE_ANSWER = 0.9  # ours: a tie nine times of ten says nothing about the methods
FAILED, FAILED_SHARE = 2, 0.2  # trap pairs: of so many, and more than this share
LEAST = 20  # choices, triads or repeated items to judge a rater on
COIN = 0.05  # a rater who is not better than a coin at this level; and worse than the others at CHANCE


def screens(pairs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every screen that the table allows: sides, ties, triads, repeats, others, too_fast, traps."""
    checked, pairs = pairs, without_checks(pairs)
    found = {"sides": sides(pairs), "ties": ties(pairs), "others": others(pairs)}
    for name, table in (("triads", circular(pairs)), ("repeats", inconsistent(pairs))):
        if not table.empty:
            found[name] = table
    if "response_ms" in pairs and pairs["response_ms"].notna().any():
        found["too_fast"] = too_fast(pairs)
    if len(checked) > len(pairs):
        found["traps"] = traps(checked)
    return found


def traps(pairs: pd.DataFrame, *, failed: int = FAILED) -> pd.DataFrame:
    """Raters who miss trap pairs: rater, n (traps), failed, rejected, reason.

    Rejected from `failed` missed ones on, if they are more than a fifth (as `analysis.quality` does for scores).
    """
    asked = pairs[pairs["check"] == TRAP]
    missed = asked["chosen"] != asked["expected"]
    table = missed.groupby(asked["rater"]).agg(n="size", failed="sum").reset_index()
    rejected = ((table["failed"] >= failed) & (table["failed"] > FAILED_SHARE * table["n"])).to_numpy(bool)
    return _verdict(table, rejected, [f"missed {f} of {n} traps" for n, f in table[["n", "failed"]].to_numpy()])


def sides(pairs: pd.DataFrame, *, limit: float = ONE_SIDED) -> pd.DataFrame:
    """Raters who choose one side: rater, n (decided), left, share, p (exact binomial of a half), rejected, reason.

    Rejected where one side has at least `limit` and a fair coin would do so in fewer than CHANCE of panels.
    """
    decided = pairs[pairs["chosen"] != TIE]
    is_left = decided["left"] == decided["chosen"]
    table = is_left.groupby(decided["rater"]).agg(n="size", left="sum").reset_index()
    p = [float(stats.binomtest(int(k), int(n)).pvalue) for n, k in table[["n", "left"]].to_numpy()]
    table = table.assign(share=table["left"] / table["n"], p=p)
    share = table["share"].to_numpy()
    rejected = (np.maximum(share, 1 - share) >= limit) & (table["p"].to_numpy() < CHANCE / max(len(table), 1))
    return _verdict(
        table, rejected, [f"chose the {'left' if s > 0.5 else 'right'} in {max(s, 1 - s):.0%}" for s in table["share"]]
    )


def ties(pairs: pd.DataFrame, *, limit: float = ONE_ANSWER) -> pd.DataFrame:
    """Raters who nearly always say tie: rater, n, ties, share, rejected (share of `limit` or more), reason."""
    table = (pairs["chosen"] == TIE).groupby(pairs["rater"]).agg(n="size", ties="sum").reset_index()
    table["share"] = table["ties"] / table["n"]
    rejected = ((table["share"] >= limit) & (table["n"] >= LEAST)).to_numpy()
    return _verdict(table, rejected, [f"said tie in {share:.0%}" for share in table["share"]])


def circular(pairs: pd.DataFrame) -> pd.DataFrame:
    """Raters with more circular triads than the others, and no fewer than a coin (`consistency.triads`).

    From LEAST triads on. Where methods are alike everybody contradicts himself, so the others are the measure.
    """
    table = triads(pairs)
    table = table[table["rater"] != "all"].reset_index(drop=True)
    worse = _worse(table["circular"].to_numpy(), table["triads"].to_numpy())
    rejected = worse & ((table["p"] > COIN) & (table["triads"] >= LEAST)).to_numpy(bool)
    reason = [
        f"{c:.0f} of {n:.0f} triads are circular; a coin gives a quarter"
        for n, c in table[["triads", "circular"]].to_numpy()
    ]
    return _verdict(table, rejected, reason)


def inconsistent(pairs: pd.DataFrame) -> pd.DataFrame:
    """Raters less alike when asked again than the others, and no more than by chance (`consistency.repeats`).

    chance: what answers drawn by the rater's own share of ties would give. From LEAST repeated items on.
    """
    table = repeats(pairs)
    table = table[table["rater"] != "all"].reset_index(drop=True)
    tie = (pairs["chosen"] == TIE).groupby(pairs["rater"]).mean().reindex(table["rater"]).to_numpy()
    table["chance"] = tie**2 + (1 - tie) ** 2 / 2  # a tie twice, or the same of the two methods
    worse = _worse(((1 - table["same"]) * table["items"]).to_numpy(), table["items"].to_numpy())
    rejected = worse & ((table["low"] <= table["chance"]) & (table["items"] >= LEAST)).to_numpy(bool)
    reason = [
        f"{same:.0%} alike when asked again; by chance {by:.0%}" for same, by in table[["same", "chance"]].to_numpy()
    ]
    return _verdict(table, rejected, reason)


def others(pairs: pd.DataFrame) -> pd.DataFrame:
    """Raters further from the majority than the others are, and no nearer to it than a coin.

    The columns of `consistency.with_others`, rejected, reason. From LEAST decided answers on.
    """
    table = with_others(pairs)
    decided = table["decided"].to_numpy()
    against = ((1 - table["majority"]) * decided).fillna(0).to_numpy()
    rejected = _worse(against, decided) & ((table["p"] > COIN) & (decided >= LEAST)).to_numpy(bool)
    reason = [
        f"with the majority of the others in {m:.0%} of {n:.0f}" for m, n in table[["majority", "decided"]].to_numpy()
    ]
    return _verdict(table, rejected, reason)


def _worse(bad: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Whether each rater has a larger share of bad than all others together, one-sided z at CHANCE over the raters."""
    bad, n = bad.astype(float), n.astype(float)
    rest, total = bad.sum() - bad, n.sum() - n
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = bad.sum() / n.sum()
        z = (bad / n - rest / total) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / total))
    return np.asarray(stats.norm.sf(np.nan_to_num(z)) < CHANCE / max(len(n), 1))


def too_fast(pairs: pd.DataFrame) -> pd.DataFrame:
    """Raters too fast to have looked: rater, n, median_ms, haste (share under 200 ms), rejected, reason.

    The limits of `analysis.screening.too_fast`: a median under 600 ms, or a tenth under 200 ms. Times in whole seconds
    cannot tell 200 ms from 900: then the median alone judges, and haste is NaN.
    """
    timed = pairs[pairs["response_ms"].notna()]
    coarse = bool((timed["response_ms"] % 1000 == 0).all())
    grouped = timed.groupby("rater")["response_ms"]
    table = grouped.agg(n="size", median_ms="median").reset_index()
    haste = (timed["response_ms"] < HASTE_MS).groupby(timed["rater"]).mean().to_numpy()
    table["haste"] = np.nan if coarse else haste
    rejected = ((table["median_ms"] < MEDIAN_MS) | (table["haste"] > HASTE_SHARE)).to_numpy()
    return _verdict(table, rejected, [f"median {median:.0f} ms" for median in table["median_ms"]])


def exclusion_effect(pairs: pd.DataFrame, raters: Collection[str]) -> pd.DataFrame:
    """Every strength with and without some raters: method, strength, strength_without, change.

    NaN without them where their choices were needed for a fit; `models.Unfittable` where there is none with them.
    """
    whole = strengths(pairs)[["method", "strength"]]
    rest = pairs[~pairs["rater"].isin(list(raters))]
    try:
        without = strengths(rest).set_index("method")["strength"] if len(rest) else pd.Series(dtype=float)
    except Unfittable:
        without = pd.Series(dtype=float)
    found = whole["method"].map(without).astype(float)
    return whole.assign(strength_without=found, change=found - whole["strength"])
