"""Asking for images and seeing how far they are. For the web process and the commands; makes no image itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q, QuerySet

from srcore.registry import METHODS
from studies.content.methods import why_not
from studies.content.stimuli import generated_key
from studies.jobs.dispatch import send_on_commit
from studies.jobs.fitness import declare_weights
from studies.models import Method, SourceImage, Stimulus, Study
from studies.protocol.slots import Slot, slots

State = Stimulus.State
Place = tuple[SourceImage, Method]


@dataclass
class CellProgress:
    """How far one method's images of one benchmark are.

    Every image of the cell is counted in exactly one of done, running, wanted, failed and missing (never asked for).
    `unavailable` says what to do where the method cannot run here and images are missing; empty otherwise.
    """

    benchmark: str
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


def request(places: Iterable[Place]) -> int:
    """Want the image of each (source, method) that can be made here; returns how many were not asked for before.

    What exists, in whatever state, is left as it is: asked twice, made once. Never waits for a broker.
    """
    possible = [(source, method) for source, method in places if not why_not(method)]
    rows = [Stimulus(source=source, method=method, **generated_key(method.name)) for source, method in possible]
    with transaction.atomic():
        declare_weights({method.name for _, method in possible})
        before = set(_generated(possible).values_list("pk", flat=True))
        Stimulus.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        new = sorted(set(_generated(possible).values_list("pk", flat=True)) - before)
        send_on_commit(Stimulus, new)
    return len(new)


def request_missing(study: Study) -> int:
    """Want every image that the study's design still lacks and that can be made here; returns how many are new."""
    return request((slot.source, slot.method) for slot in slots(study) if slot.stimulus is None)


def retry(stimuli: QuerySet[Stimulus]) -> int:
    """Want the failed ones among `stimuli` again; returns how many. Never waits for a broker."""
    with transaction.atomic():
        failed = list(stimuli.filter(state=State.FAILED).select_for_update().values_list("pk", flat=True))
        Stimulus.objects.filter(pk__in=failed, state=State.FAILED).update(
            state=State.WANTED, error="", attempts=0, sent_at=None, finished_at=None
        )
        send_on_commit(Stimulus, failed)
    return len(failed)


def retry_failures(study: Study) -> int:
    """Want the study's failed images again; returns how many."""
    return retry(Stimulus.objects.filter(pk__in=[failure.pk for failure in progress(study).failures]))


def progress(study: Study) -> ImagesProgress:
    """How far the images of the study's design are, a row for each benchmark and method, and what failed and why."""
    cells: dict[tuple[int, int], CellProgress] = {}
    found = ImagesProgress()
    for slot, state, stimulus in _states(slots(study)):
        key = slot.source.benchmark_id, slot.method.pk
        cell = cells.setdefault(key, CellProgress(slot.source.benchmark.name, slot.method))
        setattr(cell, state, getattr(cell, state) + 1)
        if state == State.FAILED and stimulus:
            found.failures.append(stimulus)
    for cell in cells.values():
        if cell.missing:
            cell.unavailable = why_not(cell.method)
    found.cells = sorted(cells.values(), key=lambda cell: (cell.benchmark, cell.method.rank, cell.method.name))
    return found


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
