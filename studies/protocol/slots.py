"""The places of a study's design, for each cell and calibration image, and the stimulus that fills each now."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from django.db.models import Count, Min

from analysis.scale import Scale
from studies.content.stimuli import OF_THE_JOB, current_stimuli
from studies.models import OF_PAIRS, OF_TWO, Cut, Method, SourceImage, Stimulus, Study, StudyImage, Task
from studies.protocol import checks, pairs, practice
from studies.protocol.chosen import Chosen, chosen_of

Role = StudyImage.Role
# The two ends of the scale in the paper's calibration: nearest stands for the lowest score, HR for the highest.
ANCHORS: dict[str, str] = {Role.LOW_ANCHOR: "nearest", Role.HIGH_ANCHOR: "hr"}


ORIGINAL = ANCHORS[Role.HIGH_ANCHOR]
"""The method whose images are the original ones."""


def anchor_scores(scale: Scale) -> dict[str, float]:
    """Role -> the score for which a calibration image stands."""
    return {Role.LOW_ANCHOR: scale.low, Role.HIGH_ANCHOR: scale.high}


@dataclass(frozen=True)
class Slot:
    """A place of a study's design: the image that `method` makes of `source`, and the stimulus that fills it.

    `cut`: the region of it that is shown in its place, where the study shows one of this source and it is cut.
    """

    source: SourceImage
    method: Method
    role: str
    stimulus: Stimulus | None
    cut: Cut | None = None

    @property
    def shown(self) -> Cut | Stimulus | None:
        """What raters are sent of it: a row with a file."""
        return self.cut or self.stimulus


def slots(
    study: Study, *, sources: Collection[int] | None = None, roles: Collection[str] = tuple(Role)
) -> list[Slot]:
    """Every image of the study's design, filled or not. A launched study keeps those it was launched with, and a draft
    those that it has (Study.images_of, images_at): a newer version comes in only where that is asked for.

    What a draft's practice asks for and is not here has no place; readiness says so. `sources`: of these alone, by
    their keys. `roles`: of these alone; of images that are rated there can be many thousand.
    """
    cuts = _cuts(study, sources) if study.region_width else {}
    if study.state != Study.State.DRAFT:
        images = study.images.select_related("stimulus__source__benchmark", "stimulus__method")
        if sources is not None:
            images = images.filter(stimulus__source__in=sources)
        if len(roles) < len(Role):
            images = images.filter(role__in=roles)
        return [Slot(i.stimulus.source, i.stimulus.method, i.role, i.stimulus, cuts.get(i.stimulus_id)) for i in images]
    # Traps are drawn of all that are rated.
    every = list(_places(study, rated=None if study.traps_a_run else sources))
    places = [place for place in every if place[2] in roles and (sources is None or place[0].pk in sources)]
    filled = _of_original(study, places) if study.images_of_id else {}
    rest = [(source, method) for source, method, _ in places if (source.pk, method.pk) not in filled]
    filled |= current_stimuli(rest, at=study.images_at)
    found = [Slot(source, method, role, filled.get((source.pk, method.pk))) for source, method, role in places]
    if Role.TRAP in roles:
        traps = _traps(study, [source for source, _, role in every if role == Role.RATED])
        found += [slot for slot in traps if sources is None or slot.source.pk in sources]
    return [replace(slot, cut=cuts.get(slot.stimulus.pk)) if slot.stimulus else slot for slot in found]


def _of_original(study: Study, places: Sequence[tuple[SourceImage, Method, str]]) -> dict[tuple[int, int], Stimulus]:
    """Of the places of a clone's draft those that its original fills."""
    sources = {source.pk: source for source, _, _ in places}
    methods = {method.pk: method for _, method, _ in places}
    shown = StudyImage.objects.filter(study=study.images_of_id).values("stimulus")
    found = {}
    for stimulus in Stimulus.objects.filter(pk__in=shown, source__in=sources, method__in=methods).defer(*OF_THE_JOB):
        stimulus.source, stimulus.method = sources[stimulus.source_id], methods[stimulus.method_id]
        found[stimulus.source_id, stimulus.method_id] = stimulus
    return found


def _cuts(study: Study, sources: Collection[int] | None) -> dict[int, Cut]:
    rows = Cut.objects.filter(region__study=study)
    return {cut.stimulus_id: cut for cut in (rows if sources is None else rows.filter(region__source__in=sources))}


def sources_of(study: Study, *, role: str = "") -> list[int]:
    """The keys of the sources that the study shows, or shows so, each once, in the order of its places. No image is
    read."""
    if study.state != Study.State.DRAFT:
        images = study.images.filter(role=role) if role else study.images.all()
        first = images.order_by().values("stimulus__source").annotate(first=Min("pk")).order_by("first")
        return list(first.values_list("stimulus__source", flat=True))
    rated = SourceImage.objects.filter(benchmark__in=study.cells.order_by().values("benchmark"))
    keys = list(rated.values_list("pk", flat=True)) if role in ("", Role.RATED) else []
    # Traps are of sources that are rated, too.
    beside = [] if role == Role.RATED else _places(study, rated=())
    return list(dict.fromkeys([*keys, *(source.pk for source, _, of in beside if role in ("", of))]))


def _traps(study: Study, rated: Sequence[SourceImage]) -> list[Slot]:
    """Of a draft: all, or none before they are drawn (generation.traps)."""
    once = list({source.pk: source for source in rated}.values())
    plan = checks.trap_plan(study, once) if study.task not in OF_TWO else []
    method = Method.objects.filter(name=checks.TRAP).first() if plan else None
    if method is None:
        return []
    drawn = Stimulus.objects.filter(method=method, state=Stimulus.State.DONE, source__in=[s.pk for s, _ in plan])
    of = {(stimulus.source_id, stimulus.code_version): stimulus for stimulus in drawn}
    wanted = [(s, of.get((s.pk, checks.trap_key(study.scale.score_text(score))["code_version"]))) for s, score in plan]
    return [] if any(found is None for _, found in wanted) else [Slot(s, method, Role.TRAP, f) for s, f in wanted]


def newer(filled: Sequence[Slot]) -> list[Slot]:
    """Those of a draft's places of which there is a newer image, filled with it; each once. Traps have no versions."""
    once = {(s.source.pk, s.method.pk): s for s in filled if s.stimulus and s.role != Role.TRAP}
    newest = current_stimuli([(slot.source, slot.method) for slot in once.values()])
    return [
        replace(slot, stimulus=newest[place])
        for place, slot in once.items()
        if place in newest and newest[place] != slot.stimulus
    ]


Cell = tuple[int, int]
"""(benchmark, method), in keys of rows."""


def rated_by_cell(study: Study) -> dict[Cell, int]:
    """How many images of each cell a launched study rates."""
    rated = study.images.filter(role=Role.RATED).order_by()
    rows = rated.values_list("stimulus__source__benchmark", "stimulus__method").annotate(Count("pk"))
    return {(benchmark, method): number for benchmark, method, number in rows}


def number_rated(study: Study, chosen: Chosen | None = None) -> int:
    """How many images, or pairs, of the design are rated, filled or not. No image is read: instructions say it.

    `chosen`: of a draft, where it is known.
    """
    if study.state != Study.State.DRAFT:
        if study.task not in OF_TWO:
            return study.images.filter(role=Role.RATED).count()
        methods: dict[int, list[int]] = {}
        for _, source, method in rated_keys(study):
            methods.setdefault(source, []).append(method)
        return pairs.number_of_pairs(methods, against=_against(study))
    chosen = chosen or chosen_of(study)
    if study.task not in OF_TWO:
        return chosen.places
    against = _against(study)
    return sum(
        chosen.sizes[benchmark.pk] * pairs.number_of_pairs({0: [method.pk for method in methods]}, against=against)
        for benchmark, methods in chosen.cells.items()
    )


def slots_beside(study: Study) -> list[Slot]:
    """The places of what comes beside the images that are rated: examples, practice, checks. Not what a key shows."""
    return slots(study, roles=set(Role) - {Role.RATED, *([Role.ORIGINAL] if study.original_on_key else [])})


def rated_keys(study: Study) -> list[pairs.Rated]:
    """(stimulus, source, method) of each image that is rated, as far as there is one."""
    if study.state != Study.State.DRAFT:
        images = study.images.filter(role=Role.RATED)
        return list(images.values_list("stimulus_id", "stimulus__source_id", "stimulus__method_id"))
    return keys_of(slots(study))


def keys_of(filled: Sequence[Slot]) -> list[pairs.Rated]:
    """`rated_keys` of these places."""
    rated = [slot for slot in filled if slot.role == Role.RATED]
    return [(slot.stimulus.pk, slot.source.pk, slot.method.pk) for slot in rated if slot.stimulus]


def originals(rated: Sequence[pairs.Rated]) -> set[int]:
    """Of the rated images those that are the original itself."""
    method = Method.objects.filter(name=ORIGINAL).values_list("pk", flat=True).first()
    return {stimulus for stimulus, _, of in rated if of == method}


def originals_beside(study: Study) -> dict[int, int]:
    """Source -> the original that is shown beside others, as far as there is one."""
    if study.state != Study.State.DRAFT:
        images = study.images.filter(role=Role.ORIGINAL)
        return dict(images.order_by().values_list("stimulus__source_id", "stimulus_id"))
    return {s.source.pk: s.stimulus.pk for s in slots(study, roles=[Role.ORIGINAL]) if s.stimulus}


def units(study: Study, rated: Sequence[pairs.Rated] | None = None) -> list[pairs.Unit]:
    """(key, source, kind) of what trials show, as far as it is there: images and their methods, or pairs and theirs.

    `rated`: the study's `rated_keys`, where they are known.
    """
    rated = rated_keys(study) if rated is None else rated
    return pairs.pairs(rated, against=_against(study)) if study.task in OF_TWO else list(rated)


def _against(study: Study) -> int | None:
    """The method that is in each pair; 0, which no method has, where there is none of that name."""
    name = ORIGINAL if study.task == Task.DEGRADATION else study.against
    if not name:
        return None
    return Method.objects.filter(name=name).values_list("pk", flat=True).first() or 0


def _places(
    study: Study, *, rated: Collection[int] | None = None
) -> Iterator[tuple[SourceImage, Method, str]]:
    """`rated`: of the sources that are rated these alone, by their keys."""
    sources: dict[int, list[SourceImage]] = {}
    cells = list(study.cells.select_related("method"))
    rows = SourceImage.objects.filter(benchmark__in={c.benchmark_id for c in cells}).select_related("benchmark")
    for source in rows if rated is None else rows.filter(pk__in=rated):
        sources.setdefault(source.benchmark_id, []).append(source)
    for cell in cells:
        for source in sources.get(cell.benchmark_id, []):
            yield source, cell.method, Role.RATED
    if study.task in OF_PAIRS and study.traps_a_run:
        both = list(Method.objects.filter(name__in=ANCHORS.values()))
        for source, _ in checks.trap_plan(study, [s for of in sources.values() for s in of]):
            yield from ((source, method, Role.TRAP) for method in both)
    if study.original_on_key:
        yield from _beside(source for of in sources.values() for source in of)
    calibration = list(study.calibration.select_related("benchmark"))
    if calibration:
        anchors = {m.name: m for m in Method.objects.filter(name__in=ANCHORS.values())}
        for source in calibration:
            for role, name in ANCHORS.items():
                yield source, anchors[name], role
    with suppress(practice.PracticeError):
        for found in practice.find(study.practice, study.scale):
            yield found.source, found.method, Role.PRACTICE
    with suppress(practice.PracticeError):
        gold = checks.gold_lines(study)
        for found in gold:
            yield found.source, found.method, Role.GOLD
        if study.task == Task.DEGRADATION:
            yield from _beside({found.source.pk: found.source for found in gold}.values())


def _beside(sources: Iterable[SourceImage]) -> Iterator[tuple[SourceImage, Method, str]]:
    for original in Method.objects.filter(name=ORIGINAL):
        yield from ((source, original, Role.ORIGINAL) for source in sources)
