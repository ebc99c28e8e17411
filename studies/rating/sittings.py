"""Sittings of at most so many images or minutes, and the rest between two of them.

A sitting begins with the first image that a rater is offered, and ends after `Study.sitting_trials` images or
`Study.sitting_minutes` by the clock. From the last rating on no image is served for `Study.rest_minutes`; who stays
away for so long, for whatever reason, has rested and begins a new sitting. A rating is never refused for it: the image
has been seen.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy

from studies.access import Refusal
from studies.models import Session, Study
from studies.rating.statements import OwnTrial


@dataclass(frozen=True, kw_only=True)
class Work:
    """The limits that a study sets, and how far its rater is in the sitting: since which position and moment."""

    session: int
    due: int
    total: int
    most_trials: int
    most_minutes: int
    rest_minutes: int
    first: int | None
    began: datetime | None
    last_rated: datetime | None

    @property
    def is_limited(self) -> bool:
        return bool(self.most_trials or self.most_minutes)

    @property
    def last(self) -> datetime | None:
        """When the rater last did something in this sitting."""
        return max(self.began, self.last_rated or self.began) if self.began else None


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """Positions from `stop` on are not to be shown yet (None: no limit); while `rest` is not None, none is."""

    stop: int | None = None
    rest: timedelta | None = None


class RestDue(Refusal):
    status, code = 409, "rest"
    message = gettext_lazy("It is time for a rest; the next image is shown after it.")


def of_session(session: Session) -> Work:
    return _work(session.pk, session, session.rater.study)


def of_trial(trial: OwnTrial) -> Work:
    """Without another look at the database: a trial comes with what is needed."""
    return _work(trial.session, trial, trial)


def _work(session: int, done: Session | OwnTrial, limits: Study | OwnTrial) -> Work:
    return Work(
        session=session,
        due=done.next_position,
        total=done.trials_total,
        most_trials=limits.sitting_trials,
        most_minutes=limits.sitting_minutes,
        rest_minutes=limits.rest_minutes,
        first=done.sitting_first,
        began=done.sitting_at,
        last_rated=done.last_rated_at,
    )


def at(work: Work, *, now: datetime) -> Sitting:
    """The sitting at this moment; begins a new one if the rater has rested."""
    if not work.is_limited or work.due > work.total:
        return Sitting()
    work = begun(work, now=now)
    rest = timedelta(minutes=work.rest_minutes)
    first, began, last = work.first or 1, work.began or now, work.last or now
    enough = work.most_trials and work.due - first >= work.most_trials
    late = work.most_minutes and now - began >= timedelta(minutes=work.most_minutes)
    if enough or late:
        return Sitting(stop=work.due, rest=last + rest - now)
    return Sitting(stop=first + work.most_trials if work.most_trials else None)


def begun(work: Work, *, now: datetime) -> Work:
    """The same, in a new sitting if the rater has rested: begun once, whichever window asks first."""
    if work.last and now - work.last < timedelta(minutes=work.rest_minutes):
        return work
    session = Session.objects.filter(pk=work.session)
    session.filter(sitting_at=work.began).update(sitting_first=work.due, sitting_at=now)
    first, began, last_rated = session.values_list("sitting_first", "sitting_at", "last_rated_at").get()
    return replace(work, first=first, began=began, last_rated=last_rated)
