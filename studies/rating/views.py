"""What a rater opens, sees and sends. Raters are known by a cookie that the invitation link sets."""

import hashlib
import hmac
import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from analysis.scale import Scale
from studies.access import Refusal, invited_rater
from studies.models import Rater, Session, Study, site_key
from studies.protocol import answers
from studies.rating import evidence, sessions
from studies.rating.devices import note_second
from studies.rating.forms import RatingForm, UndoForm
from studies.rating.images import image_bytes
from studies.rating.recording import InvalidRating, image_trial, record_rating
from studies.rating.statements import ShownTrial
from studies.rating.undo import take_back
from studies.rating.withdrawal import withdraw as erase

COOKIE = "rater"
COOKIE_SECONDS = 366 * 24 * 3600
# No token holds a colon.
FINISHED = "finished:"

View = Callable[..., HttpResponseBase]
never_stored = cache_control(no_store=True)


class NoInvitation(Refusal):
    code = "no-invitation"
    message = "This browser does not know you yet, or not any more. Please open your invitation link again."


class OtherInvitation(Refusal):
    status, code = 409, "other-invitation"
    message = "Another invitation was opened in this browser meanwhile. Please open your own link again."


def page(view: View) -> View:
    """Say a refusal on a page of its own."""

    @never_stored
    @wraps(view)
    def wrapper(request: HttpRequest, **kwargs: str) -> HttpResponseBase:
        try:
            return view(request, **kwargs)
        except Refusal as refusal:
            response = render(request, "rating/refused.html", {"refusal": refusal}, status=refusal.status)
            # Its address may be an invitation's.
            response.headers["Referrer-Policy"] = "no-referrer"
            return response

    return wrapper


def for_scripts(view: View) -> View:
    """Say a refusal as JSON: {"code", "message"}."""

    @never_stored
    @wraps(view)
    def wrapper(request: HttpRequest, **kwargs: str) -> HttpResponseBase:
        try:
            return view(request, **kwargs)
        except Refusal as refusal:
            return JsonResponse({"code": refusal.code, "message": refusal.message}, status=refusal.status)

    return wrapper


@require_GET
@page
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    rater = invited_rater(token=token, at_any_time=True)
    session = sessions.session_of(rater)
    known_here = kept_token(request).removeprefix(FINISHED) == rater.token
    note_second(rater=rater, session=session, known_here=known_here, now=timezone.now())
    if session and session.finished_at:
        # Who holds the link may still withdraw; a finished session that is left open on a screen may not be.
        response = render(request, "rating/finished.html", last_page(rater) | {"may_withdraw": True})
        response.headers["Referrer-Policy"] = "no-referrer"
    else:
        response = redirect("rater-home")
    remember(response, rater.token)
    return response


@require_GET
@page
def home(request: HttpRequest) -> HttpResponseBase:
    """The page of the stage at which the rater is."""
    rater = invited_rater(token=rater_token(request, finished_too=True))
    stage = sessions.stage(rater, now=timezone.now())
    if stage == "finished":
        response = render(request, "rating/finished.html", last_page(rater))
        remember(response, f"{FINISHED}{rater.token}")
        return response
    session = sessions.session_of(rater)
    resumed = session is not None
    context = {
        "study": rater.study,
        **scale_context(rater.study.scale),
        "resumed": resumed,
        "examples_again": bool(session and session.calibration_trials and rater.study.examples_again),
        "data": page_data(rater, stage),
    }
    return render(request, f"rating/{stage}.html", context)


@require_POST
@page
def agree(request: HttpRequest) -> HttpResponseBase:
    rater = rater_of_the_page(request)
    sessions.agree(rater=rater, now=timezone.now())
    return redirect("rater-home")


@require_POST
@page
def calibrated(request: HttpRequest) -> HttpResponseBase:
    rater = rater_of_the_page(request)
    sessions.finish_calibration(rater=rater)
    return redirect("rater-home")


@require_POST
@page
def practised(request: HttpRequest) -> HttpResponseBase:
    rater = rater_of_the_page(request)
    sessions.finish_practice(rater=rater)
    return redirect("rater-home")


@require_GET
@for_scripts
def upcoming(request: HttpRequest) -> HttpResponseBase:
    rater = rater_of_the_page(request)
    return JsonResponse(standing_data(sessions.standing(sessions.started_session(rater), now=timezone.now())))


@require_POST
@for_scripts
def rate(request: HttpRequest, token: str) -> HttpResponseBase:
    form = RatingForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=422)
    try:
        standing = record_rating(
            rater_token=rater_token(request),
            token=token,
            score=form.cleaned_data["score"],
            display=form.display(),
            receipt=form.cleaned_data["receipt"],
            attempt=form.cleaned_data["attempt"],
            now=timezone.now(),
        )
    except InvalidRating as invalid:
        return JsonResponse({"errors": invalid.errors}, status=422)
    return JsonResponse(standing_data(standing))


@require_POST
@for_scripts
def undo(request: HttpRequest, token: str) -> HttpResponseBase:
    form = UndoForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=422)
    attempt = form.cleaned_data["attempt"]
    standing = take_back(rater_token=rater_token(request), token=token, attempt=attempt, now=timezone.now())
    return JsonResponse(standing_data(standing))


@require_GET
@cache_control(no_transform=True)  # a proxy that squeezes images would change what is rated
@for_scripts
def image(request: HttpRequest, token: str) -> HttpResponseBase:
    trial = image_trial(rater_token=rater_token(request), token=token, now=timezone.now())
    response = HttpResponse(image_bytes(trial), content_type="image/png")
    response.headers["Receipt"] = evidence.receipt(token=token, now=timezone.now())
    return response


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest) -> HttpResponseBase:
    """Ask first, then erase."""
    rater = invited_rater(token=rater_token(request), at_any_time=True)
    context: dict[str, Any] = {"study": rater.study, "data": {"outbox": outbox_key(rater)}}
    if request.method == "GET":
        session = sessions.session_of(rater)
        context["rated"] = session.rated if session else 0
        return render(request, "rating/withdraw.html", context)
    require_same_rater(request, rater)
    context["erased"] = erase(rater=rater, now=timezone.now())
    return render(request, "rating/withdrawn.html", context)


def rater_token(request: HttpRequest, *, finished_too: bool = False) -> str:
    """The token of the invitation that was opened in this browser. Raises NoInvitation.

    Once its session is finished and the last page was shown, the cookie is good for that page alone: the next person at
    the computer cannot withdraw for the one who was there.
    """
    kept = kept_token(request)
    if not kept or (kept.startswith(FINISHED) and not finished_too):
        raise NoInvitation
    return kept.removeprefix(FINISHED)


def kept_token(request: HttpRequest) -> str:
    """What `remember` has kept in this browser, or nothing."""
    return request.get_signed_cookie(COOKIE, default="", max_age=COOKIE_SECONDS) or ""


def remember(response: HttpResponseBase, kept: str) -> None:
    """Keep the rater's token, or that of a finished session, in the browser."""
    response.set_signed_cookie(
        COOKIE,
        kept,
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def last_page(rater: Rater) -> dict[str, Any]:
    """What the page after the last image needs."""
    return {"study": rater.study, "data": page_data(rater, "finished")}


def rater_of_the_page(request: HttpRequest) -> Rater:
    """The rater for whom the page was made that sends this. Raises a Refusal for anybody else."""
    rater = invited_rater(token=rater_token(request))
    require_same_rater(request, rater)
    return rater


def require_same_rater(request: HttpRequest, rater: Rater) -> None:
    """A page says for whom it was made, since the browser's cookie is that of the invitation opened last."""
    made_for = request.POST.get("who") or request.GET.get("who")
    if made_for and made_for != outbox_key(rater):
        raise OtherInvitation


def outbox_key(rater: Rater) -> str:
    """Under which name the browser keeps ratings that are not yet sent; the same in every window of one rater."""
    return hmac.new(site_key("outbox"), rater.token.encode(), hashlib.sha1).hexdigest()[:24]


def page_data(rater: Rater, stage: str) -> dict[str, Any]:
    """What the scripts of a stage's page need to know."""
    outbox = outbox_key(rater)
    data: dict[str, Any] = {
        "outbox": outbox,
        "home": reverse("rater-home"),
        "rate": reverse("rate", args=["TOKEN"]),
        "undo": reverse("undo", args=["TOKEN"]),
        "image": reverse("image", args=["TOKEN"]),
    }
    if stage != "finished":
        data["largest"] = sessions.largest_images(rater.study)
    session = sessions.session_of(rater)
    if session:
        data["announce"] = rater.study.announce_start and session.calibration_trials > 0 and session.rated == 0
    if session and stage == "calibration":
        data["examples"] = trials_data(sessions.calibration_trials(session))
        data["last"] = last_button(rater.study, session)
    if session and stage == "practice":
        data["practice"] = trials_data(sessions.practice_trials(session))
        data["least_view_ms"] = rater.study.least_view_ms
        data["gap_ms"] = rater.study.gap_ms
    if session and stage == "rating":
        data["standing"] = standing_data(sessions.standing(session, now=timezone.now()))
        data["may_undo"] = rater.study.undo
        data["upcoming"] = f"{reverse('upcoming')}?who={outbox}"
        data["least_view_ms"] = rater.study.least_view_ms
        data["gap_ms"] = rater.study.gap_ms
        data["pause_minutes"] = rater.study.pause_minutes
        data["reminder_minutes"] = rater.study.reminder_minutes
    return data


def last_button(study: Study, session: Session) -> str:
    """What the button at the last example says."""
    if session.rated:
        return "Go on rating"
    return "Go on" if study.announce_start or study.practice else "Start rating"


def standing_data(standing: sessions.Standing) -> dict[str, Any]:
    """`rest` in whole seconds, only while the rater must rest."""
    last = trials_data([standing.last])[0] if standing.last else None
    data = {"rated": standing.rated, "total": standing.total, "upcoming": trials_data(standing.upcoming), "last": last}
    return data if standing.rest is None else data | {"rest": math.ceil(standing.rest.total_seconds())}


def scale_context(scale: Scale) -> dict[str, Any]:
    """The scale as the templates put it before a rater."""
    return {
        "options": answers.options(scale),
        "words": answers.words(scale),
        "examples": answers.examples(scale),
        "marks": answers.marks(scale),
    }


def trials_data(trials: Iterable[ShownTrial]) -> list[dict[str, Any]]:
    """What a rater's browser may know of these trials, and nothing else."""
    # Reversed once, not for each: 0.02 ms every time.
    address = reverse("image", args=["TOKEN"])
    return [trial_data(trial, url=address.replace("TOKEN", trial.token)) for trial in trials]


def trial_data(trial: ShownTrial, *, url: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "position": trial.position,
        "url": url,
        "token": trial.token,
        "attempt": trial.attempt,
        "width": trial.width,
        "height": trial.height,
    }
    if trial.anchor_score is not None:
        data["anchor_score"] = trial.anchor_score
    if trial.anchor_high is not None:
        data["anchor_high"] = trial.anchor_high
    return data
