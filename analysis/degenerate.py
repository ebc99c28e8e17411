"""When the maximum likelihood of `recovery` is no result: a rater whose inconsistency vanishes is taken as the truth.

The likelihood of u = psi + bias + inconsistency N(0, 1) has no upper bound: with inconsistency 0 one rater's scores, or
those of raters who agree fully, fit exactly, and psi becomes their scores. It happens with raters who give one score to
everything, with a rater who was entered twice, and wherever raters or their ratings are few.
"""

from __future__ import annotations

import numpy as np

from analysis.columns import some

VANISHED = 0.02  # of the panel's residual standard deviation; a real rater's inconsistency is 0.5 to 2 times it
FEW_RATINGS = 3  # a rater with fewer has no residual beside the bias
FEWEST_RATERS = 3


def vanished(inconsistency: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Which raters' inconsistency (raters,) is nothing beside the residuals of scores (raters, stimuli)."""
    deviation = scores - np.nanmean(scores, axis=0)
    residual = np.sqrt(np.nanmean((deviation - np.nanmean(deviation, axis=1, keepdims=True)) ** 2))
    if residual <= 1e-9 * max(float(np.nanmax(scores) - np.nanmin(scores)), 1e-300):
        return np.zeros(len(scores), bool)  # all agree: there is nothing to be torn by
    return np.asarray(inconsistency <= VANISHED * residual)


def causes(bad: np.ndarray, scores: np.ndarray, raters: list[str]) -> tuple[np.ndarray, list[str]]:
    """Raters to leave out for an answer without the cause, bool (raters,), and the cause in words.

    Of raters who gave the same scores the first by name stays. Every rater who gave one score to everything goes.
    """
    out = np.zeros(len(bad), bool)
    said = []
    rated = (~np.isnan(scores)).sum(axis=1)
    spread = np.nanmax(scores, axis=1) - np.nanmin(scores, axis=1)
    named = np.array(raters, dtype=object)
    flat = (spread <= 1e-9 * spread.max()) & (rated >= FEW_RATINGS)
    if (flat & bad).any():
        out |= flat
        said.append(f"{some(named[flat])} gave one score to everything")
    few = bad & ~out & (rated < FEW_RATINGS)
    if few.any():
        out |= few
        said.append(f"{some(named[few])} gave fewer than {FEW_RATINGS} ratings")
    twins = _twins(bad & ~out, scores)
    for first, second in twins:
        out[second] = True
        said.append(f"{raters[second]!r} gave the same scores as {raters[first]!r}: entered twice?")
    alone = bad & ~out & ~np.isin(np.arange(len(bad)), [first for first, _ in twins])
    if alone.any():
        out |= alone
        said.append(f"the scores of {some(named[alone])} are fitted exactly, as if they were the truth")
    return out, said


def _twins(bad: np.ndarray, scores: np.ndarray) -> list[tuple[int, int]]:
    """(first, second) of raters whose scores differ by one number at most, wherever both rated."""
    found: list[tuple[int, int]] = []
    taken: set[int] = set()
    for second in np.flatnonzero(bad):
        for first in np.flatnonzero(bad[:second]):
            difference = scores[first] - scores[second]
            common = ~np.isnan(difference)
            if common.sum() < FEW_RATINGS or first in taken:
                continue
            if np.ptp(difference[common]) <= 1e-9 * (np.nanmax(scores) - np.nanmin(scores)):
                found.append((int(first), int(second)))
                taken.add(int(second))
                break
    return found
