"""A second device on one link within minutes: perhaps a second person, whose ratings would be taken for the first's."""

from datetime import datetime, timedelta

from studies.models import Rater, Session, StudyEvent

KIND = "second device"
WITHIN = timedelta(minutes=15)


def note_second(*, rater: Rater, session: Session | None, known_here: bool, now: datetime) -> None:
    """Tell staff if the link is opened in a browser that it was not opened in, while the session goes on elsewhere.

    A browser that has forgotten its cookies looks like another device, so it is an event and nothing is refused. Who
    tries the study may do so anywhere.
    """
    if rater.is_preview or known_here or session is None or session.finished_at:
        return
    if now - session.last_active_at > WITHIN:
        return
    since = round((now - session.last_active_at).total_seconds())
    detail = {"seconds since the first was used": since}
    StudyEvent.objects.create(study_id=rater.study_id, at=now, kind=KIND, rater=rater.label, detail=detail)
