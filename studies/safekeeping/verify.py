"""Do the rows and the files of a site agree, and does somebody hold every job that is said to be under way?"""

import hashlib
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO, cast

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error

from srcore.images import ImageError, read_image
from studies.content import erased, uploads
from studies.content.sources import cut_of, pixels_sha256
from studies.content.unpacking import UploadRefused
from studies.jobs import attempts
from studies.jobs.dispatch import KINDS, STALE_SECONDS, BrokerUnreachable, reconcile, within
from studies.models import Cut, Import, ImportPiece, Job, Report, SourceImage, Stimulus
from studies.storage.marker import NAME as MARKER

# Files without rows go once none of their folder is younger: a running import writes one every few seconds, and its
# rows at the end. A day, as the machine may have slept in between.
SETTLED = timedelta(days=1)


@dataclass(frozen=True)
class Problem:
    """`kind` as the command prints it, `what` names the row or file; `row` has to be mended, if anything can be."""

    kind: str
    what: str
    file: str = ""
    row: "SourceImage | Stimulus | Cut | Report | ImportPiece | Import | None" = None


@dataclass
class Found:
    problems: list[Problem] = field(default_factory=list)
    # Files without rows that may be a running import's.
    young: list[str] = field(default_factory=list)
    files: int = 0


def verify(*, now: datetime, settled: timedelta = SETTLED) -> Found:
    """Look at every file and every job. Changes nothing."""
    # Files first: one that gets its row while we look is then not taken for one without.
    stored = {name for name in _walk("") if name != MARKER and not name.startswith(f"{erased.FOLDER}/")}
    stale = _stale_jobs()
    found = Found(files=len(stored))
    named: set[str] = set()
    for row, name, problem in _rows():
        named.add(name)
        if problem:
            found.problems.append(Problem(problem, f"{row} ({name})", name, row))
    found.problems += _without_rows(stored - named, now, settled, found.young)
    found.problems += _unheld(stale)
    found.problems += _unnoted_withdrawals()
    found.problems += [Problem("import that nobody goes on with", str(one), row=one) for one in uploads.abandoned()]
    return found


def repair(found: Found) -> list[Problem]:
    """Mend what can be mended without losing anything; returns what is left for a person.

    Files without rows and leftovers are removed, images and reports that workers can make are wanted again, and so are
    jobs that nobody holds. What a launched study shows is never changed.
    """
    return [problem for problem in found.problems if not _mended(problem)]


def _rows() -> Iterator[tuple[SourceImage | Stimulus | Cut | Report | ImportPiece, str, str]]:
    """Each row's files, by name, with what is wrong with each; empty where nothing is."""
    for source in SourceImage.objects.select_related("benchmark").iterator():
        yield source, source.hr.name or "", _image_problem(source.hr.name, source.hr_sha256, source.mode)
        yield source, source.lr.name or "", _image_problem(source.lr.name, source.lr_sha256, source.mode)
    for stimulus in Stimulus.objects.exclude(file="").select_related("source__benchmark", "method").iterator():
        name = stimulus.file.name or ""
        yield stimulus, name, _image_problem(name, stimulus.pixels_sha256, stimulus.source.mode)
    for cut in Cut.objects.select_related("region__source", "region__study", "stimulus__source", "stimulus__method"):
        name = cut.file.name or ""
        yield cut, name, _image_problem(name, cut.pixels_sha256, cut.stimulus.source.mode)
    for report in Report.objects.exclude(file="").select_related("study").iterator():
        yield report, report.file.name or "", _report_problem(report.file.name or "")
    for piece in ImportPiece.objects.select_related("of").iterator():
        yield piece, piece.file.name or "", _piece_problem(piece)


def _image_problem(name: str | None, sha256: str, mode: str) -> str:
    try:
        with default_storage.open(name or "") as file:
            pixels = read_image(cast(BinaryIO, file), name=name or "")
    except FileNotFoundError:
        return "row without its file"
    except ImageError:
        return "file that is damaged"
    # The PNG of every picture is RGB; a grey one's pixels are one of three equal channels.
    as_stored = [pixels, pixels[:, :, 0].copy()] if mode == "L" and pixels.ndim == 3 else [pixels]
    return "" if sha256 in map(pixels_sha256, as_stored) else "file whose pixels are others"


def _report_problem(name: str) -> str:
    try:
        with default_storage.open(name) as file, zipfile.ZipFile(file) as archive:
            return "file that is damaged" if archive.testzip() else ""
    except FileNotFoundError:
        return "row without its file"
    except zipfile.BadZipFile:
        return "file that is damaged"


def _piece_problem(piece: ImportPiece) -> str:
    try:
        content = default_storage.open(piece.file.name or "").read()
    except FileNotFoundError:
        # Taken or given up while we looked: then its row is gone too.
        return "row without its file" if ImportPiece.objects.filter(pk=piece.pk).exists() else ""
    return "" if hashlib.sha256(content).hexdigest() == piece.sha256 else "file that is damaged"


def _walk(folder: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        yield f"{folder}/{name}".lstrip("/")
    for name in folders:
        yield from _walk(f"{folder}/{name}".lstrip("/"))


def _without_rows(names: Iterable[str], now: datetime, settled: timedelta, young: list[str]) -> Iterator[Problem]:
    by_folder: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        by_folder[name.partition("/")[0]].append(name)
    for folder in by_folder.values():
        ages = [now - changed for name in folder if (changed := _changed(name))]
        if ages and min(ages) < settled:
            young += folder
            continue
        for name in folder:
            yield Problem("leftover of a write" if name.endswith(".part") else "file without a row", name, name)


def _changed(name: str) -> datetime | None:
    try:
        return default_storage.get_modified_time(name)
    except FileNotFoundError:  # its import was given up just now, or the draft became the file
        return None


def _stale_jobs() -> dict[tuple[type[Job], int], object]:
    return {
        (kind, row.pk): row.heartbeat_at
        for kind in KINDS
        for row in kind._default_manager.filter(~within("heartbeat_at", STALE_SECONDS), state=Job.State.RUNNING)
    }


def _unheld(before: dict[tuple[type[Job], int], object]) -> Iterator[Problem]:
    """Jobs silent then and still silent: after an outage of the database living workers need a moment to beat again."""
    if before:
        time.sleep(2 * attempts.HEARTBEAT_SECONDS)
    for (kind, pk), beat in _stale_jobs().items():
        if before.get((kind, pk)) == beat:
            yield Problem("job that nobody holds", str(kind._default_manager.get(pk=pk)))


def _unnoted_withdrawals() -> Iterator[Problem]:
    noted = erased.noted_in_storage()
    for key in erased.erased_here():
        if key not in noted:
            yield Problem("withdrawal that the storage does not note", key, key)


def _mended(problem: Problem) -> bool:
    if problem.kind == "job that nobody holds":
        return _released()
    if problem.kind.startswith("withdrawal"):
        erased.note_again(problem.file)
        return problem.file in erased.noted_in_storage()
    if problem.row is None:
        return _removed(problem.file)
    return _wanted_again(problem.row)


def _cut_again(cut: Cut) -> bool:
    """Written anew from its image, if that is whole; the row stays, also that of a launched study."""
    try:
        png, facts = cut_of(cut.region, cut.stimulus)
    except (FileNotFoundError, ImageError):
        return False
    if facts["file_sha256"] != cut.file_sha256:
        return False
    default_storage.save(cut.file.name or "", ContentFile(png))
    return True


def _given_up(incoming: Import) -> bool:
    try:
        uploads.discard(incoming)
    except UploadRefused:  # a worker is at it after all
        return False
    return True


def _released() -> bool:
    # Without a broker the rows are wanted again all the same, and the workers' watch sends them later.
    with suppress(BrokerUnreachable):
        reconcile(watched_seconds=STALE_SECONDS)
    return not _stale_jobs()


def _removed(name: str) -> bool:
    """Unless a row has come to name it since."""
    if SourceImage.objects.filter(hr=name).exists() or SourceImage.objects.filter(lr=name).exists():
        return False
    if any(model._default_manager.filter(file=name).exists() for model in (Stimulus, Cut, Report, ImportPiece)):
        return False
    default_storage.delete(name)
    return True


def _wanted_again(row: SourceImage | Stimulus | Cut | Report | ImportPiece | Import) -> bool:
    if isinstance(row, Import):
        return _given_up(row)
    if isinstance(row, ImportPiece):  # its browser sends it again
        row.delete()
        return True
    if isinstance(row, Cut):
        return _cut_again(row)
    if isinstance(row, SourceImage) or (isinstance(row, Stimulus) and row.origin != Stimulus.Origin.GENERATED):
        return False
    try:
        type(row)._default_manager.filter(pk=row.pk, state=Job.State.DONE).update(
            state=Job.State.WANTED, file="", error="", attempts=0, sent_at=None, finished_at=None
        )
    except Error:  # a trigger: a launched study shows this image
        return False
    return True
