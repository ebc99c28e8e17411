"""Dense arrays of a ratings table: what the tests, the reliability and the recovery compute on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.mos import group_codes
from analysis.schema import STIMULUS, filled, first_showings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

SAME = 1e-9  # of the spread of the scores: what differs by less differs by rounding


@dataclass(frozen=True)
class Cube:
    """One benchmark: `scores` float64 (methods, raters, sources), NaN where a rater did not rate a stimulus."""

    benchmark: str
    methods: list[str]
    raters: list[str]
    sources: list[str]
    scores: np.ndarray

    @property
    def rated(self) -> np.ndarray:
        """Where there is a score, bool of the shape of `scores`."""
        return np.asarray(~np.isnan(self.scores))

    @property
    def rounding(self) -> float:
        """`rounding_of` these scores, for `settle`."""
        return rounding_of(self.scores)


def cubes(ratings: pd.DataFrame) -> Iterator[Cube]:
    """The first showings of each benchmark in sorted order; methods, raters and sources sorted."""
    table = first_showings(ratings)
    benchmarks, keys = group_codes(table, ["benchmark"])
    for index, name in enumerate(keys["benchmark"]):
        part = table if len(keys) == 1 else table[benchmarks == index]
        method, methods = group_codes(part, ["method"])
        rater, raters = group_codes(part, ["rater"])
        source, sources = group_codes(part, ["source"])
        scores = np.full((len(methods), len(raters), len(sources)), np.nan)
        scores[method, rater, source] = part["score"].to_numpy()
        yield Cube(
            benchmark=str(name),
            methods=methods["method"].tolist(),
            raters=raters["rater"].tolist(),
            sources=sources["source"].tolist(),
            scores=scores,
        )


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


@dataclass(frozen=True)
class Matrix:
    """All stimuli: `scores` float64 (raters, stimuli), NaN where not rated; `stimuli` has a row a column."""

    raters: list[str]
    stimuli: pd.DataFrame
    scores: np.ndarray


def matrix(ratings: pd.DataFrame, *, repeat: int | None = None) -> Matrix:
    """Raters x stimuli of the first showings, or of the showings numbered `repeat`; both sorted."""
    ratings = filled(ratings)
    table = first_showings(ratings) if repeat is None else ratings[ratings["repeat"] == repeat]
    rater, raters = group_codes(table, ["rater"])
    stimulus, stimuli = group_codes(table, STIMULUS)
    scores = np.full((len(raters), len(stimuli)), np.nan)
    scores[rater, stimulus] = table["score"].to_numpy()
    return Matrix(raters["rater"].tolist(), stimuli, scores)
