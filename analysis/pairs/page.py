"""The folder of a report of pairs: report.html, summary.json, tables as CSV and LaTeX, figures as SVG and PNG."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis import plots as shared
from analysis.checklist import checklist
from analysis.folder import page_table, render_page, worst_change, write_parts, write_pictures
from analysis.latex import paragraphs
from analysis.page import cell, with_stand_ins
from analysis.pairs import latex, plots
from analysis.pairs.archive import write_pairs_archive
from analysis.pairs.methodology import pairs_methodology
from analysis.pairs.report import PairsResults, analyse_pairs, pairs_summary
from analysis.pairs.schema import validate_pairs
from analysis.paper import title
from analysis.schema import validate_ratings
from analysis.summary import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from analysis.pairs.report import PairsOptions

_CAPTIONS = {
    "strengths": "Log strengths with 95 % intervals, the strongest on top, the original last; their mean is 0. Hollow "
    "squares: those of Thurstone's model, stretched to the same spread.",
    "matrix": "How often the method of the row was chosen over that of the column, in per cent.",
    "against": "Share of choices against the original with 95 % intervals; the line: as often one as the other.",
    "sources": "Log strengths within each source by itself, with 95 % intervals.",
    "raters": "Each rater: share of left choices with 95 % interval, and how often with the majority of the others. "
    "A filled square is proposed by some screen.",
    "beside": "MOS and strength: methods over all sources (diamonds), stimuli within their source (grey).",
}


def write_pairs_report(
    pairs: pd.DataFrame,
    ratings: pd.DataFrame | None = None,
    *,
    out: Path,
    options: PairsOptions | None = None,
    protocol: Mapping[str, Any] | None = None,
    pictures: Mapping[str, bytes] | None = None,
    digests: Mapping[str, str] | None = None,
) -> PairsResults:
    """Analyse and write everything under `out`, made if need be; the files of an earlier report there are replaced.

    `protocol`: how the study was run, field by field, as the site exports it. `pictures` of what raters saw, by file
    name. Beside the report lie its data and what makes it again (`analysis.pairs.archive`).
    """
    results = analyse_pairs(pairs, ratings, options=options, digests=digests)
    images = write_parts(out, tables=csv_tables(results), latex=latex.tables(results), figures=figures(results))
    text = json_text(pairs_summary(results))
    (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    checked = validate_pairs(pairs)
    said = pairs_methodology(results, checked, protocol)
    (out / "methods.txt").write_text("\n\n".join(said.values()) + "\n", encoding="utf-8")
    (out / "methods.tex").write_text(paragraphs(said), encoding="utf-8")
    copies = write_pictures(out, pictures or {})
    page = html(results, images, said, checklist(protocol, copies))
    (out / "report.html").write_text(page, encoding="utf-8")
    scores = None if ratings is None else validate_ratings(ratings)
    write_pairs_archive(out, checked, scores, results.options, protocol=protocol, pictures=copies)
    return results


def csv_tables(results: PairsResults) -> dict[str, pd.DataFrame]:
    """Every table by file name; the screens and their effects as one table each."""
    found = {name: table for name, table in results.tables.items() if not table.empty}
    for name, parts in (("screening", results.screens), ("screening_effect", results.effects)):
        found[name] = pd.concat([table.assign(screen=screen) for screen, table in parts.items()], ignore_index=True)
    return found


def figures(results: PairsResults) -> dict[str, Figure]:
    """Every figure that the results allow, by file name."""
    results = _legible(results)[0]
    tables, titled = results.tables, {"titles": results.titles}
    order = results.order()
    drawn: dict[str, Figure | None] = {"matrix": plots.matrix(tables["pair_shares"], order, **titled)}
    if not results.unfitted:
        ranked = tables["strengths"].set_index("method").loc[order].reset_index()
        drawn["strengths"] = plots.strengths(ranked, tables.get("thurstone"), **titled)
    if results.has("by_source"):
        drawn["sources"] = plots.sources(tables["by_source"], order, **titled)
    if results.has("against"):
        drawn["against"] = plots.against(tables["against"], str(results.reference), **titled)
    if results.has("sides"):
        drawn["raters"] = plots.raters(tables["sides"], tables["with_others"], rejected(results))
    if results.has("beside_scores"):
        drawn["beside"] = plots.beside(tables["beside_scores"], **titled)
    made = {name: figure for name, figure in drawn.items() if figure is not None}
    if results.simulated:
        for figure in made.values():
            shared.head(figure, "Simulated choices")
    return made


def _legible(results: PairsResults) -> tuple[PairsResults, list[str]]:
    others = {column: _named(results, column) for column in ("rater", "source")}
    return with_stand_ins(results, results.tables["strengths"]["method"], others)


def _named(results: PairsResults, column: str) -> list[str]:
    """The names of a column in any table, each once."""
    columns = [table[column] for table in results.tables.values() if column in table]
    return list(dict.fromkeys(str(name) for found in columns for name in found))


def rejected(results: PairsResults) -> set[str]:
    """The raters that any screen proposes to leave out."""
    return {rater for table in results.screens.values() for rater in table.loc[table["rejected"], "rater"]}


def html(
    results: PairsResults, images: dict[str, bytes], said: Mapping[str, str], asked: Sequence[tuple[str, str]]
) -> str:
    """The page, with its figures inside; `said`: the paragraphs "Methods", `asked`: the checklist."""
    tables = dict(results.tables)
    tables["power"] = _readable(tables["power"])
    return render_page(
        "pairs.html",
        cell=partial(_cell, titles=results.titles),
        images=images,
        results=results,
        options=results.options,
        counts=results.counts,
        tables={name: page_table(table) for name, table in tables.items()},
        worst={name: worst_change(table) for name, table in results.effects.items()},
        captions=_CAPTIONS,
        notes=[*results.notes, *_legible(results)[1]],
        methods=said,
        checklist=asked,
    )


def _cell(value: object, column: str, *, titles: Mapping[str, str]) -> str:
    return title(str(value), titles) if column in ("method", "method_a", "method_b") else cell(value, column)


def _readable(plan: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers of raters, and words where no number of them is enough."""
    found = plan.astype({"raters": object, "choices": object})
    for column in ("raters", "choices"):
        found[column] = [int(value) if value < float("inf") else "no number" for value in plan[column]]
    return found
