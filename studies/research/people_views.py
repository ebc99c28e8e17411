"""The page on which owners decide who may do what, and the one that a colleague's link opens."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import BigAutoField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from studies.access import no_access, of_owners, visible_studies
from studies.models import Role, Study
from studies.research import people
from studies.research.refusals import StudyError


class InviteColleagueForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices, initial=Role.EDITOR)


class WithdrawForm(forms.Form):
    withdraw = forms.IntegerField(min_value=1, max_value=BigAutoField.MAX_BIGINT)


class RoleForm(forms.Form):
    user = forms.IntegerField(min_value=1, max_value=BigAutoField.MAX_BIGINT)
    role = forms.ChoiceField(choices=[("", "none"), *Role.choices], required=False)


@require_http_methods(["GET", "POST"])
@of_owners
def members(request: HttpRequest, study: Study) -> HttpResponse:
    """Who has which role; a link for another; each a form of its own."""
    form = InviteColleagueForm(request.POST if "invite" in request.POST else None)
    if request.method == "POST":
        try:
            _decide(request, study, form)
        except StudyError as error:
            messages.error(request, str(error))
        still = visible_studies(request).filter(pk=study.pk).exists()
        return redirect("people", study.name) if still else redirect("study-list")
    pending = [
        (one, request.build_absolute_uri(reverse("colleague", args=[one.token])))
        for one in study.colleagues.filter(used_by="")
    ]
    known = study.members.filter(user__isnull=False).select_related("user")
    context = {"study": study, "form": form, "members": known, "pending": pending}
    context["is_nobodys"] = not study.members.exists()
    return render(request, "research/people.html", context | {"roles": Role.choices, "days": people.LINK_DAYS})


def _decide(request: HttpRequest, study: Study, form: InviteColleagueForm) -> None:
    what: dict[str, Any] = {"study": study, "by": request.user.get_username(), "now": timezone.now()}
    withdrawn, changed = WithdrawForm(request.POST), RoleForm(request.POST)
    if form.is_valid():
        people.make_members(study, request.user)
        people.invite(**what, role=form.cleaned_data["role"])
    elif withdrawn.is_valid():
        people.withdraw_link(**what, pk=withdrawn.cleaned_data["withdraw"])
    elif "change" in request.POST and changed.is_valid():
        people.change_role(**what, **changed.cleaned_data)


@require_http_methods(["GET", "POST"])
def colleague(request: HttpRequest, token: str) -> HttpResponse:
    """What a colleague's link opens: a new account, or the one that is logged in, gets the role."""
    invited = people.invitation(token, now=timezone.now())
    if invited is None:
        why = "This link is not known here, was used, or is too old: ask the colleague who sent it for another."
        return no_access(request, why, status=404)
    known = request.user.is_authenticated
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if request.method == "POST" and (known or form.is_valid()):
        here = request.user
        try:
            user = people.accept(
                invited=invited, account=lambda: here if isinstance(here, User) else form.save(), now=timezone.now()
            )
        except StudyError as error:
            return no_access(request, str(error), status=404)
        except IntegrityError:
            if known:
                raise
            form.add_error("username", "Somebody took this name just now: choose another.")
        else:
            if not known:
                login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("study", invited.study.name)
    return render(request, "research/colleague.html", {"invited": invited, "form": form, "known": known})
