"""Dense arrays of a ratings table: what the tests, the reliability and the recovery compute on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.mos import group_codes
from analysis.schema import STIMULUS, first_showings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

MISSING = 0  # below the scale, so that a score array can stay int8


@dataclass(frozen=True)
class Cube:
    """One benchmark: `scores` int8 (methods, raters, sources), 0 where a rater did not rate a stimulus."""

    benchmark: str
    methods: list[str]
    raters: list[str]
    sources: list[str]
    scores: np.ndarray


def cubes(ratings: pd.DataFrame) -> Iterator[Cube]:
    """The first showings of each benchmark in sorted order; methods, raters and sources sorted."""
    table = first_showings(ratings)
    benchmarks, keys = group_codes(table, ["benchmark"])
    for index, name in enumerate(keys["benchmark"]):
        part = table if len(keys) == 1 else table[benchmarks == index]
        method, methods = group_codes(part, ["method"])
        rater, raters = group_codes(part, ["rater"])
        source, sources = group_codes(part, ["source"])
        scores = np.full((len(methods), len(raters), len(sources)), MISSING, dtype=np.int8)
        scores[method, rater, source] = part["score"].to_numpy()
        yield Cube(
            benchmark=str(name),
            methods=methods["method"].tolist(),
            raters=raters["rater"].tolist(),
            sources=sources["source"].tolist(),
            scores=scores,
        )


@dataclass(frozen=True)
class Matrix:
    """All stimuli: `scores` float64 (raters, stimuli), NaN where not rated; `stimuli` has a row a column."""

    raters: list[str]
    stimuli: pd.DataFrame
    scores: np.ndarray


def matrix(ratings: pd.DataFrame, *, repeat: int | None = None) -> Matrix:
    """Raters x stimuli of the first showings, or of the showings numbered `repeat`; both sorted."""
    table = first_showings(ratings) if repeat is None else ratings[ratings["repeat"] == repeat]
    rater, raters = group_codes(table, ["rater"])
    stimulus, stimuli = group_codes(table, STIMULUS)
    scores = np.full((len(raters), len(stimuli)), np.nan)
    scores[rater, stimulus] = table["score"].to_numpy()
    return Matrix(raters["rater"].tolist(), stimuli, scores)
