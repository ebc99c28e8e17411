"""The statistical report of a study, made by a worker."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from studies.models.job import Job
from studies.models.study import Study


def report_path(report: "Report", filename: str) -> str:
    return f"reports/{report.opaque_name.hex}.zip"


class Report(Job):
    """What analysis says of the ratings there were at one moment: a zip with report.html, tables, figures, summary."""

    word = "report"
    task = "studies.research.tasks.make_report"
    routed_by = "state"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="reports")
    opaque_name = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    ratings = models.PositiveIntegerField(default=0, help_text="how many ratings it is about")
    file = models.FileField(upload_to=report_path, max_length=120, blank=True)
    options = models.JSONField(
        default=dict, help_text="what differs from the usual report: fields of ReportForm, supplement"
    )

    class Meta:
        ordering: ClassVar = ["-requested_at", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(state="done") | ~Q(file=""), name="done_report_has_a_file"),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="running_report_is_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"report of {self.study} of {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def title(self) -> str:
        return "supplement" if self.options.get("supplement") else "report"

    @property
    def told(self) -> str:
        """The options, for a list of reports."""
        return "; ".join(
            f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value.replace('_', ' ')}"
            for name, value in sorted(self.options.items())
            if name != "supplement"
        )

    @staticmethod
    def queue(value: str, living: set[str]) -> str:
        """The queue of every worker that does not only make images."""
        return "default"

    @property
    def seconds_allowed(self) -> int:
        """By far longer than a report takes: 10 s for the 29,328 ratings of the paper's study."""
        return 3600
