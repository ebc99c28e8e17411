"""A study's life: create, check, launch, close, reopen, clone; and who is invited to it."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import transaction

from studies.models import Benchmark, Method, Rater, SourceImage, Study, StudyEvent, StudyImage, StudyMethod
from studies.protocol import order as design
from studies.protocol.slots import Role, Slot, slots

# Ledig et al. 2017: all 12 versions on Set5 and Set14, without these three on BSD100.
PAPER_METHODS = (
    "nearest", "bicubic", "srcnn", "selfexsr", "drcn", "espcn", "srresnet-mse", "srresnet-vgg22", "srgan-mse",
    "srgan-vgg22", "srgan-vgg54", "hr",
)  # fmt: skip
PAPER_LEFT_OUT = {"BSD100": {"srresnet-vgg22", "srgan-mse", "srgan-vgg22"}}
PAPER_BENCHMARKS = ("Set5", "Set14", "BSD100")
PAPER_CALIBRATION = "Calibration20"

Cells = Mapping[Benchmark, Sequence[Method]]


class StudyError(Exception):
    """What was asked cannot be done with this study; the message says why and what to do."""


class NotReady(StudyError):
    """The study cannot be launched. `problems` is one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("The study cannot be launched yet:\n" + "\n".join(f"- {p}" for p in self.problems))


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The fields of a study that say how it is run; names and meanings as in the model Study."""

    order: str = Study.Order.APART
    repeats: int = 0
    seed: int | None = None
    instructions: str | None = None
    pause_minutes: int = 20
    reminder_minutes: int = 60


def new_seed() -> int:
    """63 random bits, as many as every database's integer holds."""
    return secrets.randbits(63)


def create_study(
    *, name: str, title: str, cells: Cells, calibration: Sequence[SourceImage] = (), protocol: Protocol | None = None
) -> Study:
    """Create a draft. Without a seed a random one is drawn and stored. Raises ValidationError on a bad field."""
    protocol = protocol or Protocol()
    study = Study(
        name=name,
        title=title,
        order=protocol.order,
        repeats=protocol.repeats,
        pause_minutes=protocol.pause_minutes,
        reminder_minutes=protocol.reminder_minutes,
        seed=new_seed() if protocol.seed is None else protocol.seed,
    )
    if protocol.instructions is not None:
        study.instructions = protocol.instructions
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


def create_paper_study(*, name: str, title: str, seed: int | None = None) -> Study:
    """The design of Ledig et al. 2017: 1128 rated images in completely random order after 20 pairs of calibration.

    The methods need not exist yet, the benchmarks must be imported. Raises StudyError naming those that are not.
    """
    wanted = [*PAPER_BENCHMARKS, PAPER_CALIBRATION]
    benchmarks = {b.name: b for b in Benchmark.objects.filter(name__in=wanted)}
    missing = [name for name in wanted if name not in benchmarks]
    if missing:
        raise StudyError(f"The paper's design needs {', '.join(missing)}: import with 'manage.py import_benchmark'.")
    methods = {m.name: m for m in Method.objects.filter(name__in=PAPER_METHODS)}
    cells = {
        benchmarks[b]: [methods[m] for m in PAPER_METHODS if m not in PAPER_LEFT_OUT.get(b, ())]
        for b in PAPER_BENCHMARKS
    }
    calibration = list(benchmarks[PAPER_CALIBRATION].sources.all())
    return create_study(
        name=name,
        title=title,
        cells=cells,
        calibration=calibration,
        protocol=Protocol(order=Study.Order.RANDOM, seed=seed),
    )


def check(study: Study) -> list[str]:
    """What keeps the study from being launched, one sentence each; empty if nothing does."""
    return _problems(study, slots(study))


def launch(*, study: Study, now: datetime) -> None:
    """Freeze the images and the design, and open the study to raters. Raises NotReady or StudyError."""
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        require_draft(locked)
        filled = slots(locked)
        problems = _problems(locked, filled)
        if problems:
            raise NotReady(problems)
        StudyImage.objects.bulk_create(
            StudyImage(study=locked, stimulus=slot.stimulus, role=slot.role) for slot in filled
        )
        Study.objects.filter(pk=locked.pk).update(state=Study.State.LAUNCHED, launched_at=now)
        StudyEvent.objects.create(study=locked, at=now, kind="launch", detail={"images": len(filled)})
    study.refresh_from_db()


def close(*, study: Study, now: datetime) -> None:
    """Take no more ratings. Asked twice, nothing changes. Raises StudyError for a draft."""
    _move(study=study, start=Study.State.LAUNCHED, end=Study.State.CLOSED, now=now, kind="close", closed_at=now)


def reopen(*, study: Study, now: datetime) -> None:
    """Take ratings again, with the same design. Asked twice, nothing changes. Raises StudyError for a draft."""
    _move(study=study, start=Study.State.CLOSED, end=Study.State.LAUNCHED, now=now, kind="reopen", closed_at=None)


def clone(*, study: Study, name: str, title: str) -> Study:
    """A new draft with the same design and protocol, a new seed, and no raters."""
    protocol = Protocol(
        order=study.order,
        repeats=study.repeats,
        instructions=study.instructions,
        pause_minutes=study.pause_minutes,
        reminder_minutes=study.reminder_minutes,
    )
    return create_study(
        name=name,
        title=title,
        cells=cells_by_benchmark(study),
        calibration=list(study.calibration.all()),
        protocol=protocol,
    )


def invite(*, study: Study, label: str = "", is_preview: bool = False) -> Rater:
    """A new rater with a link of their own; without a label the next free of r001, r002, ...

    Raises StudyError if the label is taken.
    """
    with transaction.atomic():
        # Two invitations at once must not draw the same number.
        Study.objects.select_for_update().get(pk=study.pk)
        label = label or _next_label(study, prefix="preview" if is_preview else "r")
        rater = Rater(study=study, label=label, is_preview=is_preview)
        try:
            rater.full_clean()
        except ValidationError as error:
            raise StudyError(" ".join(error.messages)) from error
        rater.save()
    return rater


def revoke(*, rater: Rater, now: datetime) -> None:
    """Make a rater's link useless; the ratings stay. Asked twice, nothing changes."""
    if Rater.objects.filter(pk=rater.pk, revoked_at=None).update(revoked_at=now):
        StudyEvent.objects.create(study=rater.study, at=now, kind="revoke", rater=rater.label)


def require_draft(study: Study) -> None:
    if study.state != Study.State.DRAFT:
        raise StudyError("A launched study does not change. Clone it to run another design.")


def cells_by_benchmark(study: Study) -> dict[Benchmark, list[Method]]:
    """The study's design row by row: each benchmark with its methods, in the paper's order."""
    cells: dict[Benchmark, list[Method]] = {}
    for cell in study.cells.select_related("benchmark", "method").order_by("benchmark__name", "method__rank"):
        cells.setdefault(cell.benchmark, []).append(cell.method)
    return cells


def trials_each(study: Study) -> int:
    """How many ratings the design asks of each rater, repeats included."""
    return sum(slot.role == Role.RATED for slot in slots(study)) + study.repeats


def _problems(study: Study, filled: Sequence[Slot]) -> list[str]:
    rated = [slot for slot in filled if slot.role == Role.RATED]
    if not rated:
        return ["It has no images: choose at least one benchmark and one method for it."]
    problems = _missing(filled)
    if problems:
        return problems
    if study.repeats > len(rated):
        problems.append(f"{study.repeats} repeats are asked for, but there are only {len(rated)} images to rate.")
    elif study.order == Study.Order.APART:
        items = [design.Item(slot.stimulus.pk, slot.source.pk) for slot in rated if slot.stimulus]
        try:
            design.check_apart(items, repeats=study.repeats)
        except design.ImpossibleOrder as error:
            problems.append(f"The order is impossible: {error}.")
    return problems + _unequal_files(filled)


def _missing(filled: Sequence[Slot]) -> list[str]:
    missing: dict[tuple[str, str], list[str]] = {}
    for slot in filled:
        if slot.stimulus is None:
            missing.setdefault((slot.source.benchmark.name, slot.method.name), []).append(slot.source.name)
    total = Counter((slot.source.benchmark.name, slot.method.name) for slot in filled)
    return [
        f"{method} on {benchmark}: {len(names)} of {total[benchmark, method]} images are missing ({_some(names)})."
        for (benchmark, method), names in missing.items()
    ]


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _unequal_files(filled: Sequence[Slot]) -> list[str]:
    """Every version of one source must travel with the same number of bytes: sizes tell methods apart."""
    sizes: dict[SourceImage, set[int]] = {}
    problems = []
    for slot in filled:
        name = (slot.stimulus and slot.stimulus.file.name) or ""
        try:
            sizes.setdefault(slot.source, set()).add(default_storage.size(name))
        except OSError:
            problems.append(f"The file of {slot.method.name} on {slot.source} is not in the image storage.")
    problems += [
        f"The versions of {source} have different file sizes, which would tell raters the method; generate them anew."
        for source, found in sizes.items()
        if len(found) > 1
    ]
    return problems


def _move(*, study: Study, start: str, end: str, now: datetime, kind: str, closed_at: datetime | None) -> None:
    with transaction.atomic():
        moved = Study.objects.filter(pk=study.pk, state=start).update(state=end, closed_at=closed_at)
        if moved:
            StudyEvent.objects.create(study=study, at=now, kind=kind)
    study.refresh_from_db()
    if study.state != end:
        raise StudyError(f"A study that is a draft cannot be {'closed' if kind == 'close' else 'reopened'}.")


def _next_label(study: Study, *, prefix: str) -> str:
    number = study.raters.filter(label__startswith=prefix).count() + 1
    taken = set(study.raters.values_list("label", flat=True))
    while f"{prefix}{number:03d}" in taken:
        number += 1
    return f"{prefix}{number:03d}"
