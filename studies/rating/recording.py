"""A rating's own path: which trial may be seen or rated now, and how a rating is stored, exactly once."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from analysis.scale import Scale
from studies.access import Refusal, admit, invited_rater
from studies.models import Rater, Rating, Session, StudyEvent, Trial
from studies.models.session import rated_before
from studies.protocol.subsets import WINDOW
from studies.rating import evidence, sittings
from studies.rating.evidence import Which
from studies.rating.failed_checks import end_if_failed
from studies.rating.sessions import Standing, TrialNotDue, window
from studies.rating.statements import OwnTrial, own_trial, store_rating

logger = logging.getLogger(__name__)

OF_ORIGINAL = ("original_looks", "original_ms")
NOTHING_STORED = frozenset({Trial.Phase.CALIBRATION, Trial.Phase.PRACTICE})


class UnknownTrial(Refusal):
    status, code = 404, "unknown-trial"
    message = gettext_lazy("This image is not part of your session. Please open your own invitation link again.")


class NoReceipt(Refusal):
    status, code = 409, "no-receipt"
    message = gettext_lazy("This site has not sent you this image yet. Please load the page again.")


class AttemptTakenBack(Refusal):
    status, code = 409, "taken-back"
    message = gettext_lazy(
        "A rating of yours was taken back in another window or on another device. Please rate that image again."
    )


class RatingConflict(Refusal):
    status, code = 409, "conflict"

    def __init__(self, stored: float, scale: Scale, *, of_pair: bool) -> None:
        self.stored = stored
        if of_pair:
            said = gettext_lazy("This pair was answered in another window or on another device. That answer stands.")
            super().__init__(said)
            return
        said = gettext_lazy(
            "This image was already rated {score}, in another window or on another device. That rating stands."
        )
        super().__init__(format_lazy(said, score=scale.score_text(stored)))


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


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How the images of a pair were looked at; units as in the model Rating. Of one image all is None."""

    left_looks: int | None = None
    right_looks: int | None = None
    left_ms: float | None = None
    right_ms: float | None = None
    side_by_side: bool | None = None
    # Of a pair with the original on a key; it need not be looked at.
    original_looks: int | None = None
    original_ms: float | None = None

    def checked(self, *, original: bool) -> "Looks":
        """What is stored; of a pair without the `original` nothing about it. Raises InvalidRating unless both were seen
        and all is stated."""
        found = self if original else replace(self, original_looks=None, original_ms=None)
        stated = [value for name, value in vars(found).items() if original or name not in OF_ORIGINAL]
        if None in stated or not (self.left_looks and self.right_looks):
            raise InvalidRating({"looks": "how often and how long each image of the pair was seen, both at least once"})
        return found


NO_PAIR = Looks()


def record_rating(
    *,
    rater_token: str,
    token: str,
    score: float,
    display: DisplayFacts,
    receipt: str,
    now: datetime,
    attempt: int = 1,
    looks: Looks = NO_PAIR,
) -> Standing:
    """Store one rating, exactly once. When this returns, the rating is on disk. `receipt`: what came with the image.

    Of a pair the receipts of both images, and of an original on a key, with a blank between, and `looks` at them.

    `attempt` counts the ratings that were given to this trial, those taken back included, from 1: a repeat of one that
    was taken back raises AttemptTakenBack. Only the first unrated trial of the session is due. The same score for a
    trial again is answered as the first time; another score raises RatingConflict. Raises InvalidRating for a score
    that is not on the study's scale, NoReceipt, UnknownTrial, TrialNotDue, or what studies.access.invited_rater raises.
    """
    trial = admitted_trial(rater_token=rater_token, token=token)
    if trial.phase in NOTHING_STORED:
        raise TrialNotDue(gettext_lazy("Of examples and practice nothing is stored."))
    scale = _scale(trial.scale)
    if not scale.contains(score):
        raise InvalidRating({"score": f"a number on the scale, {scale.text}"})
    looks = looks.checked(original=trial.has_original) if trial.is_pair else NO_PAIR
    next_position, calibration = trial.position + 1, trial.calibration_trials
    stored = ended = False
    work = sittings.of_trial(trial)
    if trial.next_position == trial.position:
        proof = _proof(trial, token=token, receipt=receipt, claimed_ms=display.response_ms, now=now)
        if trial.has_sittings:
            # Who has rested begins a new sitting with this image.
            work = sittings.begun(work, now=now)
        values = {"trial_id": trial.pk, "attempt": attempt, "score": score, "rated_at": now, **vars(display)}
        values |= vars(looks)
        stored, ended = _store(trial, values, proof, scale=scale)
    if ended:
        # Nothing is shown any more; the page that the browser goes to says why.
        rated = rated_before(next_position, calibration)
        return Standing(rated=rated, total=trial.trials_total - calibration, upcoming=[])
    if stored:
        work = replace(work, due=next_position, last_rated=now)
    else:
        _refuse_unless_repeated(trial, score=score, attempt=attempt, scale=scale)
        session = Session.objects.select_related("rater__study").get(pk=trial.session)
        next_position, work = session.next_position, sittings.of_session(session)
    sitting = sittings.at(work, now=now)
    return Standing(
        rated=rated_before(next_position, calibration),
        total=trial.trials_total - calibration,
        upcoming=window(
            trial.session, next_position=next_position, total=trial.trials_total, stop=sitting.stop, now=now
        ),
        repeated=not stored,
        rest=sitting.rest,
    )


def _store(trial: OwnTrial, values: Mapping[str, Any], proof: evidence.Proof, *, scale: Scale) -> tuple[bool, bool]:
    """Whether the rating was stored, and whether its rater's part ends with it.

    Both or neither: a server that dies in between would let who failed go on until their next rating.
    """
    if not trial.end_after_failed:
        return store_rating(trial, values, proof), False
    with transaction.atomic():
        # The rater before the session, as a withdrawal locks them.
        rater = Rater.objects.select_for_update(of=("self",)).filter(session=trial.session).first()
        if rater is None or not store_rating(trial, values, proof):
            return False, False
        return True, end_if_failed(trial, rater=rater, scale=scale, now=values["rated_at"])


def image_trial(*, rater_token: str, token: str, now: datetime, which: Which = "left") -> OwnTrial:
    """The trial behind an image address, for its rater and only while it is due soon. Raises as record_rating.

    `which`: with this image. Raises sittings.RestDue while the rater must rest.
    """
    trial = admitted_trial(rater_token=rater_token, token=token, which=which)
    if trial.phase in NOTHING_STORED:
        return trial
    calibrating = trial.next_position <= trial.calibration_trials
    if calibrating or not trial.next_position <= trial.position < trial.next_position + WINDOW:
        raise TrialNotDue
    sitting = sittings.at(sittings.of_trial(trial), now=now)
    if sitting.stop is not None and trial.position >= sitting.stop:
        raise sittings.RestDue
    return trial


def _proof(trial: OwnTrial, *, token: str, receipt: str, claimed_ms: float, now: datetime) -> evidence.Proof:
    """Raises NoReceipt, unless the session began when there were none."""
    served, earliest = evidence.all_served_ms(receipt, token=token, images=trial.images)
    # Seen is a pair once all of its images are there; the first of the session was there before.
    known = [moment for moment in (trial.first_served_ms, earliest) if moment is not None]
    if served is None and trial.needs_receipts:
        raise NoReceipt
    return evidence.proof(
        claimed_ms=claimed_ms,
        served_ms=served,
        first_served_ms=min(known, default=None),
        viewed_ms=trial.viewed_ms,
        now=now,
    )


def admitted_trial(*, rater_token: str, token: str, which: Which = "left") -> OwnTrial:
    """The trial, if it is the rater's and the rater is admitted. `which`: with this image."""
    trial = own_trial(token=token, rater_token=rater_token, which=which)
    if trial is None:
        # Says so if the rater has withdrawn, perhaps in another window, for then no trial is left.
        invited_rater(token=rater_token)
        raise UnknownTrial
    admit(
        withdrawn=trial.is_withdrawn,
        revoked=trial.is_revoked,
        preview=trial.is_preview,
        state=trial.study_state,
        ended=trial.is_ended,
    )
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
    raise RatingConflict(rating.score, scale, of_pair=trial.is_pair)
