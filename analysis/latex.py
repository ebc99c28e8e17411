"""LaTeX tables with booktabs that are no wider than the text of `article`, whatever the names hold.

A table that is too wide lets its names wrap, and where that is not enough goes on in a further table. A table longer
than a page is a longtable. A character that pdfLaTeX does not know is printed where the document names a font for it
(`_ANY_SCRIPT`), by each of the three engines; else as its number (U+6F22), with a note in the caption.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEXT = 338.0  # points: the text of `article` at 10 points, the narrowest of its three, is 345; widths are estimates
BETWEEN = 12.0  # points between two columns: twice \tabcolsep
LEAST = 70.0  # points that a column of wrapping names gets at least
LONGEST = 38  # lines of a floating table; more go over pages
MOST_ROWS = 2000  # a longer table is for a machine: it stands in its CSV file

# Printed as they are by pdfLaTeX beside ASCII, whatever the document's font encoding.
_KNOWN = frozenset("ßæøåœłıÆØÅŒŁ–—‘’“”…·×±µ°§")
_ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
_ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": "$<$",  # in the default encoding the bare ones print as inverted marks
    ">": "$>$",
    "|": "$|$",
    '"': r"{\char34}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # at the start of a row it would be an option of the row before
    "]": "{]}",
    "*": "{*}",
}
# Other scripts: the document says by which font; else they are code points, and the caption says so. XeLaTeX and
# LuaLaTeX without such a font would leave the character out.
_ANY_SCRIPT = r"""% Names in other scripts print as code points (U+6F22) unless the preamble has a font for them, one of
%   XeLaTeX, LuaLaTeX, package fontspec:
%     \newfontfamily\scripts{Noto Sans CJK SC}\newcommand{\anyscript}[2]{{\scripts#1}}
%   pdfLaTeX, package CJKutf8: \newcommand{\anyscript}[2]{\begin{CJK}{UTF8}{gbsn}#1\end{CJK}}
%     (gbsn has simplified Chinese, bsmi traditional, min Japanese; what a font lacks is left out)
\ifdefined\anyscript\else
\newcommand{\anyscript}[2]{\ifdefined\Umathcode\iffontchar\font`#1 #1\else#2\fi\else#2\fi}
\newcommand{\scriptnote}{ U+ and a number: a character without a font here; the head of the table's file says how to
  give it one.}
\fi
\providecommand{\scriptnote}{}"""
_ALLOW = r"\allowbreak{}"
_UNBROKEN = 6  # characters of a wrapping name at most without a place to break; the widest six fit into LEAST

# Widths of Computer Modern Roman, thousandths of the size.
_WIDTHS = {
    character: width
    for width, characters in (
        (278, "ijl.,:;!'|[]/"),
        (333, " -"),
        (392, "frstIJ()"),
        (445, "cez"),
        (500, "agov0123456789?*"),
        (556, "bdhknpquxyvSLF"),
        (720, "wBCEPTZ"),
        (780, "ADGHKNOQRUVXY&=+<>~^"),
        (833, "m%#"),
        (1028, "MW@"),
    )
    for character in characters
}


@dataclass(frozen=True)
class Column:
    """A column's head and cells as LaTeX; `names` are left-aligned, stand first, and may wrap."""

    head: str
    cells: Sequence[str]
    names: bool = False

    @property
    def width(self) -> float:
        return max(map(width, [self.head, *self.cells]))


def escape(text: object) -> str:
    """Any text as LaTeX that prints it; blanks and control characters become one space."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return "".join(map(_character, plain)).replace("--", "-{}-")


def paragraphs(texts: Mapping[str, str]) -> str:
    """Head -> text as LaTeX paragraphs, each with its head."""
    found = "\n".join(rf"\paragraph{{{escape(head)}.}} {escape(text)}" + "\n" for head, text in texts.items())
    return f"{_ANY_SCRIPT}\n{found}\\scriptnote{{}}\n" if r"\anyscript" in found else found


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    parts = unicodedata.normalize("NFD", character)
    accented = len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS
    if character.isascii() or character in _KNOWN or accented:
        return character
    return rf"\anyscript{{{character}}}{{U+{ord(character):04X}}}"


def number(value: object, decimals: int = 2) -> str:
    """A number with so many decimals; a dash for NaN."""
    given = float(value)  # type: ignore[arg-type]
    if np.isnan(given):
        return "--"
    if np.isinf(given):
        return r"$\infty$" if given > 0 else r"$-\infty$"
    return f"{given:.{decimals}f}".replace("-", "$-$")


def with_limits(value: object, low: object, high: object, decimals: int = 2) -> str:
    """value [low, high]; the value alone where it has no interval."""
    if np.isnan(float(low)) or np.isnan(float(high)):  # type: ignore[arg-type]
        return number(value, decimals)
    return f"{number(value, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"


def p_value(p: object) -> str:
    """Three decimals, small ones as an inequality."""
    return "$<$0.001" if float(p) < 0.001 else number(p, 3)  # type: ignore[arg-type]


def bold(text: str) -> str:
    return rf"\textbf{{{text}}}"


def width(latex: str) -> float:
    """Points of a text at 10 points, a little more than less."""
    factor = 1.17 if r"\textbf" in latex else 1.03
    plain = re.sub(r"\\anyscript\{.\}\{(U\+\w+)\}", r"\1", latex)
    plain = re.sub(r"\\text(ascii\w+|backslash)\{\}", "+", plain.replace(_ALLOW, ""))
    plain = plain.replace(r"\infty", "W").replace(r"\,", " ")
    # A minus of mathematics is as wide as a plus.
    plain = re.sub(r"\\char34|\\textbf|\\raggedright|[\\{}]|\$(?!-)", "", plain.replace("$-$", "+"))
    plain = unicodedata.normalize("NFD", plain)
    return factor * sum(_WIDTHS.get(c, 0 if c in _ACCENTS else 800) for c in plain) / 100


def breakable(latex: str) -> str:
    """The text with places to break: after hyphens and the like, and after every sixth letter without one."""
    parts = re.findall(r"\\anyscript\{.\}\{[^}]*\}|\\\w+(?:\{\})?|\\.|\$[^$]*\$|\{[^}]*\}|.", latex)
    found, run = [], 0
    for part in parts:
        found.append(part)
        run = 0 if part == " " else run + (_UNBROKEN if part.startswith(r"\anyscript") else 1)
        if run >= _UNBROKEN or (run and part in ("-", r"\_", "/", ".")):
            found.append(_ALLOW)
            run = 0
    return "".join(found)


def table(columns: Sequence[Column], caption: str) -> str:
    """The columns as one table, or as several where they are wider than the text; the caption is LaTeX already."""
    names, numbers = [c for c in columns if c.names], [_narrow_head(c) for c in columns if not c.names]
    if any(r"\anyscript" in text for column in columns for text in (column.head, *column.cells, caption)):
        caption += r"\scriptnote{}"
    parts = _parts(names, numbers)
    texts = []
    for index, part in enumerate(parts):
        said = caption if len(parts) == 1 else f"{caption} Part {index + 1} of {len(parts)}."
        texts.append(_one(names, part, said))
    text = "\n".join(texts)
    needs = ["booktabs", *(["longtable"] if r"\begin{longtable}" in text else [])]
    head = [rf"% Needs \usepackage{{{','.join(needs)}}}."]
    if r"\anyscript" in text:
        head.append(_ANY_SCRIPT)
    return "\n".join([*head, text])


def _narrow_head(column: Column) -> Column:
    """A head wider than its cells and LEAST stands on several lines."""
    room = max([LEAST, *map(width, column.cells)])
    if width(column.head) <= room:
        return column
    wrapped = rf"\parbox[b]{{{room:.0f}pt}}{{\raggedleft {breakable(column.head)}}}"
    return Column(wrapped, column.cells)


def _cells_width(column: Column) -> float:
    own = [] if r"\parbox" in column.head else [width(column.head)]
    return max([*own, *map(width, column.cells), *([LEAST] if not own else [])])


def _parts(names: Sequence[Column], numbers: Sequence[Column]) -> list[list[Column]]:
    """The columns of numbers in as few tables as hold them beside the names, each at its least width."""
    taken = sum(min(c.width, LEAST) + BETWEEN for c in names)
    parts: list[list[Column]] = [[]]
    room = TEXT - taken + BETWEEN
    for column in numbers:
        need = _cells_width(column) + BETWEEN
        if parts[-1] and need > room:
            parts.append([])
            room = TEXT - taken + BETWEEN
        parts[-1].append(column)
        room -= need
    return parts


def _one(names: Sequence[Column], numbers: Sequence[Column], caption: str) -> str:
    room = TEXT - sum(_cells_width(c) + BETWEEN for c in numbers) - BETWEEN * (len(names) - 1)
    widths = _share([c.width for c in names], room)
    specs, shown = "", []
    lines = np.ones(max(len(c.cells) for c in (*names, *numbers)), dtype=int)
    for column, given in zip(names, widths, strict=True):
        if given >= column.width:
            specs += "l"
            shown.append(column)
            continue
        specs += f"p{{{given:.0f}pt}}"
        shown.append(Column(column.head, [rf"\raggedright {breakable(cell)}" for cell in column.cells]))
        lines = np.maximum(lines, np.ceil([1.15 * width(cell) / given for cell in column.cells]).astype(int))
    shown += numbers
    specs = f"@{{}}{specs}{'r' * len(numbers)}@{{}}"
    head = " & ".join(column.head for column in shown)
    rows = [" & ".join(cells) + r" \\" for cells in zip(*(c.cells for c in shown), strict=True)]
    return _typeset(specs, head, rows, caption, long=int(lines.sum()) > LONGEST)


def _share(wanted: Sequence[float], room: float) -> list[float]:
    """Points of each column of names: what it wants, or an equal share of what the narrower ones leave."""
    given = dict.fromkeys(range(len(wanted)), 0.0)
    left = sorted(given, key=lambda index: wanted[index])
    while left:
        index = left.pop(0)
        given[index] = min(wanted[index], room / (len(left) + 1))
        room -= given[index]
    return [given[index] for index in range(len(wanted))]


def _typeset(specs: str, head: str, rows: Sequence[str], caption: str, *, long: bool) -> str:
    if not long:
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{specs}}}"]
        lines += [r"\toprule", rf"{head} \\", r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
        return "\n".join(lines)
    lines = [rf"\begin{{longtable}}{{{specs}}}", rf"\caption{{{caption}}} \\", r"\toprule", rf"{head} \\"]
    lines += [r"\midrule", r"\endfirsthead", r"\toprule", rf"{head} \\", r"\midrule", r"\endhead", *rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])
