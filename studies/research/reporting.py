"""Making a study's report with analysis. Runs in a worker; nothing of the web process imports it."""

import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.db.models.functions import Now

from analysis.page import write_report
from analysis.report import Options
from analysis.schema import RatingsError, counted
from studies.jobs.attempts import attempt, finished
from studies.models import Report
from studies.models.report import report_path
from studies.research.export import objective_frame, ratings_frame
from studies.storage.marker import require_ours


@dataclass(frozen=True)
class Made:
    """The report's zip, and how many ratings it is about."""

    archive: bytes
    ratings: int


def make(report: int) -> None:
    """Make and store the report of this row, as studies.jobs.attempts.attempt says."""
    attempt(Report.objects.select_related("study"), report, make=_make, store=_store, reason=_reason)


def _make(row: Report) -> Made:
    ratings, objective = ratings_frame(row.study), objective_frame(row.study)
    with tempfile.TemporaryDirectory() as folder:
        write_report(ratings, objective, out=Path(folder), options=Options(scale=row.study.scale))
        return Made(_zipped(Path(folder), inside=f"{row.study.name}-report"), len(counted(ratings)))


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
