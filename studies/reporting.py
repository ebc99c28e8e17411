"""Making a study's report with analysis. Runs in a worker; nothing of the web process imports it."""

import io
import logging
import tempfile
import zipfile
from pathlib import Path

from django.core.files.base import ContentFile
from django.utils import timezone

from analysis.page import write_report
from analysis.schema import RatingsError
from studies.export import objective_frame, ratings_frame
from studies.models import Report

logger = logging.getLogger(__name__)


def make(report: int) -> None:
    """Write the report's zip, or why there is none, into its row. A report that is not wanted any more is left."""
    row = Report.objects.select_related("study").filter(pk=report, state=Report.State.WANTED).first()
    if row is None:
        return
    try:
        ratings, objective = ratings_frame(row.study), objective_frame(row.study)
        row.ratings = len(ratings)
        with tempfile.TemporaryDirectory() as folder:
            write_report(ratings, objective, out=Path(folder))
            row.file.save("", ContentFile(_zipped(Path(folder), inside=f"{row.study.name}-report")), save=False)
        row.state = Report.State.DONE
    except RatingsError as error:
        row.state, row.error = Report.State.FAILED, str(error)
    except Exception as error:
        logger.exception("the report of study %s failed", row.study.name)
        row.state, row.error = Report.State.FAILED, f"{type(error).__name__}: {error}"
    _note(row)


def _note(row: Report) -> None:
    """Store what came of it, unless the report was erased or given up meanwhile; then its file goes too."""
    values = {"state": row.state, "error": row.error, "ratings": row.ratings, "file": row.file.name or ""}
    wanted = Report.objects.filter(pk=row.pk, state=Report.State.WANTED)
    if not wanted.update(finished_at=timezone.now(), **values) and row.file:
        row.file.delete(save=False)


def _zipped(folder: Path, *, inside: str) -> bytes:
    """The folder's files below the folder `inside`. The same files give the same bytes: no times, sorted names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(f"{inside}/{path.relative_to(folder)}")
            archive.writestr(entry, path.read_bytes(), compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
