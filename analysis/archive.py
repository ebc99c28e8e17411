"""What makes a report's numbers come again elsewhere: its data, this library as a wheel, the pins, reproduce.py."""

from __future__ import annotations

import base64
import csv
import io
import json
import platform
import re
import zipfile
from dataclasses import asdict, replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

import analysis
from analysis.files import typed
from analysis.objective import Metric, Objective
from analysis.report import Options
from analysis.scale import Scale
from analysis.schema import RATINGS_COLUMNS, SCALE_COLUMNS, STIMULUS, typed_ratings, validate_ratings
from analysis.spreadsheet import defused, fused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEEDS = ("numpy", "scipy", "pandas", "matplotlib", "jinja2")  # what a report imports; it reads its data from CSV
WHEEL = f"mosweb_analysis-{analysis.__version__}-py3-none-any.whl"
_SCRIPT = '''\
"""Every number of this report again, from data/. In this folder, in a fresh environment of Python {python}:

    python -m venv again
    again/bin/pip install -r requirements.txt        # on Windows: again\\\\Scripts\\\\pip
    again/bin/python reproduce.py

It says "equal" and ends with 0, or says what differs and ends with 1. --out FOLDER keeps the report made again.
"""

import sys
from pathlib import Path

from analysis.reproduce import main

sys.exit(main(Path(__file__).resolve().parent, sys.argv[1:]))
'''


class Archived(NamedTuple):
    """What a report was made from: a validated ratings table, and what else was given; `pictures` by their path."""

    ratings: pd.DataFrame
    objective: Objective | None
    options: Options
    gold_items: pd.DataFrame | None
    protocol: Mapping[str, Any] | None
    pictures: Sequence[str]


def write_archive(out: Path, given: Archived) -> None:
    """Write data/, the wheel, requirements.txt and reproduce.py under `out`."""
    objective = given.objective
    data = out / "data"
    data.mkdir(exist_ok=True)
    write_ratings(data, given.ratings)
    stated: dict[str, Any] = {"options": _plain_options(given.options), "pictures": list(given.pictures)}
    if objective is not None:
        write_table(data / "objective.csv", objective.values[[*STIMULUS, *objective.names]])
        stated["objective"] = {"metrics": [asdict(metric) for metric in objective.metrics], "notes": objective.notes}
    if given.gold_items is not None:
        write_table(data / "gold.csv", given.gold_items)
    if given.protocol is not None:
        write_protocol(data, given.protocol)
    (data / "options.json").write_text(_json(stated), encoding="utf-8")
    write_script(out)


def write_protocol(data: Path, protocol: Mapping[str, Any]) -> None:
    """protocol.json: how the study was run."""
    (data / "protocol.json").write_text(_json(protocol), encoding="utf-8")


def write_script(out: Path) -> None:
    """Write the wheel, requirements.txt and reproduce.py under `out`."""
    (out / WHEEL).write_bytes(wheel())
    (out / "requirements.txt").write_text(requirements(), encoding="utf-8")
    script = _SCRIPT.format(python=".".join(platform.python_version_tuple()[:2]))
    (out / "reproduce.py").write_text(script, encoding="utf-8")


def write_ratings(data: Path, ratings: pd.DataFrame) -> None:
    """ratings.csv: the columns of the contract, those of the scale, the task, and whether the scores are simulated."""
    kept = [name for name in (*RATINGS_COLUMNS, *SCALE_COLUMNS, "task", "simulated") if name in ratings]
    write_table(data / "ratings.csv", ratings[kept])


def read_ratings_of(data: Path) -> pd.DataFrame:
    """What `write_ratings` wrote, validated."""
    return validate_ratings(typed_ratings(read_table(data / "ratings.csv")))


def read_archive(folder: Path) -> dict[str, Any]:
    """What `write_archive` wrote, as the arguments of `page.write_report` but `out`."""
    data = folder / "data"
    stated = json.loads((data / "options.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = {
        "ratings": read_ratings_of(data),
        "options": _options(stated["options"]),
    }
    if "objective" in stated:
        metrics = tuple(Metric(**one) for one in stated["objective"]["metrics"])
        names = [metric.name for metric in metrics]
        cells = read_table(data / "objective.csv").set_axis([*STIMULUS, *names], axis=1)
        values = typed(cells, text=STIMULUS, numeric=names)
        found["objective"] = Objective(values, metrics, tuple(stated["objective"]["notes"]))
    if (data / "gold.csv").exists():
        found["gold_items"] = typed(read_table(data / "gold.csv"), text=STIMULUS, numeric=["expected"])
    found["pictures"] = {Path(path).name: (folder / path).read_bytes() for path in stated["pictures"]}
    if (data / "protocol.json").exists():
        found["protocol"] = json.loads((data / "protocol.json").read_text(encoding="utf-8"))
    return found


def write_table(path: Path, table: pd.DataFrame) -> None:
    """As CSV of which a spreadsheet runs no cell."""
    defused(table).to_csv(path, index=False, lineterminator="\n")


def read_table(path: Path) -> pd.DataFrame:
    """The cells as text, as `write_table` was given them."""
    return fused(pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[]))


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def _plain_options(options: Options) -> dict[str, Any]:
    return asdict(options) | {"scale": None if options.scale is None else options.scale.to_dict()}


def _options(given: Mapping[str, Any]) -> Options:
    found = Options(**given)
    scale = None if given["scale"] is None else Scale.from_dict(given["scale"])
    return replace(found, scale=scale, exclude=tuple(given["exclude"]))


def requirements() -> str:
    """The wheel beside it, and the installed versions of what it imports and of what those need, each pinned."""
    pins = "".join(f"{name}=={version}\n" for name, version in sorted(_closure(NEEDS).items()))
    return f"# The report was made with Python {platform.python_version()} and these.\n{pins}./{WHEEL}\n"


def _closure(names: tuple[str, ...]) -> dict[str, str]:
    """Name -> version of the distributions and of all they require here, extras left out."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        normal = re.sub(r"[-_.]+", "-", name).lower()
        if normal in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # required on another platform or Python
            continue
        found[normal] = distribution.version.partition("+")[0]
        for line in distribution.requires or ():
            if "extra ==" not in line:
                waiting.append(re.split(r"[\s;<>=!~\[(]", line, maxsplit=1)[0])
    return found


def wheel() -> bytes:
    """This library alone as a wheel, whatever it runs from. The same files give the same bytes.

    It is not the project's own wheel, which holds `srcore` too: a report needs no torch.
    """
    home = Path(analysis.__file__).parent
    files = {f"analysis/{path.relative_to(home).as_posix()}": path.read_bytes() for path in sorted(home.rglob("*.py"))}
    files |= {f"analysis/templates/{path.name}": path.read_bytes() for path in sorted((home / "templates").iterdir())}
    info = f"{WHEEL.rpartition('-py3')[0]}.dist-info"
    needs = "".join(f"Requires-Dist: {name}\n" for name in NEEDS)
    about = f"Metadata-Version: 2.1\nName: mosweb-analysis\nVersion: {analysis.__version__}\nLicense: Apache-2.0\n"
    files[f"{info}/METADATA"] = (about + needs).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: mosweb\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    """The wheel's list of its files (PEP 427): path, sha256, size."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow((name, f"sha256={digest}", len(content)))
    writer.writerow((own, "", ""))
    return buffer.getvalue().encode()
