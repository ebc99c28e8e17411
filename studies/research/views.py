"""The staff's pages: set a study up, watch it run, take its results."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studies.access import finished_report_of, of_study, rater_of, staff_only, visible_studies
from studies.generation import requests as stimuli
from studies.jobs.dispatch import living_queues
from studies.models import Study
from studies.protocol import readiness
from studies.research import drafts, invitations, lifecycle, presets, refusals, report_orders
from studies.research.export import KINDS, counted_ratings, objective_frame, protocol_json, ratings_frame, serialise
from studies.research.forms import DesignForm, InviteForm, NameForm
from studies.research.monitoring import (
    last_backup,
    protocol_rows,
    rater_progress,
    results_table,
    screen_needed,
    studies_with_counts,
)

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
TABLES = {"ratings": ratings_frame, "objective": objective_frame}


@require_GET
def front(request: HttpRequest) -> HttpResponse:
    """What a stranger sees: nothing but what this place is."""
    if request.user.is_authenticated and request.user.is_staff:
        return redirect("study-list")
    return render(request, "studies/front.html")


@require_GET
@staff_only
def study_list(request: HttpRequest) -> HttpResponse:
    context = {"studies": studies_with_counts(visible_studies(request)), **last_backup(now=timezone.now())}
    return render(request, "research/list.html", context)


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
            return redirect("study", presets.create_paper_study(**paper.cleaned_data).name)
        except refusals.StudyError as error:
            paper.add_error(None, str(error))
    return render(request, "research/design.html", {"form": DesignForm(), "paper": paper}, status=422)


@require_http_methods(["GET", "POST"])
@of_study
def edit(request: HttpRequest, study: Study) -> HttpResponse:
    try:
        refusals.require_draft(study)
    except refusals.StudyError as error:
        messages.error(request, str(error))
        return redirect("study", study.name)
    form = DesignForm(request.POST or None, instance=study)
    if request.method == "POST" and _saved(form):
        return redirect("study", form.instance.name)
    return render(request, "research/design.html", {"form": form, "study": study})


@require_GET
@of_study
def overview(request: HttpRequest, study: Study) -> HttpResponse:
    context = {
        "study": study,
        "protocol": protocol_rows(study),
        "problems": readiness.check(study) if study.state == Study.State.DRAFT else [],
        "cells": drafts.cells_by_benchmark(study),
        "trials": drafts.trials_each(study),
        "screen": screen_needed(study),
        **images_context(study),
        "raters": rater_progress(study),
        "ratings": counted_ratings(study).count(),
        "events": study.events.all()[:20],
        "clone": NameForm(prefix="clone"),
    }
    return render(request, "research/overview.html", context)


@require_GET
@of_study
def images(request: HttpRequest, study: Study) -> HttpResponse:
    """The table of the study's images by itself, for the overview to refresh."""
    return render(request, "research/images.html", {"study": study, **images_context(study)})


@require_POST
@of_study
def act(request: HttpRequest, study: Study, action: str) -> HttpResponse:
    """Launch, close, reopen, or have images made; what stands in the way is said on the study's page."""
    actions: dict[str, Callable[[], object]] = {
        "launch": lambda: lifecycle.launch(study=study, now=timezone.now()),
        "close": lambda: lifecycle.close(study=study, now=timezone.now()),
        "reopen": lambda: lifecycle.reopen(study=study, now=timezone.now()),
        "generate": lambda: stimuli.request_missing(study),
        "retry": lambda: stimuli.retry_failures(study),
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
        return redirect("study", drafts.clone(study=study, **form.cleaned_data).name)
    _say_errors(request, form)
    return redirect("study", study.name)


@require_http_methods(["GET", "POST"])
@of_study
def raters(request: HttpRequest, study: Study) -> HttpResponse:
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            for _ in range(form.cleaned_data["count"]):
                invitations.invite(study=study, label=form.cleaned_data["label"])
            return redirect("raters", study.name)
        except refusals.StudyError as error:
            form.add_error("label", str(error))
    links = [
        (progress, request.build_absolute_uri(reverse("invitation", args=[progress.rater.token])))
        for progress in rater_progress(study)
    ]
    return render(request, "research/raters.html", {"study": study, "form": form, "links": links})


@require_POST
@of_study
def revoke(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    invitations.revoke(rater=rater_of(study, pk), now=timezone.now())
    return redirect("raters", study.name)


@require_POST
@of_study
def preview(request: HttpRequest, study: Study) -> HttpResponse:
    """Rate the study as a rater would; counted nowhere."""
    problems = readiness.check(study) if study.state == Study.State.DRAFT else []
    if problems:
        messages.error(request, "There is nothing to try yet: " + " ".join(problems))
        return redirect("study", study.name)
    return redirect("invitation", invitations.invite(study=study, is_preview=True).token)


@require_GET
@of_study
def results(request: HttpRequest, study: Study) -> HttpResponse:
    rows = results_table(study).to_dict("records")
    context = {"study": study, "rows": rows, "reports": study.reports.all()[:10]}
    return render(request, "research/results.html", context)


@require_POST
@of_study
def order_report(request: HttpRequest, study: Study) -> HttpResponse:
    report_orders.order_report(study)
    return redirect("results", study.name)


@require_GET
@of_study
def report(request: HttpRequest, study: Study, pk: int) -> FileResponse:
    found = finished_report_of(study, pk)
    file_name = f"{study.name}-report-{found.requested_at:%Y%m%d-%H%M%S}.zip"
    return FileResponse(found.file.open("rb"), as_attachment=True, filename=file_name)


@require_GET
@of_study
def download(request: HttpRequest, study: Study, table: str, kind: str) -> HttpResponse:
    response = HttpResponse(serialise(TABLES[table](study), kind=KINDS[kind]), content_type=CONTENT_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{study.name}-{table}.{kind}"'
    return response


@require_GET
@of_study
def protocol(request: HttpRequest, study: Study) -> HttpResponse:
    response = HttpResponse(protocol_json(study), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{study.name}-protocol.json"'
    return response


def images_context(study: Study) -> dict[str, Any]:
    return {"images": stimuli.progress(study), "workers": bool(living_queues())}


def _saved(form: DesignForm) -> bool:
    if not form.is_valid():
        return False
    cells, calibration = form.design()
    try:
        drafts.save_draft(study=form.instance, cells=cells, calibration=calibration)
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True


def _say_errors(request: HttpRequest, form: NameForm) -> None:
    for field, errors in form.errors.items():
        for error in errors:
            messages.error(request, f"{field}: {error}")
