"""How a rater's part ends, and what they are told then: a text, a code, a way back to where they came from."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from studies.models import Ending, Outcome, Rater, Session, Study, StudyEvent, site_key
from studies.models.entry import CODE

CODE_CHARACTERS = 10


@dataclass(frozen=True)
class Told:
    """What the page says; `code` and `return_address` are empty where there are none."""

    outcome: str
    text: str
    code: str = ""
    return_address: str = ""


def outcome_of(rater: Rater) -> str:
    """The outcome that counts now; empty while the rater is at work."""
    session = getattr(rater, "session", None)
    return rater.outcome or (Outcome.COMPLETED if session and session.finished_at else "")


def end(*, rater: Rater, outcome: str, now: datetime, reason: str = "") -> bool:
    """End the rater's part so; nothing changes, and it returns False, where it has ended otherwise than by completing.

    `reason` is for staff, in the study's events.
    """
    ended = Rater.objects.filter(pk=rater.pk, outcome="", withdrawn_at=None).update(outcome=outcome, outcome_at=now)
    rater.refresh_from_db(fields=["outcome", "outcome_at"])
    if ended:
        detail = {"outcome": str(outcome)} | ({"reason": reason} if reason else {})
        StudyEvent.objects.create(study_id=rater.study_id, at=now, kind="ended", rater=rater.label, detail=detail)
    return bool(ended)


def reopen(*, rater: Rater, now: datetime, by: str = "") -> bool:
    """Let the rater go on, or be one who completed; what ended the part does not end it again by itself.

    False, and nothing changes, where nothing had ended it or the rater has withdrawn.
    """
    with transaction.atomic():
        ended = Rater.objects.select_for_update().filter(pk=rater.pk, withdrawn_at=None).exclude(outcome="").first()
        if ended is None:
            return False
        Rater.objects.filter(pk=rater.pk).update(outcome="", outcome_at=None, reopened_at=now)
        # Who was away for too long has the same time again.
        Session.objects.filter(rater=rater).update(last_active_at=now)
        detail = {"outcome": ended.outcome}
        StudyEvent.objects.create(
            study_id=rater.study_id, at=now, kind="reopened", rater=rater.label, by=by, detail=detail
        )
    rater.refresh_from_db(fields=["outcome", "outcome_at", "reopened_at"])
    return True


def told(
    study: Study,
    outcome: str,
    *,
    language: str,
    rater: Rater | None = None,
    with_code: bool = True,
    after: bool = False,
) -> Told:
    """What is said of this outcome. `rater`: whose own code it is, where each has one.

    `after`: of a part after another, of which something is stored.
    """
    ending = study.endings.filter(outcome=outcome).first() or Ending(study=study, outcome=outcome)
    text = ending.texts.get(language) or default_text(outcome)
    if after and outcome == Outcome.DECLINED:
        text = gettext("You have chosen not to go on. What you have rated before is saved.")
    if not with_code:
        return Told(outcome, text)
    code = _code(ending, rater)
    return Told(outcome, text, code, ending.return_address.replace(CODE, code))


def code_of(rater: Rater, outcome: str) -> str:
    """The code that the rater is shown, one for all or their own; empty where there is none."""
    ending = rater.study.endings.filter(outcome=outcome).first()
    return _code(ending, rater) if ending else ""


def _code(ending: Ending, rater: Rater | None) -> str:
    if not ending.own_code:
        return ending.code
    return personal_code("codes", f"{ending.outcome} {rater.token}")[:CODE_CHARACTERS] if rater else ""


def personal_code(key: str, said: str) -> str:
    """What only this site can make of these words: 32 letters and digits of base 32, 160 bits."""
    return base64.b32encode(hmac.new(site_key(key), said.encode(), hashlib.sha1).digest()).decode()


def default_text(outcome: str) -> str:
    """The site's own words, in the language that is active."""
    said = {
        Outcome.COMPLETED: gettext("You have rated all of your images, and all of your ratings are saved."),
        Outcome.DECLINED: gettext("You have chosen not to take part. Nothing that you rated is stored."),
        Outcome.DEVICE: gettext("This device does not have what the study needs, so you cannot take part with it."),
        Outcome.CHECKS: gettext(
            "Some of the images had an answer that is known beforehand, and too many of your answers were others. So "
            "your part in this study ends here."
        ),
        Outcome.FULL: gettext("All places in this study are taken. Thank you for coming."),
        Outcome.LATE: gettext(
            "You were away for longer than this study allows, and your place was given to somebody else."
        ),
    }
    return said[Outcome(outcome)]
