"""Who is invited to a study."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from studies.models import Rater, Study, StudyEvent
from studies.research.refusals import StudyError


def invite(*, study: Study, label: str = "", is_preview: bool = False) -> Rater:
    """A new rater with a link of their own; without a label the next free of r001, r002, ...

    Raises StudyError if the label is taken.
    """
    with transaction.atomic():
        # Two invitations at once must not draw the same number.
        Study.objects.select_for_update().get(pk=study.pk)
        label = label or _next_label(study, prefix="preview" if is_preview else "r")
        rater = Rater(study=study, label=label, is_preview=is_preview)
        try:
            rater.full_clean()
        except ValidationError as error:
            raise StudyError(" ".join(error.messages)) from error
        rater.save()
    return rater


def revoke(*, rater: Rater, now: datetime) -> None:
    """Make a rater's link useless; the ratings stay. Asked twice, nothing changes."""
    if Rater.objects.filter(pk=rater.pk, revoked_at=None).update(revoked_at=now):
        StudyEvent.objects.create(study=rater.study, at=now, kind="revoke", rater=rater.label)


def _next_label(study: Study, *, prefix: str) -> str:
    number = study.raters.filter(label__startswith=prefix).count() + 1
    taken = set(study.raters.values_list("label", flat=True))
    while f"{prefix}{number:03d}" in taken:
        number += 1
    return f"{prefix}{number:03d}"
