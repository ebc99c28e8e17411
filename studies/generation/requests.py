"""Asking for images and seeing how far they are. For the web process and the commands; makes no image itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet

from srcore.registry import METHODS
from studies.content.methods import why_not
from studies.content.stimuli import generated_key
from studies.jobs.dispatch import send_on_commit
from studies.jobs.fitness import declare_weights
from studies.models import Benchmark, Method, SourceImage, Stimulus, Study, StudyImage, StudyRegion, tell
from studies.protocol.regions import Standing, standings
from studies.protocol.slots import Slot, slots

State = Stimulus.State
Place = tuple[SourceImage, Method]


@dataclass
class CellProgress:
    """How far one method's images of one benchmark are.

    Every image of the cell is counted in exactly one of done, running, wanted, failed and missing (never asked for).
    `unavailable` says what to do where the method cannot run here and images are missing; empty otherwise.
    """

    benchmark: Benchmark
    method: Method
    done: int = 0
    running: int = 0
    wanted: int = 0
    failed: int = 0
    missing: int = 0
    unavailable: str = ""

    @property
    def total(self) -> int:
        return self.done + self.running + self.wanted + self.failed + self.missing


@dataclass
class ImagesProgress:
    """How far a study's images are; calibration images are counted with their own benchmark."""

    cells: list[CellProgress] = field(default_factory=list)
    failures: list[Stimulus] = field(default_factory=list)

    @property
    def done(self) -> int:
        return sum(cell.done for cell in self.cells)

    @property
    def failed(self) -> int:
        return sum(cell.failed for cell in self.cells)

    @property
    def pending(self) -> int:
        """Images that a worker makes or will make."""
        return sum(cell.running + cell.wanted for cell in self.cells)

    @property
    def obtainable(self) -> int:
        """Images that were never asked for and can be made here."""
        return sum(cell.missing for cell in self.cells if not cell.unavailable)

    @property
    def total(self) -> int:
        return sum(cell.total for cell in self.cells)

    @property
    def unavailable(self) -> dict[str, str]:
        """The methods that lack images and cannot run here -> what to do, each once."""
        return {cell.method.display_name: cell.unavailable for cell in self.cells if cell.unavailable}


def request(places: Iterable[Place]) -> int:
    """Want the image of each (source, method) that can be made here; returns how many were not asked for before.

    What exists, in whatever state, is left as it is: asked twice, made once. Never waits for a broker.
    """
    possible = [(source, method) for source, method in places if not why_not(method, source.benchmark.scale)]
    rows = [Stimulus(source=source, method=method, **generated_key(method.name)) for source, method in possible]
    with transaction.atomic():
        declare_weights({method.name for _, method in possible})
        before = set(_generated(possible).values_list("pk", flat=True))
        Stimulus.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        new = sorted(set(_generated(possible).values_list("pk", flat=True)) - before)
        send_on_commit(Stimulus, new)
    return len(new)


def request_missing(study: Study, *, by: str = "") -> int:
    """Want every image that the study's design still lacks and that can be made here; returns how many are new.

    Regions are cut out of those that are there.
    """
    want_uncut(study)
    with transaction.atomic():
        new = request((slot.source, slot.method) for slot in slots(study) if slot.stimulus is None)
        if new:
            tell(study, "images asked for", by=by, detail={"images": new})
    return new


def uncut(study: Study, filled: Sequence[Slot] | None = None) -> list[Standing]:
    """The sources whose region has a place, or a seed that draws it, and is not cut out of all images yet.

    `filled`: the study's places, where they are known.
    """
    if not study.region_width:
        return []
    found = standings(study, slots(study) if filled is None else filled)
    return [one for one in found if one.region and not one.problem and not one.is_cut]


def want_uncut(study: Study) -> None:
    """Want the regions of `uncut` cut. Never waits for a broker."""
    want_regions(study.regions.filter(source__in=[one.source for one in uncut(study)]))


def want_regions(regions: "QuerySet[StudyRegion]") -> None:
    """Want these regions cut out of the images that lack it. Never waits for a broker."""
    again = Q(state=StudyRegion.State.DONE) | Q(state=StudyRegion.State.FAILED)
    with transaction.atomic():
        wanted = list(regions.filter(again, study__state=Study.State.DRAFT).values_list("pk", flat=True))
        StudyRegion.objects.filter(again, pk__in=wanted).update(
            state=StudyRegion.State.WANTED, error="", attempts=0, sent_at=None, finished_at=None
        )
        send_on_commit(StudyRegion, wanted)


def retry(stimuli: QuerySet[Stimulus]) -> int:
    """Want the failed ones among `stimuli` again; returns how many. Never waits for a broker."""
    with transaction.atomic():
        failed = list(stimuli.filter(state=State.FAILED).select_for_update().values_list("pk", flat=True))
        Stimulus.objects.filter(pk__in=failed, state=State.FAILED).update(
            state=State.WANTED, error="", attempts=0, sent_at=None, finished_at=None
        )
        send_on_commit(Stimulus, failed)
    return len(failed)


def retry_failures(study: Study, *, by: str = "") -> int:
    """Want the study's failed images again; returns how many."""
    with transaction.atomic():
        again = retry(Stimulus.objects.filter(pk__in=[failure.pk for failure in progress(study).failures]))
        if again:
            tell(study, "failed images asked for again", by=by, detail={"images": again})
    return again


def progress(study: Study, filled: Sequence[Slot] | None = None) -> ImagesProgress:
    """How far the images of the study's design are, a row for each benchmark and method, and what failed and why.

    `filled`: the study's places, where they are known.
    """
    if study.state != Study.State.DRAFT:
        return ImagesProgress(_in_order(_launched_cells(study)))
    cells: dict[tuple[int, int], CellProgress] = {}
    found = ImagesProgress()
    for slot, state, stimulus in _states(slots(study) if filled is None else filled):
        key = slot.source.benchmark_id, slot.method.pk
        cell = cells.setdefault(key, CellProgress(slot.source.benchmark, slot.method))
        setattr(cell, state, getattr(cell, state) + 1)
        if state == State.FAILED and stimulus:
            found.failures.append(stimulus)
    found.cells = _in_order(cells.values())
    return _with_reasons(found)


def progress_of(numbers: Sequence[Sequence[Any]], failures: Sequence[int]) -> ImagesProgress:
    """From what was kept of it: (benchmark, method, number in each state) of each cell, and images that failed."""
    benchmarks = Benchmark.objects.in_bulk({benchmark for benchmark, *_ in numbers})
    methods = Method.objects.in_bulk({method for _, method, _ in numbers})
    cells = [
        CellProgress(benchmarks[benchmark], methods[method], **found)
        for benchmark, method, found in numbers
        if benchmark in benchmarks and method in methods
    ]
    failed = Stimulus.objects.filter(pk__in=failures).select_related("source__benchmark", "method").order_by("pk")
    return _with_reasons(ImagesProgress(cells, list(failed)))


def _with_reasons(found: ImagesProgress) -> ImagesProgress:
    for cell in found.cells:
        if cell.missing:
            cell.unavailable = why_not(cell.method, cell.benchmark.scale)
    return found


def _launched_cells(study: Study) -> Iterator[CellProgress]:
    """All images of a launched study are there: the database counts them."""
    by = ("stimulus__source__benchmark", "stimulus__method")
    rows = study.images.order_by().values_list(*by).annotate(Min("pk"), Count("stimulus", distinct=True))
    number = {first: of for *_, first, of in rows}
    for image in StudyImage.objects.filter(pk__in=number).select_related(*by):
        yield CellProgress(image.stimulus.source.benchmark, image.stimulus.method, done=number[image.pk])


def _in_order(cells: Iterable[CellProgress]) -> list[CellProgress]:
    return sorted(cells, key=lambda cell: (cell.benchmark.name, cell.method.rank, cell.method.name))


def _states(filled: Sequence[Slot]) -> Iterator[tuple[Slot, str, Stimulus | None]]:
    """Each image once, though an image may have two roles in a study."""
    once = {(slot.source.pk, slot.method.pk): slot for slot in filled}
    empty = [(slot.source, slot.method) for slot in once.values() if slot.stimulus is None]
    asked = {(s.source_id, s.method_id): s for s in _generated(empty).select_related("source__benchmark", "method")}
    for place, slot in once.items():
        if slot.stimulus:
            yield slot, State.DONE, slot.stimulus
        else:
            stimulus = asked.get(place)
            yield slot, stimulus.state if stimulus else "missing", stimulus


def _generated(places: Iterable[Place]) -> QuerySet[Stimulus]:
    """The rows, in whatever state, of what today's code and weights make at these places."""
    sources: dict[Method, set[int]] = {}
    for source, method in places:
        if method.name in METHODS:
            sources.setdefault(method, set()).add(source.pk)
    if not sources:
        return Stimulus.objects.none()
    keys = Q()
    for method, of in sources.items():
        keys |= Q(method=method, source__in=of, **generated_key(method.name))
    return Stimulus.objects.filter(keys)
