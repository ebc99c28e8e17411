"""Importing somebody's result images as a method's stimuli: all of a benchmark's or none."""

from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models.functions import Now

from srcore.images import ImageError
from srcore.matching import read_mapping
from srcore.methods.folder import Wanted, match_folder, read_result
from srcore.metrics import measure
from srcore.registry import METHODS
from studies.content.benchmarks import ImportRefused, ImportReport
from studies.content.methods import sync_methods
from studies.content.sources import discard, pixels_sha256, png_of, read_source
from studies.content.stimuli import current_stimuli
from studies.models import Benchmark, Method, SourceImage, Stimulus
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import require_ours

Origin = Stimulus.Origin


def import_results(
    *,
    method: str,
    benchmark: str,
    path: Path,
    display_name: str = "",
    suffix: str = "",
    mapping: Path | None = None,
) -> ImportReport:
    """Import one result image for each picture of a benchmark, measured, as what `method` made of them.

    Files are matched as srcore.matching says, or by the CSV file `mapping` (name, file). A name that is new becomes a
    method of kind folder, shown as `display_name`. Pixels that count already are left alone; others get a new row,
    which counts from now on, and the old row stays for the studies that show it. Raises ImportRefused; then nothing
    was imported.
    """
    pictures = _pictures(benchmark)
    row = _method(method, display_name)
    try:
        names = read_mapping(mapping) if mapping else None
        match = match_folder(path, [Wanted(s.name, s.width, s.height) for s in pictures], suffix=suffix, mapping=names)
    except ImageError as error:
        raise ImportRefused([str(error)]) from error
    if match.problems:
        raise ImportRefused(match.problems)
    report = ImportReport(pattern=match.pattern)
    new: list[Stimulus] = []
    counting = current_stimuli([(s, row) for s in pictures]) if row.pk else {}
    try:
        for source in pictures:
            stimulus = _supplied(row, source, match.files[source.name], counting.get((source.pk, row.pk)))
            if stimulus:
                new.append(stimulus)
            (report.added if stimulus else report.unchanged).append(source.name)
        require_ours()
        with transaction.atomic():
            row.save()
            Stimulus.objects.bulk_create(new)
    except BaseException as error:
        # The rows are there all or none; all of them when the interruption came just after the commit.
        if new and not Stimulus.objects.filter(file=new[0].file.name).exists():
            discard(stimulus.file for stimulus in new)
        if isinstance(error, ImageError):  # a file that was changed between the check and now
            raise ImportRefused([str(error)]) from error
        if isinstance(error, StorageUnavailable):
            raise ImportRefused([f"{error}. Run it again when the storage is back"]) from error
        raise
    return report


def _pictures(benchmark: str) -> Sequence[SourceImage]:
    pictures = list(SourceImage.objects.filter(benchmark__name=benchmark).select_related("benchmark"))
    if not pictures:
        known = ", ".join(Benchmark.objects.values_list("name", flat=True)) or "none"
        raise ImportRefused([f"there is no benchmark {benchmark!r}; imported are: {known}"])
    return pictures


def _method(name: str, display_name: str) -> Method:
    """The row of that name, or one of kind folder that is not saved yet."""
    sync_methods()
    row = Method.objects.filter(name=name).first() or Method(name=name, kind="folder", display_name=name)
    if row.kind == "reference":
        raise ImportRefused([f"{name} is the benchmark's own picture; results of a method need the method's name"])
    if display_name and name in METHODS:
        raise ImportRefused([f"{name} is built in and shown as {row.display_name}; leave out the display name"])
    row.display_name = display_name or row.display_name
    try:
        row.clean_fields()
    except ValidationError as error:
        raise ImportRefused([f"{name!r} cannot be a method's name: {' '.join(error.messages)}"]) from error
    return row


def _supplied(method: Method, source: SourceImage, file: Path, counting: Stimulus | None) -> Stimulus | None:
    """A row, not saved yet, whose file is stored; None where the counting stimulus has these very pixels."""
    pixels = read_result(file, Wanted(source.name, source.width, source.height))
    sha256 = pixels_sha256(pixels)
    if counting and counting.origin == Origin.FOLDER and counting.pixels_sha256 == sha256:
        return None
    psnr, ssim = measure(read_source(source)[0], pixels, recipe="paper")
    png, facts = png_of(pixels)
    stimulus = Stimulus(
        source=source,
        method=method,
        origin=Origin.FOLDER,
        content_sha256=sha256,
        code_version=_import_number(method, source, sha256),
        psnr=psnr,
        ssim=ssim,
        state=Stimulus.State.DONE,
        finished_at=Now(),
        **facts,
    )
    stimulus.file.save("", ContentFile(png), save=False)
    return stimulus


def _import_number(method: Method, source: SourceImage, sha256: str) -> str:
    """Empty for the first import of these pixels; a number where they come back after others had replaced them."""
    if not method.pk:
        return ""
    earlier = Stimulus.objects.filter(method=method, source=source, origin=Origin.FOLDER, content_sha256=sha256).count()
    return f"import {earlier + 1}" if earlier else ""
