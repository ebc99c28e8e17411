"""Bringing result images as a method's, in two steps: look at all of a benchmark's, then take all or none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from srcore.doubts import Looked, is_lossy, look_at, of_another_scale
from srcore.images import ImageError, Pixels, read_noting
from srcore.matching import match_names, picture_files, read_mapping
from srcore.metrics import measure
from srcore.registry import METHODS
from srcore.scale import SCALES
from studies.content.benchmarks import NEW, UNCHANGED, ImportRefused
from studies.content.methods import sync_methods
from studies.content.seen import Seen
from studies.content.sources import discard, pixels_sha256, png_of, read_hr, read_lr
from studies.content.stimuli import current_stimuli
from studies.models import Benchmark, Method, SourceImage, Stimulus, Study, tell
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import require_ours

Origin = Stimulus.Origin
REPLACED = "replaced"
_LEFT_OVER_SHOWN = 5
# What another scale looks like; a swapped picture says nothing of it.
_OF_SCALE = frozenset({"far", "original"})


@dataclass
class Line:
    """What was seen of one picture's file, and what taking it would do.

    `fate` is NEW, REPLACED or UNCHANGED, "" where `problem` keeps it from being taken. PSNR in dB; `warnings` are to be
    confirmed. `sha256` is of the pixels as they would be stored.
    """

    source: SourceImage
    file: Path | None = None
    width: int = 0
    height: int = 0
    mode: str = ""
    done: list[str] = field(default_factory=list)
    looked: Looked | None = None
    sha256: str = ""
    fate: str = ""
    replaces: Stimulus | None = None
    warnings: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(kw_only=True)
class Look(Seen[Line]):
    """What a folder holds for a method and a benchmark. `method` is not saved where it is new.

    `problems` keep it from being taken, `warnings` until somebody confirms them; both name the file. `left_over` are
    files that are no picture's.
    """

    method: Method
    benchmark: Benchmark
    pattern: str
    left_over: list[str]

    @property
    def all_warnings(self) -> list[str]:
        """Of the whole folder, then of each file."""
        of_files = [f"{line.file.name}: {text}" for line in self.lines if line.file for text in line.warnings]
        return [*self.warnings, *of_files]


def look(
    *,
    method: str,
    benchmark: str,
    path: Path,
    display_name: str = "",
    suffix: str = "",
    mapping: Path | None = None,
    noted: Callable[[Line], None] = lambda line: None,
) -> Look:
    """See what the folder `path` holds as results of `method` for each picture of a benchmark. Changes nothing.

    Files are matched as srcore.matching says, or by the CSV file `mapping` (name, file); `suffix` takes only files
    whose names end so. A method's name that is new is shown as `display_name`. `noted` is called with each line as soon
    as it is looked at. Raises ImportRefused where there is nothing to look at: no such benchmark, no folder, no name
    for a method.
    """
    pictures = _pictures(benchmark)
    row = _method(method, display_name)
    try:
        found = match_names(
            [source.name for source in pictures],
            picture_files(path),
            mapping=read_mapping(mapping) if mapping else None,
            suffix=suffix,
            scale=pictures[0].benchmark.scale,
        )
    except ImageError as error:
        raise ImportRefused([str(error)]) from error
    counting = current_stimuli([(source, row) for source in pictures]) if row.pk else {}
    try:
        small = {source.name: read_lr(source) for source in pictures}
    except StorageUnavailable as error:
        raise ImportRefused([f"{error}. Run it again when the storage is back"]) from error
    lines = [Line(source, found.files.get(source.name)) for source in pictures]
    for line in lines:
        if line.file is None:
            line.problem = f"{line.source.name}: {found.problems[line.source.name]}"
        else:
            _see(line, line.file, small, counting.get((line.source.pk, row.pk)) if row.pk else None)
        noted(line)
    _name_copies(lines, row)
    seen = Look(
        method=row,
        benchmark=pictures[0].benchmark,
        lines=lines,
        pattern=found.pattern,
        left_over=[file.name for file in found.left_over],
    )
    seen.warnings.extend(_of_the_folder(seen, found.left_over))
    return seen


def take(seen: Look, *, by: str = "") -> None:
    """Store what was looked at, measured: a new image counts from now on, the one that it replaces stays for the
    studies that show it; unchanged ones are left alone. All or nothing.

    Whoever calls it has seen to it that the warnings are confirmed. Raises ImportRefused where there are problems, a
    file has changed since the look, or the storage is away.
    """
    if seen.problems:
        raise ImportRefused(seen.problems)
    new: list[Stimulus] = []
    try:
        for line in seen.lines:
            if line.fate != UNCHANGED:
                new.append(_stimulus(seen.method, line))
        require_ours()
        with transaction.atomic():
            seen.method.save()
            Stimulus.objects.bulk_create(new)
            if new:
                counts = {fate: len(seen.named(fate)) for fate in (NEW, REPLACED, UNCHANGED)}
                tell(None, "results brought", by=by, of=f"results of {seen.method} on {seen.benchmark}", detail=counts)
    except BaseException as error:
        # The rows are there all or none; all of them when the interruption came just after the commit.
        if new and not Stimulus.objects.filter(file=new[0].file.name).exists():
            discard(stimulus.file for stimulus in new)
        if isinstance(error, ImageError):
            raise ImportRefused([str(error)]) from error
        if isinstance(error, StorageUnavailable):
            raise ImportRefused([f"{error}. Run it again when the storage is back"]) from error
        raise


def said(seen: Look) -> str:
    """What taking it did, in a sentence: how many images are replaced, new and unchanged."""
    counts = [f"{len(seen.named(fate))} {fate}" for fate in (REPLACED, NEW, UNCHANGED)]
    return f"{seen.method.display_name} on {seen.benchmark}: {', '.join(counts)}."


def touched(seen: Look) -> list[tuple[Study, str]]:
    """The studies that have this method on this benchmark, and what becomes of their images: nothing by itself."""
    design = Q(cells__benchmark=seen.benchmark, cells__method=seen.method)
    replaced = [line.replaces for line in seen.lines if line.replaces]
    shown = Q(images__stimulus__in=replaced)
    if not seen.method.pk:
        return []
    studies = Study.objects.filter(design | shown).distinct().order_by("name")
    return [(study, "draft" if study.state == Study.State.DRAFT else "keeps its images") for study in studies]


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


def _see(line: Line, file: Path, small: Mapping[str, Pixels], counting: Stimulus | None) -> None:
    """Fill in the line; `small` are the benchmark's LR pictures by name."""
    source = line.source
    try:
        pixels, line.done = read_noting(file, name=file.name)
        line.height, line.width = pixels.shape[:2]
        line.mode = "grey" if pixels.ndim == 2 else "RGB"
        if (line.width, line.height) != (source.width, source.height):
            raise ImageError(f"{file.name}: {_wrong_size(line)}")
        line.looked = look_at(pixels, read_hr(source), small[source.name], scale=source.benchmark.scale, others=small)
    except ImageError as error:
        line.problem = str(error)
        return
    except StorageUnavailable as error:
        raise ImportRefused([f"{error}. Run it again when the storage is back"]) from error
    line.warnings.extend(doubt.text for doubt in line.looked.doubts)
    if is_lossy(file):
        line.warnings.append("a JPEG or lossy WebP: its compression would be rated as the method's")
    if line.mode == "grey" and source.mode == "RGB":
        line.warnings.append("grey, where the original has colours")
    line.sha256 = pixels_sha256(pixels)
    same = counting is not None and counting.origin == Origin.FOLDER and counting.pixels_sha256 == line.sha256
    line.fate = UNCHANGED if same else REPLACED if counting else NEW
    line.replaces = counting if line.fate == REPLACED else None


def _wrong_size(line: Line) -> str:
    source = line.source
    scale = source.benchmark.scale
    needs = f"{line.width} x {line.height} pixels where {source.name} needs {source.width} x {source.height}"
    for other in {1, *SCALES} - {scale}:
        if (line.width * scale, line.height * scale) == (source.width * other, source.height * other):
            return f"{needs}; that is {other}x of the LR picture, and the benchmark is {scale}x"
    if (line.height, line.width) == (source.height - 2 * scale, source.width - 2 * scale):
        return f"{needs}; {scale} pixels were cut off on each side: bring the whole results"
    return f"{needs}; results must have the HR picture's size, without a border cut off"


def _name_copies(lines: Sequence[Line], method: Method) -> None:
    """Warn of pixels that another method has made of the same source, such as bicubic's brought as a network's."""
    known = Stimulus.objects.filter(state=Stimulus.State.DONE, pixels_sha256__in=[x.sha256 for x in lines if x.sha256])
    copies: dict[tuple[int, str], set[str]] = {}
    for stimulus in known.exclude(method__name=method.name).select_related("method"):
        copies.setdefault((stimulus.source_id, stimulus.pixels_sha256), set()).add(stimulus.method.display_name)
    for line in lines:
        for name in sorted(copies.get((line.source.pk, line.sha256), ())):
            line.warnings.append(f"the very pixels of {name}")


def _of_the_folder(seen: Look, left_over: Sequence[Path]) -> Iterator[str]:
    if left_over:
        names = ", ".join(file.name for file in left_over[:_LEFT_OVER_SHOWN])
        more = f" and {len(left_over) - _LEFT_OVER_SHOWN} more" if len(left_over) > _LEFT_OVER_SHOWN else ""
        yield f"files that are no picture's and stay out: {names}{more}"
    looked = [x.looked for x in seen.lines if x.looked and all(d.kind in _OF_SCALE for d in x.looked.doubts)]
    if doubt := of_another_scale(looked, scale=seen.benchmark.scale):
        yield doubt.text


def _stimulus(method: Method, line: Line) -> Stimulus:
    """A row, not saved yet, whose file is stored."""
    assert line.file is not None  # noqa: S101 - a line without a file is a problem, and with problems nothing is taken
    source = line.source
    pixels, _ = read_noting(line.file, name=line.file.name)
    if pixels_sha256(pixels) != line.sha256:
        raise ImageError(f"{line.file.name} has changed since it was looked at; look again")
    psnr, ssim = measure(read_hr(source), pixels, recipe="paper", crop=source.benchmark.scale)
    png, facts = png_of(pixels)
    stimulus = Stimulus(
        source=source,
        method=method,
        origin=Origin.FOLDER,
        content_sha256=line.sha256,
        code_version=_import_number(method, source, line.sha256),
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
