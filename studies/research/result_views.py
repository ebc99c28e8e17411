"""The staff's page of results, its further metrics, and whether a large study's numbers are being computed."""

from typing import Any

from django import forms
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from studies.access import of_progress, of_study
from studies.generation import metrics as measures
from studies.jobs.dispatch import living_queues
from studies.models import OF_PAIRS, Study, Tally, Task
from studies.research.answers import summary as answers_summary
from studies.research.draft_state import draft_tally
from studies.research.monitoring import results_rows
from studies.research.pair_results import kept_pair_results, pair_results
from studies.research.report_forms import ReportForm
from studies.research.report_orders import newest
from studies.research.tallies import tally_of

MOST_NAMED = 20
"""Excluded raters whom the page names; of more it says how many."""


class MetricsForm(forms.Form):
    """Which further metrics a study gets, of those that it does not have."""

    metrics = forms.MultipleChoiceField(
        label="Further metrics",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one metric."},
    )

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["metrics"].choices = [  # type: ignore[attr-defined]
            (metric.name, f"{metric.title} ({metric.better} is better)") for metric in measures.offered(study)
        ]



@require_GET
@of_study
def results(request: HttpRequest, study: Study) -> HttpResponse:
    prefetch_related_objects([study], "metrics")
    return _results(request, study, MetricsForm(study=study))



@require_GET
@of_progress
def tally(request: HttpRequest, study: Study) -> HttpResponse:
    """Whether a worker computes a large study's numbers, or checks a large draft's images, for pages to refresh."""
    of = draft_tally if study.state == Study.State.DRAFT else tally_of
    context = {"study": study, **tally_context(of(study, now=timezone.now()))}
    return render(request, "research/tally.html", context)



@require_GET
@of_study
def metrics(request: HttpRequest, study: Study) -> HttpResponse:
    """How far the study's further metrics are, by itself, for the results page to refresh."""
    return render(request, "research/metrics.html", {"study": study, **metrics_context(study)})



@require_POST
@of_study
def add_metrics(request: HttpRequest, study: Study) -> HttpResponse:
    form = MetricsForm(request.POST, study=study)
    if not form.is_valid():
        return _results(request, study, form, status=422)
    measures.add(study, form.cleaned_data["metrics"], by=request.user.get_username())
    return redirect("results", study.name)



@require_POST
@of_study
def act_on_metric(request: HttpRequest, study: Study, metric: str, action: str) -> HttpResponse:
    """Measure what a metric lacks, or leave it out of the results."""
    does = {"again": measures.measure_again, "remove": measures.remove}[action]
    does(study, [metric], by=request.user.get_username())
    return redirect("results", study.name)



def tally_context(tally: Tally | None) -> dict[str, Any]:
    """For the line that says of how many ratings a page's numbers are; nothing where the page has read them all."""
    return {"tally": tally, "workers": living_queues} if tally else {}



def metrics_context(study: Study) -> dict[str, Any]:
    further = measures.progress(study)
    waiting = any(found.pending for found in further) and not living_queues()
    return {"further": further, "waiting": waiting, "workers": living_queues}



def _results(request: HttpRequest, study: Study, form: MetricsForm, status: int = 200) -> HttpResponse:
    is_pair = study.task in OF_PAIRS
    tally = tally_of(study, now=timezone.now())
    columns, rows = ((), []) if is_pair else results_rows(study, tally)
    pairs = None if not is_pair else pair_results(study) if tally is None else kept_pair_results(tally)
    excluded = study.raters.filter(is_preview=False).exclude(excluded="")
    context = {"study": study, "metrics": columns, "rows": rows, "reports": newest(study), "form": form}
    context |= {"is_pair": is_pair, "is_degradation": study.task == Task.DEGRADATION, "pairs": pairs}
    context |= {"answers": answers_summary(study, tally), "report_form": ReportForm(study=study)}
    named = list(excluded[: MOST_NAMED + 1])
    number = excluded.count() if len(named) > MOST_NAMED else len(named)
    context |= {"excluded": named[:MOST_NAMED], "excluded_number": number}
    context |= metrics_context(study) | {"tally": tally}
    return render(request, "research/results.html", context, status=status)

