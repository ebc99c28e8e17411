"""What is downloaded: links, ratings, choices, answers, what panels are told. Long tables go out piece by piece."""

import pandas as pd
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from studies.access import at_least, of_editors, of_study, role_in
from studies.models import OF_PAIRS, Rater, Role, Study, tell
from studies.research import elsewhere, panel
from studies.research.entry_forms import BonusForm
from studies.research.export import KINDS, protocol_json
from studies.research.monitoring import RaterProgress, invited, progress_of
from studies.research.reading import in_pieces
from studies.research.streaming import CONTENT_TYPES, as_file, is_long, table_file
from studies.research.streaming import download as as_download

LINKS_A_PIECE = 1000


def guests_of(study: Study) -> "QuerySet[Rater]":
    """Who came by the public link comes back by that; nobody is given another."""
    return invited(study).filter(arrival=None, continues=None)


def without_study(raters: "QuerySet[Rater]") -> "QuerySet[Rater]":
    """A study has many words, and comes with each rater."""
    return raters.select_related(None).select_related("session", "continued__session")


def links_to(request: HttpRequest, raters: list[RaterProgress]) -> list[tuple[RaterProgress, str]]:
    return [
        (progress, request.build_absolute_uri(reverse("invitation", args=[progress.rater.token])))
        for progress in raters
    ]


@require_GET
@of_editors
def raters_file(request: HttpRequest, study: Study) -> HttpResponseBase:
    """The guest list with its links, for a mail merge."""
    guests = guests_of(study).filter(withdrawn_at=None)
    keys = list(guests.values_list("pk", flat=True))
    tell(study, "downloaded", by=request.user.get_username(), detail={"what": "raters' links"})
    pieces = (_links_of(request, guests.filter(pk__in=some)) for some in in_pieces(keys, LINKS_A_PIECE))
    nobody = iter([_links_of(request, guests.none())])
    return as_download(as_file(pieces if keys else nobody, kind="csv"), name=f"{study.name}-links", kind="csv")


def _links_of(request: HttpRequest, guests: "QuerySet[Rater]") -> pd.DataFrame:
    told = links_to(request, progress_of(without_study(guests)))
    rows = [(progress.rater.label, progress.state, link) for progress, link in told]
    return pd.DataFrame(rows, columns=["label", "state", "link"])


@require_GET
@of_editors
def panel_csv(request: HttpRequest, study: Study, table: str) -> HttpResponse:
    """The panel's ids to approve, to reject or to pay a bonus."""
    form = BonusForm(request.GET)
    if table == "bonus" and not form.is_valid():
        messages.error(request, "Say the bonus for each, such as 1.50.")
        return redirect("quality", study.name)
    amount = form.cleaned_data["amount"] if table == "bonus" else ""
    content = panel.panel_csv(study, table, amount=str(amount))
    tell(study, "downloaded", by=request.user.get_username(), detail={"what": f"panel ids, {table}"})
    return whole_file(content.encode(), name=f"{study.name}-{table}", kind="csv")


@require_GET
@of_study
def download(request: HttpRequest, study: Study, table: str, kind: str) -> HttpResponseBase:
    if table == ("ratings" if study.task in OF_PAIRS else "pairs"):
        raise Http404
    name = f"{study.name}-{table}"
    # They can say who wrote them: viewers get the table without.
    free_texts = "free-texts" in request.GET and at_least(role_in(study, request), Role.EDITOR)
    asked = {"free_texts": free_texts, "pseudonyms": "pseudonyms" in request.GET}
    options = [f"--{option.replace('_', '-')}" for option, is_asked in asked.items() if is_asked]
    content = elsewhere.table([study.name, table, kind, *options]) if is_long(study, table) else None
    response = as_download(content or table_file(study, table, kind=KINDS[kind], **asked), name=name, kind=kind)
    if table == "objective":
        return response
    how = {"free texts": free_texts} if table == "answers" else {}
    what = {"what": table, "pseudonyms": "pseudonyms" in request.GET, **how}
    tell(study, "downloaded", by=request.user.get_username(), detail=what)
    return response


def whole_file(content: bytes, *, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(content, content_type=CONTENT_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


@require_GET
@of_study
def protocol(request: HttpRequest, study: Study) -> HttpResponse:
    response = HttpResponse(protocol_json(study), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{study.name}-protocol.json"'
    return response
