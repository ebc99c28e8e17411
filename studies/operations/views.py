"""For who runs the site: may it get requests, how does it do."""

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST

from studies.access import staff_only
from studies.models import Study
from studies.operations.metrics import exposition
from studies.operations.status import readiness, work


@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """200 while the process and the database answer: an image storage that is away is no reason to start it anew."""
    Study.objects.exists()
    return JsonResponse({"status": "ok"})


@require_GET
def ready(request: HttpRequest) -> JsonResponse:
    """200 while requests can be served, else 503 with the parts that are not; why is for staff alone."""
    found = readiness()
    parts = {part: "not ok" if said else "ok" for part, said in vars(found).items()}
    status = "not ready" if found.broken else "ready"
    return JsonResponse({"status": status, **parts}, status=503 if found.broken else 200)


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """For who has MOSWEB_METRICS_TOKEN, sent as "Authorization: Bearer TOKEN"; for all others there is nothing here."""
    given = request.headers.get("Authorization", "")
    if not settings.METRICS_TOKEN or not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
        raise Http404
    found = readiness()
    try:
        at_work = None if found.database else work()
    except DatabaseError:
        at_work = None
    return HttpResponse(exposition(found, at_work), content_type=CONTENT_TYPE_LATEST)


@require_GET
@staff_only
def status(request: HttpRequest) -> HttpResponse:
    return render(request, "operations/status.html", {"ready": readiness(), "work": work()})
