"""Tables for people: every measure of every method, in the layout of the paper's Tables 1 and 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import paper
from analysis.scale import ACR, Scale
from analysis.schema import STIMULUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.objective import Objective
    from analysis.report import Results

WIDEST = 12  # methods side by side, as in the paper; more of them go down the page


def objective_means(objective: Objective) -> pd.DataFrame:
    """Mean of every metric over the images, by benchmark and method; an infinite value stays infinite."""
    return objective.values.groupby(["benchmark", "method"], as_index=False)[objective.names].mean()


def uneven_means(objective: Objective) -> pd.DataFrame:
    """Means over fewer images than the metric has for other methods: benchmark, method, metric, n, most.

    Such a mean cannot be compared with the others.
    """
    counts = objective.values.groupby(["benchmark", "method"])[objective.names].count().reset_index()
    long = counts.melt(["benchmark", "method"], var_name="metric", value_name="n")
    long["most"] = long.groupby(["benchmark", "metric"])["n"].transform("max")
    return long[(long["n"] > 0) & (long["n"] < long["most"])].reset_index(drop=True)


def measures(
    mos: pd.DataFrame,
    objective: Objective | None,
    asterisks: pd.DataFrame | None = None,
    *,
    reference: str = "hr",
    scale: Scale = ACR,
) -> pd.DataFrame:
    """Every measure of every method: benchmark, measure (each metric, then mos), method, value, asterisk, mark, best,
    text.

    mark: * for an asterisk, (*) for one by the column as_published alone, if `asterisks` has it.

    best: the best value of the benchmark, the reference left out, as the paper prints in bold. Best is highest for mos,
    and what the objective table says for a metric; a metric without a direction has no best, and neither has one whose
    means are over different images (`uneven_means`). text: the value with the measure's decimals.
    """
    tables = []
    metrics = () if objective is None else objective.metrics
    better = {"mos": 1} | {metric.name: _SIGNS[metric.better] for metric in metrics}
    decimals = {"mos": mos_decimals(scale)} | {metric.name: metric.decimals for metric in metrics}
    if objective is not None:
        means = objective_means(objective).melt(["benchmark", "method"], var_name="measure", value_name="value")
        rated = mos[["benchmark", "method"]]
        tables.append(means.merge(rated, on=["benchmark", "method"]))
    tables.append(mos[["benchmark", "method"]].assign(measure="mos", value=mos["mos"]))
    long = pd.concat(tables, ignore_index=True)
    stars = set() if asterisks is None else _pairs(asterisks[asterisks["asterisk"]])
    is_mos = long["measure"] == "mos"
    long["asterisk"] = _among(long, stars) & is_mos
    theirs = set()
    if asterisks is not None and "as_published" in asterisks:
        theirs = _pairs(asterisks[asterisks["as_published"]])
    long["mark"] = np.where(long["asterisk"], "*", np.where(_among(long, theirs) & is_mos, "(*)", ""))
    sign = long["measure"].map(better)
    candidates = long.assign(value=long["value"] * sign)[(long["method"] != reference) & np.isfinite(long["value"])]
    candidates = candidates[sign[candidates.index] != 0]
    best = candidates.groupby(["benchmark", "measure"])["value"].transform("max")
    long["best"] = False
    long.loc[candidates.index, "best"] = candidates["value"] == best
    if objective is not None:
        uneven = uneven_means(objective)
        pairs = set(zip(uneven["benchmark"], uneven["metric"], strict=True))
        even = [pair not in pairs for pair in zip(long["benchmark"], long["measure"], strict=True)]
        long["best"] = long["best"] & np.array(even, bool)
    long["text"] = [_number(v, decimals[m]) for v, m in zip(long["value"], long["measure"], strict=True)]
    return long


def report_measures(results: Results) -> pd.DataFrame:
    """`measures` of a report's results."""
    return measures(
        results.tables["mos"],
        results.objective,
        results.tables["asterisks"],
        reference=results.options.reference,
        scale=results.scale,
    )


_SIGNS = {"higher": 1, "lower": -1, "": 0}


def mos_decimals(scale: Scale) -> int:
    """Of a MOS: two on 1 to 5 and 0 to 10, one on 0 to 100: a hundredth of a category, or a little more."""
    return int(np.clip(2 - np.floor(np.log10(scale.category)), 0, 6))


def _number(value: float, decimals: int) -> str:
    return "" if np.isnan(value) else f"{value:.{decimals}f}"


def _among(long: pd.DataFrame, pairs: set[tuple[str, str]]) -> np.ndarray:
    """Which rows' benchmark and method are among the pairs."""
    return np.array([pair in pairs for pair in zip(long["benchmark"], long["method"], strict=True)], bool)


def _pairs(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(table["benchmark"], table["method"], strict=True))


def table_1(long: pd.DataFrame) -> pd.DataFrame | None:
    """Layout of Table 1: losses of SRResNet and SRGAN, with asterisks; None where the study has no such family."""
    methods = [method for family in paper.FAMILIES.values() for method in family]
    part = long[long["method"].isin(methods)]
    counts = [part["method"].isin(family).any() for family in paper.FAMILIES.values()]
    return _wide(part, [m for m in methods if m in set(part["method"])], stars=True) if any(counts) else None


def table_2(long: pd.DataFrame, *, reference: str = "hr") -> pd.DataFrame:
    """Layout of Table 2: the compared methods in the paper's order, the reference last; without them all there are."""
    have = paper.ordered(sorted(set(long["method"])), reference)
    losses = {"srresnet-vgg22", "srgan-mse", "srgan-vgg22"}  # Table 1's alone
    shown = [method for method in have if method not in losses] if set(have) - losses else have
    return _wide(long[long["method"].isin(shown)], shown, stars=False)


def _wide(long: pd.DataFrame, methods: Sequence[str], *, stars: bool) -> pd.DataFrame:
    """One row a benchmark and measure, one text column a method; the measures in the order they came."""
    cells = long.assign(text=long["text"] + long["mark"]) if stars else long
    benchmarks = sorted(set(long["benchmark"]), key=lambda name: [*paper.BENCHMARKS, name].index(name))
    rows = []
    for benchmark in benchmarks:
        for measure in dict.fromkeys(long["measure"]):
            part = cells[(cells["benchmark"] == benchmark) & (cells["measure"] == measure)]
            found = dict(zip(part["method"], part["text"], strict=True))
            if found:
                rows.append([benchmark, measure, *(found.get(method, "") for method in methods)])
    return pd.DataFrame(rows, columns=["benchmark", "measure", *methods])


def stimulus_table(mos: pd.DataFrame, psi: pd.DataFrame, objective: Objective | None) -> pd.DataFrame:
    """Every stimulus once: MOS with interval, recovered psi with interval, and the objective metrics if any."""
    recovered = psi.rename(columns={"ci_low": "psi_low", "ci_high": "psi_high"}).drop(columns="n")
    table = mos.merge(recovered, on=STIMULUS, how="left")
    return table if objective is None else table.merge(objective.values, on=STIMULUS, how="left")
