"""What keeps a study from being launched."""

from collections import Counter
from collections.abc import Sequence

from django.core.files.storage import default_storage

from studies.models import SourceImage, Study
from studies.protocol import order
from studies.protocol.slots import Role, Slot, slots


def check(study: Study) -> list[str]:
    """What keeps the study from being launched, one sentence each; empty if nothing does."""
    return problems(study, slots(study))


def problems(study: Study, filled: Sequence[Slot]) -> list[str]:
    """As `check`, of these places of the order."""
    rated = [slot for slot in filled if slot.role == Role.RATED]
    if not rated:
        return ["It has no images: choose at least one benchmark and one method for it."]
    found = _missing(filled)
    if found:
        return found
    if study.repeats > len(rated):
        found.append(f"{study.repeats} repeats are asked for, but there are only {len(rated)} images to rate.")
    elif study.order == Study.Order.APART:
        items = [order.Item(slot.stimulus.pk, slot.source.pk) for slot in rated if slot.stimulus]
        try:
            order.check_apart(items, repeats=study.repeats)
        except order.ImpossibleOrder as error:
            found.append(f"The order is impossible: {error}.")
    return found + _unequal_files(filled)


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
