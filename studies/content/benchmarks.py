"""Importing a folder of photographs as a benchmark: all of it or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from srcore.benchmark import Source, find_sources, load_source
from srcore.images import ImageError, Pixels
from srcore.scale import SCALE
from studies.content.seen import Seen
from studies.content.sources import discard, mode_of, pixels_sha256, store
from studies.models import Benchmark, SourceImage, tell
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import NotTheStorage, mark_new_storage, require_ours

NEW, UNCHANGED = "new", "unchanged"


class ImportRefused(Exception):
    """Nothing was imported. `problems` names each file with what is wrong with it and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass
class Line:
    """A picture of the folder, and what taking it would do: `fate` is NEW or UNCHANGED, "" where there is a problem."""

    source: Source
    width: int = 0
    height: int = 0
    mode: str = ""
    done: list[str] = field(default_factory=list)
    sha256: str = ""
    fate: str = ""
    warnings: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(kw_only=True)
class Look(Seen[Line]):
    """What a folder holds for a benchmark, which is not saved where it is new. A benchmark has no warnings."""

    benchmark: Benchmark


def look(
    *,
    name: str,
    path: Path,
    scale: int | None = None,
    lr: Path | None = None,
    noted: Callable[[Line], None] = lambda line: None,
) -> Look:
    """See what a folder holds for the benchmark `name`. Changes nothing.

    Files as srcore.benchmark.find_sources reads them: NAME_HR.png with or without NAME_LR.png, or photographs; `lr`
    names the folder of their LR pictures, where it is another. `scale` says how many times larger HR is than LR; by
    default what the benchmark has, 4 for a new one. HR is cut to multiples of it, a missing LR is made. Other pixels
    under an existing name are a problem. `noted` is called with each line as soon as it is looked at. Raises
    ImportRefused where there is nothing to look at.
    """
    benchmark = _benchmark(name, scale)
    try:
        found = find_sources(path, scale=benchmark.scale, lr=lr)
    except ImageError as error:
        raise ImportRefused([str(error)]) from error
    existing = {source.name: source for source in benchmark.sources.all()} if benchmark.pk else {}
    seen = Look(benchmark=benchmark, lines=[Line(source) for source in found])
    for line in seen.lines:
        try:
            _see(line, benchmark, existing.get(line.source.name))
        except ImageError as error:
            line.problem = str(error)
        noted(line)
    return seen


def take(seen: Look, *, by: str = "") -> None:
    """Store what is new of it, all or nothing. Raises ImportRefused where there are problems, a file has changed since
    the look, or the storage is away."""
    if seen.problems:
        raise ImportRefused(seen.problems)
    if added := [line.source for line in seen.lines if line.fate == NEW]:
        _write(seen.benchmark, added, by=by)


def said(seen: Look) -> str:
    """What taking it did, in a sentence."""
    return (
        f"{seen.benchmark.name}: {len(seen.named(NEW))} images imported, "
        f"{len(seen.named(UNCHANGED))} were there already."
    )


def import_benchmark(*, name: str, path: Path, scale: int | None = None, lr: Path | None = None) -> Look:
    """Look and take in one: import the pictures of a folder as the benchmark `name`, or add those that are new to it.

    Done twice it changes nothing. Everything is read and checked before anything is written. Raises ImportRefused.
    """
    seen = look(name=name, path=path, scale=scale, lr=lr)
    take(seen)
    return seen


def _benchmark(name: str, scale: int | None) -> Benchmark:
    """The row of that name, or one that is not saved yet."""
    benchmark = Benchmark.objects.filter(name=name).first() or Benchmark(name=name, scale=scale or SCALE)
    if scale not in (None, benchmark.scale):
        raise ImportRefused(
            [f"{name} has LR pictures {benchmark.scale} times smaller, not {scale}; import this as another name"]
        )
    try:
        benchmark.clean_fields()
    except ValidationError as error:
        raise ImportRefused([f"{name!r} cannot be a benchmark's name: {' '.join(error.messages)}"]) from error
    return benchmark


def _see(line: Line, benchmark: Benchmark, row: SourceImage | None) -> None:
    """Fill in the line; `row` is the picture of this name that the benchmark has."""
    source = line.source
    hr, lr = load_source(source, scale=benchmark.scale)
    line.height, line.width = hr.shape[:2]
    line.mode = "grey" if mode_of(hr) == "L" else "RGB"
    line.sha256 = pixels_sha256(hr)
    line.done = [] if source.lr else ["LR is made from it"]
    line.fate = UNCHANGED if row else NEW
    if row is None:
        _row(benchmark, source, hr, lr)
        return
    for file, pixels, sha256 in ((source.hr, hr, row.hr_sha256), (source.lr or source.hr, lr, row.lr_sha256)):
        if pixels_sha256(pixels) != sha256:
            line.fate = ""
            raise ImageError(
                f"{file}: {benchmark.name} has an image {row.name} with other pixels, and images do not change; "
                "import this folder as a benchmark of another name"
            )


def _row(benchmark: Benchmark, source: Source, hr: Pixels, lr: Pixels) -> SourceImage:
    height, width = hr.shape[:2]
    row = SourceImage(benchmark=benchmark, name=source.name, width=width, height=height, mode=mode_of(hr))
    row.hr_sha256, row.lr_sha256 = pixels_sha256(hr), pixels_sha256(lr)
    try:
        row.clean_fields(exclude=["benchmark", "hr", "lr"])
    except ValidationError as error:
        raise ImageError(f"{source.hr}: {' '.join(error.messages)} Rename it.") from error
    return row


def _write(benchmark: Benchmark, added: Sequence[Source], *, by: str) -> None:
    """Files first, then all rows in one short transaction, which does not keep raters from writing theirs."""
    rows: list[SourceImage] = []
    _mark_new_storage()
    try:
        for source in added:
            hr, lr = load_source(source, scale=benchmark.scale)
            rows.append(_row(benchmark, source, hr, lr))
            store(rows[-1].hr, hr)
            store(rows[-1].lr, lr)
        require_ours()
        with transaction.atomic():
            if benchmark.pk is None:
                benchmark.save()
            SourceImage.objects.bulk_create(rows)
            tell(None, "pictures brought", by=by, of=f"benchmark {benchmark}", detail={NEW: len(rows)})
    except BaseException as error:
        # The rows are there all or none; all of them when the interruption came just after the commit.
        if rows and not SourceImage.objects.filter(hr=rows[0].hr.name).exists():
            discard(file for row in rows for file in (row.hr, row.lr) if file)
        if isinstance(error, IntegrityError):
            raise ImportRefused([f"{benchmark.name} was imported by somebody else meanwhile; run it again"]) from error
        if isinstance(error, ImageError):  # a file that was changed between the check and now
            raise ImportRefused([str(error)]) from error
        if isinstance(error, StorageUnavailable):
            raise ImportRefused([f"{error}. Run it again when the storage is back"]) from error
        raise


def _mark_new_storage() -> None:
    try:
        mark_new_storage()
    except (NotTheStorage, StorageUnavailable) as error:
        raise ImportRefused([str(error)]) from error
