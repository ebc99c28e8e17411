"""What keeps a study from being launched: in its design, and in its files."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.core.files.storage import default_storage

from studies.models import SourceImage, Study
from studies.protocol import order, practice
from studies.protocol.slots import Role, Slot, slots
from studies.storage.guard import GuardedStorage, StorageUnavailable, size_of, time_limit

# For the sizes of all files of a study at once: the paper's has 1128, and S3 says some hundred a second.
SECONDS_FOR_SIZES = 20


def check(study: Study) -> list[str]:
    """What keeps the study from being launched, one sentence each; empty if nothing does.

    Asks the database alone, and so answers whatever the storage does; the launch looks at the files too.
    """
    return problems_of_design(study, slots(study))


def problems_of_design(study: Study, filled: Sequence[Slot]) -> list[str]:
    """As `check`, of these places of the order."""
    rated = [slot for slot in filled if slot.role == Role.RATED]
    if not rated:
        return ["It has no images: choose at least one benchmark and one method for it."]
    found = _missing(filled)
    if found:
        return found
    found = _problems_of_practice(study)
    if study.repeats > len(rated):
        found.append(f"{study.repeats} repeats are asked for, but there are only {len(rated)} images to rate.")
    else:
        found += _problems_of_order(study, rated)
    return found + _unequal((slot.source, slot.stimulus.file_bytes) for slot in filled if slot.stimulus)


def _problems_of_order(study: Study, rated: Sequence[Slot]) -> list[str]:
    items = [order.Item(slot.stimulus.pk, slot.source.pk) for slot in rated if slot.stimulus]
    apart = study.order == Study.Order.APART
    try:
        if apart:
            order.check_apart(items, repeats=study.repeats)
        order.check_stabilising(items, number=study.stabilising, apart=apart)
    except order.ImpossibleOrder as error:
        return [f"The order is impossible: {error}."]
    return []


def _problems_of_practice(study: Study) -> list[str]:
    try:
        practice.find(study.practice, study.scale)
    except practice.PracticeError as error:
        return [f"Practice: {error}"]
    return []


def problems_of_files(filled: Sequence[Slot]) -> list[str]:
    """One sentence each; asks the storage, once for all files, so never within a transaction."""
    names = {slot.stimulus.file.name or "" for slot in filled if slot.stimulus}
    try:
        with time_limit(SECONDS_FOR_SIZES):
            sizes = _sizes(names)
    except StorageUnavailable as error:
        return [f"The files cannot be looked at. {error}. Try again in a moment."]
    found = [(slot, sizes[slot.stimulus.file.name or ""]) for slot in filled if slot.stimulus]
    return [
        f"The file of {slot.method.name} on {slot.source} is not in the image storage."
        for slot, size in found
        if size is None
    ] + _unequal((slot.source, size) for slot, size in found)


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


def _unequal(found: Iterable[tuple[SourceImage, int | None]]) -> list[str]:
    """Every version of one source must travel with the same number of bytes: sizes tell methods apart."""
    sizes = defaultdict[SourceImage, set[int]](set)
    for source, size in found:
        if size is not None:
            sizes[source].add(size)
    return [
        f"The versions of {source} have different file sizes, which would tell raters the method; generate them anew."
        for source, several in sizes.items()
        if len(several) > 1
    ]


def _sizes(names: Collection[str]) -> dict[str, int | None]:
    storage = default_storage
    if isinstance(storage, GuardedStorage):
        return storage.sizes(names)
    return {name: size_of(storage, name) for name in names}
