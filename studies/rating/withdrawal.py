"""A rater withdraws: all that they did is erased."""

import hashlib
import logging
import re
from datetime import datetime
from functools import partial

from django.db import transaction

from studies.content.erased import note_erased
from studies.models import Agreement, Arrival, Decision, Rater, Rating, Report, Session, StudyEvent, TakenBack, tell
from studies.rating import continuing
from studies.rating.outcomes import personal_code

logger = logging.getLogger(__name__)

_CODE_CHARACTERS = 20
SAY_NOTHING = frozenset({"invited", "revoke", "link given back", "downloaded", "withdrawal"})
"""Kinds of events that say nothing of how a rater rated, and stay without their details."""


def withdrawal_code(rater: Rater) -> str:
    """With it the rater can withdraw later, from anywhere: 100 bits that only this site can make."""
    code = personal_code("withdrawal", rater.token)[:_CODE_CHARACTERS]
    Rater.objects.filter(pk=rater.pk, withdrawal_hash=None).update(withdrawal_hash=_hashed(code))
    return "-".join(code[start : start + 4] for start in range(0, _CODE_CHARACTERS, 4))


def rater_of_code(code: str) -> Rater | None:
    """Whose code for withdrawing it is, in capitals or not, with or without strokes and spaces."""
    plain = re.sub(r"[\s-]", "", code.upper())
    return Rater.objects.select_related("study", "session").filter(withdrawal_hash=_hashed(plain)).first()


def _hashed(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def rated_of(rater: Rater) -> int:
    """How many ratings a withdrawal would erase, in all parts of the person."""
    sessions = [getattr(part, "session", None) for part in continuing.parts_of(rater)]
    return sum(session.rated for session in sessions if session)


def withdraw(*, rater: Rater, now: datetime, by: str = "") -> int:
    """Erase all that the rater did, in each part, and close the invitation; returns the number of ratings erased.

    What stays is the fact, without any rating, in the study's events. `by`: of staff, who did it in their place, for
    this part and those after it: what came before is another study's.
    """
    with transaction.atomic():
        parts = continuing.parts_from(rater) if by else continuing.parts_of(rater)
        return sum(_withdraw(rater=part, now=now, by=by) for part in parts)


def _withdraw(*, rater: Rater, now: datetime, by: str) -> int:
    with transaction.atomic():
        locked = Rater.objects.select_for_update().get(pk=rater.pk)
        if locked.withdrawn_at:
            return 0
        # Against a rating that is being stored at this moment: its claim waits for this lock, and then finds nothing.
        list(Session.objects.select_for_update().filter(rater=locked))
        TakenBack.objects.filter(trial__session__rater=locked).delete()
        erased, _ = Rating.objects.filter(trial__session__rater=locked).delete()
        Session.objects.filter(rater=locked).delete()
        # With it the panel's ids, and by what the rater would be recognised.
        Arrival.objects.filter(rater=locked).delete()
        Agreement.objects.filter(rater=locked).delete()
        _forget_what_tells(locked)
        Rater.objects.filter(pk=locked.pk).update(withdrawn_at=now)
        transaction.on_commit(partial(note_erased, locked.token, now))
        _erase_reports(locked.study_id)
        detail = {"ratings_erased": erased}
        tell(locked.study_id, "withdrawal", at=now, by=by, rater=locked.label, detail=detail)
    logger.info("a rater of study %s withdrew; %d ratings erased", rater.study.name, erased)
    return erased


def _forget_what_tells(rater: Rater) -> None:
    """What others noted of how the rater rated, and with what."""
    # Refused second ratings tell of the first ones, devices of their owner, decisions and the end of how they rated.
    told = StudyEvent.objects.filter(study_id=rater.study_id, rater=rater.label)
    told.exclude(kind__in=SAY_NOTHING).delete()
    told.exclude(kind="withdrawal").update(detail={})
    Decision.objects.filter(rater=rater).delete()
    nothing = {"verdict": "", "excluded": "", "places_back_at": None, "outcome": "", "outcome_at": None}
    nothing |= {"reopened_at": None}
    Rater.objects.filter(pk=rater.pk).update(**nothing)


def forget_label(rater: Rater, label: str) -> None:
    """Call who has withdrawn otherwise, also in the events: the label may say who it was. With it goes what a version
    of before left, or came since."""
    with transaction.atomic():
        _forget_what_tells(rater)
        StudyEvent.objects.filter(study_id=rater.study_id, rater=rater.label).update(rater=label)
        Rater.objects.filter(pk=rater.pk).exclude(withdrawn_at=None).update(label=label)
    rater.refresh_from_db(fields=["label", "withdrawn_at"])


def _erase_reports(study: int) -> None:
    """Reports say of every rater how they rated; made anew, they are without who has withdrawn."""
    # Locked: a worker may be storing one at this moment.
    for report in Report.objects.select_for_update().filter(study=study):
        if report.file:
            # A storage that is away does not undo the withdrawal; `manage.py verify` finds what it left.
            transaction.on_commit(partial(report.file.delete, save=False), robust=True)
        Report.objects.filter(pk=report.pk).delete()
