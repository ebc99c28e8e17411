"""How many raters a study needs, how long each will sit, what difference that finds, and what is rated so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analysis.pairs import power as of_pairs
from analysis.power import POWER, Allocation, Design, DifferenceVariance, least_difference
from analysis.scale import ACR
from analysis.significance import ALPHA
from studies.models import NEITHER, OF_PAIRS, Benchmark, Method, Study, Tally, Task
from studies.protocol.chosen import Chosen, chosen_of
from studies.protocol.duration import SECONDS_TO_ANSWER, SECONDS_TO_CHOOSE, minutes_each, trials_each
from studies.protocol.slots import number_rated, units
from studies.protocol.subsets import more_raters
from studies.rating.places import stored

# Standard deviations on five categories, in the middle of what real panels have (DifferenceVariance.given).
TYPICAL = DifferenceVariance.given(method_x_rater=0.28, method_x_image=0.44, residual=0.7)
FIVE_CATEGORIES = ACR.width
# Davidson's nu where no difference is an answer, too: of two equal images a sixth are ties.
TYPICAL_TIES = 0.4


@dataclass(frozen=True)
class Coverage:
    """Ratings of the images so far, and what is missing until each has as many as the study says."""

    lowest: int
    median: float
    highest: int
    missing: int
    images_missing: int
    raters_missing: int
    images: int


class Finds(NamedTuple):
    """The least difference of two methods on a benchmark that is found with POWER, in scores; inf: none is."""

    benchmark: str
    images: int
    methods: int
    difference: float


class Way(NamedTuple):
    """A way to run a study that is being planned; minutes of rating for each, ratings of each image."""

    title: str
    trials: int
    minutes: int
    ratings: float
    difference: float


class Share(NamedTuple):
    """What a study of pairs finds: the least share that is told from a half (inf: none), and what 60 % needs.

    `raters` are those needed to tell of two methods, over all that are compared, that one is chosen in 60 %.
    """

    methods: int
    sources: int
    least: float
    raters: float

    @property
    def percent(self) -> float:
        return 100 * self.least


class WayOfPairs(NamedTuple):
    """A way to run a study of pairs that is being planned; minutes of choosing for each, choices of each pair."""

    title: str
    trials: int
    minutes: int
    choices: float
    finds: Share


def coverage(study: Study) -> Coverage | None:
    """None while nothing is rated or there are no images."""
    if study.state == Study.State.DRAFT:
        return None
    found = stored(study)
    counts = np.array([found.get(stimulus, 0) for stimulus, _, _ in units(study)], dtype=np.int64)
    if not counts.any():
        return None
    missing = np.maximum(study.ratings_each - counts, 0)
    return Coverage(
        lowest=int(counts.min()),
        median=float(np.median(counts)),
        highest=int(counts.max()),
        missing=int(missing.sum()),
        images_missing=int((missing > 0).sum()),
        raters_missing=more_raters(missing, trials=_images_each(study, len(counts))),
        images=len(counts),
    )


def coverage_of(study: Study, tally: Tally | None) -> Coverage | None:
    """`coverage`, or of a large study as its tally has it: None before that is made."""
    if tally is None:
        return coverage(study)
    kept = tally.found.get("coverage")
    return Coverage(**kept) if kept else None


def before_launch(study: Study, chosen: Chosen | None = None, *, total: int | None = None) -> dict[str, object]:
    """raters (0: not stated), trials and minutes of each, and `finds`: what each benchmark's comparison can find.

    Of pairs `share`, which is over all benchmarks, as their strengths are. `chosen` and `total`, how many images or
    pairs are rated, where they are known.
    """
    chosen = chosen or chosen_of(study)
    cells = {b: (chosen.sizes[b.pk], len(methods)) for b, methods in chosen.cells.items()}
    if total is None:
        total = number_rated(study, chosen)
    each = _images_each(study, total)
    raters = -(-study.ratings_each * total // each) if each else 0
    part: Allocation = "together" if study.allocation == Study.Allocation.TOGETHER else "spread"
    finds = []
    for benchmark, (images, methods) in cells.items():
        trials = None if each >= total else max(round(each * images * methods / total), 1)
        design = Design(raters, images, methods, trials, part)
        if methods > 1 and study.task not in OF_PAIRS:
            finds.append(Finds(benchmark.name, images, methods, _finds(design, width=study.scale.width)))
    return {
        "raters": raters,
        "trials": trials_each(study, images=total),
        "minutes": minutes_each(study, trials=trials_each(study, images=total)),
        "finds": finds if raters else [],
        "share": _share_of(study, chosen.cells, sources=sum(n for n, _ in cells.values()), raters=raters, each=each)
        if study.task == Task.PAIR and each
        else None,
        "power": round(100 * POWER),
    }


def ways(*, images: int, methods: int, raters: int, minutes: int) -> list[Way]:
    """Every image, spread and together beside each other, on five categories and with the usual grey between images."""
    seconds = SECONDS_TO_ANSWER + Study._meta.get_field("gap_ms").default / 1000
    total = images * methods
    part = min(int(60 * minutes / seconds), total)
    found: list[tuple[str, int, Allocation]] = [("every image", total, "random")]
    if part < total:
        found += [("spread: few versions of many sources", part, "spread")]
        found += [("together: all versions of few sources", part - part % methods or part, "together")]
    return [
        Way(
            title=title,
            trials=trials,
            minutes=int(np.ceil(trials * seconds / 60)),
            ratings=round(raters * trials / total, 1),
            difference=_finds(
                Design(raters, images, methods, None if trials == total else trials, way), width=FIVE_CATEGORIES
            ),
        )
        for title, trials, way in found
    ]


def ways_of_pairs(*, images: int, methods: int, raters: int, minutes: int) -> list[WayOfPairs]:
    """Every two methods and each against one beside each other, all pairs or as many as the minutes hold."""
    seconds = SECONDS_TO_CHOOSE + Study._meta.get_field("gap_ms").default / 1000
    most = max(int(60 * minutes / seconds), 1)
    found = []
    meet = {"every two methods": methods * (methods - 1) // 2, "each against one": methods - 1}
    if methods == 2:
        del meet["each against one"]  # the same
    for title, kinds in meet.items():
        total = kinds * images
        for trials in {total, min(most, total)}:
            part = title if trials == total else f"{title}, a part"
            finds = share_found(
                methods=methods, sources=images, raters=raters, each=trials, against=kinds < methods, ties=True
            )
            time = int(np.ceil(trials * seconds / 60))
            found.append(WayOfPairs(part, trials, time, round(raters * trials / total, 1), finds))
    return sorted(found, key=lambda way: way.title)


def share_found(*, methods: int, sources: int, raters: int, each: int, against: bool, ties: bool) -> Share:
    """Of a study in which each rater chooses in `each` pairs; at Bonferroni's level over all that are compared."""
    compared = methods - 1 if against else methods * (methods - 1) // 2
    asked = {"methods": methods, "tie": TYPICAL_TIES if ties else 0.0, "against": against, "comparisons": compared}
    least = of_pairs.least_share(raters=raters, sources=sources, pairs_per_rater=each, **asked)  # type: ignore[arg-type]
    plan = of_pairs.plan(sources=[sources], pairs_per_rater=[each], **asked)  # type: ignore[arg-type]
    return Share(methods, sources, least, float(plan["raters"].iloc[0]))


def _share_of(
    study: Study, chosen: "Mapping[Benchmark, Sequence[Method]]", *, sources: int, raters: int, each: int
) -> Share | None:
    """Of all its methods and sources together, as its report will take them; None where two methods never meet."""
    methods = {method for of in chosen.values() for method in of}
    if len(methods) < 2 or not sources:
        return None
    ties = study.scale.contains(NEITHER)
    return share_found(
        methods=len(methods), sources=sources, raters=raters, each=each, against=bool(study.against), ties=ties
    )


def _images_each(study: Study, total: int) -> int:
    """How many different images a rater rates."""
    return total if study.allocation == Study.Allocation.ALL else min(study.trials, total)


def _finds(design: Design, *, width: float) -> float:
    """At Bonferroni's level over all pairs of methods; scores spread as on five categories, stretched to the scale."""
    pairs = design.methods * (design.methods - 1) / 2
    found = least_difference(TYPICAL, design, alpha=ALPHA / max(pairs, 1), most=FIVE_CATEGORIES)
    return found * width / FIVE_CATEGORIES
