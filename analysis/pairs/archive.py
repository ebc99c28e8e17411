"""What makes a report of pairs again elsewhere: as `analysis.archive` for scores."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from analysis.archive import read_ratings_of, read_table, write_protocol, write_ratings, write_script, write_table
from analysis.files import typed
from analysis.pairs.methodology import DESCRIBED
from analysis.pairs.report import PairsOptions
from analysis.pairs.schema import COLUMNS, MEASURED, TEXT, validate_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

PAIRS = "pairs.csv"  # in data/; of a report of scores there is none


def write_pairs_archive(
    out: Path,
    pairs: pd.DataFrame,
    ratings: pd.DataFrame | None,
    options: PairsOptions,
    *,
    protocol: Mapping[str, Any] | None = None,
    pictures: Sequence[str] = (),
) -> None:
    """Write data/, the wheel, requirements.txt and reproduce.py under `out`; the tables are validated ones.

    `pictures` of what raters saw lie there already, by their path.
    """
    data = out / "data"
    data.mkdir(exist_ok=True)
    write_table(data / PAIRS, pairs[[name for name in (*COLUMNS, *DESCRIBED, "simulated") if name in pairs]])
    if ratings is not None:
        write_ratings(data, ratings)
    if protocol is not None:
        write_protocol(data, protocol)
    stated = asdict(options) | {"pictures": list(pictures)}
    (data / "options.json").write_text(json.dumps(stated, indent=1, ensure_ascii=False) + "\n", "utf-8")
    write_script(out)


def read_pairs_archive(folder: Path) -> dict[str, Any]:
    """What `write_pairs_archive` wrote, as the arguments of `page.write_pairs_report` but `out`."""
    data = folder / "data"
    stated = json.loads((data / "options.json").read_text(encoding="utf-8"))
    pictures, protocol = stated.pop("pictures", []), data / "protocol.json"
    return {
        "pairs": validate_pairs(typed(read_table(data / PAIRS), text=TEXT, numeric=MEASURED)),
        "ratings": read_ratings_of(data) if (data / "ratings.csv").exists() else None,
        "options": PairsOptions(**stated | {"exclude": tuple(stated["exclude"])}),
        "protocol": json.loads(protocol.read_text(encoding="utf-8")) if protocol.exists() else None,
        "pictures": {path.rpartition("/")[2]: (folder / path).read_bytes() for path in pictures},
    }
