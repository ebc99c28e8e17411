"""Which cells of a design (a method on a benchmark) have images or can have some here."""

from collections.abc import Sequence

from srcore.registry import METHODS, is_available
from studies.content.methods import lacks_scale
from studies.models import Benchmark, Method, Stimulus, Study

NO_RESULTS = "no results"
Place = tuple[int, int]


def impossible(study: Study, benchmarks: Sequence[Benchmark], methods: Sequence[Method]) -> dict[Place, str]:
    """(benchmark, method) -> why there is no image and can be none, in two words: the method's scales, or that no
    results were brought. What a draft has chosen already is not among them."""
    brought = Stimulus.objects.filter(origin=Stimulus.Origin.FOLDER).order_by()
    there = set(brought.values_list("source__benchmark", "method").distinct())
    if study.pk:
        there |= set(study.cells.values_list("benchmark", "method"))
    runs = {method.pk: method.name in METHODS and is_available(method.name) for method in methods}
    found: dict[Place, str] = {}
    for benchmark in benchmarks:
        for method in methods:
            if (benchmark.pk, method.pk) in there:
                continue
            if not runs[method.pk]:
                found[benchmark.pk, method.pk] = NO_RESULTS
            elif scales := lacks_scale(method, benchmark.scale):
                found[benchmark.pk, method.pk] = f"{scales} only"
    return found
