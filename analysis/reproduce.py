"""A report made again from its archive's data, and compared with it number by number: the archive's reproduce.py."""

from __future__ import annotations

import argparse
import csv
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.archive import read_archive
from analysis.page import write_report
from analysis.pairs.archive import PAIRS, read_pairs_archive
from analysis.pairs.page import write_pairs_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOLERANCE = 1e-9  # relative: processors add in different orders
MOST_SAID = 20


def main(folder: Path, arguments: Sequence[str] = ()) -> int:
    """Make the report of `folder` again and say how its numbers compare: 0 equal, 1 not."""
    parser = argparse.ArgumentParser(prog="python reproduce.py", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder to keep the report in that is made again")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        found = different(folder, given.out or Path(scratch))
    for line in found[:MOST_SAID]:
        print(line)
    if len(found) > MOST_SAID:
        print(f"and {len(found) - MOST_SAID} more")
    print(f"{len(found)} differ" if found else "equal: summary.json and every table came out again")
    return 1 if found else 0


def different(folder: Path, out: Path) -> list[str]:
    """Make the report of `folder` again in `out`; every number and text of summary.json and tables/ that differs."""
    first = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    digests = first["provenance"]["sha256"]
    if (folder / "data" / PAIRS).exists():
        write_pairs_report(out=out, digests=digests, **read_pairs_archive(folder))
    else:
        write_report(out=out, digests=digests, **read_archive(folder))
    again = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    found = list(_compared("summary.json", first, again))
    names = sorted({path.name for home in (folder, out) for path in (home / "tables").glob("*.csv")})
    for name in names:
        found += _compared(f"tables/{name}", *(_rows(home / "tables" / name) for home in (folder, out)))
    return found


def _rows(path: Path) -> list[list[object]] | None:
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        return [[_value(cell) for cell in row] for row in csv.reader(file)]


def _value(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell


def _compared(place: str, first: Any, again: Any) -> Iterator[str]:
    """A line for each place where the two differ."""
    if isinstance(first, dict) and isinstance(again, dict):
        for name in dict.fromkeys([*first, *again]):
            yield from _compared(f"{place}: {name}", first.get(name), again.get(name))
    elif isinstance(first, list) and isinstance(again, list) and len(first) == len(again):
        for index, (one, other) in enumerate(zip(first, again, strict=True), start=1):
            yield from _compared(f"{place} {index}", one, other)
    elif not _same(first, again):
        yield f"{place}: {_short(first)} in the report, {_short(again)} now"


def _same(first: object, again: object) -> bool:
    if isinstance(first, float) and isinstance(again, float | int):
        if math.isnan(first):
            return math.isnan(again)
        return math.isclose(first, again, rel_tol=TOLERANCE, abs_tol=1e-12)
    return first == again


def _short(value: object) -> str:
    text = f"{len(value)} rows" if isinstance(value, list) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
