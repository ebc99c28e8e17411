"""A rating's own path: which trial may be seen or rated now, and how a rating is stored, exactly once."""

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from analysis.scale import Scale
from studies.access import Refusal, admit, invited_rater
from studies.models import Rating, Session, StudyEvent, Trial
from studies.models.session import rated_before
from studies.rating import evidence, sittings
from studies.rating.sessions import WINDOW, Standing, TrialNotDue, window
from studies.rating.statements import OwnTrial, own_trial, store_rating

logger = logging.getLogger(__name__)

NOTHING_STORED = frozenset({Trial.Phase.CALIBRATION, Trial.Phase.PRACTICE})


class UnknownTrial(Refusal):
    status, code = 404, "unknown-trial"
    message = "This image is not part of your session. Please open your own invitation link again."


class NoReceipt(Refusal):
    status, code = 409, "no-receipt"
    message = "This site has not sent you this image yet. Please load the page again."


class AttemptTakenBack(Refusal):
    status, code = 409, "taken-back"
    message = "This rating was taken back."


class RatingConflict(Refusal):
    status, code = 409, "conflict"

    def __init__(self, stored: float, scale: Scale) -> None:
        self.stored = stored
        super().__init__(
            f"This image was already rated {scale.score_text(stored)}, in another window or on another device. "
            "That rating stands."
        )


class InvalidRating(Exception):
    """`errors` says for each field that is wrong what was expected."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__(str(errors))


@dataclass(frozen=True, kw_only=True)
class DisplayFacts:
    """How a rating came about on the screen; units as in the model Rating."""

    response_ms: float
    hidden_ms: float
    waited_ms: float | None = None  # of a page that was loaded before this was asked for
    device_pixel_ratio: float
    visual_viewport_scale: float
    viewport_width: float
    viewport_height: float
    screen_width: float
    screen_height: float
    # Of a page that was loaded before these were asked for: None.
    canvas_width: float | None = None
    canvas_height: float | None = None
    canvas_css_width: float | None = None
    canvas_css_height: float | None = None


def record_rating(
    *,
    rater_token: str,
    token: str,
    score: float,
    display: DisplayFacts,
    receipt: str,
    now: datetime,
    attempt: int = 1,
) -> Standing:
    """Store one rating, exactly once. When this returns, the rating is on disk. `receipt`: what came with the image.

    `attempt` counts the ratings that were given to this trial, those taken back included, from 1: a repeat of one that
    was taken back raises AttemptTakenBack. Only the first unrated trial of the session is due. The same score for a
    trial again is answered as the first time; another score raises RatingConflict. Raises InvalidRating for a score
    that is not on the study's scale, NoReceipt, UnknownTrial, TrialNotDue, or what studies.access.invited_rater raises.
    """
    trial = admitted_trial(rater_token=rater_token, token=token)
    if trial.phase in NOTHING_STORED:
        raise TrialNotDue("Of examples and practice nothing is stored.")
    scale = _scale(trial.scale)
    if not scale.contains(score):
        raise InvalidRating({"score": f"a number on the scale, {scale.text}"})
    next_position, calibration = trial.position + 1, trial.calibration_trials
    stored = False
    if trial.next_position == trial.position:
        proof = _proof(trial, token=token, receipt=receipt, claimed_ms=display.response_ms, now=now)
        if trial.sittings_end:
            # Who has rested begins a new sitting with this image.
            sittings.at(_session(trial), now=now)
        values = {"trial_id": trial.pk, "attempt": attempt, "score": score, "rated_at": now, **vars(display)}
        stored = store_rating(trial, values, proof)
    if not stored:
        _refuse_unless_repeated(trial, score=score, attempt=attempt, scale=scale)
        next_position = Session.objects.values_list("next_position", flat=True).get(pk=trial.session)
    sitting = sittings.Sitting()
    if trial.sittings_end:
        session = _session(trial)
        if stored:
            sittings.rated(session, now=now)
        sitting = sittings.at(session, now=now)
    return Standing(
        rated=rated_before(next_position, calibration),
        total=trial.trials_total - calibration,
        upcoming=window(trial.session, next_position=next_position, stop=sitting.stop),
        repeated=not stored,
        rest=sitting.rest,
    )


def image_trial(*, rater_token: str, token: str, now: datetime) -> OwnTrial:
    """The trial behind an image address, for its rater and only while it is due soon. Raises as record_rating.

    Raises sittings.RestDue while the rater must rest.
    """
    trial = admitted_trial(rater_token=rater_token, token=token)
    if trial.phase in NOTHING_STORED:
        return trial
    calibrating = trial.next_position <= trial.calibration_trials
    if calibrating or not trial.next_position <= trial.position < trial.next_position + WINDOW:
        raise TrialNotDue
    if trial.sittings_end:
        sitting = sittings.at(_session(trial), now=now)
        if sitting.stop is not None and trial.position >= sitting.stop:
            raise sittings.RestDue
    return trial


def _proof(trial: OwnTrial, *, token: str, receipt: str, claimed_ms: float, now: datetime) -> evidence.Proof:
    """Raises NoReceipt, unless the session began when there were none."""
    served = evidence.served_ms(receipt, token=token)
    if served is None and trial.needs_receipts:
        raise NoReceipt
    return evidence.proof(
        claimed_ms=claimed_ms,
        served_ms=served,
        first_served_ms=trial.first_served_ms,
        viewed_ms=trial.viewed_ms,
        now=now,
    )


def _session(trial: OwnTrial) -> Session:
    return Session.objects.select_related("rater__study").get(pk=trial.session)


def admitted_trial(*, rater_token: str, token: str) -> OwnTrial:
    """The trial, if it is the rater's and the rater is admitted."""
    trial = own_trial(token=token, rater_token=rater_token)
    if trial is None:
        # Says so if the rater has withdrawn, perhaps in another window, for then no trial is left.
        invited_rater(token=rater_token)
        raise UnknownTrial
    admit(withdrawn=trial.is_withdrawn, revoked=trial.is_revoked, preview=trial.is_preview, state=trial.study_state)
    return trial


@lru_cache(maxsize=64)
def _scale(stored: str) -> Scale:
    """Read once, not at every rating."""
    return Scale.from_json(stored)


def _refuse_unless_repeated(trial: OwnTrial, *, score: float, attempt: int, scale: Scale) -> None:
    rating = Rating.objects.filter(trial=trial.pk).first()
    session = Session.objects.filter(pk=trial.session, undone_position=trial.position, undone_attempt__gte=attempt)
    if (rating and rating.attempt > attempt) or (rating is None and session.exists()):
        raise AttemptTakenBack
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
    raise RatingConflict(rating.score, scale)
