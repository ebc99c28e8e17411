"""What a rater's pages and their scripts are told of the study and its images, and nothing else."""

import hashlib
import hmac
import math
from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from analysis.scale import Scale
from studies.models import OF_TWO, Outcome, Rater, Session, Study, site_key
from studies.protocol import answers, languages
from studies.protocol.duration import minutes_each, trials_each
from studies.rating import continuing, device_check, outcomes, sessions, speech
from studies.rating.statements import ShownTrial
from studies.rating.withdrawal import withdrawal_code

# Ends before anybody has agreed: there is no browser yet in which alone a code is shown.
AT_ONCE = (Outcome.DECLINED, Outcome.FULL)


def study_context(study: Study) -> dict[str, Any]:
    return {"study": study, "title": languages.title(study, speech.spoken())}


def scale_context(scale: Scale) -> dict[str, Any]:
    """The scale as the templates put it before a rater."""
    return {
        "options": answers.options(scale),
        "words": answers.words(scale),
        "examples": answers.examples(scale),
        "marks": answers.marks(scale),
    }


def asked_of(rater: Rater) -> dict[str, int]:
    """What lies before a rater who reads the instructions: `images` to rate, `minutes` for them, and `minutes_after`
    for the parts that follow."""
    session = sessions.session_of(rater)
    images = session.to_rate - session.rated if session else trials_each(rater.study)
    after = sum(minutes_each(study, trials=trials_each(study)) for study in continuing.open_studies_after(rater.study))
    return {"images": images, "minutes": minutes_each(rater.study, trials=images), "minutes_after": after}


def last_page(rater: Rater, *, own: bool, first: bool) -> dict[str, Any]:
    """What the page at the end needs. `own`: in the rater's own browser, where the study's code is shown.

    `first`: it has not come there before. Later the next person may sit there, who must not withdraw for the rater.
    """
    outcome = outcomes.outcome_of(rater)
    with_code = own or (outcome in AT_ONCE and not rater.continues_id)
    # Who came for several parts is told how the whole ended, and paid, by the first: its link is the one they have.
    came = continuing.first_part(rater)
    has_rated = sessions.session_of(rater) or rater.continues_id
    told = outcomes.told(
        came.study, outcome, language=speech.spoken(), rater=came, with_code=with_code, after=rater != came
    )
    return {
        **study_context(rater.study),
        "told": told,
        "own": own,
        "reasons": device_check.reasons(rater),
        "withdrawal_code": withdrawal_code(rater) if own and first and has_rated else "",
        "is_next_part": rater.continues_id is not None,
        "is_invited": getattr(came, "arrival", None) is None,
        "data": page_data(rater, "finished"),
    }


def outbox_key(rater: Rater) -> str:
    """Under which name the browser keeps ratings that are not yet sent; the same in every window of one rater."""
    return hmac.new(site_key("outbox"), rater.token.encode(), hashlib.sha1).hexdigest()[:24]


def page_data(rater: Rater, stage: str, *, own: bool = True) -> dict[str, Any]:
    """What the scripts of a stage's page need to know. `own`: in a browser in which the rater may take back."""
    outbox = outbox_key(rater)
    data: dict[str, Any] = {
        "outbox": outbox,
        "home": reverse("rater-home"),
        "rate": reverse("rate", args=["TOKEN"]),
        "undo": reverse("undo", args=["TOKEN"]),
        "image": reverse("image", args=["TOKEN"]),
        **speech.script_texts(),
    }
    if stage != "finished":
        data["largest"] = sessions.largest_images(rater.study)
        # The page on which the device is looked at says what is too small, and what follows from it.
        data["window_is_looked_at"] = rater.study.window_fits
        data["full_screen"] = rater.study.full_screen and rater.study.device_rule == Study.DeviceRule.END
    session = sessions.session_of(rater)
    if session:
        data["announce"] = rater.study.announce_start and session.calibration_trials > 0 and session.rated == 0
    if session and stage == "calibration":
        data["examples"] = trials_data(sessions.calibration_trials(session))
        data["last"] = last_button(rater.study, session)
    if session and stage in ("practice", "rating"):
        data["orientation_ms"] = rater.study.orientation_ms
    if session and stage == "practice":
        data["practice"] = trials_data(sessions.practice_trials(session))
        data["least_view_ms"] = rater.study.least_view_ms
        data["gap_ms"] = rater.study.gap_ms
    if session and stage == "rating":
        data["standing"] = standing_data(sessions.standing(session, now=timezone.now()))
        data["may_undo"] = rater.study.undo and own
        if rater.study.task in OF_TWO:
            data["task"] = rater.study.task
        data["upcoming"] = f"{reverse('upcoming')}?who={outbox}"
        data["least_view_ms"] = rater.study.least_view_ms
        data["gap_ms"] = rater.study.gap_ms
        data["pause_minutes"] = rater.study.pause_minutes
        data["reminder_minutes"] = rater.study.reminder_minutes
    return data


def last_button(study: Study, session: Session) -> str:
    """What the button at the last example says."""
    if session.rated:
        return gettext("Go on rating")
    return gettext("Go on") if study.announce_start or study.practice else gettext("Start rating")


def standing_data(standing: sessions.Standing) -> dict[str, Any]:
    """`rest` in whole seconds, only while the rater must rest."""
    last = trials_data([standing.last])[0] if standing.last else None
    data = {"rated": standing.rated, "total": standing.total, "upcoming": trials_data(standing.upcoming), "last": last}
    return data if standing.rest is None else data | {"rest": math.ceil(standing.rest.total_seconds())}


def trials_data(trials: Iterable[ShownTrial]) -> list[dict[str, Any]]:
    """What a rater's browser may know of these trials, and nothing else."""
    # Reversed once, not for each: 0.02 ms every time.
    address = reverse("image", args=["TOKEN"])
    return [trial_data(trial, url=address.replace("TOKEN", trial.token)) for trial in trials]


def trial_data(trial: ShownTrial, *, url: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "position": trial.position,
        "url": url,
        "token": trial.token,
        "attempt": trial.attempt,
        "width": trial.width,
        "height": trial.height,
    }
    if trial.is_pair:
        data["right"] = f"{url}/right"
    if trial.has_original:
        data["original"] = f"{url}/original"
    if trial.left is not None and trial.top is not None:
        # Where in the whole image, which is shown before, the region is: in shares of its size.
        wide, high = trial.whole_width, trial.whole_height
        frame = [trial.left / wide, trial.top / high, trial.width / wide, trial.height / high]
        data["whole"] = {"url": f"{url}/whole", "frame": frame}
    if trial.anchor_score is not None:
        data["anchor_score"] = trial.anchor_score
    if trial.anchor_high is not None:
        data["anchor_high"] = trial.anchor_high
    return data
