"""What there is of images, and the pages on which something is deleted for good."""

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from studies.access import content_only, of_owners, visible_studies
from studies.models import Benchmark, Method, Stimulus, Study
from studies.research import deleting
from studies.research.deleting import Going
from studies.research.refusals import StudyError


@require_GET
@content_only
def content(request: HttpRequest) -> HttpResponse:
    """The benchmarks, and the results that were brought."""
    benchmarks = Benchmark.objects.annotate(images=Count("sources"))
    brought = (
        Stimulus.objects.filter(origin=Stimulus.Origin.FOLDER)
        .values("method__name", "method__display_name", "source__benchmark__name")
        .annotate(images=Count("pk"), of=Count("source", distinct=True))
        .order_by("source__benchmark__name", "method__rank", "method__name")
    )
    return render(request, "research/content.html", {"benchmarks": benchmarks, "brought": brought})


@require_http_methods(["GET", "POST"])
@of_owners
def study(request: HttpRequest, study: Study) -> HttpResponse:
    return deleted(request, deleting.of_study(study), study=study, then="study-list", back="study")


@require_http_methods(["GET", "POST"])
@of_owners
def ratings(request: HttpRequest, study: Study) -> HttpResponse:
    return deleted(request, deleting.ratings_of(study), study=study, then="study", back="study")


@require_http_methods(["GET", "POST"])
@content_only
def benchmark(request: HttpRequest, benchmark: str) -> HttpResponse:
    return deleted(request, deleting.of_benchmark(get_object_or_404(Benchmark, name=benchmark)))


@require_http_methods(["GET", "POST"])
@content_only
def results(request: HttpRequest, benchmark: str, method: str) -> HttpResponse:
    brought = Q(stimuli__origin=Stimulus.Origin.FOLDER, stimuli__source__benchmark__name=benchmark)
    found = get_object_or_404(Method.objects.filter(brought).distinct(), name=method)
    return deleted(request, deleting.of_results(found, Benchmark.objects.get(name=benchmark)))


def deleted(
    request: HttpRequest, going: Going, *, study: Study | None = None, then: str = "content", back: str = "content"
) -> HttpResponse:
    """The page that lists what goes; with its name typed, it is gone."""
    wrong = ""
    of_study = [study.name] if study else []
    if request.method == "POST":
        if request.POST.get("typed", "").strip() == going.name:
            try:
                going.do(request.user.get_username(), timezone.now())
                messages.success(request, f"Deleted: {going.what}.")
                return redirect(then, *(of_study if then in ("study", "raters") else []))
            except StudyError as error:
                messages.error(request, str(error))
        else:
            wrong = f"Type {going.name} to delete it."
    visible = set(visible_studies(request).values_list("name", flat=True))
    problems = [problem if isinstance(problem, str) else problem.naming(visible) for problem in going.problems]
    context = {"going": going, "problems": problems, "study": study, "wrong": wrong, "back": back}
    return render(request, "research/delete.html", context, status=422 if request.method == "POST" else 200)
