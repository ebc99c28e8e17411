"""Which of a method's images of a source counts now."""

from collections.abc import Collection

from django.db.models import Q

from srcore.registry import METHODS, weights_sha256
from studies.models import Method, SourceImage, Stimulus


def current_stimuli(places: Collection[tuple[SourceImage, Method]]) -> dict[tuple[int, int], Stimulus]:
    """(source, method) -> its newest finished stimulus made with today's code and weights, or supplied as a file."""
    methods = {method.pk: method for _, method in places}
    sources = {source.pk: source for source, _ in places}
    counts = Q(origin=Stimulus.Origin.FOLDER)
    for method in methods.values():
        if method.name in METHODS:
            counts |= Q(method=method, **generated_key(method.name))
    done = Stimulus.objects.filter(counts, state=Stimulus.State.DONE, method__in=methods, source__in=sources)
    newest = {}
    for stimulus in done.order_by("finished_at", "pk"):
        stimulus.source = sources[stimulus.source_id]
        stimulus.method = methods[stimulus.method_id]
        newest[stimulus.source_id, stimulus.method_id] = stimulus
    return newest


def generated_key(name: str) -> dict[str, str]:
    """What, beside source and method, makes a generated stimulus the one that today's code would make."""
    return {
        "origin": Stimulus.Origin.GENERATED,
        "content_sha256": weights_sha256(name),
        "code_version": METHODS[name].version,
    }
