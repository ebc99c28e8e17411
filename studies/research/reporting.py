"""Making a study's report with analysis. Runs in a worker; nothing of the web process imports it."""

import io
import json
import logging
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.db.models.functions import Now

from analysis.page import write_report
from analysis.pairs.page import write_pairs_report
from analysis.pairs.report import PairsOptions
from analysis.pairs.schema import PairsError
from analysis.pairs.schema import counted as counted_pairs
from analysis.report import Options
from analysis.schema import RatingsError, counted
from studies.jobs.attempts import attempt, finished
from studies.models import OF_PAIRS, Report, Study
from studies.models.report import report_path
from studies.research import screenshots
from studies.research.browser import NoPictures
from studies.research.export import anonymous, objective_frame, protocol_json, pseudonyms, ratings_frame
from studies.research.pair_export import pairs_frame
from studies.storage.marker import require_ours

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """The report's zip, and how many ratings it is about."""

    archive: bytes
    ratings: int


def make(report: int) -> None:
    """Make and store the report of this row, as studies.jobs.attempts.attempt says."""
    attempt(Report.objects.select_related("study"), report, make=_make, store=_store, reason=_reason)


def _make(row: Report) -> Made:
    if row.study.task in OF_PAIRS:
        return _make_of_pairs(row)
    study, asked = row.study, row.options
    ratings, objective = ratings_frame(study), _objective(study, asked.get("metrics"))
    protocol = json.loads(protocol_json(study))
    if asked.get("decided") == "counted":
        ratings = ratings.drop(columns="excluded")
    there = set(counted(ratings.drop(columns="excluded", errors="ignore"))["rater"])
    if not there:
        raise RatingsError("nobody has rated yet")
    left_out = [label for label in asked.get("leave_out", []) if label in there]
    pictures: dict[str, bytes] = {}
    if asked.get("supplement"):
        names = pseudonyms(ratings, study)
        ratings, left_out = anonymous(ratings, study), [names[label] for label in left_out]
        pictures = what_raters_saw(study)
    with tempfile.TemporaryDirectory() as folder:
        chosen = {name: asked[name] for name in ("unit", "interval", "reference") if name in asked}
        options = Options(scale=study.scale, failed_checks=study.failed_checks, exclude=tuple(left_out), **chosen)
        write_report(ratings, objective, out=Path(folder), options=options, protocol=protocol, pictures=pictures)
        return Made(_zipped(Path(folder), inside=f"{study.name}-{row.title}"), len(counted(ratings)))


def _objective(study: Study, names: list[str] | None) -> pd.DataFrame:
    frame = objective_frame(study)
    return frame[frame["metric"].isin(names)].reset_index(drop=True) if names else frame


def what_raters_saw(study: Study) -> dict[str, bytes]:
    """Pictures and texts by file name; without a browser on this host the texts, and why there is no picture."""
    try:
        return screenshots.pictures(study)
    except NoPictures as error:
        logger.warning("report of %s: %s", study.name, error)
        return screenshots.texts(study) | {"no-pictures.txt": f"{error}\n".encode()}


def _make_of_pairs(row: Report) -> Made:
    """A supplement has what raters saw, too, and pseudonyms for their labels."""
    study, asked = row.study, row.options
    pairs = pairs_frame(study)
    there = set(counted_pairs(pairs)["rater"])
    if not there:
        raise PairsError("nobody has chosen yet")
    decided = set() if asked.get("decided") == "counted" else set(pairs.loc[pairs["excluded"] != "", "rater"])
    left_out = (decided | set(asked.get("leave_out", []))) & there
    pictures = None
    if asked.get("supplement"):
        names = pseudonyms(pairs, study)
        pairs, left_out = anonymous(pairs, study), {names[label] for label in left_out}
        pictures = what_raters_saw(study)
    with tempfile.TemporaryDirectory() as folder:
        options = PairsOptions(exclude=tuple(sorted(left_out)), reference=asked.get("reference"))
        protocol = json.loads(protocol_json(study))
        write_pairs_report(pairs, out=Path(folder), options=options, protocol=protocol, pictures=pictures)
        number = len(counted_pairs(pairs[~pairs["rater"].isin(left_out)]))
        return Made(_zipped(Path(folder), inside=f"{study.name}-{row.title}"), number)


def _store(row: Report, mine: "QuerySet[Report]", made: Made) -> None:
    """Store the file unless the report was erased meanwhile, because a rater withdrew."""
    if not mine.update(heartbeat_at=Now()):
        return
    # Not within a transaction, for which on SQLite every rating would wait, however long the storage takes.
    name = row.file.storage.save(report_path(row, ""), ContentFile(made.archive))
    require_ours()
    stored = mine.update(file=name, ratings=made.ratings, **finished(Report.State.DONE))
    if not stored and not Report.objects.filter(pk=row.pk).exists():
        row.file.storage.delete(name)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, RatingsError) else f"{type(error).__name__}: {error}"


def _zipped(folder: Path, *, inside: str) -> bytes:
    """The folder's files below the folder `inside`. The same files give the same bytes: no times, sorted names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(f"{inside}/{path.relative_to(folder)}")
            archive.writestr(entry, path.read_bytes(), compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
