"""Which of a method's images of a source counts now."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from srcore.registry import METHODS, weights_sha256
from studies.models import Method, SourceImage, Stimulus

OF_THE_JOB = ("claim", "heartbeat_at", "sent_at", "attempts", "error", "opaque_name", "created_at", "seconds", "device")
"""What of a stimulus tells of its making: not read where a study's images are, of which there can be many thousand."""


def current_stimuli(
    places: Collection[tuple[SourceImage, Method]], *, at: datetime | None = None
) -> dict[tuple[int, int], Stimulus]:
    """(source, method) -> its newest finished stimulus made with today's code and weights, or supplied as a file.

    `at`: the one that was newest then, or the first since where there was none, so that a later one changes nothing.
    """
    methods = {method.pk: method for _, method in places}
    sources = {source.pk: source for source, _ in places}
    if not places:
        return {}
    counts = Q(origin=Stimulus.Origin.FOLDER)
    for method in methods.values():
        if method.name in METHODS:
            counts |= Q(method=method, **generated_key(method.name))
    done = Stimulus.objects.filter(counts, state=Stimulus.State.DONE, method__in=methods, source__in=sources)
    newest = {}
    for stimulus in done.defer(*OF_THE_JOB).order_by("finished_at", "pk"):
        stimulus.source = sources[stimulus.source_id]
        stimulus.method = methods[stimulus.method_id]
        place = stimulus.source_id, stimulus.method_id
        if at is None or place not in newest or (stimulus.finished_at and stimulus.finished_at <= at):
            newest[place] = stimulus
    return newest


def generated_key(name: str) -> dict[str, str]:
    """What, beside source and method, makes a generated stimulus the one that today's code would make."""
    return {
        "origin": Stimulus.Origin.GENERATED,
        "content_sha256": weights_sha256(name),
        "code_version": METHODS[name].version,
    }
