"""A study before its launch: create, change, clone."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from analysis.scale import ACR
from studies.content.methods import offered_methods
from studies.models import (
    Benchmark,
    Membership,
    Method,
    SourceImage,
    Study,
    StudyImage,
    StudyMethod,
    Task,
    changes,
    tell,
)
from studies.models.study import instructions_for
from studies.protocol import languages
from studies.protocol.chosen import chosen_of
from studies.protocol.slots import Cell, Role, Slot, newer, slots
from studies.research import regions
from studies.research.cells import impossible
from studies.research.refusals import require_draft

USUAL_IMAGES, USUAL_METHODS, USUAL_RATERS, USUAL_MINUTES = 16, 6, 30, 15

Cells = Mapping[Benchmark, Sequence[Method]]


def new_seed() -> int:
    """63 random bits, as many as every database's integer holds."""
    return secrets.randbits(63)


def create_study(
    *,
    name: str,
    title: str,
    cells: Cells,
    calibration: Sequence[SourceImage] = (),
    seed: int | None = None,
    protocol: Mapping[str, Any] | None = None,
    simulated: bool = False,
    images_of: Study | None = None,
    by: str = "",
) -> Study:
    """Create a draft. `protocol` has fields of Study.protocol_fields by name; the others get their defaults.

    `images_of`: another study, whose images it has, however many newer ones there are.

    Without a seed a random one is drawn and stored. Raises ValidationError on a bad field, TypeError on an unknown one.
    """
    fields = dict(protocol or {})
    task = fields.get("task", Task.RATING)
    scale, undo = fields.get("scale", ACR), fields.get("undo", True)
    fields.setdefault("instructions", instructions_for(scale, undo=undo, task=task, examples=bool(calibration)))
    study = Study(name=name, title=title, seed=new_seed() if seed is None else seed, simulated=simulated, **fields)
    if images_of and images_of.state == Study.State.DRAFT:
        study.images_at, study.images_of = images_of.images_at, images_of.images_of
    elif images_of:
        study.images_of = images_of
    save_draft(study=study, cells=cells, calibration=calibration, by=by)
    return study


def save_draft(*, study: Study, cells: Cells, calibration: Sequence[SourceImage], by: str = "") -> None:
    """Save a new or changed draft with its cells and calibration images, all or nothing. An event says what is new.

    Raises ValidationError on a bad field, StudyError for a launched study.
    """
    require_draft(study)
    study.full_clean()
    with transaction.atomic():
        stored = Study.objects.select_for_update().filter(pk=study.pk).first()
        before = _told(stored) if stored else {}
        study.save()
        set_design(study=study, cells=cells, calibration=calibration)
        if stored is None:
            tell(study, "created", by=by, detail={"title": study.title, "copy": study.images_of is not None})
        elif changed := changes(before, _told(study)):
            tell(study, "design changed", by=by, detail=changed)


def set_design(*, study: Study, cells: Cells, calibration: Sequence[SourceImage]) -> None:
    """Replace a draft's cells and calibration images. Raises StudyError for a launched study."""
    require_draft(study)
    with transaction.atomic():
        study.cells.all().delete()
        StudyMethod.objects.bulk_create(
            StudyMethod(study=study, benchmark=benchmark, method=method)
            for benchmark, methods in cells.items()
            for method in methods
        )
        study.calibration.set(calibration)
        if study.regions.exists():
            regions.forget_needless(study)


def clone(*, study: Study, name: str, title: str, simulated: bool = False, by: str = "") -> Study:
    """A new draft with the same design, protocol, images and regions, a new seed, and no raters.

    `simulated`: for a rehearsal.
    """
    with transaction.atomic():
        new = create_study(
            name=name,
            title=title,
            cells=cells_by_benchmark(study),
            calibration=list(study.calibration.all()),
            protocol=study.protocol() | {"translations": languages.by_hand(study)},
            simulated=simulated,
            images_of=study,
            by=by,
        )
        tell(study, "cloned", by=by)
        regions.take_over(study=new, of=study)
        if simulated:  # whoever may see the study may see its rehearsal
            members = study.members.all()
            Membership.objects.bulk_create(Membership(study=new, user=m.user, role=m.role) for m in members)
    return new


def take_newest_images(study: Study, *, by: str = "") -> int:
    """Have a draft show the newest version of each of its images; returns how many are others than before.

    Raises StudyError for a launched study.
    """
    require_draft(study)
    changed = len(newer(slots(study)))
    with transaction.atomic():
        # The database's clock, as that of the images.
        draft = Study.objects.filter(pk=study.pk, state=Study.State.DRAFT)
        if draft.update(images_at=Now(), images_of=None) and changed:
            tell(study, "newest images", by=by, detail={"images": changed})
    study.refresh_from_db()
    require_draft(study)
    return changed


class Shared(NamedTuple):
    """Another study with the same images: how many of the rated ones are the very same, of how many here."""

    study: Study
    images: int
    total: int


def newer_images(study: Study, filled: Sequence[Slot] | None = None) -> list[tuple[str, int]]:
    """Of a draft: what there are newer images of, such as "bicubic on Set5", and of how many; empty for others.

    `filled`: the study's places, where they are known.
    """
    if study.state != Study.State.DRAFT:
        return []
    places = slots(study) if filled is None else filled
    found = Counter(f"{slot.method.display_name} on {slot.source.benchmark}" for slot in newer(places))
    return sorted(found.items())


def same_as_draft(study: Study, filled: Sequence[Slot]) -> list[Shared]:
    """The study whose images this draft was given, and those that were given its. `filled`: the draft's places."""
    own = {slot.stimulus.pk for slot in filled if slot.stimulus and slot.role == Role.RATED}
    others = _relatives(study)
    images = StudyImage.objects.filter(study__in=others, role=Role.RATED).order_by()
    found = images.values_list("study", "stimulus").iterator() if others else iter(())
    return _shared(others, Counter(other for other, stimulus in found if stimulus in own), total=len(own))


def same_as_launched(study: Study, rated: Mapping[Cell, int]) -> list[Shared]:
    """As of a draft; of a draft that was given this study's images, those of the methods that it kept.

    `rated`: how many images of each cell the study rates.
    """
    others = _relatives(study)
    if not others:
        return []
    own = study.images.filter(role=Role.RATED).order_by().values("stimulus")
    same = StudyImage.objects.filter(study__in=others, role=Role.RATED, stimulus__in=own).order_by()
    found = Counter[int](dict(same.values_list("study").annotate(Count("pk"))))
    drafts = [other for other in others if other.state == Study.State.DRAFT]
    kept = StudyMethod.objects.filter(study__in=drafts) if drafts else StudyMethod.objects.none()
    for draft, benchmark, method in kept.values_list("study", "benchmark", "method"):
        found[draft] += rated.get((benchmark, method), 0)
    return _shared(others, found, total=sum(rated.values()))


def _relatives(study: Study) -> list[Study]:
    given = Q(images_of=study, simulated=study.simulated)  # a rehearsal is no news to a study
    return list(Study.objects.filter(given | Q(pk=study.images_of_id)).order_by("pk"))


def _shared(others: Sequence[Study], found: Counter[int], *, total: int) -> list[Shared]:
    return [Shared(other, found[other.pk], total) for other in others if found[other.pk]]


def cells_by_benchmark(study: Study) -> dict[Benchmark, list[Method]]:
    """The study's design row by row: each benchmark with its methods, in the paper's order."""
    return chosen_of(study).cells


def _told(study: Study) -> dict[str, Any]:
    """What of a draft may change, as an event tells it."""
    cells = cells_by_benchmark(study)
    shown: dict[str, Any] = {"name": study.name, "title": study.title, "seed": study.seed, **study.protocol()}
    shown["cells"] = "; ".join(f"{b}: {', '.join(m.name for m in methods)}" for b, methods in cells.items())
    shown["calibration"] = ", ".join(sorted(str(source) for source in study.calibration.all()))
    return shown


def usual_design() -> dict[str, Any]:
    """What a new study's form begins with: of the benchmark that is nearest to USUAL_IMAGES the usual methods."""
    sized = Benchmark.objects.annotate(images=Count("sources")).filter(images__gte=2)
    nearest = min(sized, key=lambda benchmark: abs(benchmark.images - USUAL_IMAGES), default=None)
    if nearest is None:
        return {}
    methods = offered_methods()
    without = impossible(Study(), [nearest], methods)
    offered = [method for method in methods if (nearest.pk, method.pk) not in without]
    # The original among them: a hidden reference shows what raters can tell at all.
    usual = sorted(offered, key=lambda method: method.kind != "reference")[:USUAL_METHODS]
    return {"cells": [f"{nearest.pk}:{method.pk}" for method in usual]}
