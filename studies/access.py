"""The one gate: who may reach which study, rater or report.

Accounts come by their login and an address, raters by the token of their invitation. Views and commands ask here and
nowhere else.

Of accounts there are administrators (superusers), staff, and colleagues: these came by a link, are no staff, and reach
only what they have a role in. A study without members is nobody's, such as one made from a shell: that is for staff.
The place of a deleted account stays among the members, so that its study comes to administrators and to nobody else.
"""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from studies.models import Import, Membership, PublicLink, Rater, Report, Role, Stimulus, Study

View = Callable[..., HttpResponseBase]


# From the least to the most.
_ROLES = [Role.BLIND, Role.VIEWER, Role.EDITOR, Role.OWNER]


def no_access(request: HttpRequest, why: str, *, status: int = 403) -> HttpResponse:
    """The page that says why something is not for this account, or that a link opens nothing."""
    context = {"why": why, "works": works_here(request)}
    return render(request, "studies/no_access.html", context, status=status)


def works_here(request: HttpRequest) -> bool:
    """Staff, and who has a role in some study."""
    user = request.user
    return user.is_staff or user.is_superuser or Membership.objects.filter(user=user.pk or 0).exists()


def may_bring(request: HttpRequest) -> bool:
    """Whether what belongs to no single study is for this account: benchmarks, methods' images, imports, new studies.
    It is for staff and for owners and editors of some study."""
    user = request.user
    makers = Membership.objects.filter(user=user.pk or 0, role__in=[Role.EDITOR, Role.OWNER])
    return user.is_staff or user.is_superuser or makers.exists()


def _for(who: Callable[[HttpRequest], bool], why: str) -> Callable[[View], View]:
    """Send everybody who is not logged in to the login, and tell an account that is none of `who` why it gets nothing.
    The request has `may_bring`."""

    def decorator(view: View) -> View:
        @wraps(view)
        def wrapper(request: HttpRequest, *of_address: object, **named: object) -> HttpResponseBase:
            if not who(request):
                return no_access(request, why)
            request.may_bring = may_bring(request)  # type: ignore[attr-defined]
            return view(request, *of_address, **named)

        return login_required(wrapper, login_url="login")

    return decorator


_WORKS_NOT = "This account may not work here."
accounts_only = _for(works_here, _WORKS_NOT)
staff_only = _for(lambda request: request.user.is_staff, "This is for the site's staff.")
content_only = _for(may_bring, "This is for the site's staff, and for owners and editors of a study.")


def may(*, read: str, write: str) -> Callable[[View], View]:
    """For who has these roles in the study that the address names, to see and to send something; the view gets the
    study in place of its name, and the request has `role` and `may_edit`. 404 for who has none, 403 for a lesser one.
    """

    def decorator(view: View) -> View:
        @accounts_only
        @wraps(view)
        def wrapper(request: HttpRequest, *, name: str, **of_address: object) -> HttpResponseBase:
            study = get_object_or_404(visible_studies(request), name=name)
            role = role_in(study, request)
            needed = read if request.method in ("GET", "HEAD", "OPTIONS") else write
            if not at_least(role, needed):
                why = f"In this study you are {role}, and this is for its {needed}s: ask an owner of it."
                return no_access(request, why)
            request.role, request.may_edit = role, at_least(role, Role.EDITOR)  # type: ignore[attr-defined]
            return view(request, study=study, **of_address)

        return wrapper

    return decorator


of_study = may(read=Role.VIEWER, write=Role.EDITOR)
of_progress = may(read=Role.BLIND, write=Role.EDITOR)
of_editors = may(read=Role.EDITOR, write=Role.EDITOR)
of_owners = may(read=Role.OWNER, write=Role.OWNER)


def visible_studies(request: HttpRequest) -> "QuerySet[Study]":
    """The studies that this account may see: those that it has a role in; staff those that are nobody's, too; an
    administrator all."""
    if request.user.is_superuser:
        return Study.objects.all()
    # A subquery: these are counted and joined with more.
    visible = Q(pk__in=Membership.objects.filter(user=request.user.pk or 0).values("study"))
    if request.user.is_staff:
        visible |= ~Q(pk__in=Membership.objects.values("study"))
    return Study.objects.filter(visible)


def editable_studies(request: HttpRequest) -> "QuerySet[Study]":
    """Those of the visible studies in which this account is editor or owner."""
    visible = visible_studies(request)
    if request.user.is_superuser:
        return visible
    less = Membership.objects.filter(user=request.user.pk or 0).exclude(role__in=[Role.EDITOR, Role.OWNER])
    return visible.exclude(pk__in=less.values("study"))


def role_in(study: Study, request: HttpRequest) -> str:
    """What this account is in the study. Raises Http404 if it is nothing there."""
    if request.user.is_superuser:
        return Role.OWNER
    role = study.members.filter(user=request.user.pk or 0).values_list("role", flat=True).first()
    if role is None and request.user.is_staff and not study.members.exists():
        return Role.OWNER
    if role is None:
        raise Http404
    return role


def at_least(role: str, needed: str) -> bool:
    return _ROLES.index(Role(role)) >= _ROLES.index(Role(needed))


def rater_of(study: Study, pk: int) -> Rater:
    """An invited rater of the study. Raises Http404."""
    return get_object_or_404(study.raters, pk=pk)


def of_import(view: View) -> View:
    """The address names an import, and the view gets it in place of its key; the request has `may_edit`. To be looked
    at by whoever may bring images; who began it goes on with it, or an administrator. 404 if there is none."""

    @content_only
    @wraps(view)
    def wrapper(request: HttpRequest, *, pk: int, **of_address: object) -> HttpResponseBase:
        incoming = get_object_or_404(Import, pk=pk)
        own = request.user.is_superuser or request.user.get_username() == incoming.by
        if not own and request.method not in ("GET", "HEAD", "OPTIONS"):
            return no_access(request, f"This import is for {incoming.by or 'an administrator'} to go on with.")
        request.may_edit = own  # type: ignore[attr-defined]
        return view(request, incoming=incoming, **of_address)

    return wrapper


def image_of(study: Study, pk: int) -> Stimulus:
    """A finished image that the study shows or, as a draft, may come to show. Raises Http404."""
    stimulus = get_object_or_404(Stimulus.objects.select_related("source"), pk=pk, state=Stimulus.State.DONE)
    if study.state == Study.State.DRAFT:
        may = study.cells.filter(benchmark=stimulus.source.benchmark_id, method=stimulus.method_id).exists()
    else:
        may = study.images.filter(stimulus=stimulus).exists()
    if not may:
        raise Http404
    return stimulus


def finished_report_of(study: Study, pk: int) -> Report:
    """A report of the study that is made. Raises Http404."""
    return get_object_or_404(study.reports, pk=pk, state=Report.State.DONE)


class Refusal(Exception):
    """Something a rater asked for cannot be. `message` is for the rater, lazily translated, `code` for the script."""

    status = 403
    code = "refused"
    message: str | Promise = gettext_lazy("This is not possible.")

    def __init__(self, message: str | Promise | None = None) -> None:
        self.message = message or self.message
        super().__init__(self.message)


class UnknownInvitation(Refusal):
    status, code = 404, "unknown-invitation"
    message = gettext_lazy("This link is not known here. Please check that it was copied whole, or ask for it again.")


class InvitationRevoked(Refusal):
    code = "revoked"
    message = gettext_lazy("This invitation was withdrawn by the researchers. Please ask them for a new link.")


class StudyNotOpen(Refusal):
    code = "not-open"
    message = gettext_lazy("This study is not open for ratings now. What you have rated so far is kept.")


class RaterWithdrawn(Refusal):
    code = "withdrawn"
    message = gettext_lazy("You have withdrawn from this study, and your ratings were erased.")


class PartEnded(Refusal):
    code = "ended"
    message = gettext_lazy("Your part in this study has ended. Please load the page again: it says how.")


def public_link(token: str) -> PublicLink:
    """The public link of a study, switched on or not. Raises UnknownInvitation."""
    link = PublicLink.objects.select_related("study").filter(token=token).first()
    if link is None:
        raise UnknownInvitation
    return link


def invited_rater(*, token: str, at_any_time: bool = False, ended_too: bool = False) -> Rater:
    """The rater of an invitation, with study and, if there are, session and arrival.

    Raises UnknownInvitation, InvitationRevoked, RaterWithdrawn, StudyNotOpen or, unless `ended_too`, PartEnded. With
    `at_any_time` only the first and RaterWithdrawn: who took part may withdraw whenever they like. Staff may
    try a study that is not open, and a closed one does not raise for who has finished either.
    """
    rater = Rater.objects.select_related("study", "session", "arrival").filter(token=token).first()
    if rater is None:
        raise UnknownInvitation
    session = getattr(rater, "session", None)
    admit(
        withdrawn=rater.withdrawn_at is not None,
        revoked=rater.revoked_at is not None,
        preview=rater.is_preview,
        state=rater.study.state,
        ended=bool(rater.outcome) and not ended_too,
        at_any_time=at_any_time,
        finished=bool(session and session.finished_at) or bool(rater.outcome and ended_too),
    )
    return rater


def require_launched(rater: Rater) -> None:
    """Asked again under a lock on the rater, before anything is written: a launch can be taken back while nobody has
    agreed. Raises StudyNotOpen."""
    if not rater.is_preview and Study.objects.filter(pk=rater.study_id, state=Study.State.DRAFT).exists():
        raise StudyNotOpen


def admit(
    *,
    withdrawn: bool,
    revoked: bool,
    preview: bool,
    state: str,
    ended: bool = False,
    at_any_time: bool = False,
    finished: bool = False,
) -> None:
    """Raise what keeps a rater out, if anything does; see `invited_rater`."""
    if withdrawn:
        raise RaterWithdrawn
    if at_any_time:
        return
    if revoked:
        raise InvitationRevoked
    if state != Study.State.LAUNCHED and not (preview or finished):
        raise StudyNotOpen
    if ended:
        raise PartEnded
