"""The ratings table: columns, types, ranges, its scale, and errors that name what breaks them.

One row of a ratings table is one score that one rater gave to one stimulus. Four columns are required (rater,
source, method, score); the others are what the site exports, all optional. A column this module does not know
is kept as it is. Objective scores are the matter of `objective`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.columns import RatingsError as RatingsError
from analysis.columns import Rule, checked_copy, fail, no_duplicate, numbers, text, times
from analysis.files import read_cells, say, typed
from analysis.intake import tidy
from analysis.scale import ACR, Scale, ScaleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.files import Tell

RATINGS_COLUMNS = (
    "study", "rater", "session", "position", "benchmark", "source", "method", "method_title", "repeat", "stabilising",
    "score", "attempt", "response_ms", "rated_at", "served_at", "possible_ms", "hidden_ms", "waited_ms",
    "device_pixel_ratio", "visual_viewport_scale", "viewport_width", "viewport_height", "screen_width", "screen_height",
    "canvas_width", "canvas_height", "canvas_css_width", "canvas_css_height",
)  # fmt: skip
SCALE_COLUMNS = ("scale_low", "scale_high", "scale_step")  # one scale in every row; an empty step is continuous
TIMES = ("rated_at", "served_at")
REQUIRED = ("rater", "source", "method", "score")
STIMULUS = ["benchmark", "source", "method"]
RATING_KEY = ["rater", *STIMULUS, "repeat"]
NO_BENCHMARK = "all"  # what the benchmark of a table without that column is called

_TEXT = ("study", "rater", "session", "benchmark", "source", "method", "method_title")
_TEXT_REQUIRED = ("rater", "benchmark", "source", "method")
_ANY = Rule(-np.inf, np.inf, whole=False, empty=False)
_NUMBERS = {
    "score": _ANY,  # the scale rules it
    "scale_low": _ANY,
    "scale_high": _ANY,
    "scale_step": _ANY._replace(empty=True),
    "repeat": Rule(0, 1_000, whole=True, empty=False),
    "stabilising": Rule(0, 1, whole=True, empty=False),
    "attempt": Rule(1, np.inf, whole=True, empty=True),
    "position": Rule(0, np.inf, whole=True, empty=True),
    "response_ms": Rule(0, np.inf, whole=False, empty=True),
    "possible_ms": Rule(0, np.inf, whole=False, empty=True),
    "hidden_ms": Rule(0, np.inf, whole=False, empty=True),
    "waited_ms": Rule(0, np.inf, whole=False, empty=True),
    "device_pixel_ratio": Rule(0.01, 100, whole=False, empty=True),
    "visual_viewport_scale": Rule(0.01, 100, whole=False, empty=True),
    "viewport_width": Rule(0, np.inf, whole=False, empty=True),
    "viewport_height": Rule(0, np.inf, whole=False, empty=True),
    "screen_width": Rule(0, np.inf, whole=False, empty=True),
    "screen_height": Rule(0, np.inf, whole=False, empty=True),
    "canvas_width": Rule(0, np.inf, whole=False, empty=True),
    "canvas_height": Rule(0, np.inf, whole=False, empty=True),
    "canvas_css_width": Rule(0, np.inf, whole=False, empty=True),
    "canvas_css_height": Rule(0, np.inf, whole=False, empty=True),
}


def validate_ratings(ratings: pd.DataFrame, *, scale: Scale | None = None) -> pd.DataFrame:
    """A copy of `ratings` with the contract's types, or RatingsError naming the first row that breaks a rule.

    rater, source, method, benchmark, study, session become text; score int64 where every level of the scale is whole,
    else float64; repeat int64; the other numbers float64; TIMES UTC datetimes. A missing benchmark is filled with
    "all" and a missing repeat with 0; row order, index 0..n-1 and unknown columns are kept. Two rows with the same
    rater, benchmark, source, method, repeat and stabilising are a duplicate and raise. Scores must lie on the table's
    scale (`scale_of`); a `scale` given here is written into the table.
    """
    table = checked_copy(ratings, REQUIRED, what="ratings table")
    table = _complete(table)
    for column in _TEXT:
        if column in table:
            table[column] = text(table[column], required=column in _TEXT_REQUIRED)
    if scale is not None:
        table = table.assign(**scale_columns(scale))
    for column, rule in _NUMBERS.items():
        if column in table and column != "score":
            table[column] = numbers(table[column], rule)
    table["score"] = _scores(table["score"], scale_of(table), told=set(SCALE_COLUMNS) <= set(table))
    for moment in TIMES:
        if moment in table:
            table[moment] = times(table[moment])
    key = [*RATING_KEY, "stabilising"] if "stabilising" in table else RATING_KEY
    no_duplicate(table, key, hint="a second showing needs a column repeat (0 first, 1 second)")
    return table


def method_titles(ratings: pd.DataFrame) -> dict[str, str]:
    """Method -> its title in the column method_title; empty without that column. The last title of a method holds."""
    if "method_title" not in ratings:
        return {}
    titled = ratings[["method", "method_title"]].dropna()
    return dict(zip(titled["method"], titled["method_title"], strict=True))


def scale_columns(scale: Scale) -> dict[str, float]:
    """The values of SCALE_COLUMNS for a table of that scale; NaN is a continuous scale's step."""
    step = np.nan if scale.step is None else scale.step
    return dict(zip(SCALE_COLUMNS, (scale.low, scale.high, step), strict=True))


def scale_of(ratings: pd.DataFrame, scale: Scale | None = None) -> Scale:
    """The scale of a ratings table: `scale` where given, else that of the table's columns, else `ACR`.

    Raises RatingsError where the columns SCALE_COLUMNS are there in part, state several scales, or none that can be.
    """
    if scale is not None:
        return scale
    have = [column for column in SCALE_COLUMNS if column in ratings]
    if not have:
        return ACR
    if len(have) < len(SCALE_COLUMNS):
        raise RatingsError(f"a scale is stated by all of {', '.join(SCALE_COLUMNS)}; here: {', '.join(have)}")
    stated = ratings[have].drop_duplicates()
    if len(stated) > 1:
        first, second = stated.index[:2]
        raise RatingsError(
            f"row {second + 1} has another scale than row {first + 1}: scores on different scales have no common mean; "
            "analyse each scale's rows by themselves"
        )
    if stated.empty:
        return ACR
    low, high, step = (float(value) for value in stated.iloc[0])
    try:
        return Scale(low, high, None if np.isnan(step) else step)
    except ScaleError as error:
        raise RatingsError(f"the columns {', '.join(have)} state no scale: {error}") from None


def _scores(column: pd.Series, scale: Scale, *, told: bool) -> pd.Series:
    """Scores on the scale, exactly on its levels where it has some."""
    score = numbers(column, _ANY)
    values = score.to_numpy()
    if scale.step == 1 and scale.low.is_integer():
        rule = f"it must be a whole number from {scale.low:g} to {scale.high:g}"
    else:
        rule = f"it must be a score from {scale.text}"
    hint = "" if told else f"; for another scale than {scale.low:g} to {scale.high:g} state it: scale=, --scale"
    fail(column, ~scale.mask(values), rule + hint)
    if scale.step is None:
        return score
    levels = np.array(scale.levels)
    exact = pd.Series(levels[np.rint((values - scale.low) / scale.step).astype(np.int64)], name=column.name)
    return exact.astype("int64") if all(level.is_integer() for level in scale.levels) else exact


def read_ratings(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    scale: Scale | Sequence[float] | None = None,
    missing: object = None,
    tell: Tell = say,
) -> pd.DataFrame:
    """Read and validate a table of ratings: CSV of any delimiter, decimal and encoding, Excel or Parquet, long or wide.

    columns: our name: theirs, {"rater": "Proband"}; in a wide table {"rater": "*"} says that the other heads are
        raters, {"stimulus": "*"} that they are stimuli. What it does not name is found by the usual names.
    scale: a Scale, or (low, high) or (low, high, step); without a step it is 1 where all scores are whole, else none.
    missing: a score, or several, that means no rating, such as -1.
    tell: gets every guess as a sentence; by default they go to standard error.

    Without a method (or source) column the stimulus is both. Raises RatingsError with the file's row, what was seen and
    what helps.
    """
    known = (*RATINGS_COLUMNS, *SCALE_COLUMNS)
    found = tidy(read_cells(Path(path), tell=tell), known=known, columns=columns, missing=missing, tell=tell)
    table = typed(found.table, text=(*_TEXT, *TIMES), numeric=(*_NUMBERS,), tell=tell)
    try:
        return validate_ratings(table, scale=_stated(scale, table["score"], tell))
    except RatingsError as error:
        raise RatingsError(found.placed(str(error))) from None


def _stated(scale: Scale | Sequence[float] | None, score: pd.Series, tell: Tell) -> Scale | None:
    if scale is None or isinstance(scale, Scale):
        return scale
    if len(scale) not in (2, 3):
        raise RatingsError(f"scale={tuple(scale)}: it is (low, high) or (low, high, step)")
    if len(scale) == 3:
        return Scale(scale[0], scale[1], scale[2])
    values = pd.to_numeric(score, errors="coerce").to_numpy(dtype=float)
    whole = bool((values == np.floor(values)).all()) and float(scale[0]).is_integer()
    kind = "one of steps of 1" if whole else "continuous"
    tell(f"the scale from {scale[0]:g} to {scale[1]:g} is taken for {kind}")
    return Scale(scale[0], scale[1], 1.0 if whole else None)


def filled(ratings: pd.DataFrame) -> pd.DataFrame:
    """What is counted, with the columns benchmark and repeat: four columns of a notebook are enough everywhere.

    Numbers become names. Ratings of stabilising trials (ITU-R BT.500) are left out, by every function of the library.
    """
    return counted(_complete(ratings))


def counted(ratings: pd.DataFrame) -> pd.DataFrame:
    """Without the ratings of stabilising trials, where a column says which those are; index 0..n-1 if there are any."""
    if "stabilising" not in ratings or not (ratings["stabilising"] != 0).any():
        return ratings
    return ratings[ratings["stabilising"] == 0].reset_index(drop=True)


def _complete(ratings: pd.DataFrame) -> pd.DataFrame:
    for column in _TEXT_REQUIRED:
        if column in ratings and pd.api.types.is_numeric_dtype(ratings[column]):
            ratings = ratings.assign(**{column: text(ratings[column], required=True)})
    if "benchmark" not in ratings:
        ratings = ratings.assign(benchmark=NO_BENCHMARK)
    return ratings if "repeat" in ratings else ratings.assign(repeat=0)


def first_showings(ratings: pd.DataFrame) -> pd.DataFrame:
    """The rows with the lowest repeat of each rater and stimulus: what MOS and tests count."""
    ratings = filled(ratings)
    if (ratings["repeat"] == 0).all():
        return ratings
    first = ratings.groupby(["rater", *STIMULUS], sort=False)["repeat"].transform("min")
    return ratings[ratings["repeat"] == first]
