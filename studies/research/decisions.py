"""What staff decide about raters, and take back: by whom, when and why stays."""

from datetime import datetime
from typing import Any

from django.db import transaction

from studies.models import Decision, Rater, changes, tell
from studies.research.refusals import StudyError

Kind = Decision.Kind
NEEDS_REASON = frozenset({Kind.REJECT, Kind.EXCLUDE})


def decide(*, rater: Rater, kind: str, reason: str, by: str, now: datetime) -> bool:
    """Note the decision, and let it hold. False if it holds already, and then nothing has changed.

    Raises StudyError without a reason where one is needed, or of a rater who has withdrawn or is staff.
    """
    reason = reason.strip()
    if kind in NEEDS_REASON and not reason:
        raise StudyError(f"To {Kind(kind).label} needs a reason: the report and the panel are told.")
    with transaction.atomic():
        row = Rater.objects.select_for_update().get(pk=rater.pk)
        if row.withdrawn_at or row.is_preview:
            raise StudyError(f"There is nothing to decide about {row.label}: no rating of theirs counts.")
        holds = _held(kind, reason, back_at=row.places_back_at or now)
        if all(getattr(row, name) == value for name, value in holds.items()):
            return False
        before = {name: getattr(row, name) for name in holds}
        Rater.objects.filter(pk=rater.pk).update(**holds)
        detail = {"decision": str(Kind(kind).label), "reason": reason, **changes(before, holds)}
        tell(row.study_id, "decision", at=now, by=by, rater=row.label, detail=detail)
        Decision.objects.create(rater=row, kind=kind, reason=reason, by=by, at=now)
    return True


def _held(kind: str, reason: str, *, back_at: datetime) -> dict[str, Any]:
    """What of the rater's row follows from the decision."""
    of: dict[str, dict[str, Any]] = {
        Kind.ACCEPT: {"verdict": "accepted"},
        Kind.REJECT: {"verdict": "rejected"},
        Kind.REOPEN: {"verdict": ""},
        Kind.EXCLUDE: {"excluded": reason},
        Kind.INCLUDE: {"excluded": ""},
        Kind.GIVE_BACK: {"places_back_at": back_at},
        Kind.KEEP: {"places_back_at": None},
    }
    return of[kind]
