"""What a worker does with an import: put the pieces together, look, and take what was seen. Workers alone import it."""

import hashlib
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from PIL import Image

from srcore.images import ImageError, read_image
from studies.content import benchmarks, bringing, uploads
from studies.content.benchmarks import ImportRefused
from studies.content.unpacking import UploadRefused, folders_with_pictures, unzip_all
from studies.jobs.attempts import attempt, finished
from studies.models import Import, ImportFile, ImportLine

HR, LR = "HR", "LR"
"""Below these a benchmark's pictures are sent."""

_THUMBNAIL = 96  # pixels, the longer side
Kind, Stage, State = Import.Kind, Import.Stage, Import.State
Look = bringing.Look | benchmarks.Look


@dataclass
class Outcome:
    """What came of a step: what was seen, or the folders of which one must be chosen, or what taking it did."""

    seen: dict[str, Any] = field(default_factory=dict)
    lines: list[ImportLine] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    inside: str = ""
    said: str = ""


class Choose(Exception):
    """Several folders hold pictures: somebody has to say which."""

    def __init__(self, folders: Sequence[str]) -> None:
        self.folders = list(folders)
        super().__init__("several folders hold pictures")


def run(incoming: int) -> None:
    """Do the step that this row wants, as studies.jobs.attempts.attempt says."""
    attempt(Import.objects.all(), incoming, make=_make, store=_store, reason=_reason)


def _make(row: Import) -> Outcome:
    """Messages call files as they were sent."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return _do(row, Path(folder) / "files", Path(folder))
        except (UploadRefused, ImportRefused, ImageError) as error:
            raise UploadRefused(_as_sent(str(error), folder)) from error


def _as_sent(text: str, folder: str) -> str:
    return text.replace(f"{folder}/files/", "").replace(f"{folder}/", "")


def _do(row: Import, root: Path, aside: Path) -> Outcome:
    """`root` is where the files go, below `aside`."""
    root.mkdir()
    for file in row.files.all():
        _put_together(file, root / file.path)
    unzip_all(root)
    lines: list[ImportLine] = []

    def note(line: Any, file: Path | None) -> None:
        lines.append(_line(row, len(lines), line, file, aside))
        Import.objects.filter(pk=row.pk, claim=row.claim).update(looked_at=len(lines), touched_at=Now())

    try:
        look = _look_at_results if row.kind == Kind.RESULTS else _look_at_benchmark
        seen, inside = look(row, root, aside, note)
    except Choose as choice:
        return Outcome(folders=choice.folders)
    if row.stage == Stage.TAKE:
        return Outcome(said=_take(row, seen, lines))
    return Outcome(seen=_told(seen), lines=_with_warnings(seen, lines), inside=inside)


def _look_at_results(row: Import, root: Path, aside: Path, note: Any) -> tuple[Look, str]:
    folders = folders_with_pictures(root)
    inside = row.inside or _named(folders, row.benchmark)
    if inside not in folders:
        raise UploadRefused(f"There is no folder {inside} with pictures any more. Choose the files again.")
    mapping = None
    if row.mapping:
        mapping = aside / "mapping.csv"
        mapping.write_text(row.mapping, encoding="utf-8")
    seen = bringing.look(
        method=row.method,
        benchmark=row.benchmark,
        path=root / inside,
        display_name=row.display_name,
        suffix=row.suffix,
        mapping=mapping,
        noted=lambda line: note(line, line.file),
    )
    return seen, inside


def _named(folders: Sequence[str], benchmark: str) -> str:
    """The only folder that holds pictures, or the only one that has the benchmark's name. Raises Choose."""
    own = [folder for folder in folders if folder.rpartition("/")[2].lower() == benchmark.lower()]
    few = folders if len(folders) == 1 else own
    if len(few) != 1:
        raise Choose(folders)
    return few[0]


def _look_at_benchmark(row: Import, root: Path, aside: Path, note: Any) -> tuple[Look, str]:
    folders = folders_with_pictures(root / HR)
    common = os.path.commonpath([root / HR / folder for folder in folders])
    lr = None
    if (root / LR).exists():
        of_lr = folders_with_pictures(root / LR)
        if len(of_lr) > 1:
            raise UploadRefused(f"Several folders hold LR pictures ({', '.join(of_lr[:5])}). Choose one of them.")
        lr = root / LR / of_lr[0]
    seen = benchmarks.look(
        name=row.benchmark,
        path=Path(common),
        scale=row.scale,
        lr=lr,
        noted=lambda line: note(line, line.source.hr),
    )
    return seen, ""


def _put_together(file: ImportFile, path: Path) -> None:
    """Raises UploadRefused where a piece is not what came."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pieces = list(file.pieces.order_by("number"))
    with path.open("xb") as whole:
        for piece in pieces:
            try:
                content = default_storage.open(piece.file.name or "").read()
            except FileNotFoundError:
                content = b""
            if hashlib.sha256(content).hexdigest() != piece.sha256:
                raise UploadRefused(f"A part of {file.path} is damaged or gone. Choose the files again.")
            whole.write(content)
    if len(pieces) != file.pieces_needed:
        raise UploadRefused(f"A part of {file.path} is missing. Choose the files again.")


def _line(row: Import, number: int, line: Any, file: Path | None, aside: Path) -> ImportLine:
    looked, replaces = getattr(line, "looked", None), getattr(line, "replaces", None)
    return ImportLine(
        incoming=row,
        number=number,
        source=line.source.name,
        file=file.name if file else "",
        size=f"{line.width} x {line.height}" if line.width else "",
        mode=line.mode,
        done=list(line.done),
        psnr=looked.psnr if looked else None,
        bicubic=looked.bicubic if looked else None,
        sha256=line.sha256,
        fate=line.fate,
        replaces=replaces.pk if replaces else None,
        problem=_as_sent(line.problem, str(aside)),
        thumbnail=_thumbnail(file) if file and not line.problem else b"",
    )


def _thumbnail(file: Path) -> bytes:
    try:
        picture = Image.fromarray(read_image(file))
    except ImageError:
        return b""
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _with_warnings(seen: Look, lines: list[ImportLine]) -> list[ImportLine]:
    """Some are known only when all pictures were looked at."""
    warnings = [found.warnings for found in seen.lines]
    for line, known in zip(lines, warnings, strict=True):
        line.warnings = list(known)
    return lines


def _told(seen: Look) -> dict[str, Any]:
    if isinstance(seen, benchmarks.Look):
        return {"warnings": list(seen.warnings), "scale": seen.benchmark.scale}
    touched = [{"name": study.name, "title": study.title, "what": what} for study, what in bringing.touched(seen)]
    return {
        "warnings": list(seen.warnings),
        "pattern": seen.pattern,
        "left_over": seen.left_over,
        "touched": touched,
        "new_method": seen.method.pk is None,
        "title": seen.method.display_name,
    }


def _take(row: Import, seen: Look, now: Sequence[ImportLine]) -> str:
    """Unless it is another thing by now than what was looked at: an import in between, a newer image.

    An attempt that died after it had taken everything is known by that: the same pixels, and all of them there.
    """
    if not Import.objects.filter(pk=row.pk, claim=row.claim).exists():
        raise UploadRefused("Another worker is at it.")
    before = {line.source: line for line in row.lines.all()}
    fresh = set(seen.all_texts) - set(row.confirmed)
    same = len(now) == len(before) and all(_same(before.get(line.source), line) for line in now)
    if fresh or not same:
        more = f" New: {'; '.join(sorted(fresh)[:3])}." if fresh else ""
        raise UploadRefused(f"The site's images have changed since this was looked at.{more} Look again.")
    if isinstance(seen, benchmarks.Look):
        benchmarks.take(seen, by=row.by)
    else:
        bringing.take(seen, by=row.by)
    for line in seen.lines:
        line.fate = before[line.source.name].fate
    return benchmarks.said(seen) if isinstance(seen, benchmarks.Look) else bringing.said(seen)


def _same(before: ImportLine | None, now: ImportLine) -> bool:
    if before is None or (before.file, before.sha256, before.problem) != (now.file, now.sha256, now.problem):
        return False
    return now.fate == benchmarks.UNCHANGED or (before.fate, before.replaces) == (now.fate, now.replaces)


def _store(row: Import, mine: "QuerySet[Import]", made: Outcome) -> None:
    with transaction.atomic():
        values = asdict(made)
        values.pop("lines")
        if row.stage == Stage.TAKE:
            values = {"said": made.said}
        if not mine.update(**values, touched_at=Now(), **finished(State.DONE)):
            return
        if row.stage == Stage.LOOK:
            row.lines.all().delete()
            ImportLine.objects.bulk_create(made.lines, batch_size=200)
    if row.stage == Stage.TAKE:
        uploads.forget_files(row)


def _reason(error: Exception) -> str:
    told = isinstance(error, UploadRefused | ImportRefused | ImageError)
    return str(error) if told else f"{type(error).__name__}: {error}"
