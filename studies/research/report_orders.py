"""Asking for a study's report. A worker makes it: studies.research.reporting."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from studies.jobs.dispatch import send_on_commit
from studies.models import Report, Study, tell


def order_report(study: Study, options: Mapping[str, Any] | None = None, *, by: str = "") -> Report:
    """A report of the ratings there are, to be made by a worker. Without a broker or a worker it waits for them.

    `options`: as `Report.options` has them.
    """
    with transaction.atomic():
        report = Report.objects.create(study=study, options=dict(options or {}))
        tell(study, "report ordered", by=by, detail=report.options)
        send_on_commit(Report, [report.pk])
    return report


def delete_report(report: Report, *, by: str = "") -> None:
    """With its file. One that is being made is not stored, then."""
    storage, name = report.file.storage, report.file.name
    ordered = {"ordered": f"{report.requested_at:%Y-%m-%d %H:%M:%S} UTC", "ratings": report.ratings}
    with transaction.atomic():
        tell(report.study, "report deleted", by=by, detail=ordered)
        report.delete()
    if name:
        storage.delete(name)


def newest(study: Study) -> "list[Report]":
    """The reports that the page shows, the newest first."""
    return list(study.reports.all()[:50])
