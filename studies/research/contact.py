"""A study's contact sheet: what raters will see of a source, by every method, with the methods' names. For staff."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef

from studies.jobs.dispatch import living_queues
from studies.models import Job, SourceImage, Stimulus, Study
from studies.protocol.slots import Role, Slot, slots, sources_of

MOST_LISTED = 400


class Listed(NamedTuple):
    """A source to be chosen."""

    pk: int
    name: str


@dataclass(frozen=True)
class Sheet:
    """One source of the study, the `number`-th of `total` counted from 1, and its versions that are rated.

    `previous` and `following` are keys of sources, None at the ends; `sources` are the MOST_LISTED around it, for
    choosing one.
    """

    source: SourceImage
    versions: list[Slot]
    number: int
    total: int
    sources: list[Listed]
    previous: int | None
    following: int | None

    @property
    def there(self) -> list[Slot]:
        """The versions that have an image."""
        return [slot for slot in self.versions if slot.stimulus]


def sheet(study: Study, source: int | None = None) -> Sheet | None:
    """The sheet of this source, or of the first; None where the study has no such source, or none at all."""
    keys = sources_of(study, role=Role.RATED)
    named = SourceImage.objects.filter(pk__in=keys).order_by("benchmark__name", "name")
    rows = named.values_list("pk", "benchmark__name", "name")
    sources = [Listed(pk, f"{benchmark}/{name}") for pk, benchmark, name in rows]
    keys = [one.pk for one in sources]
    if not keys or source not in (None, *keys):
        return None
    at = keys.index(source) if source is not None else 0
    versions = [slot for slot in slots(study, sources=[keys[at]]) if slot.role == Role.RATED]
    first = max(0, min(at - MOST_LISTED // 2, len(sources) - MOST_LISTED))
    return Sheet(
        source=versions[0].source,
        versions=sorted(versions, key=lambda slot: (slot.method.rank, slot.method.name)),
        number=at + 1,
        total=len(sources),
        sources=sources[first : first + MOST_LISTED],
        previous=keys[at - 1] if at else None,
        following=keys[at + 1] if at + 1 < len(keys) else None,
    )


def waiting(study: Study, source: int | None = None) -> dict[str, Any]:
    """How many images and regions workers still are to make of the study, or of one source, and whether any runs."""
    at_work = [Job.State.WANTED, Job.State.RUNNING]
    of_design = study.cells.filter(benchmark=OuterRef("source__benchmark"), method=OuterRef("method"))
    images = Stimulus.objects.filter(Exists(of_design), state__in=at_work)
    regions = study.regions.filter(state__in=at_work)
    if source is not None:
        images, regions = images.filter(source=source), regions.filter(source=source)
    pending = images.count() if study.state == Study.State.DRAFT else 0
    return {
        "source": source,
        "images": pending,
        "regions": regions.count() if study.region_width else 0,
        "workers": bool(living_queues()),
    }
