"""How precise a running study's MOS were at one moment, for the live page to show how the intervals narrow."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from studies.models.study import Study


class Precision(models.Model):
    """Half-widths of the 95 % intervals of the methods' MOS on each benchmark, in scores."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="precision")
    at = models.DateTimeField(default=timezone.now, editable=False)
    ratings = models.PositiveIntegerField(help_text="ratings that counted")
    raters = models.PositiveIntegerField(help_text="who gave them")
    widest = models.FloatField(null=True, help_text="empty: too few raters, or ratings of some method")
    median = models.FloatField(null=True)

    class Meta:
        verbose_name_plural = "precision"
        ordering: ClassVar = ["ratings", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "ratings"], name="one_precision_a_number_of_ratings"),
        ]

    def __str__(self) -> str:
        return f"{self.study.name} after {self.ratings} ratings"
