"""Importing a folder of photographs as a benchmark: all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from srcore.benchmark import Source, find_sources, load_source
from srcore.images import ImageError, Pixels
from studies.content.sources import discard, mode_of, pixels_sha256, store
from studies.models import Benchmark, SourceImage
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import NotTheStorage, mark_new_storage, require_ours


class ImportRefused(Exception):
    """Nothing was imported. `problems` names each file with what is wrong with it and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class ImportReport:
    """The names of the images that are new and of those that were there already; how the files were named."""

    added: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    pattern: str = ""


def import_benchmark(*, name: str, path: Path) -> ImportReport:
    """Import the pictures of a folder as the benchmark `name`, or add those that are new to it.

    Files as srcore.benchmark.find_sources reads them: NAME_HR.png with or without NAME_LR.png, or photographs. HR is
    cut to multiples of 4, a missing LR is made. Done twice it changes nothing; other pixels under an existing name are
    refused. Everything is read and checked before anything is written. Raises ImportRefused.
    """
    benchmark = _benchmark(name)
    try:
        found = find_sources(path)
    except ImageError as error:
        raise ImportRefused([str(error)]) from error
    existing = {source.name: source for source in benchmark.sources.all()} if benchmark.pk else {}
    added: list[Source] = []
    problems: list[str] = []
    for source in found:
        try:
            if source.name in existing:
                _require_same(existing[source.name], source)
            else:
                _row(benchmark, source, *load_source(source))
                added.append(source)
        except ImageError as error:
            problems.append(str(error))
    if problems:
        raise ImportRefused(problems)
    if added:
        _write(benchmark, added)
    names = [source.name for source in added]
    return ImportReport(added=names, unchanged=[source.name for source in found if source.name not in names])


def _benchmark(name: str) -> Benchmark:
    """The row of that name, or one that is not saved yet."""
    benchmark = Benchmark.objects.filter(name=name).first() or Benchmark(name=name)
    try:
        benchmark.clean_fields()
    except ValidationError as error:
        raise ImportRefused([f"{name!r} cannot be a benchmark's name: {' '.join(error.messages)}"]) from error
    return benchmark


def _require_same(row: SourceImage, source: Source) -> None:
    hr, lr = load_source(source)
    for file, pixels, sha256 in ((source.hr, hr, row.hr_sha256), (source.lr or source.hr, lr, row.lr_sha256)):
        if pixels_sha256(pixels) != sha256:
            raise ImageError(
                f"{file}: {row.benchmark.name} has an image {row.name} with other pixels, and images do not change; "
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


def _write(benchmark: Benchmark, added: Sequence[Source]) -> None:
    """Files first, then all rows in one short transaction, which does not keep raters from writing theirs."""
    rows: list[SourceImage] = []
    _mark_new_storage()
    try:
        for source in added:
            hr, lr = load_source(source)
            rows.append(_row(benchmark, source, hr, lr))
            store(rows[-1].hr, hr)
            store(rows[-1].lr, lr)
        require_ours()
        with transaction.atomic():
            if benchmark.pk is None:
                benchmark.save()
            SourceImage.objects.bulk_create(rows)
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
