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
    "study", "rater", "session", "language", "position", "benchmark", "source", "method", "method_title", "region_left",
    "region_top", "region_width", "region_height", "repeat", "stabilising", "check", "expected", "excluded", "run",
    "planned_trials", "score", "attempt", "response_ms", "rated_at", "served_at", "possible_ms", "hidden_ms",
    "waited_ms", "device_pixel_ratio", "visual_viewport_scale", "viewport_width", "viewport_height", "screen_width",
    "screen_height", "canvas_width", "canvas_height", "canvas_css_width", "canvas_css_height",
    "device_failed", "phone", "filled_screen", "pixel_mm", "grey_step", "colour_vision",
)  # fmt: skip
SCALE_COLUMNS = ("scale_low", "scale_high", "scale_step")  # one scale in every row; an empty step is continuous
TIMES = ("rated_at", "served_at")
CHECKS = ("gold", "trap")  # of the column check; empty: an image that is rated
REQUIRED = ("rater", "source", "method", "score")
STIMULUS = ["benchmark", "source", "method"]
RATING_KEY = ["rater", *STIMULUS, "repeat"]
NO_BENCHMARK = "all"  # what the benchmark of a table without that column is called

_TEXT = (
    "study", "rater", "session", "language", "benchmark", "source", "method", "method_title", "check", "excluded",
    # What was asked of raters, where that was no score of one image alone (analysis.naming).
    "task",
    # The study's rules that the rater's device did not meet, with commas, or DEVICE_FIT; pass, fail or skip.
    "device_failed", "colour_vision",
)  # fmt: skip
DEVICE_FIT = "none"  # of the column device_failed: looked at, and all is met; empty: not looked at
_TEXT_REQUIRED = ("rater", "benchmark", "source", "method")
_ANY = Rule(-np.inf, np.inf, whole=False, empty=False)
_NUMBERS = {
    "score": _ANY,  # the scale rules it
    "scale_low": _ANY,
    "scale_high": _ANY,
    "scale_step": _ANY._replace(empty=True),
    "repeat": Rule(0, 1_000, whole=True, empty=False),
    # Of the image what was shown, in its pixels, from its first column and row, 0; empty: all of it.
    "region_left": Rule(0, np.inf, whole=True, empty=True),
    "region_top": Rule(0, np.inf, whole=True, empty=True),
    "region_width": Rule(1, np.inf, whole=True, empty=True),
    "region_height": Rule(1, np.inf, whole=True, empty=True),
    "stabilising": Rule(0, 1, whole=True, empty=False),
    "expected": _ANY._replace(empty=True),  # of a check: the score that it asks for
    "run": Rule(1, np.inf, whole=True, empty=True),  # of a rater's part: the claim of its place; empty: all at once
    "planned_trials": Rule(1, np.inf, whole=True, empty=True),  # what the rater was to rate in all
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
    # Of the device, as it was looked at before the first image on it.
    "phone": Rule(0, 1, whole=True, empty=True),
    "filled_screen": Rule(0, 1, whole=True, empty=True),
    "pixel_mm": Rule(0.001, 10, whole=False, empty=True),  # side of one pixel of the screen, by a card held to it
    "grey_step": Rule(1, 255, whole=True, empty=True),  # least difference of 8-bit grey told apart; 255: none
}


def validate_ratings(ratings: pd.DataFrame, *, scale: Scale | None = None) -> pd.DataFrame:
    """A copy of `ratings` with the contract's types, or RatingsError naming the first row that breaks a rule.

    rater, source, method, benchmark, study, session, language become text; score int64 where every level of the scale
    is whole, else float64; repeat int64; the other numbers float64; TIMES UTC datetimes. A missing benchmark is filled
    with "all" and a missing repeat with 0; row order, index 0..n-1 and unknown columns are kept. Two rows with the same
    rater, benchmark, source, method, repeat and stabilising are a duplicate and raise. Scores must lie on the table's
    scale (`scale_of`); a `scale` given here is written into the table.

    >>> import pandas as pd
    >>> from analysis import validate_ratings
    >>> validate_ratings(pd.DataFrame({"rater": [7], "source": "s", "method": "m", "score": 5})).iloc[0].to_dict()
    {'rater': '7', 'source': 's', 'method': 'm', 'score': 5, 'benchmark': 'all', 'repeat': 0}
    """
    table = checked_copy(ratings, REQUIRED, what="ratings table")
    table = completed(table)
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
    if "check" in table:
        table["check"] = table["check"].fillna("")
        fail(
            table["check"],
            ~table["check"].isin(["", *CHECKS]).to_numpy(),
            f"it must be {' or '.join(CHECKS)}, or empty",
        )
    if "excluded" in table:
        table["excluded"] = table["excluded"].fillna("")
    no_duplicate(table, _key(table), hint=_SECOND)
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
    columns: Mapping[str, str | Sequence[str]] | None = None,
    scale: Scale | Sequence[float] | None = None,
    missing: object = None,
    tell: Tell = say,
) -> pd.DataFrame:
    """Read and validate a table of ratings: CSV of any delimiter, decimal and encoding, Excel or Parquet, long or wide.

    columns: our name: theirs, {"rater": "Proband"}; in a wide table {"rater": "*"} says that the other heads are
        raters, {"stimulus": "*"} that they are stimuli; {"ignore": ["age", "height"]} leaves those out. What it does
        not name is found by the usual names.
    scale: a Scale, or (low, high) or (low, high, step); without a step it is 1 where all scores are whole, else none.
    missing: a score, or several, that means no rating, such as -1.
    tell: gets every guess as a sentence; by default they go to standard error.

    Without a method (or source) column the stimulus is both. Raises RatingsError with the file's row, what was seen and
    what helps.

    >>> from analysis import example, read_ratings
    >>> read_ratings(example.RATINGS)["rater"].nunique()
    10
    """
    known = (*RATINGS_COLUMNS, *SCALE_COLUMNS, "task")
    found = tidy(read_cells(Path(path), tell=tell), known=known, columns=columns, missing=missing, tell=tell)
    table = typed_ratings(found.table, tell=tell)
    try:
        return validate_ratings(table, scale=_stated(scale, table["score"], tell))
    except RatingsError as error:
        raise RatingsError(found.placed(str(error))) from None


def typed_ratings(cells: pd.DataFrame, *, tell: Tell = say) -> pd.DataFrame:
    """A table of text, with numbers in the columns of the contract that hold numbers; to be validated."""
    return typed(cells, text=(*_TEXT, *TIMES), numeric=(*_NUMBERS,), tell=tell)


def _stated(scale: Scale | Sequence[float] | None, score: pd.Series, tell: Tell) -> Scale | None:
    if scale is None or isinstance(scale, Scale):
        return scale
    if len(scale) not in (2, 3):
        raise RatingsError(f"scale={tuple(scale)}: it is (low, high) or (low, high, step)")
    ends = [value for value in scale if value is not None]
    if not all(isinstance(value, (int, float, np.integer, np.floating)) for value in ends) or None in scale[:2]:
        raise RatingsError(f"scale={tuple(scale)}: low and high are numbers, and step a number or None")
    if len(scale) == 3:
        return Scale(scale[0], scale[1], scale[2])
    values = pd.to_numeric(score, errors="coerce").to_numpy(dtype=float)
    whole = bool((values == np.floor(values)).all()) and float(scale[0]).is_integer()
    kind = "one of steps of 1" if whole else "continuous"
    tell(f"the scale from {scale[0]:g} to {scale[1]:g} is taken for {kind}")
    return Scale(scale[0], scale[1], 1.0 if whole else None)


def filled(ratings: pd.DataFrame) -> pd.DataFrame:
    """What is counted, with the columns benchmark and repeat: four columns of a notebook are enough everywhere.

    Numbers become names. What `counted` leaves out is left out by every function of the library. Raises RatingsError,
    as `validate_ratings` does, where a score is missing or a row was entered twice.
    """
    return counted(sound(ratings))


def sound(ratings: pd.DataFrame) -> pd.DataFrame:
    """`completed` with scores as numbers. Raises RatingsError on a missing score or name and on a second entry.

    What a mean would take for a number without a word, or count twice; ranges are the matter of `validate_ratings`.
    """
    ratings = completed(ratings)
    for column in _TEXT_REQUIRED:
        fail(ratings[column], ratings[column].isna().to_numpy(bool), "it must not be empty")
    score = numbers(ratings["score"], _ANY)
    fail(ratings["score"], np.isinf(score.to_numpy()), "it must be a finite number")
    if not pd.api.types.is_numeric_dtype(ratings["score"]):
        ratings = ratings.assign(score=score)
    key = _key(ratings)
    if ratings.duplicated(key).any():
        no_duplicate(ratings.reset_index(drop=True), key, hint=_SECOND)
    return ratings


_SECOND = "a second showing needs a column repeat (0 first, 1 second)"


def _key(ratings: pd.DataFrame) -> list[str]:
    """What no two rows have in common."""
    return [*RATING_KEY, *(column for column in ("stabilising", "check") if column in ratings)]


def counted(ratings: pd.DataFrame) -> pd.DataFrame:
    """Without the rows that columns mark as not to be counted; index 0..n-1 if there are any.

    They are the ratings of stabilising trials (ITU-R BT.500; stabilising is 1), those of checks (check is gold or trap)
    and those of raters whom the researchers excluded (excluded says why).
    """
    out = np.zeros(len(ratings), dtype=bool)
    if "stabilising" in ratings:
        out |= (ratings["stabilising"] != 0).to_numpy()
    for column in ("check", "excluded"):
        if column in ratings:
            out |= (ratings[column].fillna("") != "").to_numpy()
    return ratings[~out].reset_index(drop=True) if out.any() else ratings


def excluded_raters(ratings: pd.DataFrame) -> dict[str, str]:
    """Rater -> why the researchers excluded them, as the column `excluded` says; those who have a rating to count."""
    if "excluded" not in ratings:
        return {}
    marked = counted(ratings.assign(excluded=""))[["rater"]].drop_duplicates()
    reasons = ratings.loc[ratings["excluded"].fillna("") != "", ["rater", "excluded"]].drop_duplicates("rater")
    return dict(marked.merge(reasons, on="rater").itertuples(index=False, name=None))


def completed(ratings: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns benchmark and repeat, and names that are numbers as text; every row stays."""
    if set(ratings.index.names) & set(ratings.columns):
        ratings = ratings.reset_index(drop=True)  # one name for a level and a column is ambiguous to pandas
    for column in _TEXT_REQUIRED:
        if column in ratings and not _is_text(ratings[column]):
            ratings = ratings.assign(**{column: text(ratings[column], required=True)})
    if "benchmark" not in ratings:
        ratings = ratings.assign(benchmark=NO_BENCHMARK)
    return ratings if "repeat" in ratings else ratings.assign(repeat=0)


def _is_text(column: pd.Series) -> bool:
    kinds = pd.api.types
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return kinds.is_string_dtype(column) or kinds.infer_dtype(column, skipna=True) in ("string", "empty")


def first_showings(ratings: pd.DataFrame) -> pd.DataFrame:
    """The rows with the lowest repeat of each rater and stimulus: what MOS and tests count."""
    ratings = filled(ratings)
    if (ratings["repeat"] == 0).all():
        return ratings
    first = ratings.groupby(["rater", *STIMULUS], sort=False)["repeat"].transform("min")
    return ratings[ratings["repeat"] == first]
