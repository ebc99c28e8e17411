"""A rater's way through a study: agree, calibrate, rate, finish. A rating's own path is in `recording`."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy

from studies.access import Refusal
from studies.models import OF_TWO, Rater, Session, Stimulus, Study, Trial
from studies.protocol import checks, order, pairs, practice
from studies.protocol.check_slots import checks_of
from studies.protocol.duration import trials_each
from studies.protocol.regions import size_shown
from studies.protocol.slots import Role, Slot, anchor_scores, rated_keys, slots, slots_beside, units
from studies.protocol.subsets import WINDOW
from studies.rating import places, questionnaire, sittings
from studies.rating.statements import ShownTrial, shown_trials

Stage = Literal["instructions", "questions", "calibration", "practice", "rating", "finished"]


class TrialNotDue(Refusal):
    status, code = 409, "not-due"
    message = gettext_lazy("This image is not due yet.")


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


def largest_images(study: Study, filled: Sequence[Slot] | None = None) -> list[tuple[int, int]]:
    """The sizes in pixels, width and height, of what the study shows beside which nothing is larger both ways.

    `filled`: the study's places, where they are known.
    """
    if study.state == Study.State.DRAFT:
        places = slots(study) if filled is None else filled
        sizes = {(slot.source.width, slot.source.height) for slot in places}
    else:
        of = ("stimulus__source__width", "stimulus__source__height")
        sizes = set(study.images.order_by().values_list(*of).distinct())
    sizes = {size_shown(study, *size) for size in sizes}
    return sorted(one for one in sizes if not any(o != one and o[0] >= one[0] and o[1] >= one[1] for o in sizes))


def stage(rater: Rater, *, now: datetime) -> Stage:
    """Where the rater stands; 'instructions' also after an absence longer than the study's reminder_minutes."""
    session = session_of(rater)
    if session is None:
        return "instructions"
    if session.finished_at:
        return "questions" if questionnaire.due(session) else "finished"
    if session.agreed_at is None or _was_away(session, rater.study, now=now):
        return "instructions"
    if questionnaire.due(session):
        return "questions"
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
        raise TrialNotDue(gettext_lazy("Please read the instructions first."))
    return session


def agree(*, rater: Rater, now: datetime, language: str = "") -> Session:
    """Note that the rater read the instructions and agreed. The first time this writes the session's trials.

    `language`: in which they were read, the study's first where it is none of the study's. It stays the session's.

    After a long absence the examples are due again, where the study says so.
    """
    session = session_of(rater) or _start(rater=rater, now=now, language=language)
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
        raise TrialNotDue(gettext_lazy("Please see the examples first."))
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
    sitting = sittings.at(sittings.of_session(session), now=now)
    due = session.next_position
    around = window(
        session.pk, next_position=due, total=session.trials_total, stop=sitting.stop, start=due - 1, now=now
    )
    may_undo = session.rater.study.undo and not session.finished_at and session.undone_position != due
    return Standing(
        rated=session.rated,
        total=session.to_rate,
        upcoming=[trial for trial in around if trial.position >= due],
        rest=sitting.rest,
        last=next((trial for trial in around if trial.is_rated and may_undo), None),
    )


def window(
    session: int, *, next_position: int, total: int, now: datetime, stop: int | None = None, start: int | None = None
) -> list[ShownTrial]:
    """The trials that a browser may hold when this position is due, those from `stop` on aside; or from `start` on.

    Of a session that rates a part this claims its next run, where these trials are not written yet.
    """
    end = min(next_position + WINDOW, total + 1, stop or total + 1)
    first = next_position if start is None else start
    shown = shown_trials(session=session, start=first, stop=end)
    if end > next_position and (not shown or shown[-1].position < end - 1):
        places.claim(session=session, now=now)
        shown = shown_trials(session=session, start=first, stop=end)
    return shown


def _start(*, rater: Rater, now: datetime, language: str) -> Session:
    try:
        return _plan(rater=rater, now=now, language=language)
    except IntegrityError:
        # Agreed to in two windows at once: the other one was first.
        return Session.objects.get(rater=rater)


def _plan(*, rater: Rater, now: datetime, language: str) -> Session:
    """Write the session: the examples, the practice, then what is rated, or its first run where that is a part."""
    study, seed = rater.study, order.session_seed(study_seed=rater.study.seed, rater=rater.label)
    filled, rated = slots_beside(study), rated_keys(study)
    before = _example_trials(study, filled) + _practice_trials(study, filled)
    with transaction.atomic():
        session = Session(
            rater=rater,
            language=language if language in rater.study.languages else rater.study.languages[0],
            seed=seed,
            calibration_trials=len(before),
            trials_total=len(before) + trials_each(study, images=len(units(study, rated))),
            next_position=1,
            started_at=now,
            last_active_at=now,
        )
        due = _rated_trials(study, rated, checks_of(study, filled), session, now=now)
        trials = before + places.with_originals(study, due)
        session.save(force_insert=True)
        for position, trial in enumerate(trials, start=1):
            trial.session, trial.position = session, position
        Trial.objects.bulk_create(trials, batch_size=500)
    return session


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


def _rated_trials(
    study: Study, rated: Sequence[pairs.Rated], among: list[checks.Check], session: Session, *, now: datetime
) -> list[Trial]:
    """The stabilising trials, then the others in the drawn order with the checks: all, or the first run of a part."""
    source = {stimulus: of for stimulus, of, _ in rated}
    apart, seed = study.order == Study.Order.APART, session.seed
    if study.allocation == Study.Allocation.ALL:
        if study.task in OF_TWO:
            places.lock(study)  # sides are balanced among all raters
            source |= {image: check.source for check in among for image in (check.stimulus, check.right) if image}
        items = [order.Item(key, of) for key, of, _ in sorted(units(study, rated))]
        planned = order.plan_session(items, apart=apart, repeats=study.repeats, rng=random.Random(seed))
        trials = places.as_trials(study, planned, rated=rated, had=[], seed=seed)
        trials = checks.planned(study, trials, among, seed=seed, source=source)
    else:
        trials = places.first_run(places.lock(study), session, now=now)
    if not study.stabilising:
        return trials
    source |= {check.stimulus: check.source for check in among}
    quality = dict(Stimulus.objects.filter(pk__in=[stimulus for stimulus, *_ in rated]).values_list("pk", "psnr"))
    first = order.plan_stabilising(
        [order.Item(key, of, quality.get(key) or 0.0) for key, of, _ in sorted(units(study, rated))],
        number=study.stabilising,
        before=source[trials[0].stimulus_id],
        apart=apart,
        # Its own, so that the order of the others is the same with and without stabilising trials.
        rng=random.Random(f"{seed}/stabilising"),
    )
    showings = [order.Showing(stimulus, 0) for stimulus in first]
    return places.as_trials(study, showings, rated=rated, had=[], seed=seed, phase=Trial.Phase.STABILISING) + trials
