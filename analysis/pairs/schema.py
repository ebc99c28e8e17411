"""The pairs table: columns, types, and errors that name the row which breaks them.

One row is one choice of one rater between two methods' images of one source. Required: rater, source, left, right,
chosen. Optional: session, repeat, looks, response_ms or seconds. A column this module does not know is kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.schema import RatingsError

REQUIRED = ("rater", "source", "left", "right", "chosen")
TIE = "tie"
TIE_WORDS = frozenset(
    {"tie", "tied", "draw", "equal", "same", "both", "no preference", "no difference", "undecided", "="}
)
_TEXT = (*REQUIRED, "session", "study", "benchmark")
_NUMBERS = ("repeat", "looks", "response_ms", "seconds")
_KEY = ["rater", "session", "source", "left", "right", "repeat"]
MOST_REPEATS = 1_000


class PairsError(RatingsError):
    """A pairs table breaks the schema; the message names the row (from 1, without the header) and the rule."""


def read_pairs(path: str | Path) -> pd.DataFrame:
    """Read and validate a pairs table from CSV or Parquet (by the name's ending).

    Names stay text: a source 0809 does not become 809, a method may be called NA.
    """
    path = Path(path)
    if path.suffix.lower() in {".parquet", ".pq"}:
        return validate_pairs(pd.read_parquet(path))
    if path.suffix.lower() != ".csv":
        raise PairsError(f"{path.name}: the ending must be .csv or .parquet")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise PairsError(f"{path.name} is not a readable CSV file: {error}") from error
    return validate_pairs(table)


def validate_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """A copy of `pairs` with the contract's types, or PairsError naming the first row that breaks a rule.

    rater, source, left, right, chosen, session become text, without blanks around; repeat int64, 0 where the column
    is missing; looks and response_ms float64, NaN where empty; seconds are turned into response_ms. chosen becomes
    the name of the method or "tie": it may be given as that name, as left or right, or as one of TIE_WORDS. Row order,
    index 0..n-1 and unknown columns are kept. The same rater, session, source, left, right and repeat twice raise;
    the same two methods with their sides changed do not.
    """
    table = _copy(pairs)
    for column in _TEXT:
        if column in table:
            table[column] = _text(table[column], required=column in REQUIRED)
    if "session" not in table:
        table["session"] = ""
    table["repeat"] = _whole(table["repeat"], highest=MOST_REPEATS) if "repeat" in table else 0
    for column in ("looks", "response_ms", "seconds"):
        if column in table:
            table[column] = _number(table[column])
    if "seconds" in table and "response_ms" not in table:
        table["response_ms"] = 1000 * table["seconds"]
    same = (table["left"] == table["right"]).to_numpy()
    _fail(table["right"], same, "left and right must be two methods")
    table["chosen"] = _chosen(table)
    _no_duplicate(table)
    return table


def counted(pairs: pd.DataFrame) -> pd.DataFrame:
    """The choices that strengths and shares count: of a pair shown again (repeat above 0) the first showing.

    As `schema.first_showings` does for scores: the lowest repeat of each rater, session, source and pair of methods,
    whatever their sides. Sessions are separate occasions, and all of them count.
    """
    if (pairs["repeat"] == 0).all():
        return pairs
    low, high = unordered(pairs)
    keys = [pairs["rater"], pairs["session"], pairs["source"], low, high]
    first = pairs["repeat"].groupby(keys, sort=False).transform("min")
    return pairs[pairs["repeat"] == first].reset_index(drop=True)


def unordered(pairs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The two methods of each row in alphabetical order, whatever their sides."""
    swap = pairs["left"] > pairs["right"]
    return pairs["left"].where(~swap, pairs["right"]), pairs["right"].where(~swap, pairs["left"])


def _copy(pairs: pd.DataFrame) -> pd.DataFrame:
    table = pairs.reset_index(drop=True)
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise PairsError(f"the pairs table has the column {repeated[0]} twice")
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        hint = "; this looks like a table of scores, not of pairs" if "score" in table and "left" in missing else ""
        raise PairsError(f"the pairs table lacks the column {', '.join(missing)}; it has: {have}{hint}")
    if table.empty:
        raise PairsError("the pairs table has no rows")
    return table


def _fail(column: pd.Series, bad: np.ndarray, rule: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise PairsError(f"row {row + 1}: {column.name} is {str(column.iloc[row])!r}; {rule}")


def _text(column: pd.Series, *, required: bool) -> pd.Series:
    kinds = pd.api.types
    if kinds.is_float_dtype(column):
        whole = column.isna() | (column == np.floor(column))
        _fail(column, ~whole.to_numpy(bool), "a name must be text or a whole number")
        column = column.astype("Int64")
    elif kinds.is_bool_dtype(column) or kinds.is_datetime64_any_dtype(column):
        raise PairsError(f"the column {column.name} has type {column.dtype}; it must be text")
    text = column.astype("str").where(~column.isna(), "").str.strip()
    if required:
        _fail(text, (text == "").to_numpy(), "it must not be empty; a pair that nobody chose from has no row")
    return text


def _number(column: pd.Series) -> pd.Series:
    empty = column.isna().to_numpy(bool) | (column.astype("str").str.strip().isin(["", "nan", "NaN"])).to_numpy()
    number = pd.to_numeric(column, errors="coerce").astype("float64")
    values = number.to_numpy()
    _fail(column, np.isnan(values) & ~empty, "it must be a number")
    _fail(column, (values < 0) | np.isinf(values), "it must be a number of at least 0")
    return number


def _whole(column: pd.Series, *, highest: int) -> pd.Series:
    values = _number(column).to_numpy()
    rule = f"it must be a whole number from 0 to {highest}"
    _fail(column, np.isnan(values) | (values != np.floor(values)) | (values > highest), rule)
    return pd.Series(values.astype("int64"), index=column.index, name=column.name)


def _chosen(table: pd.DataFrame) -> pd.Series:
    """chosen as a method's name or TIE: a name of the pair first, so that a method may be called left or same."""
    chosen, left, right = table["chosen"], table["left"], table["right"]
    named = (chosen == left) | (chosen == right)
    word = chosen.str.lower()
    other = np.select(
        [(word == "left").to_numpy(), (word == "right").to_numpy(), word.isin(TIE_WORDS).to_numpy()],
        [left.to_numpy(object), right.to_numpy(object), TIE],
        default="",
    )
    found = chosen.where(named, pd.Series(other, index=chosen.index))
    both = left + " or " + right
    bad = (found == "").to_numpy()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        rule = f"it must be {both.iloc[row]}, left, right, or for a tie one of {', '.join(sorted(TIE_WORDS))}"
        _fail(chosen, bad, rule)
    _fail(chosen, ((left == TIE) | (right == TIE)).to_numpy(), "no method can be called tie: that is an answer")
    return found.astype("str")


def _no_duplicate(table: pd.DataFrame) -> None:
    again = table.duplicated(_KEY).to_numpy()
    if not again.any():
        return
    row = int(np.flatnonzero(again)[0])
    first = int(np.flatnonzero((table[_KEY] == table.loc[row, _KEY]).all(axis=1).to_numpy())[0])
    what = ", ".join(f"{name} {table[name].iloc[row]!s}" for name in _KEY if name != "session" or table[name].iloc[row])
    hint = "a second showing needs a column repeat (0 first, 1 second), another occasion a column session"
    raise PairsError(f"row {row + 1} repeats row {first + 1} ({what}); {hint}")
