"""What staff decided about a rater: each decision a row that stays; the rater's own row has what holds now."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from studies.models.session import Rater


class Decision(models.Model):
    """One step. Each has its opposite, and none erases a rating."""

    class Kind(models.TextChoices):
        ACCEPT = "accept", "accept"
        REJECT = "reject", "reject"
        REOPEN = "reopen", "neither accept nor reject yet"
        EXCLUDE = "exclude", "exclude from the analysis"
        INCLUDE = "include", "include in the analysis again"
        GIVE_BACK = "give_back", "give the places back: others rate these images too"
        KEEP = "keep", "count the ratings towards the target again"

    rater = models.ForeignKey(Rater, on_delete=models.PROTECT, related_name="decisions")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.TextField(blank=True)
    by = models.CharField(max_length=150, help_text="the account's name; empty: from a shell")
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(kind__in=["reject", "exclude"]) | ~Q(reason=""),
                name="what_goes_against_a_rater_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.rater.label}"
