"""A rater withdraws: all that they did is erased."""

import logging
from datetime import datetime
from functools import partial

from django.db import transaction

from studies.content.erased import note_erased
from studies.models import Rater, Rating, Report, Session, StudyEvent, TakenBack
from studies.rating.devices import KIND as SECOND_DEVICE

logger = logging.getLogger(__name__)


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
        TakenBack.objects.filter(trial__session__rater=locked).delete()
        erased, _ = Rating.objects.filter(trial__session__rater=locked).delete()
        Session.objects.filter(rater=locked).delete()
        # Refused second ratings tell of the first ones, and devices of their owner.
        told = StudyEvent.objects.filter(study_id=locked.study_id, rater=locked.label)
        told.filter(kind__in=["conflict", SECOND_DEVICE]).delete()
        Rater.objects.filter(pk=locked.pk).update(withdrawn_at=now)
        transaction.on_commit(partial(note_erased, locked.token, now))
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
            # A storage that is away does not undo the withdrawal; `manage.py verify` finds what it left.
            transaction.on_commit(partial(report.file.delete, save=False), robust=True)
        Report.objects.filter(pk=report.pk).delete()
