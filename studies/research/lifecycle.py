"""A study's life from its launch on: launch, close, reopen."""

from datetime import datetime

from django.db import transaction

from studies.models import Study, StudyEvent, StudyImage
from studies.protocol.readiness import problems_of_design, problems_of_files
from studies.protocol.slots import slots
from studies.research.refusals import NotReady, StudyError, require_draft


def launch(*, study: Study, now: datetime) -> None:
    """Freeze the images and the design, and open the study to raters. Raises NotReady or StudyError.

    The files are looked at before the transaction: nobody's rating waits for the storage.
    """
    require_draft(study)
    looked_at = slots(study)
    if found := problems_of_design(study, looked_at) or problems_of_files(looked_at):
        raise NotReady(found)
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        require_draft(locked)
        filled = slots(locked)
        if set(filled) != set(looked_at):
            raise StudyError("The design or an image was changed while its files were looked at. Launch it again.")
        if found := problems_of_design(locked, filled):
            raise NotReady(found)
        StudyImage.objects.bulk_create(
            StudyImage(study=locked, stimulus=slot.stimulus, role=slot.role) for slot in filled
        )
        Study.objects.filter(pk=locked.pk).update(state=Study.State.LAUNCHED, launched_at=now)
        StudyEvent.objects.create(study=locked, at=now, kind="launch", detail={"images": len(filled)})
    study.refresh_from_db()


def close(*, study: Study, now: datetime) -> None:
    """Take no more ratings. Asked twice, nothing changes. Raises StudyError for a draft."""
    _move(study=study, start=Study.State.LAUNCHED, end=Study.State.CLOSED, now=now, kind="close", closed_at=now)


def reopen(*, study: Study, now: datetime) -> None:
    """Take ratings again, with the same design. Asked twice, nothing changes. Raises StudyError for a draft."""
    _move(study=study, start=Study.State.CLOSED, end=Study.State.LAUNCHED, now=now, kind="reopen", closed_at=None)


def _move(*, study: Study, start: str, end: str, now: datetime, kind: str, closed_at: datetime | None) -> None:
    with transaction.atomic():
        moved = Study.objects.filter(pk=study.pk, state=start).update(state=end, closed_at=closed_at)
        if moved:
            StudyEvent.objects.create(study=study, at=now, kind=kind)
    study.refresh_from_db()
    if study.state != end:
        raise StudyError(f"A study that is a draft cannot be {'closed' if kind == 'close' else 'reopened'}.")
