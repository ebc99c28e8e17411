"""The pairs table: columns, types, and errors that name the row which breaks them.

One row is one choice of one rater between two methods' images of one source. Required: rater, source, left, right,
chosen, or in its place comparison: a graded answer, how much better the right one is, less than 0 where the left one is
(ITU-T P.800's comparison category rating). Optional: session, repeat, looks, response_ms or seconds; check and expected
(see `without_checks`); left_title and right_title, what the two methods are called in print. A column this module does
not know is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.columns import RatingsError, Rule, checked_copy, fail, no_duplicate, numbers, text
from analysis.files import read_cells, say, typed
from analysis.heads import BENCHMARK, OTHERS, RATER, RESPONSE_MS, SOURCE, checked, plain, renamed
from analysis.intake import Cells, leave_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.files import Tell

REQUIRED = ("rater", "source", "left", "right", "chosen")
TIE = "tie"
TIE_WORDS = frozenset(
    {"tie", "tied", "draw", "equal", "same", "both", "no preference", "no difference", "undecided", "="}
)
TRAP = "trap"
COMPARISON = "comparison"
TITLES = {"left": "left_title", "right": "right_title"}
TEXT = (*REQUIRED, *TITLES.values(), "session", "study", "benchmark", "check", "expected")
_MEASURED = Rule(0, np.inf, whole=False, empty=True)
_NUMBERS = {
    "repeat": Rule(0, 1_000, whole=True, empty=False),
    "looks": _MEASURED,
    "response_ms": _MEASURED,
    "seconds": _MEASURED,
    COMPARISON: Rule(-np.inf, np.inf, whole=False, empty=False),
}
MEASURED = tuple(_NUMBERS)
# Of a validated table, whose seconds are in response_ms.
COLUMNS = (*TEXT, COMPARISON, "repeat", "looks", "response_ms")
SYNONYMS = {  # what others call our columns, the likeliest first, as `heads.SYNONYMS` of scores
    "rater": RATER,
    "source": (*SOURCE, "stimulus", "stimuli", "item", "clip", "video", "file", "file name", "question", "trial"),
    "left": ("left method", "method left", "left image", "image left", "a", "method a", "image a", "stimulus a",
             "option a", "system a", "model a", "first", "method 1", "option 1"),
    "right": ("right method", "method right", "right image", "image right", "b", "method b", "image b", "stimulus b",
              "option b", "system b", "model b", "second", "method 2", "option 2"),
    "chosen": ("choice", "preference", "preferred", "winner", "selected", "selection", "answer", "response", "vote"),
    COMPARISON: ("comparison score", "ccr", "cmos"),
    "benchmark": BENCHMARK,
    "session": ("session",),
    "repeat": ("repeat", "repetition", "replication"),
    "looks": ("looks", "number of looks"),
    "response_ms": RESPONSE_MS,
    "seconds": ("response time s", "reaction time s", "rt s", "response seconds"),
}  # fmt: skip
_KEY = ["rater", "session", "source", "left", "right", "repeat"]


class PairsError(RatingsError):
    """A pairs table cannot be used as asked; the message says what is wrong and what to do."""


def read_pairs(
    path: str | Path,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    missing: object = None,
    tell: Tell = say,
) -> pd.DataFrame:
    """Read and validate a pairs table: CSV of any delimiter, decimal and encoding, Excel or Parquet.

    columns: our name: theirs, {"rater": "Proband"}; {"ignore": ["age"]} leaves those out. What it does not name is
        found by the usual names, without regard to case and blanks: SYNONYMS.
    missing: what stands in `chosen` where nothing was chosen, one or several; such rows are left out.
    tell: gets every guess as a sentence; by default they go to standard error.

    Names stay text: a source 0809 does not become 809, a method may be called NA. Where the two methods' columns are
    called A and B, an answer A is the left one's. Raises RatingsError with the file's row, what was seen and what
    helps.
    """
    table, given = checked(read_cells(Path(path), tell=tell), columns or {})
    if OTHERS in given.values():
        raise PairsError("columns= (--column): a table of pairs has a row a choice; only a wide table of scores has *")
    heads = list(table.columns)
    table = renamed(table, given, (*COLUMNS, "seconds", "score"), tell, SYNONYMS)
    cells = Cells(table, np.arange(1, len(table) + 1), np.full(len(table), "score", dtype=object))
    if {"left", "right", "chosen"} <= set(table.columns):
        theirs = dict(zip(table.columns, heads, strict=True))
        table["chosen"] = _as_sides(table, theirs["left"], theirs["right"])
        hint = "chosen is empty; to leave such rows out: missing='', --missing ''"
        cells = leave_out(cells, missing, "chosen", empty=hint, tell=tell)
    try:
        return validate_pairs(typed(cells.table, text=TEXT, numeric=MEASURED, tell=tell))
    except RatingsError as error:
        raise type(error)(cells.placed(str(error))) from None


def _as_sides(table: pd.DataFrame, left: str, right: str) -> pd.Series:
    """chosen with the head of a side's column (A) as that side, where the row has no method of that name."""
    chosen = table["chosen"].astype("str").where(~table["chosen"].isna(), "")
    method = (chosen == table["left"].astype("str")) | (chosen == table["right"].astype("str"))
    for side, head in (("left", left), ("right", right)):
        chosen = chosen.mask(~method & (chosen.str.strip().map(plain) == plain(head)), side)
    return chosen


def validate_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """A copy of `pairs` with the contract's types, or RatingsError naming the first row that breaks a rule.

    rater, source, left, right, chosen, session become text, without blanks around; repeat int64, 0 where the column
    is missing; looks and response_ms float64, NaN where empty; seconds are turned into response_ms. chosen becomes
    the name of the method or "tie" (without that column as the sign of comparison says): it may be given as that name,
    as left or right, or as one of TIE_WORDS. Row order,
    index 0..n-1 and unknown columns are kept. The same rater, session, source, left, right and repeat twice raise;
    the same two methods with their sides changed do not.
    """
    if COMPARISON in pairs and "chosen" not in pairs and {"left", "right"} <= set(pairs):
        graded = numbers(pairs[COMPARISON].reset_index(drop=True), _NUMBERS[COMPARISON]).to_numpy()
        pairs = pairs.assign(chosen=np.select([graded < 0, graded > 0], ["left", "right"], default=TIE))
    if "score" in pairs and "chosen" not in pairs:
        raise PairsError("this is a table of scores, not of pairs: it has score and no chosen; use `report`")
    try:
        table = checked_copy(pairs, REQUIRED, what="pairs table")
    except RatingsError as error:
        raise PairsError(f"{error}. Say which is which: columns={{...}}, --column rater=...") from None
    for column in TEXT:
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
    if COMPARISON in table:
        side = np.select([table["chosen"] == table["left"], table["chosen"] == table["right"]], [-1, 1], default=0)
        other = np.sign(table[COMPARISON].to_numpy()) != side
        fail(table[COMPARISON], other, "above 0 the right one is chosen, below 0 the left, at 0 none")
    hint = "a second showing needs a column repeat (0 first, 1 second), another occasion a column session"
    if "check" in table:
        fail(table["check"], ~table["check"].isin(["", TRAP]).to_numpy(), f"check is {TRAP}, or empty")
        no_duplicate(table, [*_KEY, "check"], hint=hint)
    else:
        no_duplicate(table, _KEY, hint=hint)
    return table


def counted(pairs: pd.DataFrame) -> pd.DataFrame:
    """The choices that strengths and shares count: of a pair shown again (repeat above 0) the first showing.

    As `schema.first_showings` does for scores: the lowest repeat of each rater, session, source and pair of methods,
    whatever their sides. Sessions are separate occasions, and all of them count. Checks are left out.
    """
    pairs = without_checks(pairs)
    if (pairs["repeat"] == 0).all():
        return pairs
    low, high = unordered(pairs)
    keys = [pairs["rater"], pairs["session"], pairs["source"], low, high]
    first = pairs["repeat"].groupby(keys, sort=False).transform("min")
    return pairs[pairs["repeat"] == first].reset_index(drop=True)


def without_checks(pairs: pd.DataFrame) -> pd.DataFrame:
    """The choices without trap pairs (check is trap), whose better method is known beforehand: it is in expected."""
    if "check" not in pairs:
        return pairs
    return pairs[pairs["check"] == ""].reset_index(drop=True)


def pair_titles(pairs: pd.DataFrame) -> dict[str, str]:
    """Method -> its title in left_title or right_title; as `schema.method_titles` of a table of scores."""
    found: dict[str, str] = {}
    for side, column in TITLES.items():
        if column in pairs:
            titled = pairs.loc[pairs[column] != "", [side, column]]
            found |= dict(zip(titled[side], titled[column], strict=True))
    return found


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
