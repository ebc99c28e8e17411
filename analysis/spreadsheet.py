"""Tables that are safe to open in a spreadsheet: no cell of them is run as a formula."""

from typing import Any

import pandas as pd

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def defused(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text, headings too, that a spreadsheet would run.

    Numbers stay numbers, also those that are texts here, as a rater called -1. The table given is left as it is.

    >>> defused(pd.DataFrame({"rater": ["=1+1", "-1"], "score": [-2, 3]}))["rater"].to_list()
    ["'=1+1", '-1']
    """
    columns = []
    for place in range(table.shape[1]):  # by place: a table may have a heading twice
        column = table.iloc[:, place]
        if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
            column = pd.Series([_text(value) for value in column], index=column.index, dtype=column.dtype)
        columns.append(column.rename(_text(table.columns[place])))
    return pd.concat(columns, axis=1) if columns else table.copy()


def _text(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
