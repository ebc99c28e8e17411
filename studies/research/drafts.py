"""A study before its launch: create, change, clone."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from analysis.scale import ACR
from studies.models import Benchmark, Method, SourceImage, Study, StudyMethod
from studies.models.study import instructions_for
from studies.protocol.slots import Role, slots
from studies.research.refusals import require_draft

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
) -> Study:
    """Create a draft. `protocol` has fields of Study.protocol_fields by name; the others get their defaults.

    Without a seed a random one is drawn and stored. Raises ValidationError on a bad field, TypeError on an unknown one.
    """
    fields = dict(protocol or {})
    written = instructions_for(fields.get("scale", ACR), undo=fields.get("undo", True))
    fields.setdefault("instructions", written)
    study = Study(name=name, title=title, seed=new_seed() if seed is None else seed, **fields)
    save_draft(study=study, cells=cells, calibration=calibration)
    return study


def save_draft(*, study: Study, cells: Cells, calibration: Sequence[SourceImage]) -> None:
    """Save a new or changed draft with its cells and calibration images, all or nothing.

    Raises ValidationError on a bad field, StudyError for a launched study.
    """
    require_draft(study)
    study.full_clean()
    with transaction.atomic():
        study.save()
        set_design(study=study, cells=cells, calibration=calibration)


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


def clone(*, study: Study, name: str, title: str) -> Study:
    """A new draft with the same design and protocol, a new seed, and no raters."""
    return create_study(
        name=name,
        title=title,
        cells=cells_by_benchmark(study),
        calibration=list(study.calibration.all()),
        protocol=study.protocol(),
    )


def cells_by_benchmark(study: Study) -> dict[Benchmark, list[Method]]:
    """The study's design row by row: each benchmark with its methods, in the paper's order."""
    cells: dict[Benchmark, list[Method]] = {}
    for cell in study.cells.select_related("benchmark", "method").order_by("benchmark__name", "method__rank"):
        cells.setdefault(cell.benchmark, []).append(cell.method)
    return cells


def trials_each(study: Study) -> int:
    """How many ratings the design asks of each rater, repeats and stabilising trials included."""
    return sum(slot.role == Role.RATED for slot in slots(study)) + study.repeats + study.stabilising
