"""Tables that are safe to open in a spreadsheet: no cell of them is run as a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def defused(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text, headings too, that a spreadsheet would run.

    Numbers stay numbers, also those that are texts here, as a rater called -1. The table given is left as it is.

    >>> defused(pd.DataFrame({"rater": ["=1+1", "-1"], "score": [-2, 3]}))["rater"].to_list()
    ["'=1+1", '-1']
    """
    return _changed(table, _text)


def fused(table: pd.DataFrame) -> pd.DataFrame:
    """What `defused` was given, of what it gave back as text.

    >>> table = pd.DataFrame({"rater": ["=1+1", "'=1", "-1", "it's"]})
    >>> fused(defused(table))["rater"].to_list()
    ['=1+1', "'=1", '-1', "it's"]
    """
    return _changed(table, lambda value: value[1:] if isinstance(value, str) and _is_quoted(value) else value)


def _changed(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    columns = []
    for place in range(table.shape[1]):  # by place: a table may have a heading twice
        column = table.iloc[:, place]
        if pd.api.types.is_object_dtype(column):
            column = pd.Series([change(value) for value in column], index=column.index, dtype=column.dtype)
        elif pd.api.types.is_string_dtype(column):
            codes, values = pd.factorize(column, use_na_sentinel=False)  # few names stand in many rows
            changed = pd.Series([change(value) for value in values], dtype=column.dtype)
            column = changed.take(codes).set_axis(column.index)
        columns.append(column.rename(change(table.columns[place])))
    return pd.concat(columns, axis=1) if columns else table.copy()


def _is_quoted(value: str) -> bool:
    return value.startswith("'") and value.lstrip("'").startswith(FORMULA)


def _text(value: Any) -> Any:
    if not isinstance(value, str) or not (value.startswith(FORMULA) or _is_quoted(value)):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
