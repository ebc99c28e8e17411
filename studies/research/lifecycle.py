"""A study's life from its launch on: launch, take that back, close, reopen, archive."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from studies.generation import metrics
from studies.generation.traps import make_traps
from studies.models import Rating, Session, Study, StudyEvent, StudyImage, TakenBack, Tally
from studies.protocol import languages
from studies.protocol.readiness import problems_of_design, problems_of_files
from studies.protocol.slots import slots
from studies.research.refusals import NotReady, StudyError, require_draft


def launch(*, study: Study, now: datetime, by: str = "") -> None:
    """Freeze the images and the design, and open the study to raters. Raises NotReady or StudyError.

    The files are looked at before the transaction: nobody's rating waits for the storage.
    """
    require_draft(study)
    make_traps(study)
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
        Study.objects.filter(pk=locked.pk).update(
            state=Study.State.LAUNCHED, launched_at=now, translations=languages.at_launch(locked)
        )
        Tally.objects.filter(study=locked).delete()
        StudyEvent.objects.create(study=locked, at=now, kind="launch", by=by, detail={"images": len(filled)})
        metrics.measure_again(Study.objects.get(pk=locked.pk))
    study.refresh_from_db()


def take_back(*, study: Study, now: datetime, by: str = "") -> None:
    """Make a draft again of what was launched and nobody has seen: no rater has agreed. What staff tried goes.

    Raises StudyError for another study.
    """
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        if locked.state == Study.State.DRAFT:
            raise StudyError("It is a draft already.")
        # The lock on the study keeps new raters out, this one those who are about to agree.
        list(locked.raters.select_for_update().values_list("pk"))
        if seen_by(locked):
            raise StudyError("Raters have begun, so that it stays as they saw it. Close it, and clone it to change it.")
        if locked.same_images.filter(state=Study.State.DRAFT).exists():
            raise StudyError("Drafts that were cloned from it show its images as they are now: delete those first.")
        forget_previews(locked)
        Study.objects.filter(pk=locked.pk).update(state=Study.State.DRAFT, launched_at=None, closed_at=None)
        locked.images.all().delete()
        Tally.objects.filter(study=locked).delete()
        Study.objects.filter(pk=locked.pk).update(translations=languages.by_hand(locked))
        StudyEvent.objects.create(study=locked, at=now, kind="launch taken back", by=by)
    study.refresh_from_db()


def seen_by(study: Study) -> int:
    """How many raters have begun, also who has withdrawn since; staff's trials aside."""
    begun = Q(session__isnull=False) | Q(withdrawn_at__isnull=False)
    return study.raters.filter(begun, is_preview=False).count()


def close(*, study: Study, now: datetime, by: str = "") -> None:
    """Take no more ratings. Asked twice, nothing changes. Raises StudyError for a draft."""
    _move(study=study, start=Study.State.LAUNCHED, end=Study.State.CLOSED, now=now, kind="close", by=by, closed_at=now)


def reopen(*, study: Study, now: datetime, by: str = "") -> None:
    """Take ratings again, with the same design. Asked twice, nothing changes. Raises StudyError for a draft."""
    closed, launched = Study.State.CLOSED, Study.State.LAUNCHED
    _move(study=study, start=closed, end=launched, now=now, kind="reopen", by=by, closed_at=None)


def archive(*, study: Study, now: datetime, by: str = "") -> None:
    """Take it off the list of studies; nothing else changes. Raises StudyError while raters can rate."""
    rows = Study.objects.filter(pk=study.pk, archived_at=None).exclude(state=Study.State.LAUNCHED)
    with transaction.atomic():
        if rows.update(archived_at=now):
            StudyEvent.objects.create(study=study, at=now, kind="archive", by=by)
    study.refresh_from_db()
    if study.archived_at is None:
        raise StudyError("Raters can rate it just now: close it first.")


def unarchive(*, study: Study, now: datetime, by: str = "") -> None:
    """Back on the list."""
    with transaction.atomic():
        if Study.objects.filter(pk=study.pk, archived_at__isnull=False).update(archived_at=None):
            StudyEvent.objects.create(study=study, at=now, kind="archive left", by=by)
    study.refresh_from_db()


def forget_previews(study: Study) -> None:
    """What staff gave while they tried the study."""
    previews = study.raters.filter(is_preview=True)
    TakenBack.objects.filter(trial__session__rater__in=previews).delete()
    Rating.objects.filter(trial__session__rater__in=previews).delete()
    Session.objects.filter(rater__in=previews).delete()
    previews.delete()


def _move(*, study: Study, start: str, end: str, now: datetime, kind: str, by: str, closed_at: datetime | None) -> None:
    with transaction.atomic():
        moved = Study.objects.filter(pk=study.pk, state=start).update(state=end, closed_at=closed_at, archived_at=None)
        if moved:
            StudyEvent.objects.create(study=study, at=now, kind=kind, by=by)
    study.refresh_from_db()
    if study.state != end:
        raise StudyError(f"A study that is a draft cannot be {'closed' if kind == 'close' else 'reopened'}.")
