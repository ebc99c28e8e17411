"""What happened, by whom, when, with what was before and after: every act that changes a study, a rater or data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from studies.models.study import Study

LONGEST = 5000
"""Characters of a value that an event keeps; instructions and consent are mostly shorter."""


class StudyEvent(models.Model):
    """What happened to a study or to the site's data: who did it, when, and what was before and after.

    Without a study it is about the site's data; what is deleted leaves its event, which says what it was.
    """

    study = models.ForeignKey(Study, on_delete=models.SET_NULL, null=True, related_name="events")
    of = models.CharField(max_length=200, blank=True, help_text="what it is about, where that is no study")
    by = models.CharField(max_length=150, blank=True, help_text="the account's name; empty: a rater, or from a shell")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=40)
    rater = models.CharField(max_length=60, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


def tell(
    study: Study | int | None,
    kind: str,
    *,
    by: str = "",
    at: datetime | None = None,
    rater: str = "",
    of: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Store that it happened. To be called in the transaction in which it does."""
    key = study.pk if isinstance(study, Study) else study
    StudyEvent.objects.create(
        study_id=key, kind=kind, by=by, at=at or timezone.now(), rater=rater, of=of[:200], detail=dict(detail or {})
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """What differs, as an event has it: "before -> after", each cut where it is very long."""
    names = [name for name in after if _plain(before.get(name)) != _plain(after[name])]
    return {name: f"{_said(before.get(name))} -> {_said(after[name])}" for name in names}


def _plain(value: Any) -> Any:
    """Forms end lines otherwise, and cut what is empty at a text's ends: that is no change."""
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else value


def _said(value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:LONGEST]
