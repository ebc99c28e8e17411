"""The staff's page on which the regions of a study are set, and what pages wait for."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studies.access import of_study
from studies.content.sources import thumbnail_of
from studies.models import SourceImage, Study
from studies.protocol.regions import some, standings
from studies.protocol.slots import slots, sources_of
from studies.research import contact, refusals
from studies.research import regions as placing
from studies.research.region_forms import DrawForm, RegionsForm

REGIONS_A_PAGE = 30
THUMBNAIL = 480


@require_http_methods(["GET", "POST"])
@of_study
def regions(request: HttpRequest, study: Study) -> HttpResponse:
    """Where the region of each source lies; what is seen of them is saved together."""
    shown = _page(study, request.GET.get("page"))
    form = RegionsForm(request.POST or None, study=study, standings=list(shown.object_list))
    if request.method == "POST" and form.is_valid():
        try:
            changed = placing.set_by_hand(study=study, places=form.places(), by=request.user.get_username())
            messages.success(request, f"{changed} region{'' if changed == 1 else 's'} set by hand.")
            return redirect(f"{reverse('study-regions', args=[study.name])}?page={shown.number}")
        except refusals.StudyError as error:
            form.add_error(None, str(error))
    return _regions(request, study, shown, form, DrawForm(initial={"seed": study.seed}))


@require_POST
@of_study
def draw_regions(request: HttpRequest, study: Study) -> HttpResponse:
    form = DrawForm(request.POST)
    if not form.is_valid():
        shown = _page(study, "1")
        return _regions(request, study, shown, RegionsForm(study=study, standings=list(shown.object_list)), form)
    try:
        number, waiting = placing.draw(study=study, **form.cleaned_data, by=request.user.get_username())
    except refusals.StudyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{number} region{'' if number == 1 else 's'} to be drawn by a worker.")
        if waiting:
            names = some([str(source) for source in waiting])
            messages.warning(request, f"Of {len(waiting)} not all images are there yet ({names}): make them first.")
    return redirect("study-regions", study.name)


@require_GET
@of_study
def waiting(request: HttpRequest, study: Study) -> HttpResponse:
    """What workers still make of the study, or of one source, by itself, for a page to refresh."""
    asked = request.GET.get("source", "")
    found = contact.waiting(study, int(asked) if asked.isdecimal() else None)
    return render(request, "research/waiting.html", {"study": study, **found})


@require_GET
@of_study
def region_source(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    """A small picture of a source, to put a region on it."""
    source = get_object_or_404(SourceImage, pk=pk)
    return HttpResponse(thumbnail_of(source, width=THUMBNAIL), content_type="image/jpeg")


def _page(study: Study, number: str | None) -> "Page[Any]":
    """Some of the study's sources, each with how far its region is."""
    page: Page[Any] = Paginator(sources_of(study), REGIONS_A_PAGE).get_page(number)
    found = standings(study, slots(study, sources=list(page.object_list)))
    place = {key: at for at, key in enumerate(page.object_list)}
    page.object_list = sorted(found, key=lambda one: place[one.source.pk])
    return page


def _regions(request: HttpRequest, study: Study, shown: "Page[Any]", form: RegionsForm, draw: DrawForm) -> HttpResponse:
    context = {"study": study, "shown": shown, "form": form, "draw": draw, **contact.waiting(study)}
    status = 422 if form.errors or draw.errors else 200
    return render(request, "research/regions.html", context, status=status)
