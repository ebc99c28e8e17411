"""Figures of a report of pairs, in the style of `analysis.plots`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import MaxNLocator

from analysis.plots import _RC, BLUE, INK, MOST_LABELS, ORANGE, RED, STYLES, _figure, method_label, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from analysis.plots import Titles

MOST_CELLS = 12  # methods up to which every cell of the matrix carries its number


@mpl.rc_context(_RC)
def strengths(table: pd.DataFrame, thurstone: pd.DataFrame | None = None, *, titles: Titles = None) -> Figure:
    """Log strengths with intervals, in the table's order; Thurstone's beside, scaled to the same spread, hollow."""
    figure, (axes,) = _figure(7, 1.2 + 0.3 * len(table))
    y = np.arange(len(table))[::-1]
    value = table["strength"].to_numpy()
    bars = np.stack([value - table["low"], table["high"] - value])
    axes.errorbar(value, y, xerr=bars, fmt="o", color=BLUE, capsize=3, markersize=5, label="Bradley-Terry")
    if thurstone is not None:
        other = thurstone.set_index("method")["strength"].reindex(table["method"]).to_numpy()
        scale = value.std() / other.std() if other.std() > 0 else 1.0
        known = f"Thurstone V, x {scale:.2f}"
        axes.plot(other * scale, y - 0.22, "s", color=RED, markerfacecolor="white", markersize=4, label=known)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(y, [method_label(method, titles) for method in table["method"]])
    axes.set(xlabel="log strength (mean 0)", ylim=(-0.7, len(table) - 0.4))
    axes.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    if thurstone is not None:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    return figure


@mpl.rc_context(_RC)
def matrix(pairs: pd.DataFrame, order: list[str], *, titles: Titles = None) -> Figure:
    """How often the row's method is chosen over the column's, in per cent; in `order`."""
    size = len(order)
    shares = np.full((size, size), np.nan)
    place = {method: index for index, method in enumerate(order)}
    for row in pairs.itertuples():
        a, b = place[str(row.method_a)], place[str(row.method_b)]
        shares[a, b], shares[b, a] = row.share_a, 1 - float(row.share_a)  # type: ignore[arg-type]
    side = float(np.clip(2.2 + 0.55 * size, 4, 10))
    figure, (axes,) = _figure(side + 1, side)
    image = axes.imshow(100 * shares, cmap="Greys", vmin=0, vmax=100)
    if size <= MOST_CELLS:
        for a, b in zip(*np.nonzero(~np.isnan(shares)), strict=True):
            dark = shares[a, b] > 0.55
            axes.annotate(f"{100 * shares[a, b]:.0f}", (b, a), ha="center", va="center", color="white" if dark else INK)
    names = [method_label(method, titles) for method in order] if size <= MOST_LABELS else []
    where = range(len(names))
    axes.set_xticks(where, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(where, names)
    axes.set(xlabel="over this method", ylabel="chosen")
    figure.colorbar(image, ax=axes, label="chosen, per cent (ties count a half)", pad=0.02)
    return figure


@mpl.rc_context(_RC)
def against(table: pd.DataFrame, reference: str, *, titles: Titles = None) -> Figure:
    """Share of choices against the original with interval; a line at a half, where nobody can tell."""
    figure, (axes,) = _figure(7, 1.2 + 0.3 * len(table))
    y = np.arange(len(table))[::-1]
    value = 100 * table["share"].to_numpy()
    bars = np.stack([value - 100 * table["low"], 100 * table["high"] - value])
    axes.errorbar(value, y, xerr=np.maximum(bars, 0), fmt="o", color=BLUE, capsize=3, markersize=5)
    axes.axvline(50, color=INK, linewidth=0.8)
    axes.set_yticks(y, [method_label(method, titles) for method in table["method"]])
    axes.set(xlabel=f"chosen over {method_label(reference, titles)}, per cent (ties count a half)", xlim=(0, 100))
    axes.set_ylim(-0.7, len(table) - 0.4)
    axes.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


@mpl.rc_context(_RC)
def sources(table: pd.DataFrame, order: list[str], *, titles: Titles = None) -> Figure | None:
    """Strengths of each source by itself beside each other, one marker a method; None with too many to tell apart."""
    fitted = table[table["reason"] == ""]
    names = sorted(set(fitted["source"]))
    if not 2 <= len(names) <= 60 or len(order) > len(STYLES):
        return None
    figure, (axes,) = _figure(float(np.clip(2.5 + 0.4 * len(names), 6, 14)), 3.6)
    for index, method in enumerate(order):
        colour, marker = STYLES[index]
        part = fitted[fitted["method"] == method].set_index("source").reindex(names)
        offset = 0.7 * (index + 0.5) / len(order) - 0.35
        value = part["strength"].to_numpy()
        bars = np.stack([value - part["low"], part["high"] - value])
        x = np.arange(len(names)) + offset
        style: dict[str, Any] = {"fmt": marker, "color": colour, "markersize": 4, "elinewidth": 0.8}
        axes.errorbar(x, value, yerr=bars, label=method_label(method, titles), **style)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(names)), [short(name) for name in names], rotation=45, ha="right", rotation_mode="anchor")
    axes.set(ylabel="log strength within the source", xlabel="source")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False)
    return figure


@mpl.rc_context(_RC)
def raters(sides: pd.DataFrame, others: pd.DataFrame, rejected: set[str]) -> Figure:
    """Left: share of left choices by rater with interval. Right: how often with the majority of the others."""
    own = sides[sides["rater"] != "all"].sort_values(["share", "rater"]).reset_index(drop=True)
    figure, (left, right) = _figure(9, float(np.clip(1.4 + 0.19 * len(own), 2.4, 12)), 2, share=True)
    y = np.arange(len(own))
    bad = own["rater"].isin(rejected).to_numpy()
    bars = np.maximum(np.stack([own["share"] - own["low"], own["high"] - own["share"]]), 0)
    left.errorbar(100 * own["share"], y, xerr=100 * bars, fmt="none", ecolor=BLUE, capsize=2)
    majority = own[["rater"]].merge(others, on="rater", how="left")["majority"].to_numpy()
    for axes, value in ((left, own["share"].to_numpy()), (right, majority)):
        axes.plot(100 * value[~bad], y[~bad], "o", color=BLUE, markersize=4)
        axes.plot(100 * value[bad], y[bad], "s", color=RED, markersize=5)
        axes.axvline(50, color=INK, linewidth=0.8)
        axes.grid(axis="x", color="#e5e5e5", linewidth=0.6)
        axes.set_xlim(0, 100)
    left.set_xlabel("left chosen, per cent")
    right.set_xlabel("with the majority of the others, per cent")
    if len(own) <= 60:
        left.set_yticks(y, [short(rater) for rater in own["rater"]], fontsize=8)
    else:
        left.set_yticks([])
    left.set_ylim(-0.7, len(own) - 0.3)
    return figure


@mpl.rc_context(_RC)
def beside(table: pd.DataFrame, *, titles: Titles = None) -> Figure:
    """MOS against strength: methods over all sources (filled), stimuli within their source (small, grey)."""
    pooled, each = table[table["source"] == "all"], table[table["source"] != "all"]
    figure, (axes,) = _figure(6, 4.2)
    axes.plot(each["mos_centred"], each["strength"], "o", color="#999999", markersize=3, label="stimuli")
    axes.plot(pooled["mos_centred"], pooled["strength"], "D", color=ORANGE, markeredgecolor=INK, label="methods")
    if len(pooled) <= MOST_LABELS:
        for row in pooled.itertuples():
            where = (float(row.mos_centred), float(row.strength))  # type: ignore[arg-type]
            label = method_label(str(row.method), titles)
            axes.annotate(label, where, xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.axhline(0, color="#cccccc", linewidth=0.6, zorder=0)
    axes.axvline(0, color="#cccccc", linewidth=0.6, zorder=0)
    axes.set(xlabel="MOS less its mean over the methods", ylabel="log strength (mean 0)")
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.legend(frameon=False)
    return figure
