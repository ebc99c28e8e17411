"""A report: report.html, summary.json, tables as CSV and LaTeX, figures as SVG and PNG in a folder."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import markupsafe
import numpy as np
import pandas as pd

from analysis import fonts, paper, plots, tables
from analysis.archive import Archived, write_archive
from analysis.checklist import checklist
from analysis.folder import page_table, render_page, worst_change, write_parts, write_pictures
from analysis.latex import paragraphs
from analysis.methodology import methodology
from analysis.naming import named, renamed
from analysis.objective import objective_of
from analysis.report import Results, analyse
from analysis.schema import validate_ratings
from analysis.significance import GENERALISES
from analysis.summary import json_text, summary
from analysis.typeset import latex_tables
from analysis.which import matrices, matrix_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from analysis.objective import Objective
    from analysis.report import Options

AnyResults = TypeVar("AnyResults")
"""Results or PairsResults: both have titles, tables and screens."""

MOST_SHOWN = 60  # rows; a longer table of methods is folded
MOST_NAMED = 30  # raters in a sentence
MOST_METHODS = 2000  # rows of the table of methods that says which differ
_CAPTIONS = {
    "score_distributions": "Distribution of the scores, darker is more, the mean as a vermilion diamond "
    "(figure 5 of the paper).",
    "mos": "Mean opinion scores with 95 % intervals, cut at the ends of the scale.",
    "which_differ": "Difference of MOS of every two methods, the row's less the column's, the highest MOS first: the "
    "darker the larger. White cells, and those with a grey cross, are not told apart by Holm's p at 5 %.",
    "ranks": "Average rank of each method within one rater and image, 1 = best, ties averaged; of these raters on "
    "these images, and no test.",
    "raters": "Bias and inconsistency of the raters with 95 % limits (ITU-T P.910 Annex E); of more than "
    f"{plots.MOST_RATERS} raters, how many have which.",
    "screening": "The raters on the correlation and BT.500 screens: hollow blue circles; a filled vermilion square is "
    "rejected by some screen.",
}


def write_report(
    ratings: pd.DataFrame,
    objective: pd.DataFrame | Objective | None = None,
    *,
    out: Path,
    options: Options | None = None,
    gold_items: pd.DataFrame | None = None,
    protocol: Mapping[str, Any] | None = None,
    pictures: Mapping[str, bytes] | None = None,
    digests: Mapping[str, str] | None = None,
) -> Results:
    """Analyse and write everything under `out`, made if need be; the files of an earlier report there are replaced.

    `protocol`: how the study was run, field by field, as the site exports it (`analysis.methodology`). `pictures`
    of what raters saw, by file name. Beside the report lie its data and what makes it again (`analysis.archive`).

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from analysis import example, write_report
    >>> with TemporaryDirectory() as folder:
    ...     results = write_report(example.ratings(), out=Path(folder))
    ...     (Path(folder) / "report.html").exists()
    True
    """
    results = analyse(ratings, objective, options=options, gold_items=gold_items, digests=digests)
    checked = validate_ratings(ratings, scale=results.options.scale)
    layouts = paper_tables(results)
    drawn = {name: renamed(figure, results.task) for name, figure in figures(results).items()}
    latex = {name: named(text, results.task) for name, text in latex_tables(results).items()}
    images = write_parts(out, tables=csv_tables(results) | layouts, latex=latex, figures=drawn)
    (out / "summary.json").write_text(json_text(summary(results)) + "\n", encoding="utf-8")
    said = methodology(results, checked.drop(columns="excluded", errors="ignore"), protocol)
    said = {head: named(text, results.task) for head, text in said.items()}
    (out / "methods.txt").write_text("\n\n".join(said.values()) + "\n", encoding="utf-8")
    (out / "methods.tex").write_text(paragraphs(said), encoding="utf-8")
    copies = write_pictures(out, pictures or {})
    asked = checklist(protocol, copies)
    page = named(html(results, layouts, images, said, asked), results.task)
    (out / "report.html").write_text(page, encoding="utf-8")
    scores = None if objective is None else objective_of(objective)
    archived = Archived(checked, scores, results.options, gold_items, protocol, copies)
    write_archive(out, archived)
    return results


def csv_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Every table by file name; the screens and their effects as one table each."""
    found = {name: table for name, table in results.tables.items() if not table.empty}
    found["screening"] = pd.concat(
        [table.assign(screen=name) for name, table in results.screens.items()], ignore_index=True
    )
    found["screening_effect"] = pd.concat(
        [table.assign(screen=name) for name, table in results.effects.items()], ignore_index=True
    )
    matrix = matrix_table(
        results.tables["significance"], results.tables["mos"], decimals=tables.mos_decimals(results.scale)
    )
    return found if matrix.empty else found | {"which_differ_matrix": matrix}


def paper_tables(results: Results) -> dict[str, pd.DataFrame]:
    """table_1 and table_2 in the paper's layout: the texts of the cells."""
    long = tables.report_measures(results)
    losses, compared = tables.table_1(long), tables.table_2(long, reference=results.options.reference)
    return {"table_2": compared} if losses is None else {"table_1": losses, "table_2": compared}


def figures(results: Results) -> dict[str, Figure]:
    """Every figure that the results allow, by file name."""
    names = fonts.stand_ins(results.tables["mos"]["benchmark"], what="benchmark")
    results = _legible(results)[0]
    found = results.tables
    ordered: dict[str, Any] = {
        "titles": results.titles,
        "scale": results.scale,
        "reference": results.options.reference,
    }
    drawn: dict[str, Figure | None] = {
        "score_distributions": plots.score_distributions(found["score_distribution"], found["mos"], **ordered),
        "mos": plots.mean_scores(found["mos"], found["asterisks"], **ordered),
        "which_differ": plots.which_differ(
            matrices(found["significance"], found["mos"]),
            titles=results.titles,
            decimals=tables.mos_decimals(results.scale),
        ),
        "ranks": plots.average_ranks(found["ranks"], titles=results.titles),
        "raters": plots.raters(found["raters"]),
        "screening": plots.screening(results.screens),
    }
    if results.objective is not None:
        means = _renamed(tables.objective_means(results.objective), "benchmark", names)
        for metric in results.objective.metrics:
            drawn[f"mos_{metric.name}"] = plots.mos_against(
                found["mos"], means, metric=metric, scale=results.scale, titles=results.titles
            )
    made = {name: figure for name, figure in drawn.items() if figure is not None}
    if results.simulated:
        for figure in made.values():
            plots.head(figure, "Simulated ratings")
    return made


def _legible(results: Results) -> tuple[Results, list[str]]:
    scores = results.tables["mos"]
    others = {"benchmark": scores["benchmark"], "rater": results.tables["raters"]["rater"]}
    return with_stand_ins(results, scores["method"], others)


def with_stand_ins(
    results: AnyResults, methods: Iterable[str], others: Mapping[str, Iterable[str]]
) -> tuple[AnyResults, list[str]]:
    """The results with short stand-ins for names that no font of this machine has, and a note that says so."""
    found: Any = results
    titles, names, notes = legible_names(methods, found.titles, others)
    if not notes:
        return results, []
    changed = replace(
        found,
        titles=titles,
        tables={name: with_names(table, names) for name, table in found.tables.items()},
        screens={name: with_names(table, names) for name, table in found.screens.items()},
    )
    return changed, notes


def legible_names(
    methods: Iterable[str], titles: Mapping[str, str], others: Mapping[str, Iterable[str]]
) -> tuple[dict[str, str], dict[str, dict[str, str]], list[str]]:
    """Titles of the methods, and by column the names of `others`, short stand-ins for what no font here has.

    With them a note that says so; without a stand-in there is none.
    """
    shown = {method: paper.title(method, titles) for method in dict.fromkeys(methods)}
    unknown = fonts.stand_ins(shown.values(), what="method")
    names = {column: fonts.stand_ins(values, what=column) for column, values in others.items()}
    marks = [*unknown.items(), *(pair for found in names.values() for pair in found.items())]
    if not marks:
        return shown, {}, []
    note = (
        "No font on the machine that made this report has all characters of some names; its figures print "
        f"{', '.join(f'{name} as {mark}' for name, mark in marks)}. "
        "Install one that has them, such as Noto Sans CJK, and make the report again."
    )
    return {method: unknown.get(title, title) for method, title in shown.items()}, names, [note]


def with_names(table: pd.DataFrame, names: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """The table with the stand-ins of `legible_names` in its columns."""
    for column, found in names.items():
        table = _renamed(table, column, found)
    return table


def _renamed(table: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    return table.assign(**{column: table[column].replace(dict(names))}) if names and column in table else table


def html(
    results: Results,
    layouts: dict[str, pd.DataFrame],
    images: dict[str, bytes],
    said: dict[str, str],
    asked: list[tuple[str, str]],
) -> str:
    """The page, with its figures inside; `said`: the paragraphs "Methods", `asked`: the checklist."""
    pairs = results.tables["significance"]
    return render_page(
        "report.html",
        cell=partial(_named_cell, titles=results.titles),
        images=images,
        results=results,
        options=results.options,
        tables={name: page_table(table) for name, table in results.tables.items()},
        screens={name: page_table(table) for name, table in results.screens.items()},
        effects={name: page_table(table) for name, table in results.effects.items()},
        worst={name: worst_change(table) for name, table in results.effects.items()},
        which=page_table(results.tables["which_differ"], MOST_METHODS),
        layouts={name: _page_layout(results, wide) for name, wide in layouts.items()},
        notes=[*results.notes, *_legible(results)[1]],
        captions=_CAPTIONS,
        most_named=MOST_NAMED,
        most_shown=MOST_SHOWN,
        counts=_counts(results),
        pair_numbers=_numbers(pairs),
        published_numbers=_numbers(results.tables["significance_as_published"]),
        significance_columns=_shown(pairs),
        generalises=GENERALISES,
        methods=said,
        checklist=asked,
    )


def _numbers(pairs: pd.DataFrame) -> list[int]:
    return sorted(set(pairs["n_pairs"])) if len(pairs) else [0]


def _shown(pairs: pd.DataFrame) -> list[str]:
    """The columns of the differences that the page shows: what the unit has."""
    always = ["benchmark", "method_a", "method_b", "n_raters", "n_images", "mean_difference"]
    of_unit = ["low", "high", "df", "p", "p_holm", "effect", "effect_low", "effect_high"]
    if len(pairs) and pairs["unit"].iloc[0] != "two_way":
        of_unit = ["n_pairs", "n_zero", "p", "p_holm", "rank_biserial"]
    last = ["cliffs_delta", "p_equivalence_holm", "equivalent_holm", "significant", "significant_holm"]
    return [*always, *of_unit, *last]


def _page_layout(results: Results, wide: pd.DataFrame) -> tuple[list[str], list[tuple[object, ...]]]:
    """A table in the paper's layout, the best bold; more methods than fit side by side go down the page."""
    names = [str(name) for name in wide.columns[2:]]
    methods = [paper.title(name, results.titles) for name in names]
    long = tables.report_measures(results)
    best = set(long.loc[long["best"], ["benchmark", "measure", "method"]].itertuples(index=False, name=None))
    rows: list[list[object]] = []
    for benchmark, measure, *texts in wide.itertuples(index=False, name=None):
        cells = (
            Best(text) if (benchmark, measure, name) in best else text for name, text in zip(names, texts, strict=True)
        )
        rows.append([benchmark, str(measure).upper(), *cells])
    if len(methods) <= tables.WIDEST:
        return ["benchmark", "measure", *methods], [tuple(row) for row in rows]
    heads = [f"{row[0]} {row[1]}" for row in rows]
    return ["method", *heads], [tuple(row) for row in zip(methods, *(row[2:] for row in rows), strict=True)]


class Best(str):
    """A cell that the page prints in bold."""

    __slots__ = ()


def _counts(results: Results) -> dict[str, int]:
    stimuli = results.tables["stimuli"]
    tests, published = results.tables["significance"], results.tables["significance_as_published"]
    return {
        "pairs": len(tests),
        "significant": int(tests["significant_holm"].sum()),
        "published": int(published["significant_holm"].sum()),
        "ratings": int(results.tables["raters"]["n"].sum()),
        "raters": len(results.tables["raters"]),
        "stimuli": len(stimuli),
        "sources": len(stimuli[["benchmark", "source"]].drop_duplicates()),
        "methods": stimuli["method"].nunique(),
        "benchmarks": stimuli["benchmark"].nunique(),
    }


def _named_cell(value: Any, column: str, *, titles: Mapping[str, str]) -> str:
    """`cell`, methods by their title and the best in bold."""
    if column in ("method", "method_a", "method_b", "first_below") and value:
        return paper.title(str(value), titles)
    return (
        markupsafe.Markup("<strong>{}</strong>").format(str(value)) if isinstance(value, Best) else cell(value, column)
    )


def cell(value: Any, column: str) -> str:
    """A number as the page prints it: three decimals, small p values as an inequality, NaN as a dash."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value}"
    if not isinstance(value, (float, np.floating)):
        return str(value)
    number = float(value)
    if np.isnan(number):
        return "–"
    if (column == "p" or column.startswith("p_")) and number < 0.001:
        return "< 0.001"
    return f"{number:.3f}" if abs(number) < 1e4 else f"{number:.0f}"
