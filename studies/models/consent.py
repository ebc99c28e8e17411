"""What raters agree to: the researcher's texts by version, and what each rater read and agreed to."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from studies.models.languages import LONGEST_CODE
from studies.models.session import Rater
from studies.models.study import Study


class ConsentText(models.Model):
    """A version of a study's consent text, never changed once written; a study without any has the site's own."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="consent_texts")
    version = models.PositiveIntegerField(help_text="1, 2, ...; 0 is the site's own")
    texts = models.JSONField(help_text="language -> text, for each of the study's languages; empty: the site's own")
    written_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["study", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "version"], name="one_consent_text_a_version"),
        ]

    def __str__(self) -> str:
        return f"version {self.version} for {self.study.name}"


class Agreement(models.Model):
    """What a rater read and agreed to, as it stood on the page. Erased with the rater's ratings."""

    rater = models.ForeignKey(Rater, on_delete=models.CASCADE, related_name="agreements")
    agreed_at = models.DateTimeField(default=timezone.now, editable=False)
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=LONGEST_CODE)
    sha256 = models.CharField(max_length=64, help_text="of the text in UTF-8")
    text = models.TextField()

    class Meta:
        ordering: ClassVar = ["agreed_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rater", "version", "language"], name="agreed_once_to_a_version"),
        ]

    def __str__(self) -> str:
        return f"{self.rater.label} to version {self.version}"
