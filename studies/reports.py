"""Asking for a study's report. A worker makes it: studies.reporting."""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from studies.models import Report, Study
from studies.tasks import make_report

logger = logging.getLogger(__name__)

# By far longer than a report takes: 10 s for the 29,328 ratings of the paper's study.
PATIENCE = timedelta(minutes=15)


def request_report(study: Study) -> Report:
    """A report of the ratings there are, to be made by a worker. A broker that is down marks it failed at once."""
    report = Report.objects.create(study=study)
    transaction.on_commit(lambda: _send(report))
    return report


def give_up_lost_reports(*, watched_seconds: float) -> int:
    """Mark failed what no worker made in time: its message, or the worker that held it, is gone.

    `watched_seconds`: for how long the caller has seen the database without a gap. What had no time because the machine
    slept gets it now. Returns how many were given up.
    """
    if watched_seconds < PATIENCE.total_seconds():
        return 0
    lost = Report.objects.filter(state=Report.State.WANTED, requested_at__lt=timezone.now() - PATIENCE)
    return lost.update(
        state=Report.State.FAILED, error="No worker made it in time; perhaps one was restarted. Ask for it again."
    )


def _send(report: Report) -> None:
    try:
        make_report.delay(report.pk)
    except OperationalError as error:
        logger.warning("a report could not be asked for: %s", error)
        Report.objects.filter(pk=report.pk).update(
            state=Report.State.FAILED, error="The workers cannot be reached now; try again when they are back."
        )
