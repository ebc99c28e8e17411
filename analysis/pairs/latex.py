"""LaTeX tables of a report of pairs, by `analysis.latex`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.latex import MOST_ROWS, Column, breakable, escape, p_value, table, with_limits
from analysis.paper import title

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from analysis.pairs.report import PairsResults

WIDEST = 12  # methods of the matrix; more are in the CSV file and the figure


def tables(results: PairsResults) -> dict[str, str]:
    """strengths, differences, pair_shares and, where there is an original, against: LaTeX by file name."""
    found, said = {}, " Simulated choices." if results.simulated else ""
    limits = rf"95 \% intervals; {_sample(results)}"
    if not results.unfitted:
        strengths, differences = results.tables["strengths"], results.tables["differences"]
        caption = f"Bradley-Terry log strengths (mean 0) with {limits}.{said}"
        found["strengths"] = table(_strengths(strengths), caption)
        caption = f"Differences of log strength with {limits}; $p$ after Holm.{said}"
        if len(differences) <= MOST_ROWS:
            found["differences"] = table(_differences(differences), caption)
    if results.has("against"):
        caption = f"Chosen over {breakable(escape(title(str(results.reference))))}, ties a half, with {limits}.{said}"
        found["against"] = table(_against(results.tables["against"]), caption)
    order = results.tables["strengths"]["method"].tolist()
    if len(order) <= WIDEST:
        caption = f"Choices of the row's method over the column's, which has its number, per cent, ties a half.{said}"
        found["pair_shares"] = table(_matrix(results.tables["pair_shares"], order), caption)
    return found


def _sample(results: PairsResults) -> str:
    sampled = results.random.text
    return "neither raters nor sources count as samples" if sampled == "neither" else f"{sampled} count as samples"


def _names(head: str, methods: Iterable[object]) -> Column:
    return Column(head, [escape(title(str(method))) for method in methods], names=True)


def _strengths(found: pd.DataFrame) -> list[Column]:
    return [
        _names("Method", found["method"]),
        Column("Choices", [str(n) for n in found["n"]]),
        Column("Chosen", [_share(share) for share in found["share"]]),
        Column("Strength", [with_limits(*row) for row in found[["strength", "low", "high"]].to_numpy(float)]),
    ]


def _differences(found: pd.DataFrame) -> list[Column]:
    return [
        _names("Stronger", found["method_a"]),
        _names("Weaker", found["method_b"]),
        Column("Difference", [with_limits(*row) for row in found[["difference", "low", "high"]].to_numpy(float)]),
        Column("$p$", [p_value(p) for p in found["p_holm"]]),
    ]


def _against(found: pd.DataFrame) -> list[Column]:
    shares = found[["share", "low", "high"]].to_numpy(float)
    chosen = [f"{_share(share)} [{_share(low)}, {_share(high)}]" for share, low, high in shares]
    return [
        _names("Method", found["method"]),
        Column("Choices", [str(n) for n in found["n"]]),
        Column("Chosen", chosen),
    ]


def _matrix(found: pd.DataFrame, order: list[str]) -> list[Column]:
    share = {}
    for a, b, value in zip(found["method_a"], found["method_b"], found["share_a"], strict=True):
        share[a, b], share[b, a] = float(value), 1 - float(value)
    columns = [_names("", order), Column("", [str(index + 1) for index in range(len(order))])]
    for index, b in enumerate(order):
        cells = [f"{100 * share[a, b]:.0f}" if (a, b) in share else "--" for a in order]
        columns.append(Column(str(index + 1), cells))
    return columns


def _share(value: float) -> str:
    return rf"{100 * value:.1f}\,\%"
