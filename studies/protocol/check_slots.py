"""The gold images and traps among a study's places, as the checks that come among what is rated."""

from collections.abc import Sequence

from studies.models import LEFT, OF_PAIRS, SourceImage, Study, Task, Trial
from studies.protocol import checks, practice
from studies.protocol.slots import ANCHORS, Role, Slot, sources_of


def checks_of(study: Study, filled: Sequence[Slot]) -> list[checks.Check]:
    """The gold images and traps among these places, as far as there are images."""
    gold = [slot for slot in filled if slot.role == Role.GOLD]
    traps = [slot for slot in filled if slot.role == Role.TRAP]
    if study.task in OF_PAIRS:
        return _trap_pairs(traps)
    scores = [line.low for line in practice.parse(study.gold, study.scale)] if gold else []
    if study.task == Task.DEGRADATION:
        return _gold_beside_original(list(zip(gold, scores, strict=True)), filled)
    plan = checks.trap_plan(study, _rated_sources(study)) if traps else []
    asked = [
        *zip(gold, scores, [Trial.Phase.GOLD] * len(gold), strict=True),
        *zip(traps, [score for _, score in plan], [Trial.Phase.TRAP] * len(traps), strict=True),
    ]
    return [
        checks.Check(str(phase), slot.stimulus.pk, slot.source.pk, score)
        for slot, score, phase in asked
        if slot.stimulus
    ]


def _gold_beside_original(gold: Sequence[tuple[Slot, float]], filled: Sequence[Slot]) -> list[checks.Check]:
    """The original on the left, as in every trial; hr is the original beside itself."""
    left = {slot.source.pk: slot.stimulus.pk for slot in filled if slot.role == Role.ORIGINAL and slot.stimulus}
    return [
        checks.Check(Trial.Phase.GOLD.value, left[of.source.pk], of.source.pk, score, right=of.stimulus.pk)
        for of, score in gold
        if of.stimulus and of.source.pk in left
    ]


def _trap_pairs(traps: Sequence[Slot]) -> list[checks.Check]:
    of: dict[int, dict[str, int]] = {}
    for slot in traps:
        if slot.stimulus:
            of.setdefault(slot.source.pk, {})[slot.method.name] = slot.stimulus.pk
    best, worst = ANCHORS[Role.HIGH_ANCHOR], ANCHORS[Role.LOW_ANCHOR]
    return [
        checks.Check(Trial.Phase.TRAP.value, images[best], source, LEFT, right=images[worst])
        for source, images in of.items()
        if len(images) == 2
    ]


def _rated_sources(study: Study) -> list[SourceImage]:
    return list(SourceImage.objects.filter(pk__in=sources_of(study, role=Role.RATED)))
