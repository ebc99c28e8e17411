"""What a study has chosen to compare: benchmarks, and the methods of each."""

from typing import NamedTuple

from django.db.models import Count

from studies.models import Benchmark, Method, Study


class Chosen(NamedTuple):
    """A study's cells row by row, each benchmark with its methods in the paper's order, and `sizes`: how many sources
    each benchmark has, by its key."""

    cells: dict[Benchmark, list[Method]]
    sizes: dict[int, int]

    @property
    def places(self) -> int:
        """How many images it rates, filled or not."""
        return sum(self.sizes[benchmark.pk] * len(methods) for benchmark, methods in self.cells.items())


def chosen_of(study: Study) -> Chosen:
    """In one query."""
    found = Chosen({}, {})
    cells = study.cells.select_related("benchmark", "method").annotate(sources=Count("benchmark__sources"))
    for cell in cells.order_by("benchmark__name", "method__rank"):
        found.cells.setdefault(cell.benchmark, []).append(cell.method)
        found.sizes[cell.benchmark.pk] = cell.sources
    return found
