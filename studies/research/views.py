"""The staff's pages: set a study up, watch it run, take its results."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import ValidationError
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studies.generation import requests as stimuli
from studies.jobs.dispatch import living_queues
from studies.models import Rater, Report, Study
from studies.research import report_orders, setup
from studies.research.export import KINDS, counted_ratings, objective_frame, ratings_frame, serialise
from studies.research.forms import DesignForm, InviteForm, NameForm
from studies.research.monitoring import rater_progress, results_table, studies_with_counts

View = Callable[..., HttpResponseBase]
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
TABLES = {"ratings": ratings_frame, "objective": objective_frame}


def staff_only(view: View) -> View:
    """Send everybody who is not logged in as staff to the login."""
    decorated: View = staff_member_required(view, login_url="login")
    return decorated


@require_GET
def front(request: HttpRequest) -> HttpResponse:
    """What a stranger sees: nothing but what this place is."""
    if request.user.is_authenticated and request.user.is_staff:
        return redirect("study-list")
    return render(request, "studies/front.html")


@require_GET
@staff_only
def study_list(request: HttpRequest) -> HttpResponse:
    return render(request, "research/list.html", {"studies": studies_with_counts()})


@require_http_methods(["GET", "POST"])
@staff_only
def create(request: HttpRequest) -> HttpResponse:
    form = DesignForm(request.POST or None)
    if request.method == "POST" and _saved(form):
        return redirect("study", form.instance.name)
    return render(request, "research/design.html", {"form": form, "paper": NameForm(prefix="paper")})


@require_POST
@staff_only
def create_paper(request: HttpRequest) -> HttpResponse:
    paper = NameForm(request.POST, prefix="paper")
    if paper.is_valid():
        try:
            return redirect("study", setup.create_paper_study(**paper.cleaned_data).name)
        except setup.StudyError as error:
            paper.add_error(None, str(error))
    return render(request, "research/design.html", {"form": DesignForm(), "paper": paper}, status=422)


@require_http_methods(["GET", "POST"])
@staff_only
def edit(request: HttpRequest, name: str) -> HttpResponse:
    study = get_object_or_404(Study, name=name)
    if study.state != Study.State.DRAFT:
        messages.error(request, "A launched study does not change. Clone it to run another design.")
        return redirect("study", name)
    form = DesignForm(request.POST or None, instance=study)
    if request.method == "POST" and _saved(form):
        return redirect("study", form.instance.name)
    return render(request, "research/design.html", {"form": form, "study": study})


@require_GET
@staff_only
def overview(request: HttpRequest, name: str) -> HttpResponse:
    study = get_object_or_404(Study, name=name)
    context = {
        "study": study,
        "problems": setup.check(study) if study.state == Study.State.DRAFT else [],
        "cells": setup.cells_by_benchmark(study),
        "trials": setup.trials_each(study),
        **images_context(study),
        "raters": rater_progress(study),
        "ratings": counted_ratings(study).count(),
        "events": study.events.all()[:20],
        "clone": NameForm(prefix="clone"),
    }
    return render(request, "research/overview.html", context)


@require_GET
@staff_only
def images(request: HttpRequest, name: str) -> HttpResponse:
    """The table of the study's images by itself, for the overview to refresh."""
    study = get_object_or_404(Study, name=name)
    return render(request, "research/images.html", {"study": study, **images_context(study)})


@require_POST
@staff_only
def act(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Launch, close, reopen, or have images made; what stands in the way is said on the study's page."""
    study = get_object_or_404(Study, name=name)
    actions: dict[str, Callable[[], object]] = {
        "launch": lambda: setup.launch(study=study, now=timezone.now()),
        "close": lambda: setup.close(study=study, now=timezone.now()),
        "reopen": lambda: setup.reopen(study=study, now=timezone.now()),
        "generate": lambda: stimuli.request_missing(study),
        "retry": lambda: stimuli.retry_failures(study),
    }
    try:
        actions[action]()
    except setup.StudyError as error:
        messages.error(request, str(error))
    return redirect("study", name)


@require_POST
@staff_only
def clone(request: HttpRequest, name: str) -> HttpResponse:
    study = get_object_or_404(Study, name=name)
    form = NameForm(request.POST, prefix="clone")
    if form.is_valid():
        return redirect("study", setup.clone(study=study, **form.cleaned_data).name)
    _say_errors(request, form)
    return redirect("study", name)


@require_http_methods(["GET", "POST"])
@staff_only
def raters(request: HttpRequest, name: str) -> HttpResponse:
    study = get_object_or_404(Study, name=name)
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            for _ in range(form.cleaned_data["count"]):
                setup.invite(study=study, label=form.cleaned_data["label"])
            return redirect("raters", name)
        except setup.StudyError as error:
            form.add_error("label", str(error))
    links = [
        (progress, request.build_absolute_uri(reverse("invitation", args=[progress.rater.token])))
        for progress in rater_progress(study)
    ]
    return render(request, "research/raters.html", {"study": study, "form": form, "links": links})


@require_POST
@staff_only
def revoke(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    setup.revoke(rater=get_object_or_404(Rater, study__name=name, pk=pk), now=timezone.now())
    return redirect("raters", name)


@require_POST
@staff_only
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """Rate the study as a rater would; counted nowhere."""
    study = get_object_or_404(Study, name=name)
    problems = setup.check(study) if study.state == Study.State.DRAFT else []
    if problems:
        messages.error(request, "There is nothing to try yet: " + " ".join(problems))
        return redirect("study", name)
    return redirect("invitation", setup.invite(study=study, is_preview=True).token)


@require_GET
@staff_only
def results(request: HttpRequest, name: str) -> HttpResponse:
    study = get_object_or_404(Study, name=name)
    rows = results_table(study).to_dict("records")
    context = {"study": study, "rows": rows, "reports": Report.objects.filter(study=study)[:10]}
    return render(request, "research/results.html", context)


@require_POST
@staff_only
def order_report(request: HttpRequest, name: str) -> HttpResponse:
    report_orders.order_report(get_object_or_404(Study, name=name))
    return redirect("results", name)


@require_GET
@staff_only
def report(request: HttpRequest, name: str, pk: int) -> FileResponse:
    found = get_object_or_404(Report, study__name=name, pk=pk, state=Report.State.DONE)
    file_name = f"{name}-report-{found.requested_at:%Y%m%d-%H%M%S}.zip"
    return FileResponse(found.file.open("rb"), as_attachment=True, filename=file_name)


@require_GET
@staff_only
def download(request: HttpRequest, name: str, table: str, kind: str) -> HttpResponse:
    study = get_object_or_404(Study, name=name)
    response = HttpResponse(serialise(TABLES[table](study), kind=KINDS[kind]), content_type=CONTENT_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{study.name}-{table}.{kind}"'
    return response


@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers; for load balancers and the supervisor."""
    Study.objects.exists()
    return JsonResponse({"status": "ok"})


def images_context(study: Study) -> dict[str, Any]:
    return {"images": stimuli.progress(study), "workers": bool(living_queues())}


def _saved(form: DesignForm) -> bool:
    if not form.is_valid():
        return False
    cells, calibration = form.design()
    try:
        setup.save_draft(study=form.instance, cells=cells, calibration=calibration)
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True


def _say_errors(request: HttpRequest, form: NameForm) -> None:
    for field, errors in form.errors.items():
        for error in errors:
            messages.error(request, f"{field}: {error}")
