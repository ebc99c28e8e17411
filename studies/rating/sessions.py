"""A rater's way through a study: agree, calibrate, rate, finish. A rating's own path is in `recording`."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import IntegrityError, transaction

from studies.access import Refusal
from studies.models import Rater, Session, Study, Trial
from studies.protocol import order, practice
from studies.protocol.slots import Role, Slot, anchor_scores, slots
from studies.rating import sittings
from studies.rating.statements import ShownTrial, shown_trials

# Images a browser may hold beyond the first unrated one; a rater whose network fails can go on so far.
WINDOW = 5

Stage = Literal["instructions", "calibration", "practice", "rating", "finished"]


class TrialNotDue(Refusal):
    status, code = 409, "not-due"
    message = "This image is not due yet."


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a rater is, and the few trials that come next; none before the calibration is done.

    `repeated`: it answers a rating that had been stored before. `rest`: how long the rater must rest before the next
    image is shown; None while a sitting goes on. `last`: the rated trial that may be taken back; told to who asks,
    while who has just rated knows.
    """

    rated: int
    total: int
    upcoming: list[ShownTrial]
    repeated: bool = False
    rest: timedelta | None = None
    last: ShownTrial | None = None


def largest_images(study: Study) -> list[tuple[int, int]]:
    """The sizes in pixels, width and height, of the images of the study beside which no other is larger both ways."""
    if study.state == Study.State.DRAFT:
        sizes = {(slot.source.width, slot.source.height) for slot in slots(study)}
    else:
        sizes = set(study.images.values_list("stimulus__source__width", "stimulus__source__height"))
    return sorted(one for one in sizes if not any(o != one and o[0] >= one[0] and o[1] >= one[1] for o in sizes))


def stage(rater: Rater, *, now: datetime) -> Stage:
    """Where the rater stands; 'instructions' also after an absence longer than the study's reminder_minutes."""
    session = session_of(rater)
    if session is None:
        return "instructions"
    if session.finished_at:
        return "finished"
    if session.agreed_at is None or _was_away(session, rater.study, now=now):
        return "instructions"
    if session.examples_due:
        return "calibration"
    if not session.is_calibrating:
        return "rating"
    return "calibration" if session.next_position <= _examples(session) else "practice"


def _was_away(session: Session, study: Study, *, now: datetime) -> bool:
    return now - session.last_active_at > timedelta(minutes=study.reminder_minutes)


def _examples(session: Session) -> int:
    """How many examples the session begins with; practice comes after them."""
    return session.trials.filter(phase=Trial.Phase.CALIBRATION).count()


def session_of(rater: Rater) -> Session | None:
    return getattr(rater, "session", None)


def started_session(rater: Rater) -> Session:
    """The rater's session. Raises TrialNotDue before the instructions were agreed to."""
    session = session_of(rater)
    if session is None:
        raise TrialNotDue("Please read the instructions first.")
    return session


def agree(*, rater: Rater, now: datetime) -> Session:
    """Note that the rater read the instructions and agreed. The first time this writes the session's trials.

    After a long absence the examples are due again, where the study says so.
    """
    session = session_of(rater) or _start(rater=rater, now=now)
    again = rater.study.examples_again and not session.is_calibrating and _was_away(session, rater.study, now=now)
    session.examples_due = session.examples_due or (again and session.calibration_trials > 0)
    session.agreed_at = session.last_active_at = now
    session.save(update_fields=["examples_due", "agreed_at", "last_active_at"])
    return session


def finish_calibration(*, rater: Rater) -> Session:
    """Go on to the practice, or where there is none to the rated trials. Asked twice, nothing changes."""
    session = started_session(rater)
    Session.objects.filter(pk=session.pk).update(examples_due=False)
    return _go_on(session, to=_examples(session) + 1)


def finish_practice(*, rater: Rater) -> Session:
    """Go on to the rated trials. Asked twice, nothing changes. Raises TrialNotDue before the examples were seen."""
    session = started_session(rater)
    if session.next_position <= _examples(session):
        raise TrialNotDue("Please see the examples first.")
    return _go_on(session, to=session.calibration_trials + 1)


def _go_on(session: Session, *, to: int) -> Session:
    Session.objects.filter(pk=session.pk, next_position__lt=to).update(next_position=to)
    session.refresh_from_db()
    return session


def calibration_trials(session: Session) -> list[ShownTrial]:
    """The examples."""
    return shown_trials(session=session.pk, start=1, stop=_examples(session) + 1)


def practice_trials(session: Session) -> list[ShownTrial]:
    return shown_trials(session=session.pk, start=_examples(session) + 1, stop=session.calibration_trials + 1)


def standing(session: Session, *, now: datetime) -> Standing:
    """How far the session is, and its first unrated trials, WINDOW at most and none while the rater must rest."""
    if session.is_calibrating:
        return Standing(rated=session.rated, total=session.to_rate, upcoming=[])
    sitting = sittings.at(session, now=now)
    due = session.next_position
    around = window(session.pk, next_position=due, stop=sitting.stop, start=due - 1)
    may_undo = session.rater.study.undo and not session.finished_at and session.undone_position != due
    return Standing(
        rated=session.rated,
        total=session.to_rate,
        upcoming=[trial for trial in around if trial.position >= due],
        rest=sitting.rest,
        last=next((trial for trial in around if trial.is_rated and may_undo), None),
    )


def window(session: int, *, next_position: int, stop: int | None = None, start: int | None = None) -> list[ShownTrial]:
    """The trials that a browser may hold when this position is due, those from `stop` on aside; or from `start` on."""
    end = next_position + WINDOW
    return shown_trials(
        session=session,
        start=next_position if start is None else start,
        stop=end if stop is None else min(end, stop),
    )


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
            calibration_trials=sum(trial.anchor_score is not None for trial in trials),
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
    """The examples, the practice, then what is rated: the stabilising trials and the others in the drawn order."""
    filled = slots(study)
    rated = [slot for slot in filled if slot.role == Role.RATED]
    return _example_trials(study, filled) + _practice_trials(study, filled) + _rated_trials(study, rated, seed=seed)


def _example_trials(study: Study, filled: list[Slot]) -> list[Trial]:
    """Both ends of the scale for each image in turn."""
    scores = anchor_scores(study.scale)
    anchors = sorted(
        (slot.source.pk, scores[slot.role], slot.stimulus.pk)
        for slot in filled
        if slot.role in scores and slot.stimulus is not None
    )
    return [
        Trial(stimulus_id=stimulus, phase=Trial.Phase.CALIBRATION, anchor_score=score) for _, score, stimulus in anchors
    ]


def _practice_trials(study: Study, filled: list[Slot]) -> list[Trial]:
    """In the order of the study's lines, in which the slots are too."""
    asked = practice.parse(study.practice, study.scale)
    images = [slot.stimulus.pk for slot in filled if slot.role == Role.PRACTICE and slot.stimulus is not None]
    return [
        Trial(stimulus_id=stimulus, phase=Trial.Phase.PRACTICE, anchor_score=line.low, anchor_high=line.high)
        for stimulus, line in zip(images, asked, strict=True)
    ]


def _rated_trials(study: Study, rated: list[Slot], *, seed: int) -> list[Trial]:
    items = sorted(
        (order.Item(slot.stimulus.pk, slot.source.pk, slot.stimulus.psnr or 0.0) for slot in rated if slot.stimulus),
        key=lambda item: item.stimulus,
    )
    apart = study.order == Study.Order.APART
    planned = order.plan_session(items, apart=apart, repeats=study.repeats, rng=random.Random(seed))
    trials = [Trial(stimulus_id=s.stimulus, phase=Trial.Phase.RATED, repeat=s.repeat) for s in planned]
    if not study.stabilising:
        return trials
    source = {item.stimulus: item.source for item in items}
    first = order.plan_stabilising(
        items,
        number=study.stabilising,
        before=source[planned[0].stimulus],
        apart=apart,
        # Its own, so that the order of the others is the same with and without stabilising trials.
        rng=random.Random(f"{seed}/stabilising"),
    )
    return [Trial(stimulus_id=stimulus, phase=Trial.Phase.STABILISING) for stimulus in first] + trials
