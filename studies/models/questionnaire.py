"""What a rater answered to the study's questions."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from studies.models.session import Session


class QuestionnaireAnswers(models.Model):
    """The answers to all questions before or after the images, given at once and never changed.

    Erased with the session.
    """

    class Part(models.TextChoices):
        BEFORE = "before", "before the first image"
        AFTER = "after", "after the last image"

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="answers")
    part = models.CharField(max_length=6, choices=Part.choices)
    answered_at = models.DateTimeField(default=timezone.now, editable=False)
    answers = models.JSONField(help_text="question -> number or text; an option as the study's first language has it")

    class Meta:
        verbose_name_plural = "questionnaire answers"
        ordering: ClassVar = ["session", "answered_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "part"], name="questions_answered_once"),
        ]

    def __str__(self) -> str:
        return f"answers of {self.session.rater.label}"
