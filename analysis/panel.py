"""A ratings table as codes and scores: what screening, reliability, recovery and agreement compute on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from analysis.crosstable import crosstable
from analysis.opinion import group_codes
from analysis.schema import STIMULUS, first_showings

if TYPE_CHECKING:
    import pandas as pd

    from analysis.crosstable import Matrix

SAME = 1e-9  # of the spread of the scores: what differs by less differs by rounding


@dataclass(frozen=True)
class Panel:
    """The first showings, a row a rating, sorted by rater and then by stimulus.

    raters: names in sorted order. stimuli: a row a stimulus, sorted. rater, stimulus: codes (n,), each of 0..max in
    use. score: float64 (n,).
    """

    raters: list[str]
    stimuli: pd.DataFrame
    rater: np.ndarray
    stimulus: np.ndarray
    score: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Number of raters and of stimuli."""
        return len(self.raters), len(self.stimuli)

    @cached_property
    def rated(self) -> np.ndarray:
        """Ratings of each rater, int64 (raters,)."""
        return np.bincount(self.rater)

    @cached_property
    def n(self) -> np.ndarray:
        """Ratings of each stimulus, int64 (stimuli,)."""
        return np.bincount(self.stimulus)

    @property
    def share(self) -> float:
        """Of a complete panel's ratings, those that are there."""
        return len(self.score) / (len(self.raters) * len(self.stimuli))

    def by_stimulus(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (n,) over each stimulus, (stimuli,)."""
        return np.bincount(self.stimulus, values, len(self.stimuli))

    def by_rater(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (n,) over each rater, (raters,)."""
        return np.bincount(self.rater, values, len(self.raters))

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """values (n,) of each rater by themselves, in the order of the stimuli."""
        return np.split(values, np.cumsum(self.rated)[:-1])

    def table(self, *values: np.ndarray | None) -> list[Matrix]:
        """`crosstable` raters x stimuli of each of values (n,)."""
        return crosstable(self.rater, self.stimulus, self.shape, *values)


def panel_of(ratings: pd.DataFrame) -> Panel:
    """The first showings of a ratings table."""
    table = first_showings(ratings)
    rater, raters = group_codes(table, ["rater"])
    stimulus, stimuli = group_codes(table, STIMULUS)
    order = np.lexsort((stimulus, rater))
    score = table["score"].to_numpy(np.float64)
    return Panel(raters["rater"].tolist(), stimuli, rater[order], stimulus[order], score[order])


def rounding_of(scores: np.ndarray) -> float:
    """The size below which differences of these scores are rounding: SAME of their spread, or some last digits."""
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    return max(SAME * (high - low), 16 * float(np.finfo(np.float64).eps) * max(abs(low), abs(high)))


def settle(values: np.ndarray, rounding: float) -> np.ndarray:
    """`values` (float64, any shape) with those made equal whose sizes differ only by rounding; tiny ones become 0.

    For differences and means, before ties are counted: (4.1 - 0.1) - (3.1 - 0.1) is not exactly 5 - 4. Sizes no further
    apart than `rounding` (`rounding_of` the scores they came from) count as one, so that neither a shift nor a factor
    on all scores makes or breaks a tie. NaN stays.
    """
    size = np.abs(values).ravel()
    order = np.argsort(size, kind="stable")
    ordered = np.r_[0.0, size[order]]
    group = np.cumsum(np.diff(ordered) > rounding)
    first = np.r_[0.0, ordered[1:][np.diff(np.r_[0, group]) > 0]]
    settled = np.empty_like(size)
    settled[order] = np.where(np.isnan(ordered[1:]), np.nan, first[group])
    return np.asarray(np.sign(values) * settled.reshape(values.shape))
