"""The methods as the database knows them: a row for each, what can be offered, and why one cannot run here."""

from collections.abc import Hashable

from django.db.models import Q

from srcore.registry import METHODS, is_available, why_unavailable
from srcore.scale import SCALE
from studies.models import Method, Stimulus, Study

_synced: Hashable = object()  # what METHODS.stamp() was when this process last gave every method its row


def sync_methods() -> None:
    """Give every method of the registry its row, in the registry's order, which is that of the paper's tables."""
    Method.objects.bulk_create(
        [
            Method(name=name, display_name=method.display_name, kind=method.kind, rank=rank)
            for rank, (name, method) in enumerate(METHODS.items())
        ],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["display_name", "kind", "rank"],
    )


def sync_added_methods() -> None:
    """As `sync_methods`, if methods were added to srcore or removed since this process did it last; else nothing."""
    global _synced
    stamp = METHODS.stamp()
    if stamp != _synced:
        sync_methods()
        _synced = stamp


def why_not(method: Method, scale: int = SCALE) -> str:
    """What keeps `method` from making images `scale` times larger here, and what to do; empty when nothing does."""
    bring = f"import its result images: manage.py import_results {method.name} BENCHMARK FOLDER"
    if method.name not in METHODS:
        return bring
    if reason := METHODS[method.name].why_not_at(scale):
        return f"{reason}; {bring}"
    return why_unavailable(method.name)


def lacks_scale(method: Method, scale: int) -> str:
    """The scales that a method of srcore has, as "4x", where this one is not among them; else empty."""
    found = METHODS.get(method.name)
    return "" if found is None or not found.why_not_at(scale) else "/".join(map(str, found.scales)) + "x"


def offered_methods(study: Study | None = None) -> list[Method]:
    """Methods that a design can choose: those that run here, those with supplied results, and the study's own."""
    sync_added_methods()
    supplied = Q(stimuli__origin=Stimulus.Origin.FOLDER)
    runnable = Q(name__in=[name for name in METHODS if is_available(name)])
    chosen = Q(pk__in=study.cells.values("method")) if study is not None and study.pk else Q()
    return list(Method.objects.filter(supplied | runnable | chosen).distinct())
