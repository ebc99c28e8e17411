"""Any table of scores into the four columns rater, source, method, score: names, long or wide, decimal commas, holes.

Every guess is told. Who wants none names the columns: `columns={"rater": "Proband", "score": "Note"}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.columns import RatingsError, some
from analysis.files import ROW_NAMES, has_decimal_comma, say
from analysis.heads import (
    OTHERS,
    checked,
    is_attribute,
    is_score,
    numbers_votes,
    raterlike,
    renamed,
    summaries,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from analysis.files import Tell

NAMES = ("source", "method", "stimulus", "benchmark")  # what may name a row of a wide table
_WHICH = (
    'Say which is which: columns={"rater": ...}, --column rater=... (rater=* where the other heads are raters, '
    "ignore=HEAD for what is neither); an average has no rater"
)


@dataclass(frozen=True)
class Cells:
    """Scores with where they stood, `row` (from 1, without the header) and `column`: a refusal can then be found."""

    table: pd.DataFrame
    row: np.ndarray
    column: np.ndarray

    def placed(self, message: str) -> str:
        """A message about rows of `table`, about the rows (and in a wide table the columns) of the file instead."""
        wide = bool((self.column != "score").any())

        def place(found: re.Match[str]) -> str:
            index = int(found[1]) - 1
            if index >= len(self.row):
                return found[0]
            return f"row {self.row[index]}" + (f", column {self.column[index]!r}" if wide else "")

        said = re.sub(r"\brow (\d+)", place, message)
        mark = re.search(r"score is '(.*)'; it must be a number$", message)
        if mark:
            said += f"; if it stands for no rating: missing={mark[1]!r}, --missing {mark[1]}"
        found = re.search(r"\brow (\d+): score is", message)
        if not (wide and found and int(found[1]) <= len(self.column)):
            return said
        head = self.column[int(found[1]) - 1]
        return f'{said}; if the column holds no scores: columns={{"ignore": {head!r}}}, --column "ignore={head}"'


def tidy(
    table: pd.DataFrame,
    *,
    known: Collection[str],
    columns: Mapping[str, str | Sequence[str]] | None = None,
    missing: object = None,
    tell: Tell = say,
) -> Cells:
    """The table in long form with our names and without the cells that mean no rating; `known` are our column names.

    `columns` says our name: theirs; OTHERS as theirs says that a wide table's remaining heads are raters (or stimuli),
    and IGNORE as our name leaves theirs, one head or several, out.
    `missing`, one value or several, are scores that mean none. In a wide table an empty cell is none as well.
    """
    table, given = checked(table, columns or {})
    table = renamed(table, given, known, tell)
    wide = OTHERS in given.values() or not {"rater", "score"} <= set(table.columns)
    if not wide:
        table = table.drop(columns=_unnamed(table))  # names of rows, which a row a rating does not need
        found = Cells(table, np.arange(1, len(table) + 1), np.full(len(table), "score", dtype=object))
    else:
        found = _long(table, given, known, tell)
    refusal = "score is empty; a rating never given has no row. To leave such rows out: missing='', --missing ''"
    found = leave_out(found, missing, "score", empty="" if wide else refusal, tell=tell)
    complete = _stimulus(found.table, tell)
    complete["score"] = _points(complete["score"], tell)
    return Cells(complete, found.row, found.column)


def _long(table: pd.DataFrame, given: Mapping[str, str], known: Collection[str], tell: Tell) -> Cells:
    """A wide table, a row a stimulus and a column a rater or the reverse, with a row a cell."""
    if {"left", "right", "chosen"} <= set(table.columns):
        raise RatingsError("this is a table of pairs (left, right, chosen), not of scores: python -m analysis pairs")
    if "score" in table and "rater" not in given:
        raise RatingsError(f"the ratings table lacks the column rater; it has: {_heads(table)}. {_WHICH}")
    table = _row_names(table, given, tell)
    of_raters = given.get("rater") == OTHERS or "rater" not in table
    free = [name for name in table.columns if name not in known and name not in given and name != "stimulus"]
    heads = _scored(table, free, given, tell)
    keys = [name for name in table.columns if name not in heads]
    if (len(heads) < 2 and OTHERS not in given.values()) or (of_raters and not set(keys) & set(NAMES)):
        lacking = "score" if "rater" in table else "rater"
        raise RatingsError(f"the ratings table lacks the column {lacking}; it has: {_heads(table)}. {_WHICH}")
    kind = "raters" if of_raters else "stimuli"
    tell(f"a wide table: the {len(heads)} columns {heads[0]!r} to {heads[-1]!r} are {kind}")
    if of_raters and numbers_votes(heads):
        tell(
            "such heads may only count the votes of a stimulus: where they are no persons, MOS hold, and nothing said "
            "of raters does"
        )
    row = np.repeat(np.arange(1, len(table) + 1), len(heads))
    column = np.tile(np.array(heads, dtype=object), len(table))
    melted = table[keys].loc[table.index.repeat(len(heads))].reset_index(drop=True)
    melted["rater" if of_raters else "stimulus"] = column.astype(str)
    melted["score"] = table[heads].to_numpy(dtype=object).ravel()
    return Cells(melted, row, column)


def _heads(table: pd.DataFrame) -> str:
    return ", ".join(map(str, table.columns[:20])) + (" ..." if len(table.columns) > 20 else "")


def _scored(table: pd.DataFrame, free: list[str], given: Mapping[str, str], tell: Tell) -> list[str]:
    """Heads of the columns that hold scores: numbers, and where some are raters' numbers only those.

    No summary, time, comment or other attribute; and a usual name of scores is no rater's.
    """
    of_raters = given.get("rater") == OTHERS or "rater" not in table
    barred = summaries(free) | {name for name in free if is_attribute(name)}
    heads = [name for name in free if name not in barred and _numbers(table[name], empty=raterlike(name))]
    named = [name for name in heads if of_raters and raterlike(name)]
    found = named if len(named) >= 2 else heads
    if of_raters:
        scores = [name for name in found if is_score(name)]
        if scores and OTHERS not in given.values():
            raise RatingsError(
                f"the ratings table lacks the column rater; it has: {_heads(table)}. {scores[0]!r} is a usual name of "
                f"scores and no rater. {_WHICH}"
            )
        found = [name for name in found if name not in scores]
    left = [name for name in free if name not in found]
    if left and found:
        tell(f"the columns {some(left)} are taken for no {'raters' if of_raters else 'stimuli'}")
    return found


def _row_names(table: pd.DataFrame, given: Mapping[str, str], tell: Tell) -> pd.DataFrame:
    """An index column without a name becomes stimulus, or rater where its values look so and the heads do not."""
    blank = _unnamed(table)
    if not blank or set(table.columns) & {"rater", *NAMES}:
        return _without_counter(table)
    heads = [str(name) for name in table.columns if name not in blank]
    rows = table[blank[0]].astype("str")
    raters = given.get("stimulus") == OTHERS or (
        given.get("rater") != OTHERS and all(map(raterlike, rows)) and not all(map(raterlike, heads))
    )
    ours = "rater" if raters else "stimulus"
    tell(f"the column without a name is taken for {ours}")
    return table.rename(columns={blank[0]: ours})


def _unnamed(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if name == ROW_NAMES or re.fullmatch(r"Unnamed: \d+|index", str(name))]


def _without_counter(table: pd.DataFrame) -> pd.DataFrame:
    """Without a nameless column that only counts the rows."""
    return table.drop(columns=[name for name in _unnamed(table) if _counts(table[name])])


def _counts(column: pd.Series) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ...: an index that somebody's program wrote along."""
    number = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    start = number[0] if len(number) else np.nan
    return start in (0.0, 1.0) and bool((number == start + np.arange(len(number))).all())


def _numbers(column: pd.Series, *, empty: bool) -> bool:
    """Most cells are numbers: what is not may be a mark for a missing rating, and is asked about later.

    `empty`: what to say of a column without any.
    """
    cells = column.astype("str").str.strip().where(~column.isna(), "")
    filled = cells[cells != ""]
    if filled.empty:
        return empty
    return bool(pd.to_numeric(filled.str.replace(",", ".", regex=False), errors="coerce").notna().mean() >= 0.5)


def leave_out(found: Cells, missing: object, column: str, *, empty: str, tell: Tell) -> Cells:
    """Without the rows whose `column` holds a mark of `missing`, which is said.

    An empty cell that is no mark raises RatingsError with its row and the text `empty`; where that is "" it is one.
    """
    text = found.table[column].astype("str").str.strip().where(~found.table[column].isna(), "")
    marks = _marks(missing)
    gone = text.isin([mark for mark in marks if isinstance(mark, str)]).to_numpy(bool, copy=True)
    numbers = [mark for mark in marks if not isinstance(mark, str)]
    if numbers:
        gone |= pd.to_numeric(text, errors="coerce").isin(numbers).to_numpy(bool)
    blank = (text == "").to_numpy(bool) & ~gone
    if not empty:
        gone |= blank
    elif blank.any():
        raise RatingsError(f"row {int(found.row[np.flatnonzero(blank)[0]])}: {empty}")
    if gone.any():
        tell(f"{int(gone.sum())} of {len(gone)} cells hold no {_ANSWER[column]}{_named_marks(marks)}")
    kept = ~gone
    return Cells(found.table[kept].reset_index(drop=True), found.row[kept], found.column[kept])


_ANSWER = {"score": "rating", "chosen": "choice"}


def _marks(missing: object) -> list[object]:
    """The marks both as text and, where they are numbers, as numbers, so that -1 finds -1.0."""
    if missing is None:
        return []
    several = list(missing) if isinstance(missing, (list, tuple, set, frozenset)) else [missing]
    found: list[object] = []
    for mark in several:
        found.append(str(mark).strip())
        number = pd.to_numeric(pd.Series([str(mark)]), errors="coerce").iloc[0]
        if not np.isnan(number):
            found.append(float(number))
    return found


def _named_marks(marks: Sequence[object]) -> str:
    texts = [mark for mark in marks if isinstance(mark, str)]
    return f" ({some(texts)})" if texts else ""


def _stimulus(table: pd.DataFrame, tell: Tell) -> pd.DataFrame:
    """Without a source, or a method, the stimulus is it; without a stimulus the one that is there is both."""
    table = table.copy()
    have = [name for name in ("source", "method") if name in table]
    if len(have) == 2:
        return table
    name = "stimulus" if "stimulus" in table else (have[0] if have else None)
    if name is None:
        have_all = ", ".join(map(str, table.columns[:20]))
        raise RatingsError(
            f"the ratings table lacks the column source, method; it has: {have_all}. Name yours: "
            'columns={"source": ..., "method": ...}, --column source=...'
        )
    lacking = [ours for ours in ("source", "method") if ours not in table]
    for ours in lacking:
        table[ours] = table[name]
    tell(
        f"no column for {' and '.join(lacking)}: {name!r} stands for it, so comparisons of methods on one source are "
        "not to be had"
    )
    return table


def _points(column: pd.Series, tell: Tell) -> pd.Series:
    if column.dtype.kind in "iufb" or not has_decimal_comma(column):
        return column
    tell("scores have a decimal comma")
    return column.astype("str").str.replace(",", ".", regex=False)
