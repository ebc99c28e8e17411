"""The report's figures: legible in grey and for the colour-blind, the same bytes for the same data.

Nothing is told by colour alone: benchmarks and verdicts differ by marker shape or fill as well, and every colour scale
runs from light to dark. The colours are those of Okabe and Ito (2008).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from analysis import paper
from analysis.fonts import BASE, families, legible
from analysis.scale import ACR, Scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.axes import Axes

    from analysis.objective import Metric
    from analysis.which import Matrix

    Titles = Mapping[str, str] | None

INK, RED, BLUE, ORANGE, GREEN = "#222222", "#d55e00", "#0072b2", "#e69f00", "#009e73"
STYLES = [(BLUE, "o"), (RED, "s"), (GREEN, "^"), (ORANGE, "D"), (INK, "v"), ("#cc79a7", "P")]
MOST_NAMES = 60  # methods, or rejected raters; more cannot be named along an axis
MOST_CELLS = 12  # methods up to which every cell of a matrix has its numbers
LONGEST_NAME = 24  # characters
MOST_LABELS = 25  # more points than this cannot be labelled one by one
MOST_METHODS = 400  # more than this are drawn as an image
MOST_RATERS = 150  # more than this are counted and not drawn one by one
_RC: dict[Any, Any] = {
    "svg.hashsalt": "mosweb",  # without it the ids inside an SVG are random
    "svg.fonttype": "path",
    "font.family": list(families()),
    "text.parse_math": False,  # a name with dollars is a name
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": False,
    "figure.dpi": 100,
}
MOST_TICKS = 11  # of a score axis


class NotebookFigure(Figure):
    """A figure that a notebook shows by itself, without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        return png(self)


@mpl.rc_context(_RC)
def svg(figure: Figure) -> bytes:
    """The figure as SVG, without a date."""
    buffer = io.BytesIO()
    _lay_out(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@mpl.rc_context(_RC)
def png(figure: Figure) -> bytes:
    """The figure as PNG at 144 dots an inch."""
    buffer = io.BytesIO()
    _lay_out(figure)
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()


@mpl.rc_context(_RC)
def head(figure: Figure, text: str) -> None:
    """A line above everything in the figure; before it is saved, as the layout makes room for it."""
    figure.suptitle(text, fontsize=9, color=RED)


def _lay_out(figure: Figure) -> None:
    """Lay the figure out, once: with a layout engine each saving measures every label and draws everything twice.

    A text that the base font has whole is set in that alone: others are looked up anew each time one is measured.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        for text in figure.findobj(Text):
            if isinstance(text, Text) and legible(text.get_text(), [BASE]):
                text.set_fontfamily(BASE)
        engine.execute(figure)
        figure.set_layout_engine(None)


def _figure(width: float, height: float, columns: int = 1, *, share: bool = False) -> tuple[Figure, list[Axes]]:
    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, columns, squeeze=False, sharey=share)[0])


def _stack(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """One panel a benchmark, one above the other."""
    figure = NotebookFigure(figsize=(width, height * panels), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [row[0] for row in figure.subplots(panels, 1, squeeze=False)]


def method_label(method: str, titles: Titles = None) -> str:
    """A method's title as an axis prints it."""
    return short(paper.title(method, titles))


def short(name: str) -> str:
    """A long name by its two ends: LONGEST_NAME characters are what a figure has room for."""
    keep = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:keep]}…{name[-keep + 1 :]}"


def _in_order(table: pd.DataFrame, mos: pd.DataFrame, reference: str) -> list[str]:
    """The paper's order, the reference last; more methods than can be named go from the worst to the best."""
    methods = paper.ordered(sorted(set(table["method"])), reference)
    if len(methods) <= MOST_NAMES:
        return methods
    means = mos.groupby("method")["mos"].mean()
    return sorted(methods, key=lambda method: (means.get(method, 0.0), method))


def _methods(axes: Axes, methods: list[str], titles: Titles) -> None:
    axes.set_xlim(-0.6, len(methods) - 0.4)
    if len(methods) > MOST_NAMES:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(methods)} methods, from the lowest MOS to the highest; tables/mos.csv names them")
        return
    axes.set_xticks(range(len(methods)), [method_label(m, titles) for m in methods])
    axes.tick_params(axis="x", labelrotation=45 if len(methods) <= MOST_LABELS else 90)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right" if len(methods) <= MOST_LABELS else "center")
        label.set_rotation_mode("anchor" if len(methods) <= MOST_LABELS else "default")


def _score_ticks(axes: Axes, scale: Scale) -> None:
    """Ticks at the levels, or at the labels and the ends of a continuous scale."""
    at = list(scale.levels) or sorted({scale.low, scale.high, *(value for value, _ in scale.labels)})
    if len(at) > MOST_TICKS or len(at) < 3:
        ticks = MaxNLocator(MOST_TICKS - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(scale.low, scale.high)
        at = [float(tick) for tick in ticks if scale.low <= tick <= scale.high]
    words = [f"{scale.score_text(tick)} {scale.label(tick)}".strip() if scale.step is None else "" for tick in at]
    axes.set_yticks(at, words if any(words) else [scale.score_text(tick) for tick in at])


def _extra(names: Iterable[str]) -> float:
    """Inches that names longer than those of the paper need beside an axis, were every letter a W."""
    return 0.125 * max(0, max(map(len, names), default=0) - 14)


def _width(methods: int) -> float:
    return float(np.clip(2.5 + 0.45 * methods, 5.5, 14))


@mpl.rc_context(_RC)
def score_distributions(
    distribution: pd.DataFrame,
    mos: pd.DataFrame,
    *,
    scale: Scale = ACR,
    titles: Titles = None,
    reference: str = "hr",
) -> Figure:
    """Figure 5 of the paper: counts of each score by method, darker is more, the mean as a vermilion diamond.

    Where methods were not rated equally often, shares of each method's ratings.
    """
    names = paper.benchmarks_in_order(distribution)
    widest = int(distribution.groupby("benchmark")["method"].nunique().max())
    extra = _extra(method_label(m, titles) for m in set(distribution["method"])) if widest <= MOST_NAMES else 0.0
    figure, panels = _stack(len(names), _width(widest), 2.9 + extra)
    for axes, benchmark in zip(panels, names, strict=True):
        part = distribution[distribution["benchmark"] == benchmark]
        methods = _in_order(part, mos[mos["benchmark"] == benchmark], reference)
        equal = part.groupby("method")["count"].sum().nunique() == 1
        values = part.pivot(index="score", columns="method", values="count" if equal else "share")[methods]
        gap = (values.index[-1] - values.index[0]) / (len(values) - 1)
        edges = values.index[0] + gap * (np.arange(len(values) + 1) - 0.5)
        many = len(methods) > MOST_METHODS  # as an image: an SVG of a shape for each would be of megabytes
        at = np.arange(len(methods) + 1) - 0.5
        image = axes.pcolormesh(at, edges, values, cmap="Greys", vmin=0, rasterized=many)
        means = mos[mos["benchmark"] == benchmark].set_index("method")["mos"].reindex(methods)
        style: dict[str, Any] = {"markersize": 2} if many else {"markeredgecolor": "white", "markersize": 7}
        axes.plot(range(len(methods)), means, "D", color=RED, label="mean", rasterized=many, **style)
        _methods(axes, methods, titles)
        axes.set(title=short(benchmark), ylabel="score", ylim=(edges[0], edges[-1]))
        _score_ticks(axes, scale)
        figure.colorbar(image, ax=axes, label="ratings" if equal else "share of ratings", pad=0.01)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    return figure


@mpl.rc_context(_RC)
def mean_scores(
    mos: pd.DataFrame,
    asterisks: pd.DataFrame | None = None,
    *,
    scale: Scale = ACR,
    titles: Titles = None,
    reference: str = "hr",
) -> Figure:
    """MOS of each method with its interval, cut at the scale's ends; a shape a benchmark, * as in Table 1."""
    names = paper.benchmarks_in_order(mos)
    methods = _in_order(mos, mos, reference)
    extra = _extra(method_label(m, titles) for m in methods) if len(methods) <= MOST_NAMES else 0.0
    figure, (axes,) = _figure(_width(len(methods) * min(len(names), 2)), 4.2 + extra)
    offsets = (np.arange(len(names)) - (len(names) - 1) / 2) * min(0.22, 0.7 / len(names))
    for index, (benchmark, offset) in enumerate(zip(names, offsets, strict=True)):
        colour, marker = STYLES[index % len(STYLES)]
        part = mos[mos["benchmark"] == benchmark].set_index("method").reindex(methods).reset_index()
        mean = part["mos"].to_numpy()
        low, high = (
            part[limit].fillna(part["mos"]).clip(scale.low, scale.high).to_numpy() for limit in ("ci_low", "ci_high")
        )
        bars = np.maximum(np.stack([mean - low, high - mean]), 0)
        where = np.arange(len(methods)) + offset
        many = len(methods) > MOST_METHODS
        style: dict[str, Any] = {"color": colour, "fmt": marker, "capsize": 2.5, "markersize": 5, "rasterized": many}
        axes.errorbar(where, mean, yerr=bars, label=short(benchmark), **style)
        if asterisks is not None:
            starred = asterisks[asterisks["asterisk"] & (asterisks["benchmark"] == benchmark)]["method"]
            for x, y, method in zip(where, high, methods, strict=True):
                if method in set(starred):
                    axes.annotate("*", (x, y), ha="center", va="bottom", fontsize=13, color=INK)
    _methods(axes, methods, titles)
    axes.set(ylabel="mean opinion score", ylim=(scale.low - 0.025 * scale.width, scale.high + 0.0375 * scale.width))
    _score_ticks(axes, scale)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    if len(names) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False)  # above: it can hide no method
    return figure


@mpl.rc_context(_RC)
def which_differ(matrices: Iterable[Matrix], *, titles: Titles = None, decimals: int = 2) -> Figure | None:
    """Differences of every two methods, row less column, the highest MOS first; None where no pair has a test.

    Darker is a larger difference, white is not told apart (Holm). Up to MOST_CELLS methods each cell has its difference
    and interval, up to MOST_LABELS a grey cross where two are not told apart.
    """
    shown = [matrix for matrix in matrices if np.isfinite(matrix.difference).any()]
    if not shown:
        return None
    most = max(len(matrix.methods) for matrix in shown)
    numbered, named = most <= MOST_CELLS, most <= MOST_LABELS
    extra = _extra(method_label(m, titles) for matrix in shown for m in matrix.methods) if named else 0.0
    side = float(np.clip(1.6 + (0.72 if numbered else 0.3) * most, 4, 11))
    figure, panels = _stack(len(shown), side + 1.4 + extra, side + extra)
    largest = max(float(np.nanmax(np.abs(matrix.difference))) for matrix in shown) or 1.0
    for axes, matrix in zip(panels, shown, strict=True):
        size = np.where(matrix.differs, np.abs(matrix.difference), 0.0)
        image = axes.imshow(size, cmap="Greys", vmin=0, vmax=largest, interpolation="nearest")
        names = [method_label(m, titles) for m in matrix.methods] if named else []
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        if named and not numbered:
            untold = np.argwhere(np.isfinite(matrix.difference) & ~matrix.differs)
            axes.plot(untold[:, 1], untold[:, 0], "x", color="#bbbbbb", markersize=6, zorder=1)
        if numbered:
            _write_differences(axes, matrix, decimals, dark=0.5 * largest)
        rank = "" if named else f"; {len(matrix.methods)} methods, the highest MOS first"
        axes.set(title=short(matrix.benchmark), ylabel=f"this method{rank}", xlabel="less this one")
        figure.colorbar(image, ax=axes, label="difference of MOS that is told apart", pad=0.02, shrink=0.8)
    return figure


def _write_differences(axes: Axes, matrix: Matrix, decimals: int, *, dark: float) -> None:
    """In white where the cell is dark, being told apart by at least so much."""
    for row, column in np.argwhere(np.isfinite(matrix.difference)):
        value, low, high = (array[row, column] for array in (matrix.difference, matrix.low, matrix.high))
        limits = "" if np.isnan(low) else f"\n{low:.{decimals}f} to\n{high:.{decimals}f}"
        text = f"{value:+.{decimals}f}{limits}"
        colour = "white" if matrix.differs[row, column] and abs(value) >= dark else INK
        written = axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)
        written.set_in_layout(False)  # within the axes whatever it says: measuring hundreds of them takes seconds


@mpl.rc_context(_RC)
def average_ranks(ranks: pd.DataFrame, *, titles: Titles = None) -> Figure | None:
    """Average rank of each method, one column a benchmark, best first; None where no benchmark has complete blocks."""
    ranks = ranks[ranks["n"] > 0]
    if ranks.empty:
        return None
    names = paper.benchmarks_in_order(ranks)
    most = int(ranks.groupby("benchmark")["method"].nunique().max())
    named = most <= MOST_NAMES
    extra = _extra(method_label(m, titles) for m in set(ranks["method"])) if named else 0.0
    figure, panels = _figure(max((3.6 + extra) * len(names), 5.5), 1.2 + 0.26 * most if named else 6.0, len(names))
    for axes, benchmark in zip(panels, names, strict=True):
        part = ranks[ranks["benchmark"] == benchmark].sort_values(["rank", "method"])
        y = np.arange(len(part))
        axes.hlines(y, 1, part["rank"], color="#bbbbbb", linewidth=1.2)
        axes.plot(part["rank"], y, "o", color=BLUE)
        for rank, level in zip(part["rank"], y, strict=True) if named else ():
            axes.annotate(
                f"{rank:.2f}", (rank, level), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8
            )
        axes.set_yticks(y if named else [], [method_label(m, titles) for m in part["method"]] if named else [])
        axes.set(
            title=short(benchmark),
            xlabel="average rank (1 = best)",
            xlim=(0.8, 1.15 * len(part) + 0.8),  # room for the number beside the last point
            ylim=(len(part) - 0.4, -0.6),
        )
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return figure


@mpl.rc_context(_RC)
def mos_against(
    mos: pd.DataFrame, means: pd.DataFrame, *, metric: Metric, scale: Scale = ACR, titles: Titles = None
) -> Figure | None:
    """MOS of each method against the mean of a metric, one panel a benchmark; None where no value is finite."""
    both = mos.merge(means, on=["benchmark", "method"])
    name = metric.name
    both = both[np.isfinite(both[name])]
    if both.empty:
        return None
    names = paper.benchmarks_in_order(both)
    figure, panels = _figure(max(4.0 * len(names), 5.0), 3.8, len(names), share=True)
    for index, (axes, benchmark) in enumerate(zip(panels, names, strict=True)):
        colour, marker = STYLES[index % len(STYLES)]
        part = both[both["benchmark"] == benchmark].sort_values(name)
        axes.plot(part[name], part["mos"], marker, color=colour, markersize=6, zorder=3)
        if 1 < len(part) <= MOST_LABELS and np.ptp(part[name]) > 0:
            names = [method_label(method, titles) for method in part["method"]]
            ends = (scale.low, scale.high)
            _label_points(axes, part[name].to_numpy(), part["mos"].to_numpy(), names, ends)
        margin = 0.025 * scale.width
        axes.set(title=short(benchmark), xlabel=metric.title, ylim=(scale.low - margin, scale.high + margin))
        _score_ticks(axes, scale)
        axes.grid(color="#e5e5e5", linewidth=0.6)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("mean opinion score")
    return figure


def _label_points(
    axes: Axes, x: np.ndarray, y: np.ndarray, names: list[str], ends: tuple[float, float], gap: float = 0.055
) -> None:
    """Names in a column right of the points, in the order of y, each joined to its point by a thin line.

    `ends` are those of y's axis, gap the distance of two names as a share of it.
    """
    order = np.argsort(y, kind="stable")
    gap = (ends[1] - ends[0]) * min(gap, 1 / max(len(y), 1))
    levels = np.maximum.accumulate(y[order] - gap * np.arange(len(y))) + gap * np.arange(len(y))
    levels -= max(levels[-1] - ends[1], 0) if len(levels) else 0
    levels = np.minimum.accumulate((levels - gap * np.arange(len(y)))[::-1])[::-1] + gap * np.arange(len(y))
    edge = x.max() + 0.14 * np.ptp(x)
    for index, level in zip(order, levels, strict=True):
        axes.plot([x[index], edge - 0.02 * np.ptp(x)], [y[index], level], color="#aaaaaa", linewidth=0.6, zorder=1)
        axes.annotate(names[index], (edge, level), va="center", fontsize=7.5)
    left, right = x.min() - 0.08 * np.ptp(x), edge + 0.5 * np.ptp(x)
    axes.set_xlim(left, right)
    ticks = np.asarray(MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(left, right))
    axes.set_xticks(ticks[(ticks >= left) & (ticks <= edge)])  # below the names there is no value


@mpl.rc_context(_RC)
def raters(table: pd.DataFrame) -> Figure:
    """Bias and inconsistency of each rater with 95 % limits, ordered by bias (the P.910 recovery).

    Of more than MOST_RATERS how many have which.
    """
    if len(table) > MOST_RATERS:
        return _rater_counts(table)
    table = table.sort_values(["bias", "rater"])
    figure, (left, right) = _figure(9, 1.3 + 0.19 * len(table), 2, share=True)
    y = np.arange(len(table))
    for axes, name, colour, marker in ((left, "bias", BLUE, "o"), (right, "inconsistency", RED, "s")):
        value = table[name].to_numpy()
        bars = np.stack([value - table[f"{name}_low"], table[f"{name}_high"] - value])
        axes.errorbar(value, y, xerr=bars, fmt=marker, color=colour, markersize=4, capsize=2)
        axes.set_xlabel(f"{name} (units of the score)")
        axes.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    left.axvline(0, color=INK, linewidth=0.8)
    right.set_xlim(left=0)
    left.set_yticks(y, [short(rater) for rater in table["rater"]], fontsize=8)
    left.set_ylim(-0.7, len(table) - 0.3)
    return figure


def _rater_counts(table: pd.DataFrame) -> Figure:
    figure, panels = _figure(9, 3.6, 2)
    for axes, name, colour in zip(panels, ("bias", "inconsistency"), (BLUE, RED), strict=True):
        axes.hist(table[name], bins=40, color=colour)
        axes.set(xlabel=f"{name} (units of the score)", ylabel="raters")
    return figure


@mpl.rc_context(_RC)
def screening(found: dict[str, pd.DataFrame]) -> Figure:
    """Each rater on the two panel screens; a rater that any screen rejects is a filled vermilion square, named.

    The names stand in a column beside the points; more than MOST_NAMES rejected raters are not named.
    """
    rejected = {rater for table in found.values() for rater in table.loc[table["rejected"], "rater"]}
    shown = len(rejected) if len(rejected) <= MOST_NAMES else 0
    figure, (left, right) = _figure(10, max(3.6, 1.4 + 0.17 * shown), 2)
    correlation = found["correlation"].sort_values(["correlation", "rater"])
    low = min(0.0, float(correlation["correlation"].min(skipna=True)) - 0.05) if len(correlation) else 0.0
    left.axhline(correlation["threshold"].iloc[0], color=INK, linestyle="--", linewidth=0.9, label="threshold")
    left.set(xlabel="raters, least agreeing first", ylabel="correlation with the MOS", ylim=(low, 1.02))
    order = pd.Series(np.arange(1, len(correlation) + 1, dtype=float))
    _scatter(left, order, correlation, "correlation", rejected, least=0.5)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    bt500 = found["bt500"].assign(balance=found["bt500"]["balance"].fillna(1.0))
    widest = max(0.12, float(bt500["share"].max()) * 1.25)
    right.fill_between([0.05, widest], -0.05, 0.3, facecolor="#e3e3e3", edgecolor=INK, linewidth=0.6)
    right.annotate("BT.500 rejects", (0.051, 0.31), fontsize=8, va="bottom")
    right.set(xlabel="share of scores far from the mean", ylabel="one-sidedness |P-Q| / (P+Q)")
    right.set(xlim=(-0.005, widest), ylim=(-0.05, 1.08))
    _scatter(right, bt500["share"], bt500, "balance", rejected, least=widest)
    return figure


def _scatter(axes: Axes, x: pd.Series, table: pd.DataFrame, column: str, rejected: set[str], *, least: float) -> None:
    """Points, and a column of the rejected raters' names to the right; x reaches at least to `least`."""
    bad = table["rater"].isin(rejected).to_numpy()
    at, level, names = x.to_numpy(np.float64), table[column].to_numpy(np.float64), table["rater"].to_numpy()
    many = len(table) > MOST_RATERS  # as an image: an SVG of a shape for each would be of megabytes
    axes.plot(at[~bad], level[~bad], "o", markerfacecolor="white", color=BLUE, markersize=5, zorder=3, rasterized=many)
    axes.plot(at[bad], level[bad], "s", color=RED, markersize=6, zorder=3, rasterized=many)
    named = np.flatnonzero(bad & np.isfinite(level))
    if not 0 < len(named) <= MOST_NAMES:
        return
    bottom, top = axes.get_ylim()
    order = named[np.argsort(level[named], kind="stable")]
    gap = (top - bottom) / max(len(named), 16)
    levels = _spread(level[order], gap, bottom + gap / 2, top - gap / 2)
    edge = 1.06 * max(float(at.max()), least)
    for index, height in zip(order, levels, strict=True):
        axes.plot([at[index], edge], [level[index], height], color="#aaaaaa", linewidth=0.6, zorder=1)
        axes.annotate(f" {short(str(names[index]))}", (edge, height), va="center", fontsize=8, annotation_clip=False)
    axes.set_xlim(axes.get_xlim()[0], edge)


def _spread(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Heights in the order of `wanted`, each two at least `gap` apart and, where there is room, from low to high."""
    steps = gap * np.arange(len(wanted))
    levels = np.maximum.accumulate(np.maximum(wanted, low) - steps) + steps
    most = high - steps[::-1]
    return np.asarray(np.minimum(levels, most))
