"""The places of a study's design, for each cell and calibration image, and the stimulus that fills each now."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from analysis.scale import Scale
from studies.content.stimuli import current_stimuli
from studies.models import Method, SourceImage, Stimulus, Study, StudyImage
from studies.protocol import practice

Role = StudyImage.Role
# The two ends of the scale in the paper's calibration: nearest stands for the lowest score, HR for the highest.
ANCHORS: dict[str, str] = {Role.LOW_ANCHOR: "nearest", Role.HIGH_ANCHOR: "hr"}


def anchor_scores(scale: Scale) -> dict[str, float]:
    """Role -> the score for which a calibration image stands."""
    return {Role.LOW_ANCHOR: scale.low, Role.HIGH_ANCHOR: scale.high}


@dataclass(frozen=True)
class Slot:
    """A place of a study's design: the image that `method` makes of `source`, and the stimulus that fills it."""

    source: SourceImage
    method: Method
    role: str
    stimulus: Stimulus | None


def slots(study: Study) -> list[Slot]:
    """Every image of the study's design, filled or not. A launched study keeps those it was launched with.

    What a draft's practice asks for and is not here has no place; readiness says so.
    """
    if study.state != Study.State.DRAFT:
        images = study.images.select_related("stimulus__source__benchmark", "stimulus__method")
        return [Slot(i.stimulus.source, i.stimulus.method, i.role, i.stimulus) for i in images]
    places = list(_places(study))
    filled = current_stimuli([(source, method) for source, method, _ in places])
    return [Slot(source, method, role, filled.get((source.pk, method.pk))) for source, method, role in places]


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
    with suppress(practice.PracticeError):
        for found in practice.find(study.practice, study.scale):
            yield found.source, found.method, Role.PRACTICE
