"""The staff's pages of how raters come to a study and leave it."""

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from studies.access import editable_studies, of_study, visible_studies
from studies.models import PublicLink, Study, changes, tell
from studies.rating import consent
from studies.research import recruiting
from studies.research.entry_forms import ConsentForm, EndingForm, PublicLinkForm

_OF_VERSION = Q(study__raters__agreements__version=F("version"))


@require_http_methods(["GET", "POST"])
@of_study
def public_link(request: HttpRequest, study: Study) -> HttpResponse:
    link = recruiting.link_of(study)
    others = visible_studies(request).exclude(pk=study.pk)
    form = PublicLinkForm(request.POST or None, instance=link, others=others)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            before = recruiting.link_told(study)
            form.save()
            if changed := changes(before, recruiting.link_told(study)):
                tell(study, "public link", by=request.user.get_username(), detail=changed)
        messages.success(request, "The link is switched on." if link.is_open else "Saved; the link is switched off.")
        return redirect("public-link", study.name)
    stored = PublicLink.objects.filter(study=study).first()
    address = ""
    if stored:
        there = request.build_absolute_uri(reverse("join", args=[stored.token]))
        address = recruiting.address_to_give_out(stored, there)
    context = {"study": study, "form": form, "link": stored, "address": address}
    context |= recruiting.who_came(study, now=timezone.now())
    return render(request, "research/public_link.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@of_study
def endings(request: HttpRequest, study: Study) -> HttpResponse:
    found = recruiting.endings_of(study)
    others = editable_studies(request).filter(simulated=False, archived_at=None).exclude(pk=study.pk)
    before = recruiting.goes_on_in(study)
    visible = before is not None and visible_studies(request).filter(pk=before).exists()
    forms = [EndingForm(request.POST or None, instance=ending, others=others, visible=visible) for ending in found]
    if request.method == "POST" and all([form.is_valid() for form in forms]):  # noqa: C419  # each says what is wrong in it
        with transaction.atomic():
            told = recruiting.endings_told(study)
            for form in forms:
                form.save()
            if changed := changes(told, recruiting.endings_told(study)):
                tell(study, "endings", by=request.user.get_username(), detail=changed)
            recruiting.tell_going_on(study, before=before, by=request.user.get_username())
        messages.success(request, "Saved.")
        return redirect("endings", study.name)
    status = 422 if any(form.errors for form in forms) else 200
    return render(request, "research/endings.html", {"study": study, "forms": forms}, status=status)


@require_http_methods(["GET", "POST"])
@of_study
def consent_text(request: HttpRequest, study: Study) -> HttpResponse:
    form = ConsentForm(request.POST or None, study=study)
    if request.method == "POST" and form.is_valid():
        written = consent.write(study=study, texts=form.texts(), now=timezone.now(), by=request.user.get_username())
        messages.success(request, f"Version {written.version} is saved." if written else "Nothing was changed.")
        return redirect("consent", study.name)
    versions = study.consent_texts.annotate(agreed=Count("study__raters__agreements", filter=_OF_VERSION))
    context = {"study": study, "form": form, "versions": versions}
    return render(request, "research/consent.html", context, status=422 if form.errors else 200)
