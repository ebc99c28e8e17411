"""Which stimuli a study shows: for each cell of its design and each calibration image, the one that counts now."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from srcore.registry import METHODS, is_available, weights_sha256
from studies.models import Method, SourceImage, Stimulus, Study, StudyImage

Role = StudyImage.Role
# The two ends of the scale in the paper's calibration: nearest is shown as 1, the original as 5.
ANCHORS: dict[str, str] = {Role.LOW_ANCHOR: "nearest", Role.HIGH_ANCHOR: "hr"}
ANCHOR_SCORES: dict[str, int] = {Role.LOW_ANCHOR: 1, Role.HIGH_ANCHOR: 5}


@dataclass(frozen=True)
class Slot:
    """A place of a study's design: the image that `method` makes of `source`, and the stimulus that fills it."""

    source: SourceImage
    method: Method
    role: str
    stimulus: Stimulus | None


def slots(study: Study) -> list[Slot]:
    """Every image of the study's design, filled or not. A launched study keeps those it was launched with."""
    if study.state != Study.State.DRAFT:
        images = study.images.select_related("stimulus__source__benchmark", "stimulus__method")
        return [Slot(i.stimulus.source, i.stimulus.method, i.role, i.stimulus) for i in images]
    places = list(_places(study))
    filled = current_stimuli(places)
    return [Slot(source, method, role, filled.get((source.pk, method.pk))) for source, method, role in places]


def offered_methods(study: Study | None = None) -> list[Method]:
    """Methods that a design can choose: those that run here, those with supplied results, and the study's own."""
    supplied = Q(stimuli__origin=Stimulus.Origin.FOLDER)
    runnable = Q(name__in=[name for name in METHODS if is_available(name)])
    chosen = Q(pk__in=study.cells.values("method")) if study is not None and study.pk else Q()
    return list(Method.objects.filter(supplied | runnable | chosen).distinct())


def current_stimuli(places: list[tuple[SourceImage, Method, str]]) -> dict[tuple[int, int], Stimulus]:
    """(source, method) -> its newest finished stimulus made with today's code and weights, or supplied as a file."""
    methods = {method.pk: method for _, method, _ in places}
    sources = {source.pk: source for source, _, _ in places}
    counts = Q(origin=Stimulus.Origin.FOLDER)
    for method in methods.values():
        if method.name in METHODS:
            counts |= Q(method=method, **generated_key(method.name))
    done = Stimulus.objects.filter(counts, state=Stimulus.State.DONE, method__in=methods, source__in=sources)
    newest = {}
    for stimulus in done.order_by("finished_at", "pk"):
        stimulus.source = sources[stimulus.source_id]
        stimulus.method = methods[stimulus.method_id]
        newest[stimulus.source_id, stimulus.method_id] = stimulus
    return newest


def generated_key(name: str) -> dict[str, str]:
    """What, beside source and method, makes a generated stimulus the one that today's code would make."""
    return {
        "origin": Stimulus.Origin.GENERATED,
        "content_sha256": weights_sha256(name),
        "code_version": METHODS[name].version,
    }


def _places(study: Study) -> Iterator[tuple[SourceImage, Method, str]]:
    sources: dict[int, list[SourceImage]] = {}
    cells = list(study.cells.select_related("method", "benchmark"))
    for source in SourceImage.objects.filter(benchmark__in={c.benchmark_id for c in cells}).select_related("benchmark"):
        sources.setdefault(source.benchmark_id, []).append(source)
    for cell in cells:
        for source in sources.get(cell.benchmark_id, []):
            yield source, cell.method, Role.RATED
    calibration = list(study.calibration.select_related("benchmark"))
    if calibration:
        anchors = {m.name: m for m in Method.objects.filter(name__in=ANCHORS.values())}
        for source in calibration:
            for role, name in ANCHORS.items():
                yield source, anchors[name], role
