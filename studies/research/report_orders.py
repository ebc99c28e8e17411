"""Asking for a study's report. A worker makes it: studies.research.reporting."""

from django.db import transaction

from studies.jobs.dispatch import send_on_commit
from studies.models import Report, Study


def order_report(study: Study) -> Report:
    """A report of the ratings there are, to be made by a worker. Without a broker or a worker it waits for them."""
    with transaction.atomic():
        report = Report.objects.create(study=study)
        send_on_commit(Report, [report.pk])
    return report
