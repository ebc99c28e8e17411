"""A rater's way through a study: agree, calibrate, rate, finish. A rating's own path is in `recording`."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import Max

from studies.access import Refusal
from studies.models import Rater, Session, Study, Trial
from studies.protocol import order
from studies.protocol.slots import Role, anchor_scores, slots
from studies.rating.statements import ShownTrial, shown_trials

# Images a browser may hold beyond the first unrated one; a rater whose network fails can go on so far.
WINDOW = 5

Stage = Literal["instructions", "calibration", "rating", "finished"]


class TrialNotDue(Refusal):
    status, code = 409, "not-due"
    message = "This image is not due yet."


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a rater is, and the few trials that come next; none before the calibration is done.

    `repeated`: it answers a rating that had been stored before.
    """

    rated: int
    total: int
    upcoming: list[ShownTrial]
    repeated: bool = False


def largest_image(study: Study) -> tuple[int, int]:
    """The greatest width and the greatest height, in pixels, of all images that a rater of the study is shown."""
    if study.state == Study.State.DRAFT:
        sources = [slot.source for slot in slots(study)]
        return max((s.width for s in sources), default=0), max((s.height for s in sources), default=0)
    greatest = study.images.aggregate(width=Max("stimulus__source__width"), height=Max("stimulus__source__height"))
    return greatest["width"], greatest["height"]


def stage(rater: Rater, *, now: datetime) -> Stage:
    """Where the rater stands; 'instructions' also after an absence longer than the study's reminder_minutes."""
    session = session_of(rater)
    if session is None:
        return "instructions"
    if session.finished_at:
        return "finished"
    away = now - session.last_active_at
    if session.agreed_at is None or away > timedelta(minutes=rater.study.reminder_minutes):
        return "instructions"
    return "calibration" if session.is_calibrating else "rating"


def session_of(rater: Rater) -> Session | None:
    return getattr(rater, "session", None)


def started_session(rater: Rater) -> Session:
    """The rater's session. Raises TrialNotDue before the instructions were agreed to."""
    session = session_of(rater)
    if session is None:
        raise TrialNotDue("Please read the instructions first.")
    return session


def agree(*, rater: Rater, now: datetime) -> Session:
    """Note that the rater read the instructions and agreed. The first time this writes the session's trials."""
    session = session_of(rater) or _start(rater=rater, now=now)
    Session.objects.filter(pk=session.pk).update(agreed_at=now, last_active_at=now)
    session.agreed_at = session.last_active_at = now
    return session


def finish_calibration(*, rater: Rater) -> Session:
    """Go on to the rated trials. Asked twice, nothing changes."""
    session = started_session(rater)
    first_rated = session.calibration_trials + 1
    Session.objects.filter(pk=session.pk, next_position__lt=first_rated).update(next_position=first_rated)
    session.refresh_from_db()
    return session


def calibration_trials(session: Session) -> list[ShownTrial]:
    return shown_trials(session=session.pk, start=1, stop=session.calibration_trials + 1)


def standing(session: Session) -> Standing:
    """How far the session is, and its first unrated trials, WINDOW at most."""
    return Standing(rated=session.rated, total=session.to_rate, upcoming=upcoming_trials(session))


def upcoming_trials(session: Session) -> list[ShownTrial]:
    if session.is_calibrating:
        return []
    return window(session.pk, next_position=session.next_position)


def window(session: int, *, next_position: int) -> list[ShownTrial]:
    """The trials that a browser may hold when this position is due."""
    return shown_trials(session=session, start=next_position, stop=next_position + WINDOW)


def _start(*, rater: Rater, now: datetime) -> Session:
    try:
        return _plan(rater=rater, now=now)
    except IntegrityError:
        # Agreed to in two windows at once: the other one was first.
        return Session.objects.get(rater=rater)


def _plan(*, rater: Rater, now: datetime) -> Session:
    seed = order.session_seed(study_seed=rater.study.seed, rater=rater.label)
    trials = _planned_trials(rater.study, seed=seed)
    with transaction.atomic():
        session = Session.objects.create(
            rater=rater,
            seed=seed,
            calibration_trials=sum(trial.phase == Trial.Phase.CALIBRATION for trial in trials),
            trials_total=len(trials),
            next_position=1,
            started_at=now,
            last_active_at=now,
        )
        for position, trial in enumerate(trials, start=1):
            trial.session, trial.position = session, position
        Trial.objects.bulk_create(trials, batch_size=500)
    return session


def _planned_trials(study: Study, *, seed: int) -> list[Trial]:
    """The calibration, both ends of the scale for each image in turn, then the rated trials in the drawn order."""
    shown = [(slot, slot.stimulus.pk) for slot in slots(study) if slot.stimulus is not None]
    scores = anchor_scores(study.scale)
    anchors = sorted((slot.source.pk, scores[slot.role], stimulus) for slot, stimulus in shown if slot.role in scores)
    planned = order.plan_session(
        sorted(
            (order.Item(stimulus, slot.source.pk) for slot, stimulus in shown if slot.role == Role.RATED),
            key=lambda item: item.stimulus,
        ),
        apart=study.order == Study.Order.APART,
        repeats=study.repeats,
        rng=random.Random(seed),
    )
    calibration = [
        Trial(stimulus_id=stimulus, phase=Trial.Phase.CALIBRATION, anchor_score=score) for _, score, stimulus in anchors
    ]
    return calibration + [Trial(stimulus_id=s.stimulus, phase=Trial.Phase.RATED, repeat=s.repeat) for s in planned]
