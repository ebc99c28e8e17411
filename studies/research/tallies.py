"""What pages show of a study's ratings: read at once while there are few, and of a large study as a worker last found
it (`tallying`), with how many ratings that was.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce

from studies.jobs.dispatch import send_on_commit
from studies.models import Decision, Study, Tally

IMMEDIATE = 30_000
"""The most ratings that a page reads by itself: the paper's study has 29,328."""
# A tally is made again no sooner than this, and than so many times what it took: else a worker did nothing else.
AT_MOST_EVERY, TIMES = timedelta(seconds=30), 10
# Of a stamp what makes a tally anew at once.
AT_ONCE = ("withdrawn", "design")

State = Tally.State


class Numbers(NamedTuple):
    """How many raters a study has, and `ratings` (`rating.places.given`), staff's previews aside. `begun`: who has
    agreed, also who has withdrawn since. `withdrawn` and `revoked` are of previews, too."""

    invited: int
    begun: int
    ratings: int
    withdrawn: int
    revoked: int


def numbers_of(study: Study) -> Numbers:
    """In one query, in which no rating is read."""
    own, rated = Q(is_preview=False), F("session__next_position") - 1 - F("session__calibration_trials")
    has_rated = own & Q(session__next_position__gt=F("session__calibration_trials") + 1)
    found = study.raters.aggregate(
        invited=Count("pk", filter=own),
        begun=Count("pk", filter=own & (Q(session__isnull=False) | Q(withdrawn_at__isnull=False))),
        ratings=Coalesce(Sum(rated, filter=has_rated), 0),
        withdrawn=Count("withdrawn_at"),
        revoked=Count("revoked_at"),
    )
    return Numbers(**found)


def tally_of(study: Study, *, now: datetime, numbers: Numbers | None = None) -> Tally | None:
    """The tally of a large study, which may be empty yet, made again by a worker where it is outdated. None of a study
    whose ratings the page reads. `numbers`: of the study, where they are known."""
    numbers = numbers or numbers_of(study)
    if numbers.ratings <= IMMEDIATE:
        return None
    return kept_tally(study, stamp(study, numbers), now=now)


def kept_tally(study: Study, wanted: Mapping[str, Any], *, now: datetime) -> Tally:
    """The study's tally, made again by a worker where it is of another stamp than this."""
    tally, is_new = Tally.objects.get_or_create(study=study)
    tally.is_superseded = {**tally.stamp, "ratings": 0} != {**wanted, "ratings": 0}
    if is_new or _is_due(tally, wanted, now=now):
        _want(tally)
    return tally


def stamp(study: Study, numbers: Numbers) -> dict[str, int]:
    """What a tally depends on: another number of ratings, decision, withdrawal or revoked link makes it outdated."""
    last = Decision.objects.filter(rater__study=study).aggregate(pk=Max("pk"))["pk"]
    gone = {"withdrawn": numbers.withdrawn, "revoked": numbers.revoked}
    return {"ratings": numbers.ratings, "decision": last or 0, **gone}


def _is_due(tally: Tally, wanted: Mapping[str, Any], *, now: datetime) -> bool:
    if tally.pending or tally.stamp == wanted:
        return False
    # Who withdrew is to be gone from the page, too, and who changed a draft waits for it; where that fails, not at
    # every look.
    if tally.state != State.FAILED and any(tally.stamp.get(key) != wanted.get(key) for key in AT_ONCE):
        return True
    ended = tally.finished_at
    return ended is None or now - ended > max(AT_MOST_EVERY, TIMES * timedelta(seconds=tally.seconds))


def _want(tally: Tally) -> None:
    with transaction.atomic():
        rows = Tally.objects.filter(pk=tally.pk).exclude(state=State.RUNNING)
        if rows.update(state=State.WANTED, error="", attempts=0, sent_at=None, finished_at=None):
            send_on_commit(Tally, [tally.pk])
            tally.state = State.WANTED


def stored(value: Any) -> Any:
    """As JSON can hold it in each database: numbers of numpy as Python's, none in place of what is no number."""
    if isinstance(value, Mapping):
        return {str(key): stored(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [stored(one) for one in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_again(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored row with NaN where there is no number."""
    return {name: math.nan if value is None else value for name, value in row.items()}
