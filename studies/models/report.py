"""The statistical report of a study, made by a worker."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from studies.models.study import Study


def report_path(report: "Report", filename: str) -> str:
    return f"reports/{report.opaque_name.hex}.zip"


class Report(models.Model):
    """What analysis says of the ratings there were at one moment: a zip with report.html, tables, figures, summary."""

    class State(models.TextChoices):
        WANTED = "wanted"
        DONE = "done"
        FAILED = "failed"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="reports")
    opaque_name = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WANTED)
    finished_at = models.DateTimeField(null=True, editable=False)
    ratings = models.PositiveIntegerField(default=0, help_text="how many ratings it is about")
    file = models.FileField(upload_to=report_path, max_length=120, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-requested_at", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(state="done") | ~Q(file=""), name="done_report_has_a_file"),
        ]

    def __str__(self) -> str:
        return f"report of {self.study} of {self.requested_at:%Y-%m-%d %H:%M}"
