"""When the maximum likelihood of `recovery` is no result: a rater whose inconsistency vanishes is taken as the truth.

The likelihood of u = psi + bias + inconsistency N(0, 1) has no upper bound: with inconsistency 0 one rater's scores, or
those of raters who agree fully, fit exactly, and psi becomes their scores. It happens with raters who give one score to
everything, with a rater who was entered twice, and wherever raters or their ratings are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from analysis.columns import EXAMPLES, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analysis.panel import Panel

VANISHED = 0.02  # of the panel's residual standard deviation; a real rater's inconsistency is 0.5 to 2 times it
FEW_RATINGS = 3  # a rater with fewer has no residual beside the bias
FEWEST_RATERS = 3
AT_ONCE = 500  # raters whose common stimuli with all others are counted in one go


def vanished(inconsistency: np.ndarray, panel: Panel) -> np.ndarray:
    """Which raters' inconsistency (raters,) is nothing beside the residuals of the panel's scores."""
    deviation = panel.score - (panel.by_stimulus(panel.score) / panel.n)[panel.stimulus]
    residual = np.sqrt(np.mean((deviation - (panel.by_rater(deviation) / panel.rated)[panel.rater]) ** 2))
    if residual <= 1e-9 * max(float(np.ptp(panel.score)), 1e-300):
        return np.zeros(len(panel.raters), bool)  # all agree: there is nothing to be torn by
    return np.asarray(inconsistency <= VANISHED * residual)


def causes(bad: np.ndarray, panel: Panel) -> tuple[np.ndarray, list[str]]:
    """Raters to leave out for an answer without the cause, bool (raters,), and the cause in words.

    Of raters who gave the same scores the first by name stays. Every rater who gave one score to everything goes.
    """
    out = np.zeros(len(bad), bool)
    said = []
    starts = np.cumsum(panel.rated) - panel.rated
    spread = np.maximum.reduceat(panel.score, starts) - np.minimum.reduceat(panel.score, starts)
    named = np.array(panel.raters, dtype=object)
    flat = (spread <= 1e-9 * spread.max()) & (panel.rated >= FEW_RATINGS)
    if (flat & bad).any():
        out |= flat
        said.append(f"{some(named[flat])} gave one score to everything")
    few = bad & ~out & (panel.rated < FEW_RATINGS)
    if few.any():
        out |= few
        said.append(f"{some(named[few])} gave fewer than {FEW_RATINGS} ratings")
    twins = _twins(bad & ~out, panel)
    out[[second for _, second in twins]] = True
    for first, second in twins[:EXAMPLES]:
        said.append(f"{panel.raters[second]!r} gave the same scores as {panel.raters[first]!r}: entered twice?")
    if len(twins) > EXAMPLES:
        said.append(f"so did {len(twins) - EXAMPLES} more pairs of raters")
    alone = bad & ~out & ~np.isin(np.arange(len(bad)), [first for first, _ in twins])
    if alone.any():
        out |= alone
        said.append(f"the scores of {some(named[alone])} are fitted exactly, as if they were the truth")
    return out, said


def _twins(bad: np.ndarray, panel: Panel) -> list[tuple[int, int]]:
    """(first, second) of raters whose scores differ by one number at most, wherever both rated."""
    stimuli, scores = panel.split(panel.stimulus), panel.split(panel.score)
    taken: set[int] = set()
    found: list[tuple[int, int]] = []
    for second, firsts in _met(bad, panel):
        for first in firsts:
            if first in taken:
                continue
            _, mine, theirs = np.intersect1d(stimuli[first], stimuli[second], assume_unique=True, return_indices=True)
            if np.ptp(scores[first][mine] - scores[second][theirs]) <= 1e-9 * np.ptp(panel.score):
                found.append((first, second))
                taken.add(second)
                break
    return found


def _met(bad: np.ndarray, panel: Panel) -> Iterator[tuple[int, list[int]]]:
    """Each bad rater with those before who rated FEW_RATINGS or more of the same stimuli, both in their order."""
    rows = bad[panel.rater]
    index = np.flatnonzero(bad)
    place = np.searchsorted(index, panel.rater[rows])
    shape = (len(index), len(panel.stimuli))
    rated = sparse.csr_array((np.ones(len(place)), (place, panel.stimulus[rows])), shape=shape)
    for start in range(0, len(index), AT_ONCE):
        common = rated[start : start + AT_ONCE] @ rated.T
        common.sort_indices()
        for second, row in enumerate(range(common.shape[0]), start):
            entries = slice(common.indptr[row], common.indptr[row + 1])
            firsts = common.indices[entries][common.data[entries] >= FEW_RATINGS]
            yield int(index[second]), index[firsts[firsts < second]].tolist()
