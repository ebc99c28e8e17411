"""One rater's page, for owners: what the site has of them, as a file, and erased."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from studies.access import of_owners, rater_of
from studies.models import Study
from studies.research import person
from studies.research.deleting_views import deleted
from studies.research.monitoring import progress_of


@require_GET
@of_owners
def page(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    rater = rater_of(study, pk)
    context = {"study": study, "rater": rater, "progress": progress_of([rater])[0], "counts": person.counts_of(rater)}
    context["erased"] = bool(rater.withdrawn_at) and rater.label == person.erased_label(rater)
    return render(request, "research/person.html", context)


@require_GET
@of_owners
def everything(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    """All that there is of one person, to hand over."""
    rater = rater_of(study, pk)
    person.tell_handed_over(rater, by=request.user.get_username())
    response = HttpResponse(person.as_json(rater), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{study.name}-rater-{rater.pk}.json"'
    return response


@require_http_methods(["GET", "POST"])
@of_owners
def erase(request: HttpRequest, study: Study, pk: int) -> HttpResponse:
    return deleted(request, person.going(rater_of(study, pk)), study=study, then="raters", back="raters")
