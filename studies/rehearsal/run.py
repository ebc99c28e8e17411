"""A rehearsal: guests through the pages, as many at once as asked for, and what is in the database afterwards."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from django.db import connection

from studies.models import Rating, Study, Trial
from studies.rehearsal.copies import Guest
from studies.rehearsal.opinions import Model, Person, Seen, World, world
from studies.rehearsal.people import Visit, Walk


@dataclass(frozen=True)
class Summary:
    """Of the guests of one kind."""

    kind: str
    guests: int
    finished: int
    ratings: int
    conflicts: int
    problems: tuple[str, ...]


def rehearse(
    study: Study, guests: list[Guest], *, base: str, model: Model, seed: int, speed: float = 1.0, at_once: int = 50,
    patience: float = 300.0,
) -> Iterator[Walk]:  # fmt: skip
    """Each guest's walk as it ends. Blocks until all have."""
    images = study.images.values_list("stimulus", "stimulus__method", "stimulus__psnr")
    seen = {key: (method, psnr or 0.0) for key, method, psnr in images}
    there = world(study.scale, model, seen, seed=seed)

    def visit(number: int, guest: Guest) -> Walk:
        rng = np.random.default_rng([seed, 1, number])
        try:
            person = Person(there, guest.kind, rng)
            return Visit(
                guest, base=base, person=person, look=_looker(there), rng=rng, speed=speed, patience=patience
            ).go()
        finally:
            connection.close()  # this thread's

    with ThreadPoolExecutor(min(at_once, len(guests)) or 1) as pool:
        running = [pool.submit(visit, number, guest) for number, guest in enumerate(guests)]
        for done in as_completed(running):
            yield done.result()


def _looker(there: World) -> Callable[[str], Seen]:
    """What a trial shows. Only simulated people may ask: a browser is told nothing of it."""

    def look(token: str) -> Seen:
        columns = ("stimulus", "stimulus__method", "expected", "right", "right__method")
        return Seen(*Trial.objects.values_list(*columns).get(token=token))

    return look


def summaries(walks: Iterable[Walk]) -> list[Summary]:
    """One for each kind that came."""
    of: dict[str, list[Walk]] = {}
    for walk in walks:
        of.setdefault(walk.guest.kind, []).append(walk)
    return [
        Summary(
            kind=kind,
            guests=len(mine),
            finished=sum(walk.finished for walk in mine),
            ratings=sum(len(walk.sent) for walk in mine),
            conflicts=sum(walk.conflicts for walk in mine),
            problems=tuple(f"{n} x {what}" for what, n in Counter(w.problem for w in mine if w.problem).items()),
        )
        for kind, mine in of.items()
    ]


def differences(study: Study, walks: Iterable[Walk]) -> list[str]:
    """What the site acknowledged and does not hold, or holds otherwise: nothing, unless a rating was lost."""
    sent = {token: score for walk in walks for token, score in walk.sent.items()}
    rows = Rating.objects.filter(trial__session__rater__study=study)
    stored = dict(rows.values_list("trial__token", "score"))
    return [
        f"acknowledged {score}, stored {stored.get(token, 'nothing')}"
        for token, score in sent.items()
        if abs(stored.get(token, np.inf) - score) > 1e-9
    ]
