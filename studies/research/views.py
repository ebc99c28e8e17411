"""The staff's pages: set a study up, watch it run, take its results."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q, QuerySet, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from analysis.quality import COMMON
from studies.access import (
    accounts_only,
    content_only,
    image_of,
    of_editors,
    of_progress,
    of_study,
    rater_of,
    visible_studies,
    works_here,
)
from studies.generation import requests as stimuli
from studies.generation.traps import make_traps
from studies.jobs.dispatch import living_queues
from studies.models import OF_PAIRS, OF_TWO, Decision, PanelIds, Rater, Role, Study, Task
from studies.protocol import readiness
from studies.protocol.chosen import chosen_of
from studies.protocol.slots import rated_by_cell
from studies.rating import outcomes
from studies.rating.speech import spoken_to
from studies.research import (
    asking,
    contact,
    decisions,
    drafts,
    invitations,
    lifecycle,
    panel,
    people,
    planning,
    presets,
    refusals,
    wording,
)
from studies.research.draft_state import DraftState, state_of
from studies.research.export_views import guests_of, links_to, without_study
from studies.research.forms import (
    DecisionForm,
    DesignForm,
    InviteForm,
    LanguageForm,
    NameForm,
    PaperForm,
    PlanForm,
)
from studies.research.live import live as live_of
from studies.research.monitoring import (
    invited,
    last_backup,
    progress_of,
    protocol_rows,
    screen_needed,
    studies_with_counts,
)
from studies.research.quality import page_of_rows, with_decisions
from studies.research.result_views import tally_context
from studies.research.stopping import stop_if_met
from studies.research.tallies import numbers_of, tally_of

RATERS_A_PAGE = 100
MOST_COPIED = 1000
"""Links that the page of the guest list has, to be copied; more come as a file."""
MOST_NAMED = 20
"""Raters whom a line of text names; of more it says how many."""
_TELLING = (
    "{number} of these labels look like a name, an address or a number to call ({names}). Exports and reports carry "
    "labels: use others, or export with pseudonyms."
)
WORDS: dict[str, dict[str, str]] = {
    Task.RATING: {"thing": "image", "given": "rating"},
    Task.PAIR: {"thing": "pair", "given": "choice"},
    Task.COMPARISON: {"thing": "pair", "given": "comparison"},
    Task.DEGRADATION: {"thing": "pair", "given": "rating"},
}


@require_GET
def front(request: HttpRequest) -> HttpResponse:
    """What a stranger sees: nothing but what this place is."""
    if works_here(request):
        return redirect("study-list")
    with spoken_to(request, None):
        return render(request, "studies/front.html")


@require_GET
@accounts_only
def study_list(request: HttpRequest) -> HttpResponse:
    shown = visible_studies(request).filter(archived_at__isnull="archived" not in request.GET)
    archived = visible_studies(request).filter(archived_at__isnull=False).count()
    context = {"studies": studies_with_counts(shown), "archived": archived, **last_backup(now=timezone.now())}
    return render(request, "research/list.html", context)


@require_http_methods(["GET", "POST"])
@content_only
def create(request: HttpRequest) -> HttpResponse:
    form = DesignForm(request.POST or None, initial=drafts.usual_design())
    if request.method == "POST":
        with transaction.atomic():
            saved = _saved(form, request)
            if saved:
                people.own(form.instance, request.user)
        if saved:
            return redirect("study", form.instance.name)
    context = {"form": form, "paper": PaperForm(prefix="paper"), **plan_context(request)}
    return render(request, "research/design.html", context)


@require_POST
@content_only
def create_paper(request: HttpRequest) -> HttpResponse:
    paper = PaperForm(request.POST, prefix="paper")
    if paper.is_valid():
        try:
            with transaction.atomic():
                study = presets.create_paper_study(**paper.cleaned_data, by=request.user.get_username())
                people.own(study, request.user)
            return redirect("study", study.name)
        except refusals.StudyError as error:
            paper.add_error(None, str(error))
    form = DesignForm(initial=drafts.usual_design())
    return render(request, "research/design.html", {"form": form, "paper": paper, **plan_context(request)}, status=422)


@require_http_methods(["GET", "POST"])
@of_editors
def edit(request: HttpRequest, study: Study) -> HttpResponse:
    try:
        refusals.require_draft(study)
    except refusals.StudyError as error:
        messages.error(request, str(error))
        return redirect("study", study.name)
    form = DesignForm(request.POST or None, instance=study)
    if request.method == "POST" and _saved(form, request):
        return redirect("study", form.instance.name)
    return render(request, "research/design.html", {"form": form, "study": study})


@require_GET
@of_progress
def overview(request: HttpRequest, study: Study) -> HttpResponse:
    if request.role == Role.BLIND:  # type: ignore[attr-defined]
        return redirect("live", study.name)
    prefetch_related_objects([study], "calibration")
    now, chosen = timezone.now(), chosen_of(study)
    state = state_of(study, now=now, chosen=chosen) if study.state == Study.State.DRAFT else None
    rated = {} if state else rated_by_cell(study)
    same = state.same if state else drafts.same_as_launched(study, rated)
    others = visible_studies(request).filter(pk__in=[shared.study.pk for shared in same])
    total = None if state or study.task in OF_TWO else sum(rated.values())
    numbers = numbers_of(study)
    tally = state.tally if state else tally_of(study, now=now, numbers=numbers)
    context = {
        "study": study,
        "words": WORDS[study.task],
        "protocol": protocol_rows(study),
        "problems": state.problems if state else [],
        "state": state,
        "plan": planning.before_launch(study, chosen, total=total),
        "coverage": planning.coverage_of(study, tally),
        "screen": state.screen if state else screen_needed(study),
        **images_context(study, state),
        "tally": tally,
        "same": same,
        "visible": set(others.values_list("pk", flat=True)),
        **raters_page(invited(study), request.GET, number=numbers.invited),
        "ratings": numbers.ratings,
        "events": study.events.all()[:20],
        "clone": NameForm(prefix="clone"),
        "hints": asking.hints(study, chosen.cells) if state else [],
        "unseen": study.state == Study.State.LAUNCHED and not numbers.begun,
    }
    return render(request, "research/overview.html", context)


@require_GET
@of_study
def images(request: HttpRequest, study: Study) -> HttpResponse:
    """The table of the study's images by itself, for the overview to refresh."""
    return render(request, "research/images.html", {"study": study, **images_context(study)})


@require_GET
@of_study
def contact_sheet(request: HttpRequest, study: Study) -> HttpResponse:
    """One source by every method, at 1:1."""
    asked = request.GET.get("source", "")
    found = contact.sheet(study, int(asked) if asked.isdecimal() else None)
    if found is None and asked:
        raise Http404
    waits = contact.waiting(study, found.source.pk) if found else {}
    return render(request, "research/contact.html", {"study": study, "sheet": found, **waits})


@require_GET
@of_study
def picture(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    """An image of the study by its key, which staff may have; raters get theirs by tokens."""
    try:
        return HttpResponse(image_of(study, pk).file.read(), content_type="image/png")
    except FileNotFoundError as error:
        raise Http404 from error


@require_GET
@of_editors
def ask(request: HttpRequest, study: Study, action: str) -> HttpResponse:
    """What follows from a step in the study's life, with the button that does it."""
    context = {"study": study, "asked": asking.question(study, action, now=timezone.now()), "action": action}
    return render(request, "research/ask.html", context)


@require_POST
@of_study
def act(request: HttpRequest, study: Study, action: str) -> HttpResponse:
    """Launch, take that back, close, reopen, archive, or have images made; what stands in the way is said on the
    study's page."""
    what: dict[str, Any] = {"study": study, "now": timezone.now(), "by": request.user.get_username()}
    actions: dict[str, Callable[[], object]] = {
        "launch": lambda: lifecycle.launch(**what),
        "take-back": lambda: lifecycle.take_back(**what),
        "close": lambda: lifecycle.close(**what),
        "reopen": lambda: lifecycle.reopen(**what),
        "archive": lambda: lifecycle.archive(**what),
        "unarchive": lambda: lifecycle.unarchive(**what),
        "generate": lambda: stimuli.request_missing(study, by=what["by"]),
        "retry": lambda: stimuli.retry_failures(study, by=what["by"]),
        "newest": lambda: drafts.take_newest_images(study, by=what["by"]),
    }
    try:
        actions[action]()
    except refusals.StudyError as error:
        messages.error(request, str(error))
    return redirect("study", study.name)


@require_POST
@of_study
def clone(request: HttpRequest, study: Study) -> HttpResponse:
    form = NameForm(request.POST, prefix="clone")
    if form.is_valid():
        with transaction.atomic():
            new = drafts.clone(study=study, **form.cleaned_data, by=request.user.get_username())
            people.own(new, request.user)
        return redirect("study", new.name)
    _say_errors(request, form)
    return redirect("study", study.name)


@require_http_methods(["GET", "POST"])
@of_editors
def raters(request: HttpRequest, study: Study) -> HttpResponse:
    form = InviteForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        labels = form.cleaned_data["list"] or [form.cleaned_data["label"]] * form.cleaned_data["count"]
        try:
            invited = invitations.invite_all(study=study, labels=labels, by=request.user.get_username())
            if names := [rater.label for rater in invited if invitations.telling(rater.label)]:
                messages.warning(request, _TELLING.format(names=", ".join(names[:5]), number=len(names)))
            return redirect("raters", study.name)
        except refusals.StudyError as error:
            form.add_error("labels" if form.cleaned_data["list"] else "label", str(error))
    guests = guests_of(study)
    valid = guests.filter(revoked_at=None, withdrawn_at=None)
    number = valid.count()
    context: dict[str, Any] = {"study": study, "form": form, "valid": number, "most": MOST_COPIED}
    context |= raters_page(guests, request.GET)
    context["links"] = links_to(request, context["raters"])
    context["told"] = links_to(request, progress_of(without_study(valid))) if number <= MOST_COPIED else []
    context["telling"] = [label for label in valid.values_list("label", flat=True) if invitations.telling(label)]
    return render(request, "research/raters.html", context)


def raters_page(raters: "QuerySet[Rater]", asked: QueryDict, *, number: int | None = None) -> dict[str, Any]:
    """The `page` of them that is asked for, and as `raters` how far each on it is. `number`: of all, where it is known.
    """
    pages = Paginator(without_study(raters), RATERS_A_PAGE)
    if number is not None:
        pages.count = number
    page = pages.get_page(asked.get("page"))
    return {"page": page, "raters": progress_of(page.object_list)}


def _back_to_raters(request: HttpRequest, study: Study) -> HttpResponse:
    """To the page of the list from which it was asked."""
    return redirect(f"{reverse('raters', args=[study.name])}?{urlencode({'page': request.GET.get('page', '1')})}")


@require_POST
@of_study
def revoke(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    invitations.revoke(rater=rater_of(study, pk), now=timezone.now(), by=request.user.get_username())
    return _back_to_raters(request, study)


@require_GET
@of_progress
def live(request: HttpRequest, study: Study) -> HttpResponse:
    """A running study at one sight; updates itself."""
    return render(request, "research/live.html", live_context(study))


@require_GET
@of_progress
def live_now(request: HttpRequest, study: Study) -> HttpResponse:
    """What of the live page changes, by itself."""
    return render(request, "research/live_now.html", live_context(study))


@require_POST
@of_study
def forget_panel_ids(request: HttpRequest, study: Study) -> HttpResponse:
    messages.success(request, f"{panel.forget_ids(study, by=request.user.get_username())} panel ids were deleted.")
    return redirect("quality", study.name)


@require_GET
@of_study
def quality(request: HttpRequest, study: Study) -> HttpResponse:
    """How each rater works, and what was decided about them."""
    context = {"study": study, "is_pair": study.task in OF_PAIRS, **quality_context(study, request.GET)}
    return render(request, "research/quality.html", context)


@require_POST
@of_study
def decide(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    """Accept, reject, exclude, give places back, or take that back."""
    rater, form = rater_of(study, pk), DecisionForm(request.POST)
    try:
        if not form.is_valid():
            raise refusals.StudyError("Choose what to decide, with a reason of at most 2000 characters.")
        decisions.decide(rater=rater, by=request.user.get_username(), now=timezone.now(), **form.cleaned_data)
    except refusals.StudyError as error:
        messages.error(request, str(error))
    shown = urlencode({"page": request.GET.get("page", "1")})
    return redirect(f"{reverse('quality', args=[study.name])}?{shown}#rater-{pk}")


@require_POST
@of_study
def let_go_on(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    """What ended a rater's part is taken back."""
    rater = rater_of(study, pk)
    if outcomes.reopen(rater=rater, now=timezone.now(), by=request.user.get_username()):
        messages.success(request, f"{rater.label} can go on by the link they came by.")
    return _back_to_raters(request, study)


@require_POST
@of_study
def restore(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    invitations.restore(rater=rater_of(study, pk), now=timezone.now(), by=request.user.get_username())
    return _back_to_raters(request, study)


@require_POST
@of_study
def preview(request: HttpRequest, study: Study) -> HttpResponse:
    """Rate the study as a rater would; counted nowhere."""
    problems = readiness.check(study) if study.state == Study.State.DRAFT else []
    if problems:
        messages.error(request, "There is nothing to try yet: " + " ".join(problems))
        return redirect("study", study.name)
    if study.state == Study.State.DRAFT:
        make_traps(study)
    return redirect("invitation", invitations.invite(study=study, is_preview=True).token)


@require_http_methods(["GET", "POST"])
@of_study
def languages(request: HttpRequest, study: Study) -> HttpResponse:
    """What raters read in each language; a form for one of them at a time is sent."""
    sent = request.POST.get("language", "")
    forms = {
        code: LanguageForm(*(request.POST, request.FILES) if code == sent else (), study=study, language=code)
        for code in study.languages
    }
    if sent in forms and forms[sent].is_valid():
        try:
            wording.write(study=study, language=sent, **forms[sent].cleaned_data, by=request.user.get_username())
            messages.success(request, f"{forms[sent].name} is saved.")
            return redirect(f"{reverse('study-languages', args=[study.name])}#{sent}")
        except refusals.StudyError as error:
            forms[sent].add_error(None, str(error))
    status = 422 if any(form.errors for form in forms.values()) else 200
    return render(request, "research/languages.html", {"study": study, "forms": forms.values()}, status=status)


@require_GET
@of_study
def texts(request: HttpRequest, study: Study, language: str) -> HttpResponse:
    """All texts of the pages as a PO file, for a translator."""
    if language not in study.languages:
        raise Http404
    response = HttpResponse(wording.file_of(study, language), content_type="text/x-gettext-translation; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{study.name}-{language}.po"'
    return response


def plan_context(request: HttpRequest) -> dict[str, Any]:
    """The planner beside a new study, and what it finds."""
    form = PlanForm(request.GET if "raters" in request.GET else None)
    planned = form.cleaned_data if form.is_valid() else {} if form.is_bound else PlanForm.usual()
    return {
        "planner": form,
        "ways": planning.ways(**planned) if planned else [],
        "ways_of_pairs": planning.ways_of_pairs(**planned) if planned else [],
        "minutes": planned.get("minutes"),
    }


def live_context(study: Study) -> dict[str, Any]:
    """Looks at the stop rule, too, so that it holds on a site without a worker."""
    stop_if_met(study, now=timezone.now())
    found = live_of(study, now=timezone.now())
    return {"study": study, "live": found, **tally_context(found.tally)}


def quality_context(study: Study, asked: QueryDict) -> dict[str, Any]:
    tally = tally_of(study, now=timezone.now())
    page, flagged = page_of_rows(study, tally, number=asked.get("page"), each=RATERS_A_PAGE)
    raters = study.raters.filter(is_preview=False)
    number = {name: Count("pk", filter=Q(verdict=name)) for name in ("accepted", "rejected")}
    return {
        "rows": with_decisions(list(page)),
        "page": page,
        "kinds": Decision.Kind.choices,
        "common": COMMON,
        "total": page.paginator.count,
        "flagged": flagged,
        **raters.aggregate(**number, excluded=Count("pk", filter=~Q(excluded=""))),
        "panel_ids": PanelIds.objects.filter(arrival__study=study).count(),
        "short_reasons": panel.short_reasons(study),
        "shortest": panel.SHORTEST_REASON,
        **tally_context(tally),
    }


def images_context(study: Study, state: DraftState | None = None) -> dict[str, Any]:
    """`state`: of a draft, where it is known."""
    if study.state == Study.State.DRAFT:
        state = state or state_of(study, now=timezone.now())
    images = state.images if state else stimuli.progress(study)
    found = {"images": images, "workers": living_queues, "failures": images.failures[:MOST_NAMED]}
    return {**found, "state": state}


def _saved(form: DesignForm, request: HttpRequest) -> bool:
    if not form.is_valid():
        return False
    cells, calibration = form.design()
    try:
        drafts.save_draft(study=form.instance, cells=cells, calibration=calibration, by=request.user.get_username())
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True


def _say_errors(request: HttpRequest, form: NameForm) -> None:
    for field, errors in form.errors.items():
        for error in errors:
            messages.error(request, f"{field}: {error}")
