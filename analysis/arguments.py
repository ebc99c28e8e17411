"""What every command that reads a table takes: which column is which, what means no answer, the scale of scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.columns import RatingsError
from analysis.heads import IGNORE
from analysis.scale import Scale, ScaleError
from analysis.schema import read_ratings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import pandas as pd


def add_reading(parser: argparse.ArgumentParser, *, prefix: str = "", of: str = "") -> None:
    """--column and --missing, their names after `prefix`; `of`: which table they speak of, where there are two."""
    parser.add_argument(
        f"--{prefix}column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help=f"{of}such as rater=Proband, or ignore=age for a column to leave out; may be repeated",
    )
    parser.add_argument(
        f"--{prefix}missing", action="append", metavar="MARK", help=f"{of}that means no answer; may be repeated"
    )


def add_scale(parser: argparse.ArgumentParser, *, of: str = "of the scores") -> None:
    """--scale LOW HIGH STEP."""
    parser.add_argument(
        "--scale",
        nargs="+",
        metavar="LOW HIGH STEP",
        help=f"{of}, STEP or 'continuous' or left out (default: the table's columns scale_..., else 1 5 1)",
    )


def add_study(parser: argparse.ArgumentParser) -> None:
    """--protocol and --picture: how the study was run, for the paragraphs "Methods" and the checklist."""
    parser.add_argument("--protocol", type=Path, help="JSON of how the study was run: export_ratings --protocol")
    parser.add_argument(
        "--picture", action="append", type=Path, default=[], help="of what raters saw, for the archive; may be repeated"
    )


def protocol(path: Path | None) -> dict[str, object] | None:
    """What the file of --protocol states. Raises RatingsError where it is no protocol."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RatingsError(f"{path.name} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise RatingsError(f"{path.name} is no protocol: it must be an object with the study's fields by name")
    return found


def pictures(paths: Sequence[Path]) -> dict[str, bytes]:
    """The files of --picture by name; of two with one name the second is called NAME-2."""
    found: dict[str, bytes] = {}
    for path in paths:
        name, count = path.name, 1
        while name in found:
            count += 1
            name = f"{path.stem}-{count}{path.suffix}"
        found[name] = path.read_bytes()
    return found


def folder(out: Path) -> None:
    """Raise RatingsError where --out, or a folder above it, is a file: known before an analysis of minutes."""
    taken = next((path for path in (out, *out.parents) if path.exists()), None)
    if taken is not None and not taken.is_dir():
        raise RatingsError(f"--out {out}: {taken} is a file; a report is a folder of files: name another")


def columns(given: Sequence[str], *, option: str = "--column") -> dict[str, str | list[str]]:
    """OURS=THEIRS as {ours: theirs}; of IGNORE a list. Raises RatingsError on another form."""
    divided = [part.partition("=") for part in given]
    wrong = [ours for ours, equals, theirs in divided if not (ours and equals and theirs)]
    if wrong:
        raise RatingsError(f"{option} {wrong[0]}: write OURS=THEIRS, such as {option} rater=Proband")
    found: dict[str, str | list[str]] = {ours: theirs for ours, _, theirs in divided if ours != IGNORE}
    ignored = [theirs for ours, _, theirs in divided if ours == IGNORE]
    return found | {IGNORE: ignored} if ignored else found


def ratings(path: Path, given: argparse.Namespace, scale: Scale | Sequence[float] | None = None) -> pd.DataFrame:
    """The ratings table of a file, read with the options of `add_reading`."""
    return read_ratings(path, columns=columns(given.column), scale=scale, missing=given.missing)


def scale(given: Sequence[str] | None) -> Scale | tuple[float, float] | None:
    """What --scale states. Raises ScaleError on what is no scale."""
    if given is None:
        return None
    if len(given) not in (2, 3):
        raise ScaleError(f"--scale {' '.join(given)}: it is LOW HIGH or LOW HIGH STEP")
    if len(given) == 2 and "continuous" not in given:
        return _ends(given)
    try:
        low, high, step = (None if part == "continuous" else float(part) for part in given)
    except ValueError:
        raise ScaleError(f"--scale {' '.join(given)}: LOW, HIGH and STEP are numbers, or STEP is continuous") from None
    if low is None or high is None:
        raise ScaleError("--scale: only STEP may be continuous")
    return Scale(low, high, step)


def _ends(given: Sequence[str]) -> tuple[float, float]:
    try:
        return float(given[0]), float(given[1])
    except ValueError:
        raise ScaleError(f"--scale {' '.join(given)}: LOW and HIGH are numbers") from None
