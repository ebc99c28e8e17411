"""What keeps a study from being launched: in its design, and in its files."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from django.core.files.storage import default_storage

from studies.models import OF_TWO, SourceImage, Study, Task
from studies.protocol import checks, languages, order, practice, questionnaire, regions, subsets
from studies.protocol.slots import ORIGINAL, Role, Slot, keys_of, slots, units
from studies.storage.guard import GuardedStorage, StorageUnavailable, size_of, time_limit

# For the sizes of all files of a study at once: the paper's has 1128, and S3 says some hundred a second.
SECONDS_FOR_SIZES, SIZES_A_SECOND = 20, 400


def check(study: Study, filled: Sequence[Slot] | None = None) -> list[str]:
    """What keeps the study from being launched, one sentence each; empty if nothing does.

    Asks the database alone, and so answers whatever the storage does; the launch looks at the files too. `filled`: the
    study's places, where they are known.
    """
    return problems_of_design(study, slots(study) if filled is None else filled)


def problems_of_design(study: Study, filled: Sequence[Slot]) -> list[str]:
    """As `check`, of these places of the order."""
    rated = [slot for slot in filled if slot.role == Role.RATED]
    if not rated:
        return ["It has no images: choose at least one benchmark and one method for it."]
    found = _missing(filled)
    if found:
        return found
    found = _problems_of_practice(study, filled) + languages.problems(study)
    found += questionnaire.problems(study)
    found += _problems_of_gold(study, filled)
    items = [order.Item(key, source) for key, source, _ in units(study, keys_of(filled))]
    if study.task in OF_TWO:
        found += _problems_of_pairs(study, rated, items)
    found += [f"The order is impossible: {text}." for _, text in problems_of_order(study, items)]
    if of_regions := regions.problems(study, filled):
        return found + of_regions
    return found + _unequal((slot.source, slot.shown.file_bytes) for slot in filled if slot.shown)


def _problems_of_pairs(study: Study, rated: Sequence[Slot], items: Sequence[order.Item]) -> list[str]:
    found = []
    if study.task == Task.DEGRADATION:
        without = {slot.source for slot in rated} - {slot.source for slot in rated if slot.method.name == ORIGINAL}
        if without:
            names = regions.some(sorted(str(source) for source in without))
            return [f"Each image is shown beside the original, which the design has not of {names}: choose HR, too."]
    if study.original_on_key and ORIGINAL in {slot.method.name for slot in rated}:
        found.append("The original is on a key, beside which HR would be known: take HR out of what is compared.")
    if study.against and study.against not in {slot.method.name for slot in rated}:
        found.append(f"Each method is to be shown against {study.against}, which the design has not.")
    if study.stop_rule == Study.StopRule.SHARE and not (study.against or ORIGINAL in {s.method.name for s in rated}):
        found.append("The rule that ends it looks at shares against one method: choose that method, or the original.")
    in_pairs = {item.source for item in items}
    alone = {slot.source for slot in rated if slot.source.pk not in in_pairs}
    if alone and not found:
        names = regions.some(sorted(str(source) for source in alone))
        found.append(f"There is no pair of {names}: choose two methods or more for each benchmark.")
    if study.calibration.exists():
        found.append("The examples show the ends of a scale, and pairs have none: choose no calibration.")
    return found


def problems_of_order(study: Study, items: Sequence[order.Item]) -> list[tuple[str, str]]:
    """What keeps these images from being ordered for every rater: the field to change, and how."""
    apart = study.order == Study.Order.APART
    checks: list[tuple[str, Callable[[], None]]] = [
        ("stabilising", lambda: order.check_stabilising(items, number=study.stabilising, apart=apart))
    ]
    if study.allocation != Study.Allocation.ALL:
        images = subsets.Images.of([(item.stimulus, item.source, 0) for item in items])
        checks.append(("trials", lambda: subsets.check_trials(images, plan_of(study))))
        checks.append(("repeats", lambda: subsets.check_repeats(plan_of(study))))
    else:
        checks.append(("repeats", lambda: order.check_repeats(items, repeats=study.repeats)))
        if apart and study.repeats <= len(items):
            checks.append(("order", lambda: order.check_apart(items, repeats=study.repeats)))
    return [(field, text) for field, check in checks if (text := _impossible(check))]


def _impossible(check: Callable[[], None]) -> str:
    try:
        check()
    except order.ImpossibleOrder as error:
        return str(error)
    return ""


def plan_of(study: Study) -> subsets.Plan:
    """What the study asks of each rater, where it is a part."""
    return subsets.Plan(
        trials=study.trials,
        repeats=study.repeats,
        together=study.allocation == Study.Allocation.TOGETHER,
        apart=study.order == Study.Order.APART,
    )


def _problems_of_practice(study: Study, filled: Sequence[Slot]) -> list[str]:
    try:
        if len(practice.parse(study.practice, study.scale)) != sum(slot.role == Role.PRACTICE for slot in filled):
            practice.find(study.practice, study.scale)
    except practice.PracticeError as error:
        return [f"Practice: {error}"]
    return []


def _problems_of_gold(study: Study, filled: Sequence[Slot]) -> list[str]:
    gold = [slot for slot in filled if slot.role == Role.GOLD]
    try:
        if len(practice.parse(study.gold, study.scale)) != len(gold):
            checks.gold_lines(study)
    except practice.PracticeError as error:
        return [f"Gold images: {error}"]
    rated = {(slot.source.pk, slot.method.pk) for slot in filled if slot.role == Role.RATED}
    if study.task == Task.DEGRADATION:  # the original stands beside each; gold may be the original twice
        rated -= {(slot.source.pk, slot.method.pk) for slot in filled if slot.method.name == ORIGINAL}
    return [
        f"The gold image {slot.source} by {slot.method.name} is rated too; choose one that is not."
        for slot in gold
        if (slot.source.pk, slot.method.pk) in rated
    ]


def problems_of_files(filled: Sequence[Slot]) -> list[str]:
    """One sentence each; asks the storage, once for all files, so never within a transaction."""
    names = {slot.shown.file.name or "" for slot in filled if slot.shown}
    try:
        with time_limit(max(SECONDS_FOR_SIZES, len(names) / SIZES_A_SECOND)):
            sizes = _sizes(names)
    except StorageUnavailable as error:
        return [f"The files cannot be looked at. {error}. Try again in a moment."]
    found = [(slot, sizes[slot.shown.file.name or ""]) for slot in filled if slot.shown]
    return [
        f"The file of {slot.method.name} on {slot.source} is not in the image storage."
        for slot, size in found
        if size is None
    ] + _unequal((slot.source, size) for slot, size in found)


def _missing(filled: Sequence[Slot]) -> list[str]:
    missing: dict[tuple[str, str], list[str]] = {}
    for slot in filled:
        if slot.stimulus is None:
            missing.setdefault((str(slot.source.benchmark), slot.method.name), []).append(slot.source.name)
    total = Counter((str(slot.source.benchmark), slot.method.name) for slot in filled)
    alike: dict[tuple[str, int, str], list[str]] = {}
    for (benchmark, method), names in missing.items():
        key = (benchmark, total[benchmark, method], f"{len(names)} of {{}} images are missing ({regions.some(names)})")
        alike.setdefault(key, []).append(method)
    return [
        f"{', '.join(methods)} on {benchmark}: {text.format(number)}{' of each' if len(methods) > 1 else ''}."
        for (benchmark, number, text), methods in alike.items()
    ]


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
