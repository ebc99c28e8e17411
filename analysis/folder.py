"""A report's folder: its tables and figures as files, and the page that has them all."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pandas as pd

from analysis import plots
from analysis.spreadsheet import defused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

MOST_ROWS = 200  # a longer table is in its CSV file only


def write_parts(
    out: Path, *, tables: Mapping[str, pd.DataFrame], latex: Mapping[str, str], figures: Mapping[str, Figure]
) -> dict[str, bytes]:
    """Write tables/ as CSV and LaTeX and figures/ as SVG and PNG, by name; the figures as SVG.

    `out` is made if need be, and what an earlier report left there is removed.
    """
    _clear(out)
    for folder in ("tables", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        defused(table).to_csv(out / "tables" / f"{name}.csv", index=False, lineterminator="\n")
    for name, text in latex.items():
        (out / "tables" / f"{name}.tex").write_text(text, encoding="utf-8")
    images = {}
    for name, figure in figures.items():
        images[name] = plots.svg(figure)
        (out / "figures" / f"{name}.svg").write_bytes(images[name])
        (out / "figures" / f"{name}.png").write_bytes(plots.png(figure))
    return images


def write_pictures(out: Path, pictures: Mapping[str, bytes]) -> list[str]:
    """Write the pictures of what raters saw; their paths in the archive."""
    home = out / "raters"
    for name, content in pictures.items():
        home.mkdir(exist_ok=True)
        (home / name).write_bytes(content)
    return [f"raters/{name}" for name in pictures]


def _clear(out: Path) -> None:
    """Remove what an earlier report left, so that no table of another study stays beside the new ones."""
    if not (out / "summary.json").exists():
        return
    for pattern in ("tables/*.csv", "tables/*.tex", "figures/*.svg", "figures/*.png", "data/*", "raters/*", "*.whl"):
        for path in sorted(out.glob(pattern)):
            path.unlink()


def render_page(
    template: str, *, cell: Callable[[object, str], str], images: Mapping[str, bytes], **values: object
) -> str:
    """The page of `templates/`; `cell` prints a value of the column that it is told, `images` are SVG by name."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    encoded = {name: base64.b64encode(image).decode("ascii") for name, image in images.items()}
    return environment.get_template(template).render(images=encoded, most_rows=MOST_ROWS, **values)


def page_table(table: pd.DataFrame, most: int = MOST_ROWS) -> tuple[list[str], list[tuple[object, ...]]]:
    """The columns, and the rows that the page prints: none of a table that is longer."""
    columns = [str(name) for name in table.columns]
    rows = [] if len(table) > most else [tuple(row) for row in table.itertuples(index=False)]
    return columns, rows


def worst_change(effect: pd.DataFrame) -> float:
    """The largest change of a table of `screening_effect`, whatever its sign; NaN where there is none."""
    change = effect["change"].abs() if "change" in effect else pd.Series(dtype=float)
    return float(change.max()) if change.notna().any() else float("nan")
