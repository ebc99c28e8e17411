"""A report's tables as LaTeX for the paper: MOS, which differ, significance, agreement, reliability, screening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis import paper, tables
from analysis.latex import MOST_ROWS, Column, bold, breakable, escape, number, p_value, table, with_limits
from analysis.significance import GENERALISES
from analysis.which import matrices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from analysis.report import Results
    from analysis.which import Matrix


def latex_tables(results: Results) -> dict[str, str]:
    """LaTeX by file name, of what the results have: table_1, table_2, significance, agreement and the rest."""
    found = {**_scores(results), **_significance(results), **_which(results), "reliability": _reliability(results)}
    if "agreement" in results.tables:
        found["agreement"] = _agreement(results)
    if results.screens:
        found["screening"] = _screening(results)
    return found


def _said(results: Results) -> str:
    return " Simulated ratings." if results.simulated else ""  # a table is soon on its own in another text


def _title(results: Results, method: object) -> str:
    return escape(paper.title(str(method), results.titles))


def _benchmarks(names: Sequence[object]) -> list[Column]:
    """The column of benchmarks, each named once, where there are several."""
    if len(set(names)) < 2:
        return []
    shown = [escape(name) if not index or name != names[index - 1] else "" for index, name in enumerate(names)]
    return [Column("Benchmark", shown, names=True)]


def _scores(results: Results) -> dict[str, str]:
    """table_1 and table_2: a row a method, a column a measure, MOS with its interval, the best in bold."""
    long = tables.report_measures(results)
    found, said = {}, _said(results)
    bold_is = r"The best of a benchmark is bold, the reference left out; 95 \% intervals."
    losses = tables.table_1(long)
    if losses is not None:
        means = f"MOS significantly higher ($p < 0.05$) than with the others, for {GENERALISES[results.options.unit]}"
        caption = f"Losses. *: {means}; (*): only by the paper's test, which counts ratings as independent. {bold_is}"
        found["table_1"] = _layout(results, long, losses, f"{caption}{said}", marks=True)
    compared = tables.table_2(long, reference=results.options.reference)
    found["table_2"] = _layout(results, long, compared, f"Methods compared. {bold_is}{said}", marks=False)
    return found


def _layout(results: Results, long: pd.DataFrame, wide: pd.DataFrame, caption: str, *, marks: bool) -> str:
    cells = {(row.benchmark, row.method, row.measure): row for row in long.itertuples()}
    limits = {(row.benchmark, row.method): row for row in results.tables["mos"].itertuples()}
    measures = list(dict.fromkeys(wide["measure"]))
    rows = [
        (benchmark, method)
        for benchmark in dict.fromkeys(wide["benchmark"])
        for method in wide.columns[2:]
        if (benchmark, method, "mos") in cells
    ]
    decimals = tables.mos_decimals(results.scale)

    def cell(benchmark: str, method: str, measure: str) -> str:
        found = cells.get((benchmark, method, measure))
        if found is None or not found.text:
            return "--"
        text = number(found.value, len(str(found.text).partition(".")[2]))
        text = bold(text) if found.best else text
        if measure != "mos":
            return text
        row = limits[benchmark, method]
        mark = str(found.mark) if marks else ""
        if np.isnan(float(row.ci_low)):  # type: ignore[arg-type]
            return f"{text}{mark}"
        return f"{text}{mark} [{number(row.ci_low, decimals)}, {number(row.ci_high, decimals)}]"

    columns = [*_benchmarks([b for b, _ in rows]), Column("Method", [_title(results, m) for _, m in rows], names=True)]
    columns += [Column(escape(str(m).upper()), [cell(b, method, m) for b, method in rows]) for m in measures]
    return table(columns, caption)


def _significance(results: Results) -> dict[str, str]:
    tests = results.tables["significance"]
    if tests.empty or len(tests) > MOST_ROWS:
        return {}
    decimals = tables.mos_decimals(results.scale)
    columns = [
        *_benchmarks(tests["benchmark"].tolist()),
        Column("Method a", [_title(results, m) for m in tests["method_a"]], names=True),
        Column("Method b", [_title(results, m) for m in tests["method_b"]], names=True),
        Column("$a - b$", _intervals(tests, "mean_difference", "low", "high", decimals)),
        Column("$p$ (Holm)", [p_value(p) for p in tests["p_holm"]]),
    ]
    speaks = f"It speaks of {escape(GENERALISES[results.options.unit])}."
    limits = r" with 95 \% interval" if results.options.unit == "two_way" else ""
    caption = f"Mean difference of every two methods{limits}; $p$ after Holm within a benchmark. {speaks}"
    return {"significance": table(columns, caption + _said(results))}


def _intervals(found: pd.DataFrame, name: str, name_low: str, name_high: str, decimals: int = 2) -> list[str]:
    rows = found[[name, name_low, name_high]].to_numpy(np.float64)
    return [with_limits(value, low, high, decimals) for value, low, high in rows]


def _which(results: Results) -> dict[str, str]:
    """A row a method with what it is told apart from; up to WIDEST methods also the matrix of differences."""
    found, decimals = results.tables["which_differ"], tables.mos_decimals(results.scale)
    if found.empty or len(found) > MOST_ROWS:
        return {}
    first = [_title(results, m) if m else "--" for m in found["first_below"]]
    counts = {"Better": "better_than", "Worse": "worse_than", "Untold": "not_told_apart"}
    columns = [
        *_benchmarks(found["benchmark"].tolist()),
        Column("Method", [_title(results, m) for m in found["method"]], names=True),
        Column("First below", first, names=True),
        Column("Difference", _intervals(found, "difference", "low", "high", decimals)),
        *(Column(head, [str(n) for n in found[name]]) for head, name in counts.items()),
    ]
    caption = (
        "Which methods differ ($p$ after Holm under 5 \\%): how many each is better than, worse than, and not told "
        "apart from; the first below is that of the highest MOS that it is better than."
    )
    made = {"which_differ": table(columns, caption + _said(results))}
    every = list(matrices(results.tables["significance"], results.tables["mos"]))
    if max(len(matrix.methods) for matrix in every) <= tables.WIDEST:
        made["which_differ_matrix"] = "\n".join(_matrix(results, matrix, decimals) for matrix in every)
    return made


def _matrix(results: Results, matrix: Matrix, decimals: int) -> str:
    """Row less column; the columns have the methods' numbers, for names side by side are too wide."""
    size = range(len(matrix.methods))

    def cell(row: int, column: int) -> str:
        if row == column:
            return ""
        value, low, high = (float(array[row, column]) for array in (matrix.difference, matrix.low, matrix.high))
        return with_limits(value, low, high, decimals) + ("*" if matrix.differs[row, column] else "")

    names = [f"{index + 1} {_title(results, matrix.methods[index])}" for index in size]
    columns = [Column("Method", names, names=True)]
    columns += [Column(str(column + 1), [cell(row, column) for row in size]) for column in size]
    caption = (
        f"{breakable(escape(matrix.benchmark))}: difference of MOS, the row's less the column's; *: $p < 0.05$ (Holm)."
    )
    return table(columns, caption + _said(results))


def _agreement(results: Results) -> str:
    found = results.tables["agreement"]
    columns = [
        *_benchmarks(found["benchmark"].tolist()),
        Column("Metric", [escape(name) for name in found["metric"]], names=True),
        Column("Stimuli", [str(n) for n in found["n"]]),
    ]
    for name in ("plcc", "srocc", "krocc", "rmse"):
        columns.append(Column(name.upper(), _intervals(found, name, f"{name}_low", f"{name}_high")))
    caption = (
        r"Objective metrics against the MOS of a stimulus, with 95 \% limits for other raters and sources; PLCC and "
        f"RMSE after a four-parameter logistic.{_said(results)}"
    )
    return table(columns, caption)


def _reliability(results: Results) -> str:
    icc, alpha = results.tables["icc"], results.tables["alpha"]
    names = [*icc["icc"], *["Krippendorff's alpha, ordinal"] * len(alpha)]
    both = [part[["value", "ci_low", "ci_high", "n_raters", "n_stimuli"]] for part in (icc, alpha)]
    values = [text for part in both for text in _intervals(part, "value", "ci_low", "ci_high")]
    counts = [(str(int(r)), str(int(s))) for part in both for r, s in part.iloc[:, 3:].to_numpy()]
    if results.has("retest"):
        row = results.tables["retest"].iloc[0]
        names.append("Test-retest, Spearman")
        values.append(number(row["spearman"]))
        counts.append((str(row["n_raters"]), f"{row['n_pairs']} twice"))
    columns = [
        Column("Coefficient", [escape(name) for name in names], names=True),
        Column(r"Value [95 \%]", values),
        Column("Raters", [raters for raters, _ in counts]),
        Column("Stimuli", [stimuli for _, stimuli in counts]),
    ]
    return table(columns, f"Reliability of the raters.{_said(results)}")


def _screening(results: Results) -> str:
    rows = []
    for name, found in results.screens.items():
        bad = found[found["rejected"]]
        who = "; ".join(f"{rater}: {reason}" for rater, reason in bad[["rater", "reason"]].to_numpy()) or "nobody"
        change = results.effects[name]["change"].abs()
        worst = number(change.max()) if len(bad) and change.notna().any() else "--"
        rows.append((escape(name.replace("_", " ")), escape(who), worst))
    left = results.options.exclude
    out = f" Left out: {_listed(left)}." if left else " Nobody was left out."
    columns = [
        Column("Screen", [row[0] for row in rows], names=True),
        Column("Would reject", [row[1] for row in rows], names=True),
        Column("Change of a MOS", [row[2] for row in rows]),
    ]
    caption = "Screening: whom each screen would reject, and the largest change of a MOS without them."
    return table(columns, caption + out + _said(results))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(breakable(escape(name)) for name in names)
