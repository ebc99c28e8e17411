"""The folder of a report of pairs: report.html, summary.json, tables as CSV and LaTeX, figures as SVG and PNG."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pandas as pd

from analysis import plots as shared
from analysis.page import MOST_ROWS, _clear, _page_table, cell
from analysis.pairs import latex, plots
from analysis.pairs.report import PairsResults, analyse_pairs, pairs_summary
from analysis.paper import title

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from analysis.pairs.report import PairsOptions

_CAPTIONS = {
    "strengths": "Log strengths with 95 % intervals, the strongest on top; their mean is 0. Hollow squares: those of "
    "Thurstone's model, stretched to the same spread.",
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
    digests: Mapping[str, str] | None = None,
) -> PairsResults:
    """Analyse and write everything under `out`, made if need be; the files of an earlier report there are replaced."""
    results = analyse_pairs(pairs, ratings, options=options, digests=digests)
    _clear(out)
    for folder in ("tables", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, table in sorted(csv_tables(results).items()):
        table.to_csv(out / "tables" / f"{name}.csv", index=False, lineterminator="\n")
    for name, text in latex.tables(results).items():
        (out / "tables" / f"{name}.tex").write_text(text, encoding="utf-8")
    images = {}
    for name, figure in figures(results).items():
        images[name] = shared.svg(figure)
        (out / "figures" / f"{name}.svg").write_bytes(images[name])
        (out / "figures" / f"{name}.png").write_bytes(shared.png(figure))
    text = json.dumps(pairs_summary(results), indent=1, ensure_ascii=False, allow_nan=False)
    (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(html(results, images), encoding="utf-8")
    return results


def csv_tables(results: PairsResults) -> dict[str, pd.DataFrame]:
    """Every table by file name; the screens and their effects as one table each."""
    found = {name: table for name, table in results.tables.items() if not table.empty}
    for name, parts in (("screening", results.screens), ("screening_effect", results.effects)):
        found[name] = pd.concat([table.assign(screen=screen) for screen, table in parts.items()], ignore_index=True)
    return found


def figures(results: PairsResults) -> dict[str, Figure]:
    """Every figure that the results allow, by file name."""
    tables = results.tables
    order = tables["strengths"]["method"].tolist()
    drawn: dict[str, Figure | None] = {"matrix": plots.matrix(tables["pair_shares"], order)}
    if not results.unfitted:
        drawn["strengths"] = plots.strengths(tables["strengths"], tables.get("thurstone"))
    if results.has("by_source"):
        drawn["sources"] = plots.sources(tables["by_source"], order)
    if results.has("against"):
        drawn["against"] = plots.against(tables["against"], str(results.reference))
    if results.has("sides"):
        drawn["raters"] = plots.raters(tables["sides"], tables["with_others"], rejected(results))
    if results.has("beside_scores"):
        drawn["beside"] = plots.beside(tables["beside_scores"])
    made = {name: figure for name, figure in drawn.items() if figure is not None}
    if results.simulated:
        for figure in made.values():
            shared.head(figure, "Simulated choices")
    return made


def rejected(results: PairsResults) -> set[str]:
    """The raters that any screen proposes to leave out."""
    return {rater for table in results.screens.values() for rater in table.loc[table["rejected"], "rater"]}


def html(results: PairsResults, images: dict[str, bytes]) -> str:
    """The page, with its figures inside."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    encoded = {name: base64.b64encode(image).decode("ascii") for name, image in images.items()}
    tables = dict(results.tables)
    tables["power"] = _readable(tables["power"])
    return environment.get_template("pairs.html").render(
        results=results,
        options=results.options,
        counts=results.counts,
        tables={name: _page_table(table) for name, table in tables.items()},
        worst={name: _worst(table) for name, table in results.effects.items()},
        images=encoded,
        captions=_CAPTIONS,
        most_rows=MOST_ROWS,
    )


def _cell(value: object, column: str) -> str:
    return title(str(value)) if column in ("method", "method_a", "method_b") else cell(value, column)


def _readable(plan: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers of raters, and words where no number of them is enough."""
    found = plan.astype({"raters": object, "choices": object})
    for column in ("raters", "choices"):
        found[column] = [int(value) if value < float("inf") else "no number" for value in plan[column]]
    return found


def _worst(effect: pd.DataFrame) -> float:
    change = effect["change"].abs() if "change" in effect else pd.Series(dtype=float)
    return float(change.max()) if change.notna().any() else float("nan")
