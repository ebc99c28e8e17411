"""Asking for a study's report. A worker makes it: studies.reporting."""

import logging

from django.db import transaction
from kombu.exceptions import OperationalError

from studies.models import Report, Study
from studies.tasks import make_report

logger = logging.getLogger(__name__)


def request_report(study: Study) -> Report:
    """A report of the ratings there are, to be made by a worker. A broker that is down marks it failed at once."""
    report = Report.objects.create(study=study)
    transaction.on_commit(lambda: _send(report))
    return report


def _send(report: Report) -> None:
    try:
        make_report.delay(report.pk)
    except OperationalError as error:
        logger.warning("a report could not be asked for: %s", error)
        Report.objects.filter(pk=report.pk).update(
            state=Report.State.FAILED, error="The workers cannot be reached now; try again when they are back."
        )
