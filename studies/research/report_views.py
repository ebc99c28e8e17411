"""The reports of a study: ordered, downloaded, deleted."""

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from studies.access import finished_report_of, of_study
from studies.jobs.dispatch import living_queues
from studies.models import Study, tell
from studies.research import report_orders
from studies.research.report_forms import ReportForm


@require_POST
@of_study
def order(request: HttpRequest, study: Study) -> HttpResponse:
    form = ReportForm(request.POST, study=study)
    if not form.is_valid():
        for name, errors in form.errors.items():
            said = " ".join(str(error) for error in errors)
            messages.error(request, f"No report was ordered. {form.fields[name].label}: {said}")
        return redirect("results", study.name)
    supplement = {"supplement": True} if "supplement" in request.POST else {}
    report_orders.order_report(study, form.options() | supplement, by=request.user.get_username())
    return redirect("results", study.name)


@require_GET
@of_study
def download(request: HttpRequest, study: Study, pk: int) -> FileResponse:
    found = finished_report_of(study, pk)
    file_name = f"{study.name}-{found.title}-{found.requested_at:%Y%m%d-%H%M%S}.zip"
    response = FileResponse(found.file.open("rb"), as_attachment=True, filename=file_name)
    tell(study, "downloaded", by=request.user.get_username(), detail={"what": found.title})
    return response


@require_GET
@of_study
def listed(request: HttpRequest, study: Study) -> HttpResponse:
    """The list of reports by itself, for the results page to refresh."""
    context = {"study": study, "reports": report_orders.newest(study), "workers": bool(living_queues())}
    return render(request, "research/reports.html", context)


@require_POST
@of_study
def delete(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    report_orders.delete_report(get_object_or_404(study.reports, pk=pk), by=request.user.get_username())
    messages.success(request, "The report is deleted. The ratings stay, so it can be made again.")
    return redirect("results", study.name)
