"""Sittings of at most so many images or minutes, and the rest between two of them.

A sitting begins with the first image that a rater is offered, and ends after `Study.sitting_trials` images or
`Study.sitting_minutes` by the clock. From the last rating on no image is served for `Study.rest_minutes`; who stays
away for so long, for whatever reason, has rested and begins a new sitting. A rating is never refused for it: the image
has been seen.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy

from studies.access import Refusal
from studies.models import Session, Study


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """Positions from `stop` on are not to be shown yet (None: no limit); while `rest` is not None, none is."""

    stop: int | None = None
    rest: timedelta | None = None


class RestDue(Refusal):
    status, code = 409, "rest"
    message = gettext_lazy("It is time for a rest; the next image is shown after it.")


def at(session: Session, *, now: datetime) -> Sitting:
    """The sitting at this moment; begins a new one if the rater has rested."""
    study = session.rater.study
    if not is_limited(study) or session.next_position > session.trials_total:
        return Sitting()
    rest = timedelta(minutes=study.rest_minutes)
    if session.sitting_at is None or now - _last_work(session, session.sitting_at) >= rest:
        _begin(session, now=now)
    first, began = session.sitting_first or 1, session.sitting_at or now
    enough = study.sitting_trials and session.next_position - first >= study.sitting_trials
    late = study.sitting_minutes and now - began >= timedelta(minutes=study.sitting_minutes)
    if enough or late:
        return Sitting(stop=session.next_position, rest=_last_work(session, began) + rest - now)
    return Sitting(stop=first + study.sitting_trials if study.sitting_trials else None)


def is_limited(study: Study) -> bool:
    return bool(study.sitting_trials or study.sitting_minutes)


def rated(session: Session, *, now: datetime) -> None:
    """Note when the last rating came: the rest is counted from it."""
    Session.objects.filter(pk=session.pk).update(last_rated_at=now)
    session.last_rated_at = now


def _last_work(session: Session, began: datetime) -> datetime:
    return max(began, session.last_rated_at or began)


def _begin(session: Session, *, now: datetime) -> None:
    """Once, whichever window asks first."""
    unbegun = Session.objects.filter(pk=session.pk, sitting_at=session.sitting_at)
    unbegun.update(sitting_first=session.next_position, sitting_at=now)
    session.refresh_from_db(fields=["sitting_first", "sitting_at", "last_rated_at"])
