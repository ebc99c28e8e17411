"""Reading a table's cells: types, ranges, and errors that name the row and the rule. Knows no table's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXAMPLES = 3  # names shown in a message before "and 7 more"


class RatingsError(ValueError):
    """A table breaks the schema; the message names the row (from 1, without the header) and the rule."""


class Rule(NamedTuple):
    """The rule of a numeric column: its inclusive range, whether it is whole, whether it may be empty."""

    low: float
    high: float
    whole: bool
    empty: bool


def some(names: Iterable[object]) -> str:
    """A few of the names, for a message: "'a', 'b', 'c' and 7 more"."""
    listed = [repr(str(name)) for name in names]
    more = f" and {len(listed) - EXAMPLES} more" if len(listed) > EXAMPLES else ""
    return ", ".join(listed[:EXAMPLES]) + more


def checked_copy(table: pd.DataFrame, required: Sequence[str], *, what: str) -> pd.DataFrame:
    """A copy with the index 0..n-1. Raises RatingsError on a repeated or missing column, or without rows."""
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


def fail(column: pd.Series, bad: np.ndarray, rule: str) -> None:
    """Raise for the first row where `bad` holds."""
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise RatingsError(f"row {row + 1}: {column.name} is {str(column.iloc[row])!r}; {rule}")


def text(column: pd.Series, *, required: bool) -> pd.Series:
    """Names as text: whole numbers become their digits. Raises RatingsError on what is no name."""
    if pd.api.types.is_float_dtype(column):
        whole = column.isna() | (column == np.floor(column))
        fail(column, ~whole.to_numpy(bool), "a name must be text or a whole number")
        column = column.astype("Int64")
    elif not _is_namelike(column):
        raise RatingsError(f"the column {column.name} has type {column.dtype}; it must be text")
    text = column.astype("str")
    if required:
        empty = column.isna().to_numpy(bool) | (text.fillna("").str.strip() == "").to_numpy(bool)
        fail(column, empty, "it must not be empty")
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


def numbers(column: pd.Series, rule: Rule) -> pd.Series:
    """The column as float64, as int64 where it must be whole and filled. Raises RatingsError on a broken row."""
    if not _is_numberlike(column):
        raise RatingsError(f"the column {column.name} has type {column.dtype}; it must be a number")
    number = pd.to_numeric(column, errors="coerce").astype("float64")
    values = number.to_numpy()
    fail(column, np.isnan(values) & ~column.isna().to_numpy(bool), "it must be a number")
    if not rule.empty:
        fail(column, np.isnan(values), "it must not be empty; a rating never given has no row")
    outside = (values < rule.low) | (values > rule.high)
    broken = outside | (values != np.floor(values)) if rule.whole else outside
    fail(column, broken & ~np.isnan(values), f"it must be a {'whole ' if rule.whole else ''}number{_bounds(rule)}")
    return number.astype("int64") if rule.whole and not rule.empty else number


def _bounds(rule: Rule) -> str:
    if np.isfinite(rule.high):
        return f" from {rule.low:g} to {rule.high:g}"
    return f" at least {rule.low:g}" if np.isfinite(rule.low) else ""


def times(column: pd.Series) -> pd.Series:
    """The column as UTC datetimes."""
    times = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    broken = times.isna().to_numpy(bool) & ~column.isna().to_numpy(bool)
    fail(column, broken, "it must be an ISO 8601 time, such as 2026-03-01T12:00:00Z")
    return times


def no_duplicate(table: pd.DataFrame, key: list[str], *, hint: str) -> None:
    """Raise RatingsError for the first row that repeats an earlier one in the columns of `key`."""
    again = table.duplicated(key).to_numpy()
    if not again.any():
        return
    row = int(np.flatnonzero(again)[0])
    first = int(np.flatnonzero((table[key] == table.loc[row, key]).all(axis=1).to_numpy())[0])
    what = ", ".join(f"{name} {table[name].iloc[row]!s}" for name in key)
    raise RatingsError(f"row {row + 1} repeats row {first + 1} ({what}); {hint}")
