"""The ways in and out for who comes by a public link: the link itself, declining, withdrawing with a code."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studies.access import public_link
from studies.models import Outcome
from studies.rating import arrivals, continuing, outcomes, sessions, speech
from studies.rating.arrivals import NoPlace
from studies.rating.devices import note_second
from studies.rating.forms import CodeForm
from studies.rating.told import study_context
from studies.rating.views import (
    FINISHED,
    browsers_secret,
    browsers_token,
    page,
    rater_of_the_page,
    remember,
    remember_device,
)
from studies.rating.withdrawal import rated_of, rater_of_code
from studies.rating.withdrawal import withdraw as erase


@require_GET
@page
def join(request: HttpRequest, link: str) -> HttpResponseBase:
    """Take what the panel says out of the address, and let in who comes."""
    query = _taken_out(request)
    found = public_link(link)
    now = timezone.now()
    known = browsers_token(request)
    try:
        ids = arrivals.read_ids(found, query)
        rater = arrivals.arrive(link=found, ids=ids, known=known, now=now)
        response = redirect("rater-home")
        rater = continuing.due_part(rater, now=now)
        session = sessions.session_of(rater)
        arrivals.end_if_late(rater, now=now)  # before the visit counts: it is not the one that is paid
        is_over = sessions.stage(rater, now=now) == "finished"
        if not (is_over or rater.outcome) and arrivals.is_own_browser(rater, browsers_secret(request)):
            arrivals.note_visit(continuing.first_part(rater), ids)
        note_second(rater=rater, session=session, known_here=known == rater.token, now=now)
        # After the last page the browser may be somebody else's.
        remember(response, f"{FINISHED if is_over else ''}{rater.token}")
        remember_device(request, response)
    except NoPlace:
        response = redirect("join-full", link=link)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _taken_out(request: HttpRequest) -> dict[str, list[str]]:
    """The query, which the request no longer has: nothing that fails later can write it down."""
    query = {name: list(values) for name, values in request.GET.lists()}
    language = request.GET.get(arrivals.LANGUAGE, "")
    request.META["QUERY_STRING"] = ""
    kept = QueryDict(mutable=True)
    if language:
        kept[arrivals.LANGUAGE] = language
    request.GET = kept  # type: ignore[assignment]
    return query


@require_GET
@page
def full(request: HttpRequest, link: str) -> HttpResponse:
    """Nobody new is let in now; nothing is stored of who asks."""
    found = public_link(link)
    context = study_context(found.study)
    try:
        arrivals.require_place(found.study, now=timezone.now())
        return render(request, "rating/place_again.html", context)
    except NoPlace:
        told = outcomes.told(found.study, Outcome.FULL, language=speech.spoken())
        return render(request, "rating/ended.html", {**context, "told": told, "own": True})


@require_POST
@page
def decline(request: HttpRequest) -> HttpResponseBase:
    """Not to take part, before anything was rated; or not to go on in a part after another, whose ratings stay."""
    rater = rater_of_the_page(request)
    if rater.continues_id:
        arrivals.require_own_browser(rater, browsers_secret(request))
    if sessions.session_of(rater) is None:
        arrivals.decline(rater, now=timezone.now())
    return redirect("rater-home")


@require_http_methods(["GET", "POST"])
@page
def withdraw_with_code(request: HttpRequest) -> HttpResponse:
    """Whose code it is can withdraw, wherever they are; asked once more before anything is erased."""
    form = CodeForm(request.POST or None)
    rater = rater_of_code(form.cleaned_data["code"]) if form.is_valid() else None
    if rater and rater.withdrawn_at is None:
        with speech.spoken_to(request, rater):
            context = study_context(rater.study)
            if request.POST.get("sure"):
                erased = erase(rater=rater, now=timezone.now())
                return render(request, "rating/withdrawn.html", {**context, "erased": erased})
            context |= {"code": form.cleaned_data["code"], "rated": rated_of(rater)}
            return render(request, "rating/withdraw.html", context)
    unknown = request.method == "POST"
    gone = bool(rater)
    context = {"unknown": unknown and not gone, "gone": gone}
    return render(request, "rating/withdraw_code.html", context, status=404 if context["unknown"] else 200)
