"""The one gate: who may reach which study, rater or report.

Staff come by their login and an address, raters by the token of their invitation. Views and commands ask here and
nowhere else.
"""

from collections.abc import Callable
from functools import wraps

from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from studies.models import Rater, Report, Study

View = Callable[..., HttpResponseBase]


def staff_only(view: View) -> View:
    """Send everybody who is not logged in as staff to the login."""
    decorated: View = staff_member_required(view, login_url="login")
    return decorated


def of_study(view: View) -> View:
    """For staff: the address names a study, and the view gets it in place of its name. 404 if there is none."""

    @staff_only
    @wraps(view)
    def wrapper(request: HttpRequest, *, name: str, **of_address: object) -> HttpResponseBase:
        return view(request, study=get_object_or_404(visible_studies(request), name=name), **of_address)

    return wrapper


def visible_studies(request: HttpRequest) -> "QuerySet[Study]":
    """The studies that this member of staff may see."""
    return Study.objects.all()


def rater_of(study: Study, pk: int) -> Rater:
    """An invited rater of the study. Raises Http404."""
    return get_object_or_404(study.raters, pk=pk)


def finished_report_of(study: Study, pk: int) -> Report:
    """A report of the study that is made. Raises Http404."""
    return get_object_or_404(study.reports, pk=pk, state=Report.State.DONE)


class Refusal(Exception):
    """Something a rater asked for cannot be. `message` is for the rater, `code` for the page's script."""

    status = 403
    code = "refused"
    message = "This is not possible."

    def __init__(self, message: str | None = None) -> None:
        self.message = message or self.message
        super().__init__(self.message)


class UnknownInvitation(Refusal):
    status, code = 404, "unknown-invitation"
    message = "This link is not known here. Please check that it was copied whole, or ask for it again."


class InvitationRevoked(Refusal):
    code = "revoked"
    message = "This invitation was withdrawn by the researchers. Please ask them for a new link."


class StudyNotOpen(Refusal):
    code = "not-open"
    message = "This study is not open for ratings now. What you have rated so far is kept."


class RaterWithdrawn(Refusal):
    code = "withdrawn"
    message = "You have withdrawn from this study, and your ratings were erased."


def invited_rater(*, token: str, at_any_time: bool = False) -> Rater:
    """The rater of an invitation, with study and, if there is one, session.

    Raises UnknownInvitation, InvitationRevoked, RaterWithdrawn or StudyNotOpen. With `at_any_time` neither a study that
    is not open nor a revoked invitation raises: who took part may withdraw whenever they like. A closed study does not
    raise for who has finished either.
    """
    rater = Rater.objects.select_related("study", "session").filter(token=token).first()
    if rater is None:
        raise UnknownInvitation
    session = getattr(rater, "session", None)
    admit(
        withdrawn=rater.withdrawn_at is not None,
        revoked=rater.revoked_at is not None,
        preview=rater.is_preview,
        state=rater.study.state,
        at_any_time=at_any_time,
        finished=bool(session and session.finished_at),
    )
    return rater


def admit(
    *, withdrawn: bool, revoked: bool, preview: bool, state: str, at_any_time: bool = False, finished: bool = False
) -> None:
    """Raise what keeps a rater out, if anything does; see `invited_rater`."""
    if withdrawn:
        raise RaterWithdrawn
    if at_any_time:
        return
    if revoked:
        raise InvitationRevoked
    trying_a_draft = preview and state == Study.State.DRAFT
    if state != Study.State.LAUNCHED and not (trying_a_draft or finished):
        raise StudyNotOpen
