"""A rater's way through a study: open the link, agree, calibrate, rate, finish, withdraw. Every write of it is here."""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import Max

from studies.models import Rater, Rating, Report, Session, Study, StudyEvent, Trial
from studies.protocol import order as design
from studies.protocol.slots import ANCHOR_SCORES, Role, slots
from studies.rating.statements import OwnTrial, ShownTrial, own_trial, shown_trials, store_rating

logger = logging.getLogger(__name__)

# Images a browser may hold beyond the first unrated one; a rater whose network fails can go on so far.
WINDOW = 5

Stage = Literal["instructions", "calibration", "rating", "finished"]


class SessionError(Exception):
    """Something a rater asked for cannot be. `message` is for the rater, `code` for the page's script."""

    status = 403
    code = "refused"
    message = "This is not possible."

    def __init__(self, message: str | None = None) -> None:
        self.message = message or self.message
        super().__init__(self.message)


class UnknownInvitation(SessionError):
    status, code = 404, "unknown-invitation"
    message = "This link is not known here. Please check that it was copied whole, or ask for it again."


class InvitationRevoked(SessionError):
    code = "revoked"
    message = "This invitation was withdrawn by the researchers. Please ask them for a new link."


class StudyNotOpen(SessionError):
    code = "not-open"
    message = "This study is not open for ratings now. What you have rated so far is kept."


class RaterWithdrawn(SessionError):
    code = "withdrawn"
    message = "You have withdrawn from this study, and your ratings were erased."


class UnknownTrial(SessionError):
    status, code = 404, "unknown-trial"
    message = "This image is not part of your session. Please open your own invitation link again."


class TrialNotDue(SessionError):
    status, code = 409, "not-due"
    message = "This image is not due yet."


class RatingConflict(SessionError):
    status, code = 409, "conflict"

    def __init__(self, stored: int) -> None:
        self.stored = stored
        super().__init__(
            f"This image was already rated {stored}, in another window or on another device. That rating stands."
        )


@dataclass(frozen=True, kw_only=True)
class DisplayFacts:
    """How a rating came about on the screen; units as in the model Rating."""

    response_ms: float
    hidden_ms: float
    device_pixel_ratio: float
    visual_viewport_scale: float
    viewport_width: float
    viewport_height: float
    screen_width: float
    screen_height: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    rated: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The server's word that a rating is stored. `repeated`: the same rating had been stored before."""

    progress: Progress
    upcoming: list[ShownTrial]
    repeated: bool


def get_rater(*, token: str, closed_too: bool = False) -> Rater:
    """The rater of an invitation, with study and, if there is one, session.

    Raises UnknownInvitation, InvitationRevoked, RaterWithdrawn or StudyNotOpen. With `closed_too` neither a study that
    is not open nor a revoked invitation raises: who took part may withdraw at any time. A closed study does not raise
    for who has finished either.
    """
    rater = Rater.objects.select_related("study", "session").filter(token=token).first()
    return _admitted(rater, closed_too=closed_too)


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
    return "calibration" if session.next_position <= session.calibration_trials else "rating"


def session_of(rater: Rater) -> Session | None:
    return getattr(rater, "session", None)


def agree(*, rater: Rater, now: datetime) -> Session:
    """Note that the rater read the instructions and agreed. The first time this writes the session's trials."""
    session = session_of(rater) or _start(rater=rater, now=now)
    Session.objects.filter(pk=session.pk).update(agreed_at=now, last_active_at=now)
    session.agreed_at = session.last_active_at = now
    return session


def finish_calibration(*, rater: Rater) -> Session:
    """Go on to the rated trials. Asked twice, nothing changes."""
    session = _started(rater)
    first_rated = session.calibration_trials + 1
    Session.objects.filter(pk=session.pk, next_position__lt=first_rated).update(next_position=first_rated)
    session.refresh_from_db()
    return session


def calibration_trials(session: Session) -> list[ShownTrial]:
    return shown_trials(session=session.pk, start=1, stop=session.calibration_trials + 1)


def upcoming_trials(session: Session) -> list[ShownTrial]:
    """The first unrated trials of the session, WINDOW at most; empty before the calibration is done."""
    return _window(session.pk, next_position=session.next_position, calibration_trials=session.calibration_trials)


def progress(session: Session) -> Progress:
    rated = max(session.next_position - 1 - session.calibration_trials, 0)
    return Progress(rated=rated, total=session.trials_total - session.calibration_trials)


def record_rating(*, rater_token: str, token: str, score: int, display: DisplayFacts, now: datetime) -> Receipt:
    """Store one rating, exactly once. When this returns, the rating is on disk.

    Only the first unrated trial of the session is due. The same score for a trial again is answered as the first time;
    another score raises RatingConflict. Raises UnknownTrial, TrialNotDue, or what get_rater raises.
    """
    trial = _own_trial(rater_token=rater_token, token=token)
    if trial.phase != Trial.Phase.RATED:
        raise TrialNotDue("The examples are not rated.")
    next_position, calibration = trial.position + 1, trial.calibration_trials
    stored = store_rating(trial, {"trial_id": trial.pk, "score": score, "rated_at": now, **vars(display)})
    if not stored:
        _refuse_unless_repeated(trial, score=score)
        next_position = Session.objects.values_list("next_position", flat=True).get(pk=trial.session)
    return Receipt(
        progress=Progress(rated=next_position - 1 - calibration, total=trial.trials_total - calibration),
        upcoming=_window(trial.session, next_position=next_position, calibration_trials=calibration),
        repeated=not stored,
    )


def image_file(*, rater_token: str, token: str) -> str:
    """The stored file behind an image address, for its rater and only while it is due soon. Raises as record_rating."""
    trial = _own_trial(rater_token=rater_token, token=token)
    calibrating = trial.next_position <= trial.calibration_trials
    in_window = trial.next_position <= trial.position < trial.next_position + WINDOW
    if trial.phase == Trial.Phase.RATED and (calibrating or not in_window):
        raise TrialNotDue
    return trial.image


def withdraw(*, rater: Rater, now: datetime) -> int:
    """Erase all that the rater did and close the invitation; returns the number of ratings erased.

    What stays is the fact, without any rating, in the study's events.
    """
    with transaction.atomic():
        locked = Rater.objects.select_for_update().get(pk=rater.pk)
        if locked.withdrawn_at:
            return 0
        # Against a rating that is being stored at this moment: its claim waits for this lock, and then finds nothing.
        list(Session.objects.select_for_update().filter(rater=locked))
        erased, _ = Rating.objects.filter(trial__session__rater=locked).delete()
        Session.objects.filter(rater=locked).delete()
        # Refused second ratings tell of the first ones.
        StudyEvent.objects.filter(study_id=locked.study_id, rater=locked.label, kind="conflict").delete()
        Rater.objects.filter(pk=locked.pk).update(withdrawn_at=now)
        _erase_reports(locked.study_id)
        StudyEvent.objects.create(
            study_id=locked.study_id, at=now, kind="withdrawal", rater=locked.label, detail={"ratings_erased": erased}
        )
    logger.info("a rater of study %s withdrew; %d ratings erased", rater.study.name, erased)
    return erased


def _erase_reports(study: int) -> None:
    """Reports say of every rater how they rated; made anew, they are without who has withdrawn."""
    # Locked: a worker may be storing one at this moment.
    for report in Report.objects.select_for_update().filter(study=study):
        if report.file:
            transaction.on_commit(partial(report.file.delete, save=False))
        Report.objects.filter(pk=report.pk).delete()


def _admitted(rater: Rater | None, *, closed_too: bool = False) -> Rater:
    if rater is None:
        raise UnknownInvitation
    session = session_of(rater)
    _admit(
        withdrawn=rater.withdrawn_at is not None,
        revoked=rater.revoked_at is not None,
        preview=rater.is_preview,
        state=rater.study.state,
        closed_too=closed_too,
        finished=bool(session and session.finished_at),
    )
    return rater


def _admit(
    *, withdrawn: bool, revoked: bool, preview: bool, state: str, closed_too: bool = False, finished: bool = False
) -> None:
    if withdrawn:
        raise RaterWithdrawn
    if revoked and not closed_too:
        raise InvitationRevoked
    trying_a_draft = preview and state == Study.State.DRAFT
    if state != Study.State.LAUNCHED and not (trying_a_draft or closed_too or finished):
        raise StudyNotOpen


def _started(rater: Rater) -> Session:
    session = session_of(rater)
    if session is None:
        raise TrialNotDue("Please read the instructions first.")
    return session


def _start(*, rater: Rater, now: datetime) -> Session:
    try:
        return _plan(rater=rater, now=now)
    except IntegrityError:
        # Agreed to in two windows at once: the other one was first.
        return Session.objects.get(rater=rater)


def _plan(*, rater: Rater, now: datetime) -> Session:
    seed = design.session_seed(study_seed=rater.study.seed, rater=rater.label)
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
    anchors = sorted(
        (slot.source.pk, ANCHOR_SCORES[slot.role], stimulus) for slot, stimulus in shown if slot.role in ANCHOR_SCORES
    )
    order = design.plan_session(
        sorted(
            (design.Item(stimulus, slot.source.pk) for slot, stimulus in shown if slot.role == Role.RATED),
            key=lambda item: item.stimulus,
        ),
        apart=study.order == Study.Order.APART,
        repeats=study.repeats,
        rng=random.Random(seed),
    )
    calibration = [
        Trial(stimulus_id=stimulus, phase=Trial.Phase.CALIBRATION, anchor_score=score) for _, score, stimulus in anchors
    ]
    return calibration + [Trial(stimulus_id=s.stimulus, phase=Trial.Phase.RATED, repeat=s.repeat) for s in order]


def _own_trial(*, rater_token: str, token: str) -> OwnTrial:
    """The trial, if it is the rater's and the rater is admitted."""
    trial = own_trial(token=token, rater_token=rater_token)
    if trial is None:
        # Says so if the rater has withdrawn, perhaps in another window, for then no trial is left.
        get_rater(token=rater_token)
        raise UnknownTrial
    _admit(withdrawn=trial.is_withdrawn, revoked=trial.is_revoked, preview=trial.is_preview, state=trial.study_state)
    return trial


def _window(session: int, *, next_position: int, calibration_trials: int) -> list[ShownTrial]:
    if next_position <= calibration_trials:
        return []
    return shown_trials(session=session, start=next_position, stop=next_position + WINDOW)


def _refuse_unless_repeated(trial: OwnTrial, *, score: int) -> None:
    rating = Rating.objects.filter(trial=trial.pk).first()
    if rating is None:
        raise TrialNotDue
    if rating.score == score:
        return
    StudyEvent.objects.create(
        study_id=trial.study,
        kind="conflict",
        rater=trial.rater_label,
        detail={"position": trial.position, "stored": rating.score, "refused": score},
    )
    logger.warning("a second, different rating of one trial was refused; see the study's events")
    raise RatingConflict(stored=rating.score)
