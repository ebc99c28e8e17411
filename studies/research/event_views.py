"""What happened to a study or to the site's data, with who did it: on a page and as a table."""

import pandas as pd
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from studies.access import of_editors, staff_only
from studies.models import Study, StudyEvent
from studies.research.reading import in_pieces
from studies.research.streaming import as_file, download

EVENTS_A_PAGE, EVENTS_A_PIECE = 100, 1000


@require_GET
@of_editors
def events(request: HttpRequest, study: Study) -> HttpResponse:
    page = Paginator(study.events.all(), EVENTS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "research/events.html", {"study": study, "page": page})


@require_GET
@of_editors
def events_file(request: HttpRequest, study: Study) -> HttpResponseBase:
    """All of them, the oldest first."""
    return _file(study.events.all(), f"{study.name}-events")


@require_GET
@staff_only
def site_events(request: HttpRequest) -> HttpResponse:
    """What is about no study: images that were brought, what was deleted."""
    page = Paginator(_of_site(request), EVENTS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "research/events.html", {"study": None, "page": page})


@require_GET
@staff_only
def site_events_file(request: HttpRequest) -> HttpResponseBase:
    return _file(_of_site(request), "site-events")


def _of_site(request: HttpRequest) -> "QuerySet[StudyEvent]":
    """Those of studies that are deleted are for administrators: not all staff could see them."""
    found = StudyEvent.objects.filter(study=None)
    return found if request.user.is_superuser else found.exclude(of__startswith="study ")


def _file(events: "QuerySet[StudyEvent]", name: str) -> HttpResponseBase:
    keys = list(events.order_by("at", "pk").values_list("pk", flat=True))
    pieces = (_table(some) for some in in_pieces(keys, EVENTS_A_PIECE))
    return download(as_file(pieces if keys else iter([_table([])]), kind="csv"), name=name, kind="csv")


def _table(keys: list[int]) -> pd.DataFrame:
    rows = [
        (one.at.isoformat(), one.kind, one.by, one.rater, one.of, "; ".join(f"{k}: {v}" for k, v in one.detail.items()))
        for one in StudyEvent.objects.filter(pk__in=keys).order_by("at", "pk")
    ]
    return pd.DataFrame(rows, columns=["at", "kind", "by", "rater", "of", "detail"])
