"""A table from a file, every cell as the text that stands there: CSV of any delimiter and encoding, Excel, Parquet.

What had to be guessed is said to `tell`, one sentence at a time; a plain UTF-8 file with commas needs no guess.
"""

from __future__ import annotations

import codecs
import csv
import io
import sys
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import pandas as pd

from analysis.columns import RatingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Tell = Callable[[str], None]

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLE = 200  # lines that a delimiter is judged on
MOST_PROSE = 20  # lines among which heads are looked for
PARQUET = (".parquet", ".pq")
EXCEL = (".xlsx", ".xlsm")
TEXT = (".csv", ".tsv", ".tab", ".txt")
ROW_NAMES = ""  # the name of a column whose head is empty
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def say(text: str) -> None:
    """Where guesses go unless the caller wants them elsewhere: standard error, so that a piped result stays clean."""
    print(f"read: {text}", file=sys.stderr)


def read_cells(path: Path, *, tell: Tell = say) -> pd.DataFrame:
    """The table of a file, without blanks around its column names; cells are text (of Parquet: as they are typed).

    An empty head stays ROW_NAMES. Raises RatingsError where the file is no table, with the row and what helps.
    """
    ending = path.suffix.lower()
    if ending in PARQUET:
        return _parquet(path)
    if ending in EXCEL:
        return _named(_excel(path, tell), path)
    if ending not in TEXT:
        raise RatingsError(f"{path.name}: the ending must be {', '.join((*TEXT, *EXCEL))} or {PARQUET[0]}")
    return _named(_text(path, tell), path)


def read(path: Path, *, text: Sequence[str], numeric: Sequence[str], tell: Tell = say) -> pd.DataFrame:
    """The table of a file with the `text` columns as they are written and numbers in the others where they are such.

    Only an empty cell is missing, or nan in a `numeric` column: a method may be called NA, and a rater 007 must not
    become 7. Raises RatingsError where the file is no table.
    """
    cells = read_cells(path, tell=tell)
    if path.suffix.lower() in PARQUET and ROW_NAMES in cells and pd.api.types.is_numeric_dtype(cells[ROW_NAMES]):
        cells = cells.drop(columns=ROW_NAMES)  # which row it was in the DataFrame that somebody wrote
    return typed(cells, text=text, numeric=numeric, tell=tell)


def typed(table: pd.DataFrame, *, text: Sequence[str], numeric: Sequence[str], tell: Tell = say) -> pd.DataFrame:
    """Cells of text as what they say; columns that are no text (of Parquet, of a DataFrame) stay as they are."""
    found = {}
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_string_dtype(column) or column.dtype == object:
            blank = ["", "nan", "NaN"] if name in numeric else ([""] if name in text else [])
            column = column.mask(column.isin(blank)) if blank else column
            column = column if name in text else _numbers(column, tell)
        found[name] = column
    return pd.DataFrame(found, columns=table.columns)


def _numbers(column: pd.Series, tell: Tell) -> pd.Series:
    if has_decimal_comma(column.dropna()):
        tell(f"the numbers of {column.name} have a decimal comma")
        column = column.str.replace(",", ".", regex=False)
    number = pd.to_numeric(column, errors="coerce")
    if (number.isna() == column.isna()).all():
        return number
    return column == "True" if column.isin(["True", "False"]).all() else column


def _parquet(path: Path) -> pd.DataFrame:
    """As pandas wrote it, with an index that is not 0, 1, 2, ... as columns; one without a name is called ROW_NAMES."""
    table = pd.read_parquet(path)
    if not isinstance(table.index, pd.RangeIndex):
        names = [ROW_NAMES if name is None else str(name) for name in table.index.names]
        again = [name for name in names if name in table.columns]
        table = table.reset_index(drop=True) if again else table.rename_axis(names).reset_index()
    return table.set_axis([str(name).strip() for name in table.columns], axis=1)


def _named(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    names = [str(name).strip() for name in table.columns]
    again = [name for index, name in enumerate(names) if name in names[:index]]
    if again:
        raise RatingsError(f"{path.name} has the column {again[0]!r} twice")
    filled = (table != "").any(axis=1).to_numpy()
    if not filled.any():
        return table.iloc[:0].set_axis(names, axis=1)
    return table.iloc[: int(filled.nonzero()[0][-1]) + 1].set_axis(names, axis=1)  # empty rows at the end are no rows


def _excel(path: Path, tell: Tell) -> pd.DataFrame:
    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = book.sheet_names
            table = pd.read_excel(book, sheet_name=0, header=None, dtype=str, keep_default_na=False, na_values=[])
    except ImportError:
        hint = "pip install openpyxl, or save it as CSV"
        raise RatingsError(f"{path.name}: reading Excel needs openpyxl: {hint}") from None
    except (ValueError, KeyError, BadZipFile) as error:
        raise RatingsError(f"{path.name} is not a readable Excel file: {error}") from error
    if len(sheets) > 1:
        tell(f"{path.name} has {len(sheets)} sheets; the first is read, {sheets[0]!r}")
    if table.empty:
        raise RatingsError(f"{path.name} has no rows")
    filled = (table != "").sum(axis=1).to_numpy()
    first = 0
    if filled[0] == 1 and (several := filled[:MOST_PROSE] >= 3).any() and (filled[: several.argmax()] < 2).all():
        first = int(several.argmax())
        tell(f"{path.name}: before the heads {first} lines are left out")
    return table.iloc[first + 1 :].reset_index(drop=True).set_axis(table.iloc[first].tolist(), axis=1)


def _text(path: Path, tell: Tell) -> pd.DataFrame:
    text = _from_heads(_decode(path, tell), path, tell)
    lines = [line for line in text.splitlines()[: SAMPLE + 1] if line.strip()]
    if not lines:
        raise RatingsError(f"{path.name} is not a readable CSV file: it is empty")
    delimiter = _delimiter(lines, path, tell)
    header = next(csv.reader(lines, delimiter=delimiter))
    names = [*header]
    widths = [len(row) for row in csv.reader(lines[1:], delimiter=delimiter)]
    if widths and set(widths) == {len(header) + 1}:
        names = _with_row_names(header, lines, delimiter, path, tell)
    elif widths and max(widths) > len(names):
        row = next(index for index, width in enumerate(widths) if width > len(names))
        raise RatingsError(_too_wide(path, row + 1, widths[row], len(names)))
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=delimiter, header=0, names=range(len(names)), dtype=str, keep_default_na=False,
            na_values=[], index_col=False, skip_blank_lines=True,
        )  # fmt: skip
    except (pd.errors.EmptyDataError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise RatingsError(f"{path.name} is not a readable CSV file: {error}") from error
    return table.fillna("").set_axis(names, axis=1)


def _from_heads(text: str, path: Path, tell: Tell) -> str:
    """The text without lines of prose before the heads: a title, a comment."""
    lines = text.splitlines(keepends=True)[:MOST_PROSE]
    for index, heads in enumerate(lines):
        for delimiter in DELIMITERS:
            cells = [cell.strip().strip('"') for cell in heads.split(delimiter)]
            if len([cell for cell in cells if cell]) < 3 or any(cell[:1].isdigit() for cell in cells):
                continue
            if not all(_is_prose(line, delimiter, len(cells)) for line in lines[:index]):
                return text
            said = [line for line in lines[:index] if line.strip()]
            if said:
                tell(f"{path.name}: before the heads {len(said)} lines are left out: {said[0].strip()[:60]!r}")
            return "".join(text.splitlines(keepends=True)[index:]) if said else text
    return text


def _is_prose(line: str, delimiter: str, heads: int) -> bool:
    """Whether a line before `heads` heads has one cell that is filled, or is a comment with other cells."""
    cells = line.strip().split(delimiter)
    return sum(bool(cell.strip()) for cell in cells) < 2 or (line.startswith("#") and len(cells) != heads)


def _with_row_names(header: list[str], lines: list[str], delimiter: str, path: Path, tell: Tell) -> list[str]:
    """The heads with one for row names, as R writes them; refused where the extra cell may be a decimal's comma."""
    firsts = [row[0] for row in csv.reader(lines[1:], delimiter=delimiter)]
    if len(set(firsts)) < len(firsts):
        raise RatingsError(_too_wide(path, 1, len(header) + 1, len(header)))
    tell(f"{path.name}: one cell more than heads in every row; the first is taken for the rows' names")
    return [ROW_NAMES, *header]


def _too_wide(path: Path, row: int, found: int, heads: int) -> str:
    return (
        f"{path.name}, row {row}: {found} cells under {heads} heads; a decimal comma needs quotes around its number, "
        "or semicolons between the cells; a line before the heads must go"
    )


def _decode(path: Path, tell: Tell) -> str:
    raw = path.read_bytes()
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return raw.decode(encoding, errors="strict")
    if raw[:200].count(b"\0") > len(raw[:200]) // 4:
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
        tell(f"{path.name} is taken for {encoding.upper()}")
        return raw.decode(encoding)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        tell(f"{path.name} is not UTF-8 and taken for Latin-1 (Windows-1252)")
        return raw.decode("cp1252", errors="replace")


def _delimiter(lines: list[str], path: Path, tell: Tell) -> str:
    """The delimiter with which the most rows have as many cells as the head, and more than one; a comma without any."""
    best, found = (0.0, 1), ","
    for delimiter in DELIMITERS:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        alike = sum(width in (widths[0], widths[0] + 1) for width in widths) / len(widths)
        if widths[0] > 1 and (round(alike, 1), widths[0]) > best:
            best, found = (round(alike, 1), widths[0]), delimiter
    if found != ",":
        tell(f"{path.name}: cells are divided by {DELIMITERS[found]}")
    return found


def has_decimal_comma(column: pd.Series) -> bool:
    """Whether a column of text holds numbers, some with a decimal comma and none with a point."""
    cells = column.astype("str")
    commas = cells.str.contains(",", regex=False)
    if not commas.any() or cells.str.contains(".", regex=False).any():
        return False
    return bool(cells[commas].str.fullmatch(r"\s*-?\d+,\d+\s*").all())
