"""The ratings and objective tables: columns, types, ranges, and errors that name what breaks them.

One row of a ratings table is one score that one rater gave to one stimulus. Four columns are required (rater,
source, method, score); the others are what the site exports, all optional. A column this module does not know
is kept as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

SCALE = (1, 5)  # absolute category rating, ITU-T P.910: 1 bad, 2 poor, 3 fair, 4 good, 5 excellent

RATINGS_COLUMNS = (
    "study", "rater", "session", "position", "benchmark", "source", "method", "repeat", "score",
    "response_ms", "rated_at", "hidden_ms", "device_pixel_ratio", "visual_viewport_scale",
    "viewport_width", "viewport_height", "screen_width", "screen_height",
)  # fmt: skip
REQUIRED = ("rater", "source", "method", "score")
OBJECTIVE_COLUMNS = ("benchmark", "source", "method", "psnr", "ssim")
STIMULUS = ["benchmark", "source", "method"]
RATING_KEY = ["rater", *STIMULUS, "repeat"]
NO_BENCHMARK = "all"  # what the benchmark of a table without that column is called


class RatingsError(ValueError):
    """A table breaks the schema; the message names the row (from 1, without the header) and the rule."""


class _Number(NamedTuple):
    """The rule of a numeric column: its inclusive range, whether it is whole, whether it may be empty."""

    low: float
    high: float
    whole: bool
    empty: bool


_TEXT = ("study", "rater", "session", "benchmark", "source", "method")
_TEXT_REQUIRED = ("rater", "benchmark", "source", "method")
_NUMBERS = {
    "score": _Number(*SCALE, whole=True, empty=False),
    "repeat": _Number(0, 1_000, whole=True, empty=False),
    "position": _Number(0, np.inf, whole=True, empty=True),
    "response_ms": _Number(0, np.inf, whole=False, empty=True),
    "hidden_ms": _Number(0, np.inf, whole=False, empty=True),
    "device_pixel_ratio": _Number(0.01, 100, whole=False, empty=True),
    "visual_viewport_scale": _Number(0.01, 100, whole=False, empty=True),
    "viewport_width": _Number(0, np.inf, whole=False, empty=True),
    "viewport_height": _Number(0, np.inf, whole=False, empty=True),
    "screen_width": _Number(0, np.inf, whole=False, empty=True),
    "screen_height": _Number(0, np.inf, whole=False, empty=True),
}
_PSNR = _Number(0, np.inf, whole=False, empty=True)
_SSIM = _Number(-1, 1, whole=False, empty=True)


def validate_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """A copy of `ratings` with the contract's types, or RatingsError naming the first row that breaks a rule.

    rater, source, method, benchmark, study, session become text; score and repeat int64; the other numbers
    float64; rated_at a UTC datetime. A missing benchmark is filled with "all" and a missing repeat with 0;
    row order, index 0..n-1 and unknown columns are kept. Two rows with the same rater, benchmark, source,
    method and repeat are a duplicate and raise.
    """
    table = _copy(ratings, REQUIRED, what="ratings table")
    if "benchmark" not in table:
        table["benchmark"] = NO_BENCHMARK
    if "repeat" not in table:
        table["repeat"] = 0
    for column in _TEXT:
        if column in table:
            table[column] = _text(table[column], required=column in _TEXT_REQUIRED)
    for column, rule in _NUMBERS.items():
        if column in table:
            table[column] = _numbers(table[column], rule)
    if "rated_at" in table:
        table["rated_at"] = _times(table["rated_at"])
    _no_duplicate(table, RATING_KEY, hint="a second showing needs a column repeat (0 first, 1 second)")
    return table


def validate_objective(objective: pd.DataFrame) -> pd.DataFrame:
    """A copy of the objective table, one row a stimulus, or RatingsError naming the row that breaks a rule.

    Required: source, method and at least one numeric column. psnr is in dB, at least 0, inf for the
    reference; ssim is in [-1, 1]; any other numeric column is a further metric. A missing benchmark is filled
    with "all".
    """
    table = _copy(objective, ("source", "method"), what="objective table")
    if "benchmark" not in table:
        table["benchmark"] = NO_BENCHMARK
    for column in STIMULUS:
        table[column] = _text(table[column], required=True)
    for column, rule in (("psnr", _PSNR), ("ssim", _SSIM)):
        if column in table:
            table[column] = _numbers(table[column], rule)
    if not metric_columns(table):
        raise RatingsError("the objective table has no numeric column beside benchmark, source, method: add one")
    _no_duplicate(table, STIMULUS, hint="an objective table has one row a stimulus")
    return table


def metric_columns(objective: pd.DataFrame) -> list[str]:
    """The numeric columns of an objective table, in their order."""
    numeric = objective.select_dtypes("number").columns
    return [str(column) for column in numeric if column not in STIMULUS]


def read_ratings(path: str | Path) -> pd.DataFrame:
    """Read and validate a ratings table from CSV or Parquet (by the name's ending)."""
    return validate_ratings(_read(Path(path), numeric=(*_NUMBERS,)))


def read_objective(path: str | Path) -> pd.DataFrame:
    """Read and validate an objective table from CSV or Parquet (by the name's ending)."""
    return validate_objective(_read(Path(path), numeric=("psnr", "ssim")))


def first_showings(ratings: pd.DataFrame) -> pd.DataFrame:
    """The rows with the lowest repeat of each rater and stimulus: what MOS and tests count."""
    if (ratings["repeat"] == 0).all():
        return ratings
    first = ratings.groupby(["rater", *STIMULUS], sort=False)["repeat"].transform("min")
    return ratings[ratings["repeat"] == first]


def _read(path: Path, *, numeric: Sequence[str]) -> pd.DataFrame:
    if path.suffix.lower() in {".parquet", ".pq"}:
        return pd.read_parquet(path)
    if path.suffix.lower() != ".csv":
        raise RatingsError(f"{path.name}: the ending must be .csv or .parquet")
    known = (*_TEXT, "rated_at", *numeric)
    # Only an empty cell is missing: a method may be called NA, and a rater 007 must not become 7.
    try:
        return pd.read_csv(
            path,
            dtype=dict.fromkeys(_TEXT, str),
            keep_default_na=False,
            na_values={column: ["", "nan", "NaN"] if column in numeric else [""] for column in known},
        )
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise RatingsError(f"{path.name} is not a readable CSV file: {error}") from error


def _copy(table: pd.DataFrame, required: Sequence[str], *, what: str) -> pd.DataFrame:
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise RatingsError(f"the {what} has the column {repeated[0]} twice")
    missing = [column for column in required if column not in table]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        raise RatingsError(f"the {what} lacks the column {', '.join(missing)}; it has: {have}")
    if table.empty:
        raise RatingsError(f"the {what} has no rows")
    return table.reset_index(drop=True)


def _fail(column: pd.Series, bad: np.ndarray, rule: str) -> None:
    """Raise for the first row where `bad` holds."""
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise RatingsError(f"row {row + 1}: {column.name} is {str(column.iloc[row])!r}; {rule}")


def _text(column: pd.Series, *, required: bool) -> pd.Series:
    if pd.api.types.is_float_dtype(column):
        whole = column.isna() | (column == np.floor(column))
        _fail(column, ~whole.to_numpy(bool), "a name must be text or a whole number")
        column = column.astype("Int64")
    elif not _is_namelike(column):
        raise RatingsError(f"the column {column.name} has type {column.dtype}; it must be text")
    text = column.astype("str")
    if required:
        empty = column.isna().to_numpy(bool) | (text.fillna("").str.strip() == "").to_numpy(bool)
        _fail(column, empty, "it must not be empty")
    return text


def _is_namelike(column: pd.Series) -> bool:
    kinds = pd.api.types
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    if kinds.is_bool_dtype(column) or kinds.is_datetime64_any_dtype(column):
        return False
    if kinds.is_object_dtype(column):
        return kinds.infer_dtype(column, skipna=True) in {"string", "integer", "mixed-integer", "empty"}
    return kinds.is_integer_dtype(column) or kinds.is_string_dtype(column)


def _is_numberlike(column: pd.Series) -> bool:
    """Whole and real numbers, and text, whose rows are then read one by one."""
    kinds = pd.api.types
    if isinstance(column.dtype, pd.CategoricalDtype) or kinds.is_object_dtype(column) or kinds.is_string_dtype(column):
        return True
    real = kinds.is_numeric_dtype(column) and not kinds.is_complex_dtype(column)
    return real and not kinds.is_bool_dtype(column)


def _numbers(column: pd.Series, rule: _Number) -> pd.Series:
    if not _is_numberlike(column):
        raise RatingsError(f"the column {column.name} has type {column.dtype}; it must be a number")
    number = pd.to_numeric(column, errors="coerce").astype("float64")
    values = number.to_numpy()
    _fail(column, np.isnan(values) & ~column.isna().to_numpy(bool), "it must be a number")
    if not rule.empty:
        _fail(column, np.isnan(values), "it must not be empty; a rating never given has no row")
    low, high = (f"{bound:g}" for bound in (rule.low, rule.high))
    bounds = f"from {low} to {high}" if np.isfinite(rule.high) else f"at least {low}"
    outside = (values < rule.low) | (values > rule.high)
    broken = outside | (values != np.floor(values)) if rule.whole else outside
    _fail(column, broken & ~np.isnan(values), f"it must be a {'whole ' if rule.whole else ''}number {bounds}")
    return number if rule.empty else number.astype("int64")


def _times(column: pd.Series) -> pd.Series:
    times = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    broken = times.isna().to_numpy(bool) & ~column.isna().to_numpy(bool)
    _fail(column, broken, "it must be an ISO 8601 time, such as 2026-03-01T12:00:00Z")
    return times


def _no_duplicate(table: pd.DataFrame, key: list[str], *, hint: str) -> None:
    again = table.duplicated(key).to_numpy()
    if not again.any():
        return
    row = int(np.flatnonzero(again)[0])
    first = int(np.flatnonzero((table[key] == table.loc[row, key]).all(axis=1).to_numpy())[0])
    what = ", ".join(f"{name} {table[name].iloc[row]!s}" for name in key)
    raise RatingsError(f"row {row + 1} repeats row {first + 1} ({what}); {hint}")
