"""Shares of choices with intervals: against the original, of every two methods, of the left side.

The intervals are Wilson's (1927) with the number of choices replaced by as many independent ones as would vary alike
(Dean and Pagano 2015): they stay inside [0, 1], and raters and sources count as samples where there are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from analysis.pairs import models
from analysis.pairs.choices import LEFT, NEITHER, Choices, choices
from analysis.pairs.schema import PairsError, counted, unordered
from analysis.pairs.spread import Random, mean_spread, quantile, sampled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analysis.pairs.models import ModelName


class Share(NamedTuple):
    """A share in [0, 1] with its interval, and two-sided p of a half."""

    share: float
    low: float
    high: float
    p: float


def share_of(found: Choices, value: np.ndarray, *, random: Random | None = None, confidence: float = 0.95) -> Share:
    """Mean of `value` (n,) in [0, 1] over the choices, with Wilson's interval on the effective number of choices.

    Where all values are alike nothing shows how raters differ; each sampled rater (or source) then counts as one
    choice.
    """
    random = sampled(found) if random is None else random
    mean, n = float(value.mean()), len(value)
    spread = mean_spread(found, value, random)
    variance, df = float(spread.variance[0]), float(spread.df[0])
    if np.isnan(variance):
        return Share(mean, np.nan, np.nan, np.nan)
    if variance > 0 and 0 < mean < 1:
        effective = mean * (1 - mean) / variance
    else:
        clusters = zip((len(set(found.rater)), len(set(found.source))), random, strict=True)
        effective, df = float(min([n, *(size for size, is_sample in clusters if is_sample)])), np.inf
    low, high = wilson(mean, effective, float(quantile(np.array(df), confidence)))
    null = quantile_p(abs(mean - 0.5) / np.sqrt(0.25 / effective), df)
    return Share(mean, low, high, null)


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's score interval of a share of n choices, n any positive number."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = max(float(centre - half), 0.0), min(float(centre + half), 1.0)
    return (0.0 if share == 0 else low), (1.0 if share == 1 else high)  # rounding must not leave the ends


def quantile_p(t: float, df: float) -> float:
    """Two-sided p of |t| by Student's distribution, the normal one where df is infinite."""
    from scipy import stats

    return float(2 * (stats.norm.sf(t) if np.isinf(df) else stats.t.sf(t, df)))


def left_share(pairs: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """How often the left side is chosen: among all choices but ties, over all (rater "all") and by rater.

    Columns: rater, n, left, ties, share, low, high, p (of a half), random. The interval of all takes raters and sources
    as samples where there are enough; a rater's own is for that rater.
    """
    found = choices(pairs)
    kept = np.flatnonzero(found.outcome != NEITHER)
    if not len(kept):
        raise models.Unfittable("every choice is a tie: there is no side to count")
    decided = found.take(kept)
    is_left = (decided.outcome == LEFT).astype(float)
    ties = np.bincount(found.rater[found.outcome == NEITHER], minlength=len(found.raters))
    random = sampled(decided)
    everyone = share_of(decided, is_left, confidence=confidence)
    rows = [("all", len(kept), int(is_left.sum()), int(ties.sum()), *everyone, random.text)]
    place = {name: index for index, name in enumerate(found.raters)}
    for rater, rows_of in _by(decided.rater):
        own = decided.take(rows_of)
        share = share_of(own, is_left[rows_of], random=Random(False, False), confidence=confidence)
        name = decided.raters[rater]
        tied = int(ties[place[name]])
        rows.append((name, len(rows_of), int(is_left[rows_of].sum()), tied, *share, "neither"))
    return pd.DataFrame(rows, columns=["rater", "n", "left", "ties", "share", "low", "high", "p", "random"])


def _by(code: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    order = np.argsort(code, kind="stable")
    counts = np.bincount(code)
    for rows in np.split(order, np.cumsum(counts[counts > 0])[:-1]):
        yield int(code[rows[0]]), rows


def side_effect(pairs: pd.DataFrame, *, model: ModelName = "bradley_terry") -> pd.DataFrame:
    """What the side changes in the strengths: method, strength, strength_sided (with a term for the left side), change.

    Empty where the model with sides cannot be fitted.
    """
    found = choices(counted(pairs))
    plain = models.fit(found.table, found.methods, model=model)
    try:
        sided = models.fit(found.table, found.methods, model=model, side=True)
    except models.Unfittable:
        return pd.DataFrame(columns=["method", "strength", "strength_sided", "change", "left_worth"])
    columns = {"strength": plain.strength, "strength_sided": sided.strength}
    table = pd.DataFrame({"method": found.methods, **columns})
    return table.assign(change=table["strength_sided"] - table["strength"], left_worth=sided.side)


def pair_shares(pairs: pd.DataFrame, *, model: ModelName = "bradley_terry", confidence: float = 0.95) -> pd.DataFrame:
    """Every two methods that met: method_a, method_b, n, a_chosen, b_chosen, ties, share_a (ties count a half), low,
    high, p (of a half), expected_a (the model's share; NaN where it cannot be fitted), residual.

    residual = (share_a - expected_a) sqrt(n) / sd of one choice by the model: beyond 2 or 3 the model misses this pair.
    """
    found = choices(counted(pairs))
    try:
        fit = models.fit(found.table, found.methods, model=model)
    except models.Unfittable:
        fit = None
    low, high = np.minimum(found.left, found.right), np.maximum(found.left, found.right)
    won = np.where(found.outcome == NEITHER, 0.5, (found.outcome == LEFT) == (found.left == low))
    rows = []
    for key, rows_of in _by(low * len(found.methods) + high):
        a, b = divmod(key, len(found.methods))
        value = won[rows_of]
        share = share_of(found.take(rows_of), value, random=sampled(found), confidence=confidence)
        expected, residual = np.nan, np.nan
        if fit is not None:
            chance = models.chances(model, np.array([fit.strength[a] - fit.strength[b]]), fit.tie)[0][0]
            expected = chance[0] + chance[1] / 2
            sd = np.sqrt(chance[0] + chance[1] / 4 - expected**2)
            residual = (share.share - expected) * np.sqrt(len(value)) / sd
        counts = [int((value == x).sum()) for x in (1.0, 0.0, 0.5)]
        rows.append((found.methods[a], found.methods[b], len(value), *counts, *share, expected, residual))
    names = ["method_a", "method_b", "n", "a_chosen", "b_chosen", "ties"]
    return pd.DataFrame(rows, columns=[*names, "share_a", "low", "high", "p", "expected_a", "residual"])


def against(pairs: pd.DataFrame, reference: str, *, confidence: float = 0.95) -> pd.DataFrame:
    """How often each method is chosen over the original: method, n, chosen, ties, share (ties count a half), low, high,
    p (of a half), random. Best first. Raises PairsError where no row has the method `reference`.
    """
    low, high = unordered(counted(pairs))
    rows = counted(pairs)[(low == reference) | (high == reference)]
    if rows.empty:
        raise PairsError(f"no row has the method {reference!r}: name the original with reference=")
    found = choices(rows.reset_index(drop=True))
    original = found.methods.index(reference)
    other = np.where(found.left == original, found.right, found.left)
    won = np.where(found.outcome == NEITHER, 0.5, (found.outcome == LEFT) == (found.left == other))
    random = sampled(found)
    table = []
    for method, rows_of in _by(other):
        value = won[rows_of]
        share = share_of(found.take(rows_of), value, random=random, confidence=confidence)
        counts = [int((value == x).sum()) for x in (1.0, 0.5)]
        table.append((found.methods[method], len(value), *counts, *share, random.text))
    columns = ["method", "n", "chosen", "ties", "share", "low", "high", "p", "random"]
    ordered = pd.DataFrame(table, columns=columns)
    return ordered.sort_values(["share", "method"], ascending=[False, True], ignore_index=True)
