"""Who may do what with a study: owners decide, and colleagues come by a link that works once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from studies.access import at_least
from studies.models import Colleague, Membership, Role, Study, StudyEvent, tell
from studies.research.refusals import StudyError

LINK_DAYS = 7


def own(study: Study, user: object) -> None:
    """Who makes a study owns it."""
    assert isinstance(user, User)  # noqa: S101 - the gate lets nobody else in
    Membership.objects.get_or_create(study=study, user=user, defaults={"role": Role.OWNER})


def change_role(*, study: Study, user: int, role: str, by: str, now: datetime) -> None:
    """Give a member another role, or with "" none. Raises StudyError where no owner would be left."""
    with transaction.atomic():
        Study.objects.select_for_update().get(pk=study.pk)
        member = study.members.select_related("user").filter(user=user).first()
        if member is None or member.user is None:
            raise StudyError("That account has no role in this study any more.")
        others = study.members.filter(role=Role.OWNER, user__isnull=False).exclude(pk=member.pk)
        if member.role == Role.OWNER and role != Role.OWNER and not others.exists():
            raise StudyError("A study keeps an owner: make somebody else one first.")
        detail = {"account": member.user.get_username(), "before": member.role, "after": role or "none"}
        if role:
            Membership.objects.filter(pk=member.pk).update(role=role)
        else:
            member.delete()
        if detail["before"] != detail["after"]:
            StudyEvent.objects.create(study=study, at=now, by=by, kind="role", detail=detail)


def invite(*, study: Study, role: str, by: str, now: datetime) -> Colleague:
    """A link for a colleague, to be sent by whoever asked for it."""
    with transaction.atomic():
        StudyEvent.objects.create(study=study, at=now, by=by, kind="colleague invited", detail={"role": role})
        return Colleague.objects.create(study=study, role=role, by=by, made_at=now)


def invitation(token: str, *, now: datetime) -> Colleague | None:
    """What a link is for; None if it is unknown, used or too old."""
    fresh = Colleague.objects.filter(used_by="", made_at__gt=now - timedelta(days=LINK_DAYS))
    return fresh.select_related("study").filter(token=token).first()


def accept(*, invited: Colleague, account: Callable[[], User], now: datetime) -> User:
    """Have an account take the role; a higher one that it has already stays. `account` gives it, makes it where it is
    new, and is only asked under a lock while the link is good. Raises StudyError for a link that was used or withdrawn.
    """
    with transaction.atomic():
        if not Colleague.objects.select_for_update().filter(pk=invited.pk, used_by="").first():
            raise StudyError("This link was used already: ask for another.")
        user = account()
        Colleague.objects.filter(pk=invited.pk).update(used_by=user.get_username())
        study = invited.study
        had = study.members.filter(user=user).values_list("role", flat=True).first()
        if had and at_least(had, invited.role):
            return user
        Membership.objects.update_or_create(study=study, user=user, defaults={"role": invited.role})
        detail = {"account": user.get_username(), "before": had or "none", "after": invited.role}
        StudyEvent.objects.create(study=study, at=now, by=invited.by, kind="role", detail=detail)
    return user


def withdraw_link(*, study: Study, pk: int, by: str, now: datetime) -> None:
    """A link that was not used yet works no more."""
    with transaction.atomic():
        if study.colleagues.filter(pk=pk, used_by="").delete()[0]:
            StudyEvent.objects.create(study=study, at=now, by=by, kind="colleague's link withdrawn")


def make_members(study: Study, user: object) -> None:
    """A study that is nobody's becomes that of whoever first invites somebody: from then on it is not all staff's."""
    if not study.members.exists():
        own(study, user)
        by = getattr(user, "username", "")
        tell(study, "role", by=by, detail={"account": by, "before": "all staff's", "after": str(Role.OWNER)})
