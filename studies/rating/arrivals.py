"""Who comes by a study's public link: known again by the panel's id, let in while there are places.

An id is no secret: it stands in addresses that panel and rater see. So with it alone one can go on rating, and nothing
else; to take back, to withdraw and to see the code takes the browser in which the rater agreed.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from studies.access import Refusal, StudyNotOpen
from studies.models import Arrival, Outcome, PanelIds, PublicLink, Rater, Study, site_key
from studies.rating import continuing, outcomes, places

# Who has come and not agreed yet keeps a place for so long.
READING = timedelta(minutes=30)
# Added by whoever passes links on; nothing of them is kept.
TRACKERS = re.compile(r"utm_\w+|fbclid|gclid|msclkid|mc_[ce]id", re.ASCII)
LANGUAGE = "language"
_ID = re.compile(r"[A-Za-z0-9_.~@+:=-]{1,128}", re.ASCII)


class NotOfThePanel(Refusal):
    status, code = 400, "not-of-the-panel"
    message = gettext_lazy(
        "This link is not as it was given out: something in it is missing, unknown, doubled or too long. Please open "
        "the study again from where you found it."
    )


class OtherPanelStudy(Refusal):
    status, code = 400, "other-panel-study"
    message = gettext_lazy("This link belongs to another study. Please open this study again from where you found it.")


class TookPartBefore(Refusal):
    code = "took-part-before"
    message = gettext_lazy(
        "You took part in an earlier study that belongs with this one, so you cannot take part in this one. Thank you "
        "for coming; nothing about this visit is stored."
    )


class NotThisBrowser(Refusal):
    code = "not-this-browser"
    message = gettext_lazy(
        "This is possible only in the browser in which you agreed to take part, or with the code for withdrawing that "
        "stands on your last page."
    )


class NoPlace(Exception):
    """All places are taken, or the link is switched off."""


def read_ids(link: PublicLink, query: Mapping[str, list[str]]) -> dict[str, str]:
    """The panel's parameters of an address. Raises NotOfThePanel for any that is missing, unknown, doubled or odd."""
    found = {name: values for name, values in query.items() if name != LANGUAGE and not TRACKERS.fullmatch(name)}
    if set(found) != set(link.parameters) or any(len(values) != 1 for values in found.values()):
        raise NotOfThePanel
    ids = {name: found[name][0] for name in link.parameters}
    if not all(_ID.fullmatch(value) for value in ids.values()):
        raise NotOfThePanel
    of_study = PublicLink.OF_PANELS_STUDY.get(PublicLink.Panel(link.panel))
    if of_study and link.panel_study and ids[of_study] != link.panel_study:
        raise OtherPanelStudy
    return ids


def arrive(*, link: PublicLink, ids: Mapping[str, str], known: str, now: datetime) -> Rater:
    """The rater who comes with these ids, or without any in a browser that knows a rater's token: who it was before.

    Somebody new takes a place. Raises NoPlace, StudyNotOpen, TookPartBefore.
    """
    person = _person(link, ids)
    found = _before(link, person, known)
    if found:
        return found.rater
    if link.study.state != Study.State.LAUNCHED:
        raise StudyNotOpen
    if person and _took_part(person, link):
        raise TookPartBefore
    with transaction.atomic():
        study = places.lock(link.study)
        # Perhaps in another tab meanwhile.
        found = _before(link, person, known)
        if found:
            return found.rater
        require_place(study, now=now)
        rater = Rater.objects.create(study=study, label=_label(study), invited_at=now)
        arrival = Arrival.objects.create(rater=rater, study=study, person=person, arrived_at=now)
        if ids:
            PanelIds.objects.create(arrival=arrival, ids=dict(ids))
    return rater


def note_visit(rater: Rater, ids: Mapping[str, str]) -> None:
    """Keep what the panel says of this visit in place of the last one's: it pays for the visit that was finished.

    For the rater's own browser alone, or who knows an id could write into what is paid; and not once the part is over,
    or a later visit would take the place of the one that was finished.
    """
    if ids and not PanelIds.objects.filter(arrival__rater=rater).update(ids=dict(ids)) and rater.reopened_at:
        # Who had declined, and was let go on.
        PanelIds.objects.create(arrival=rater.arrival, ids=dict(ids))


def holding(study: Study, *, now: datetime) -> "QuerySet[Arrival]":
    """Who holds a place: all who have completed, and who is at work or reads the instructions."""
    away = timedelta(minutes=study.public_link.hold_minutes)
    finished = Q(rater__session__finished_at__isnull=False)
    at_work = Q(rater__session__last_active_at__gte=now - away)
    reads = Q(rater__session=None, arrived_at__gte=now - min(READING, away))
    return Arrival.objects.filter(
        finished | at_work | reads,
        study=study,
        rater__outcome="",
        rater__revoked_at=None,
        rater__withdrawn_at=None,
        rater__places_back_at=None,
    )


def require_place(study: Study, *, now: datetime) -> None:
    """Raises NoPlace unless somebody new may come now."""
    link = study.public_link
    if not link.is_open or holding(study, now=now).count() >= link.quota:
        raise NoPlace


def agree_to(*, rater: Rater, secret: str, now: datetime) -> None:
    """Before a rater agrees for the first time: their place is still there, and this browser is theirs from now on.

    Within the caller's transaction. Raises NoPlace for who has read for so long that it was given to another.
    """
    arrival = getattr(rater, "arrival", None)
    if arrival is None or getattr(rater, "session", None):
        return
    study = places.lock(rater.study)
    if not holding(study, now=now).filter(pk=arrival.pk).exists():
        require_place(study, now=now)
    Arrival.objects.filter(pk=arrival.pk, device="").update(device=_hashed(secret), arrived_at=now)


def is_own_browser(rater: Rater, secret: str) -> bool:
    """Whether this is the browser in which the rater agreed; of an invitation, whose link is a secret, every one is."""
    arrival = getattr(continuing.first_part(rater), "arrival", None)
    return arrival is None or (bool(secret) and hmac.compare_digest(arrival.device, _hashed(secret)))


def require_own_browser(rater: Rater, secret: str) -> None:
    """Raises NotThisBrowser."""
    if not is_own_browser(rater, secret):
        raise NotThisBrowser


def end_if_late(rater: Rater, *, now: datetime) -> None:
    """Who was away for too long and may not go on then, is told so."""
    session, came = getattr(rater, "session", None), continuing.first_part(rater)
    if getattr(came, "arrival", None) is None or session is None or outcomes.outcome_of(rater):
        return
    link = came.study.public_link
    if not link.late_go_on and now - session.last_active_at > timedelta(minutes=link.hold_minutes):
        outcomes.end(rater=rater, outcome=Outcome.LATE, now=now)


def decline(rater: Rater, *, now: datetime) -> None:
    """Somebody does not agree: what the panel said of them goes at once."""
    if outcomes.end(rater=rater, outcome=Outcome.DECLINED, now=now):
        PanelIds.objects.filter(arrival__rater=rater).delete()


def _before(link: PublicLink, person: str | None, known: str) -> Arrival | None:
    arrivals = Arrival.objects.select_related("rater").filter(study=link.study)
    if person:
        return arrivals.filter(person=person).first()
    # The browser may be in a part that came after.
    came = Rater.objects.filter(token=known).first() if known else None
    return arrivals.filter(rater=continuing.first_part(came), person=None).first() if came else None


def _took_part(person: str, link: PublicLink) -> bool:
    """In a study that the link names: who only read there, or declined, did not."""
    away, came = link.turned_away.all(), Arrival.objects.filter(person=person)
    there = Q(study__in=away, rater__session__isnull=False)
    there |= Q(rater__continued__study__in=away, rater__continued__session__isnull=False)
    return came.filter(there).exists()


def _person(link: PublicLink, ids: Mapping[str, str]) -> str | None:
    """The same for one id in all studies of this site; nobody who lacks the site's key can try ids against it."""
    if not link.parameters:
        return None
    name = link.parameters[0]
    return hmac.new(site_key("panel"), f"{name.lower()} {ids[name]}".encode(), hashlib.sha256).hexdigest()


def _label(study: Study) -> str:
    """p0001, p0002, ...: the next that is free; the study is locked."""
    number = study.raters.filter(label__startswith="p", is_preview=False).count() + 1
    while study.raters.filter(label=f"p{number:04d}").exists():
        number += 1
    return f"p{number:04d}"


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
