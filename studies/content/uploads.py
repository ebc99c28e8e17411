"""Files on their way from a browser: what it says it will send, the pieces that have come, what is given up."""

import hashlib
import json
import logging
from collections.abc import Collection, Iterable
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now

from studies.content.unpacking import MOST_BYTES, MOST_BYTES_A_FILE, MOST_FILES, UploadRefused, safe_path
from studies.jobs.dispatch import send_on_commit, within
from studies.models import Import, ImportFile, ImportPiece, tell
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import NotTheStorage, mark_new_storage

logger = logging.getLogger(__name__)

# After so long without a sign of somebody an import is given up, whatever it waits for.
ABANDONED_SECONDS = 7 * 24 * 3600
Stage, State = Import.Stage, Import.State


def announce(incoming: Import, listed: str) -> dict[str, Any]:
    """Note which files a browser will send, and say what of them is still missing.

    `listed` is JSON: [[path, bytes, when it was changed], ...]. A file that came before under the same path, with the
    same size and time, keeps its pieces; what is not listed any more goes. Hidden files are passed over. Returns what
    `missing` does, as {"files": ...}. Raises UploadRefused, StorageUnavailable.
    """
    wanted = _read(listed)
    try:
        mark_new_storage()
    except NotTheStorage as error:
        raise UploadRefused(str(error)) from error
    with transaction.atomic():
        # One window after the other, or both would note a file of the same path.
        Import.objects.select_for_update().filter(pk=incoming.pk).first()
        _require_upload(incoming)
        known = {file.path: file for file in incoming.files.all()}
        same = {path for path, file in known.items() if wanted.get(path) == (file.size, file.stamp)}
        gone = list(ImportPiece.objects.filter(of__incoming=incoming).exclude(of__path__in=same))
        incoming.files.exclude(path__in=same).delete()
        new = [ImportFile(incoming=incoming, path=p, size=w[0], stamp=w[1]) for p, w in wanted.items() if p not in same]
        ImportFile.objects.bulk_create(new)
    _remove_files(piece.file.name or "" for piece in gone)
    return {"files": missing(incoming)}


def missing(incoming: Import) -> list[tuple[int, str, int, list[int]]]:
    """Each file that was announced: key, path, bytes, and the numbers of its pieces that have not come."""
    there: dict[int, set[int]] = {}
    for of, number in ImportPiece.objects.filter(of__incoming=incoming).values_list("of", "number"):
        there.setdefault(of, set()).add(number)
    return [
        (file.pk, file.path, file.size, [n for n in range(file.pieces_needed) if n not in there.get(file.pk, ())])
        for file in incoming.files.all()
    ]


def receive(incoming: Import, *, file: int, number: int, content: bytes) -> None:
    """Store a piece; sent again it changes nothing. Raises UploadRefused for one that was not announced so."""
    _require_upload(incoming)
    of = incoming.files.filter(pk=file).first()
    if of is None or number >= of.pieces_needed:
        raise UploadRefused("This piece was not announced: load the page again and choose the files again.")
    if len(content) != of.length_of(number):
        raise UploadRefused(f"{of.path} has changed while it was sent: choose the files again.")
    piece = ImportPiece(of=of, number=number, sha256=hashlib.sha256(content).hexdigest())
    piece.file.save("", ContentFile(content), save=False)
    ImportPiece.objects.update_or_create(
        of=of, number=number, defaults={"file": piece.file.name, "sha256": piece.sha256}
    )
    touch(incoming)


def finish(incoming: Import, *, by: str = "") -> None:
    """All has come: have a worker look. Done twice, nothing changes. Raises UploadRefused where a piece is missing."""
    lacking = [path for _, path, _, numbers in missing(incoming) if numbers]
    if lacking or not incoming.files.exists():
        raise UploadRefused(f"Not all has come yet: {', '.join(lacking[:3]) or 'no file was sent'}.")
    _want(incoming, "images sent", by, start=(Stage.UPLOAD,), stage=Stage.LOOK)


def look_again(incoming: Import, *, inside: str = "", by: str = "") -> None:
    """Have a worker look once more, at this folder of what was sent. Nothing changes while one is at it."""
    if inside and inside not in incoming.folders:
        raise UploadRefused("Choose one of the folders.")
    start = (Stage.LOOK, Stage.TAKE)
    _want(incoming, "images looked at again", by, start=start, stage=Stage.LOOK, inside=inside or incoming.inside)


def other_files(incoming: Import, *, by: str = "") -> None:
    """Back to choosing files; what has come stays, as far as the next choice names it."""
    free = Import.objects.filter(pk=incoming.pk, stage__in=[Stage.LOOK, Stage.TAKE])
    idle = free.filter(state__in=[State.DONE, State.FAILED]).exclude(stage=Stage.TAKE, state=State.DONE)
    free_again = {"stage": Stage.UPLOAD, "state": State.DONE, "error": "", "seen": {}, "inside": "", "folders": []}
    with transaction.atomic():
        if idle.update(**free_again, touched_at=Now()):
            tell(None, "other images to be sent", by=by, of=str(incoming))
    incoming.refresh_from_db()


def take_it(incoming: Import, *, confirmed: Collection[str], by: str = "") -> None:
    """Have a worker take what was looked at. Raises UploadRefused unless every warning is confirmed and no problem is
    left."""
    if incoming.stage != Stage.LOOK or incoming.state != State.DONE:
        raise UploadRefused("It was not looked at yet.")
    if incoming.lines.exclude(problem="").exists():
        raise UploadRefused("Some pictures cannot be taken: see the table.")
    if set(warnings_of(incoming)) - set(confirmed):
        raise UploadRefused("Read the warnings and tick each of them, or bring other files.")
    _want(incoming, "images to be taken", by, start=(Stage.LOOK,), stage=Stage.TAKE, confirmed=sorted(confirmed))


def warnings_of(incoming: Import) -> dict[str, list[str]]:
    """Each warning once -> the files that it is about; none for one about the whole."""
    found: dict[str, list[str]] = {text: [] for text in incoming.seen.get("warnings", ())}
    for file, texts in incoming.lines.exclude(warnings=[]).values_list("file", "warnings"):
        for text in texts:
            found.setdefault(text, []).append(file)
    return found


def discard(incoming: Import, *, by: str = "") -> None:
    """Give an import up, with all that has come. Raises UploadRefused while a worker takes it."""
    if incoming.stage == Stage.TAKE and incoming.is_at_work:
        raise UploadRefused("A worker is taking the images just now. Wait until it has ended.")
    pieces = list(ImportPiece.objects.filter(of__incoming=incoming))
    with transaction.atomic():
        told = {"stage": incoming.get_stage_display(), "files": incoming.files.count()}
        if Import.objects.filter(pk=incoming.pk).delete()[0]:
            tell(None, "import discarded", by=by, of=str(incoming), detail=told)
    _remove_files(piece.file.name or "" for piece in pieces)


def forget_files(incoming: Import) -> None:
    """What was sent is not needed any more; what was seen of it stays."""
    pieces = list(ImportPiece.objects.filter(of__incoming=incoming))
    incoming.files.all().delete()
    _remove_files(piece.file.name or "" for piece in pieces)


def abandoned() -> "list[Import]":
    """Those that nobody has touched for long, at work or not."""
    return list(Import.objects.exclude(within("touched_at", ABANDONED_SECONDS)))


def discard_abandoned() -> None:
    """What workers do now and then."""
    for incoming in abandoned():
        try:
            discard(incoming)
        except UploadRefused:  # it is being taken
            continue


def touch(incoming: Import) -> None:
    Import.objects.filter(pk=incoming.pk).update(touched_at=Now())


def _read(listed: str) -> dict[str, tuple[int, str]]:
    try:
        rows = [(str(path), int(size), str(stamp)[:40]) for path, size, stamp in json.loads(listed)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UploadRefused("The list of files cannot be read: load the page again.") from error
    wanted = {str(safe): (size, stamp) for path, size, stamp in rows if (safe := safe_path(path))}
    if not wanted:
        raise UploadRefused("No file was chosen, or only hidden ones.")
    if len(wanted) > MOST_FILES:
        raise UploadRefused(f"These are {len(wanted)} files, and at most {MOST_FILES} are taken at a time.")
    if sum(size for size, _ in wanted.values()) > MOST_BYTES:
        raise UploadRefused(f"These files have more than {MOST_BYTES:,} bytes together: bring them in parts.")
    for path, (size, _) in wanted.items():
        if size < 0 or (size > MOST_BYTES_A_FILE and not path.lower().endswith(".zip")):
            raise UploadRefused(f"{path} has more than {MOST_BYTES_A_FILE:,} bytes: is it a picture?")
    return wanted


def _require_upload(incoming: Import) -> None:
    if not Import.objects.filter(pk=incoming.pk, stage=Stage.UPLOAD).exists():
        raise UploadRefused("This import takes no more files: load the page again.")


def _want(incoming: Import, kind: str, by: str, *, start: Iterable[str], **values: Any) -> None:
    """Have a worker do the next step, unless one is at it; `kind` is that of the event."""
    idle = Import.objects.filter(pk=incoming.pk, stage__in=start, state__in=[State.DONE, State.FAILED])
    idle = idle.exclude(stage=Stage.TAKE, state=State.DONE)
    with transaction.atomic():
        if idle.update(**values, state=State.WANTED, error="", attempts=0, sent_at=None, looked_at=0, touched_at=Now()):
            detail = {name: value for name, value in values.items() if name in ("inside", "confirmed") and value}
            tell(None, kind, by=by, of=str(incoming), detail=detail)
            send_on_commit(Import, [incoming.pk])
    incoming.refresh_from_db()


def _remove_files(names: Iterable[str]) -> None:
    """Whose rows are gone. What a storage that is away keeps of them, `manage.py verify` finds."""
    try:
        for name in names:
            default_storage.delete(name)
    except StorageUnavailable as error:
        logger.warning("pieces of an upload may be left in the storage: %s", error)
