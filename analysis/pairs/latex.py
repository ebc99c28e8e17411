"""LaTeX tables of a report of pairs, by `analysis.latex`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.latex import MOST_ROWS, Column, breakable, escape, p_value, table, with_limits
from analysis.paper import title

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from analysis.pairs.report import PairsResults

    Titles = Mapping[str, str]

WIDEST = 12  # methods of the matrix; more are in the CSV file and the figure


def tables(results: PairsResults) -> dict[str, str]:
    """strengths, differences, pair_shares and, where there are such, comparison_scores and against: LaTeX by name."""
    found, said = {}, " Simulated choices." if results.simulated else ""
    limits = rf"95 \% intervals; {_sample(results)}"
    if not results.unfitted:
        strengths = results.tables["strengths"].set_index("method").loc[results.order()].reset_index()
        differences = results.tables["differences"]
        caption = f"Bradley-Terry log strengths (mean 0) with {limits}.{said}"
        found["strengths"] = table(_strengths(strengths, results.titles), caption)
        caption = f"Differences of log strength with {limits}; $p$ after Holm.{said}"
        if len(differences) <= MOST_ROWS:
            found["differences"] = table(_differences(differences, results.titles), caption)
    if results.has("against"):
        original = breakable(escape(title(str(results.reference), results.titles)))
        caption = f"Chosen over {original}, ties a half, with {limits}.{said}"
        found["against"] = table(_against(results.tables["against"], results.titles), caption)
    if results.has("comparison_scores") and len(results.tables["comparison_scores"]) <= MOST_ROWS:
        caption = (
            "Comparison mean opinion scores (CMOS), above 0 where the first is better, with 95 \\% intervals that take "
            f"raters and sources as samples; $p$ after Holm.{said}"
        )
        found["comparison_scores"] = table(_compared(results.tables["comparison_scores"], results.titles), caption)
    order = results.order()
    if len(order) <= WIDEST:
        caption = f"Choices of the row's method over the column's, which has its number, per cent, ties a half.{said}"
        found["pair_shares"] = table(_matrix(results.tables["pair_shares"], order, results.titles), caption)
    return found


def _sample(results: PairsResults) -> str:
    sampled = results.random.text
    return "neither raters nor sources count as samples" if sampled == "neither" else f"{sampled} count as samples"


def _names(head: str, methods: Iterable[object], titles: Titles) -> Column:
    return Column(head, [escape(title(str(method), titles)) for method in methods], names=True)


def _strengths(found: pd.DataFrame, titles: Titles) -> list[Column]:
    return [
        _names("Method", found["method"], titles),
        Column("Choices", [str(n) for n in found["n"]]),
        Column("Chosen", [_share(share) for share in found["share"]]),
        Column("Strength", [with_limits(*row) for row in found[["strength", "low", "high"]].to_numpy(float)]),
    ]


def _differences(found: pd.DataFrame, titles: Titles) -> list[Column]:
    return [
        _names("Stronger", found["method_a"], titles),
        _names("Weaker", found["method_b"], titles),
        Column("Difference", [with_limits(*row) for row in found[["difference", "low", "high"]].to_numpy(float)]),
        Column("$p$", [p_value(p) for p in found["p_holm"]]),
    ]


def _compared(found: pd.DataFrame, titles: Titles) -> list[Column]:
    return [
        _names("Better", found["method_a"], titles),
        _names("Worse", found["method_b"], titles),
        Column("Answers", [str(n) for n in found["n"]]),
        Column("CMOS", [with_limits(*row) for row in found[["cmos", "low", "high"]].to_numpy(float)]),
        Column("$p$", [p_value(p) for p in found["p_holm"]]),
    ]


def _against(found: pd.DataFrame, titles: Titles) -> list[Column]:
    shares = found[["share", "low", "high"]].to_numpy(float)
    chosen = [f"{_share(share)} [{_share(low)}, {_share(high)}]" for share, low, high in shares]
    return [
        _names("Method", found["method"], titles),
        Column("Choices", [str(n) for n in found["n"]]),
        Column("Chosen", chosen),
    ]


def _matrix(found: pd.DataFrame, order: list[str], titles: Titles) -> list[Column]:
    share = {}
    for a, b, value in zip(found["method_a"], found["method_b"], found["share_a"], strict=True):
        share[a, b], share[b, a] = float(value), 1 - float(value)
    columns = [_names("", order, titles), Column("", [str(index + 1) for index in range(len(order))])]
    for index, b in enumerate(order):
        cells = [f"{100 * share[a, b]:.0f}" if (a, b) in share else "--" for a in order]
        columns.append(Column(str(index + 1), cells))
    return columns


def _share(value: float) -> str:
    return rf"{100 * value:.1f}\,\%"
