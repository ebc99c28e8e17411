"""LaTeX tables of a report of pairs: booktabs, no wider than article's text, longer than a page as longtable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from analysis.paper import title
from analysis.tables import _escape

if TYPE_CHECKING:
    import pandas as pd

    from analysis.pairs.report import PairsResults

LONGEST = 40  # rows of a floating table; more go over pages
WIDEST = 7  # methods of the matrix; more are in the CSV file and the figure
LINE = 60  # wide characters of one line of the text of `article`
_PLAIN = re.compile(r"\\text\w+\{\}|[\\${}&,]")  # what does not print, roughly
_BREAKS = re.compile(r"-|\\_|/|\.|\}")
_ALLOW = r"\allowbreak{}"


def tables(results: PairsResults) -> dict[str, str]:
    """strengths, differences, pair_shares and, where there is an original, against: LaTeX by file name."""
    found, said = {}, " Simulated choices." if results.simulated else ""
    limits = f"95 \\% intervals; {_sample(results)}"
    if not results.unfitted:
        strengths, differences = results.tables["strengths"], results.tables["differences"]
        caption = f"Bradley-Terry log strengths (mean 0) with {limits}.{said}"
        found["strengths"] = _table("Method & Choices & Chosen & Strength", "lrrr", _strengths(strengths), caption)
        caption = f"Differences of log strength with {limits}; $p$ after Holm.{said}"
        head = "Stronger & Weaker & Difference & $p$"
        found["differences"] = _table(head, "llrr", _differences(differences), caption)
    if results.has("against"):
        caption = f"Chosen over {_escape(title(str(results.reference)))}, ties a half, with {limits}.{said}"
        found["against"] = _table("Method & Choices & Chosen", "lrr", _against(results.tables["against"]), caption)
    order = results.tables["strengths"]["method"].tolist()
    if len(order) <= WIDEST:
        head = " & ".join(["", *(rf"\rotatebox{{90}}{{{_escape(title(method))}}}" for method in order)])
        rows = _matrix(results.tables["pair_shares"], order)
        caption = f"Choices of the row's method over the column's, per cent, ties a half.{said}"
        found["pair_shares"] = _table(head, "l" + "r" * len(order), rows, caption)
    return found


def _sample(results: PairsResults) -> str:
    sampled = results.random.text
    return "neither raters nor sources count as samples" if sampled == "neither" else f"{sampled} count as samples"


def _strengths(table: pd.DataFrame) -> list[str]:
    return [
        f"{_escape(title(str(row.method)))} & {row.n} & {_share(row.share)} & "
        f"{_limits(row.strength, row.low, row.high)}"
        for row in table.itertuples()
    ]


def _differences(table: pd.DataFrame) -> list[str]:
    return [
        f"{_escape(title(str(row.method_a)))} & {_escape(title(str(row.method_b)))} & "
        f"{_limits(row.difference, row.low, row.high)} & {_p(row.p_holm)}"
        for row in table.itertuples()
    ]


def _against(table: pd.DataFrame) -> list[str]:
    return [
        f"{_escape(title(str(row.method)))} & {row.n} & {_share(row.share)} [{_share(row.low)}, {_share(row.high)}]"
        for row in table.itertuples()
    ]


def _matrix(table: pd.DataFrame, order: list[str]) -> list[str]:
    share = {}
    for row in table.itertuples():
        share[row.method_a, row.method_b] = float(row.share_a)  # type: ignore[arg-type]
        share[row.method_b, row.method_a] = 1 - float(row.share_a)  # type: ignore[arg-type]
    return [
        " & ".join([_escape(title(a)), *(f"{100 * share[a, b]:.0f}" if (a, b) in share else "--" for b in order)])
        for a in order
    ]


def _breakable(row: str, names: int) -> str:
    """The row with its names left-aligned and breakable after every hyphen, underscore, slash and dot."""
    cells = row.split(" & ")
    first = [rf"\raggedright {_BREAKS.sub(lambda found: found[0] + _ALLOW, cell)}" for cell in cells[:names]]
    return " & ".join([*first, *cells[names:]])


def _share(value: object) -> str:
    return rf"{100 * float(value):.1f}\,\%"  # type: ignore[arg-type]


def _limits(value: object, low: object, high: object) -> str:
    numbers = [f"{float(number):.2f}".replace("-", "$-$") for number in (value, low, high)]  # type: ignore[arg-type]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def _p(value: object) -> str:
    p = float(value)  # type: ignore[arg-type]
    if np.isnan(p):
        return "--"
    return "$<$0.001" if p < 0.001 else f"{p:.3f}"


def _table(head: str, columns: str, rows: list[str], caption: str) -> str:
    """A floating table, or a longtable; the caption is LaTeX already. Needs booktabs, graphicx, and longtable.

    Rows with more characters than a line of `article` holds get columns of names that wrap.
    """
    longest = max(len(_PLAIN.sub("", row)) for row in rows)
    if longest + 2.4 * len(columns) > LINE:  # the space between two columns is that of 2.4 characters
        names = columns.count("l")
        width = (0.38, 0.25)[names - 1]
        columns = columns.replace("l", rf"p{{{width:.2f}\linewidth}}")
        rows = [_breakable(row, names) for row in rows]
    body = [rf"{row} \\" for row in rows]
    if len(rows) <= LONGEST:
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{columns}}}"]
        lines += [r"\toprule", rf"{head} \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
        return "\n".join(lines)
    lines = [rf"\begin{{longtable}}{{{columns}}}", rf"\caption{{{caption}}} \\", r"\toprule", rf"{head} \\"]
    lines += [r"\midrule", r"\endfirsthead", r"\toprule", rf"{head} \\", r"\midrule", r"\endhead", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])
