"""The pairs table: columns, types, and errors that name the row which breaks them.

One row is one choice of one rater between two methods' images of one source. Required: rater, source, left, right,
chosen. Optional: session, repeat, looks, response_ms or seconds. A column this module does not know is kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.columns import RatingsError, Rule, checked_copy, fail, no_duplicate, numbers, text
from analysis.files import read

REQUIRED = ("rater", "source", "left", "right", "chosen")
TIE = "tie"
TIE_WORDS = frozenset(
    {"tie", "tied", "draw", "equal", "same", "both", "no preference", "no difference", "undecided", "="}
)
_TEXT = (*REQUIRED, "session", "study", "benchmark")
_MEASURED = Rule(0, np.inf, whole=False, empty=True)
_NUMBERS = {
    "repeat": Rule(0, 1_000, whole=True, empty=False),
    "looks": _MEASURED,
    "response_ms": _MEASURED,
    "seconds": _MEASURED,
}
_KEY = ["rater", "session", "source", "left", "right", "repeat"]


class PairsError(RatingsError):
    """A pairs table cannot be used as asked; the message says what is wrong and what to do."""


def read_pairs(path: str | Path) -> pd.DataFrame:
    """Read and validate a pairs table from CSV or Parquet (by the name's ending).

    Names stay text: a source 0809 does not become 809, a method may be called NA.
    """
    return validate_pairs(read(Path(path), text=_TEXT, numeric=(*_NUMBERS,)))


def validate_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """A copy of `pairs` with the contract's types, or RatingsError naming the first row that breaks a rule.

    rater, source, left, right, chosen, session become text, without blanks around; repeat int64, 0 where the column
    is missing; looks and response_ms float64, NaN where empty; seconds are turned into response_ms. chosen becomes
    the name of the method or "tie": it may be given as that name, as left or right, or as one of TIE_WORDS. Row order,
    index 0..n-1 and unknown columns are kept. The same rater, session, source, left, right and repeat twice raise;
    the same two methods with their sides changed do not.
    """
    if "score" in pairs and "chosen" not in pairs:
        raise PairsError("this is a table of scores, not of pairs: it has score and no chosen; use `report`")
    table = checked_copy(pairs, REQUIRED, what="pairs table")
    for column in _TEXT:
        if column in table:
            table[column] = text(table[column], required=column in REQUIRED).fillna("").str.strip()
    if "session" not in table:
        table["session"] = ""
    if "repeat" not in table:
        table["repeat"] = 0
    for column, rule in _NUMBERS.items():
        if column in table:
            table[column] = numbers(table[column], rule)
    if "seconds" in table and "response_ms" not in table:
        table["response_ms"] = 1000 * table["seconds"]
    fail(table["right"], (table["left"] == table["right"]).to_numpy(), "left and right must be two methods")
    table["chosen"] = _chosen(table)
    hint = "a second showing needs a column repeat (0 first, 1 second), another occasion a column session"
    no_duplicate(table, _KEY, hint=hint)
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
        fail(chosen, bad, rule)
    fail(chosen, ((left == TIE) | (right == TIE)).to_numpy(), "no method can be called tie: that is an answer")
    return found.astype("str")
