"""What a rater opens, sees and sends. Raters are known by a cookie that the invitation link sets."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studies.access import RaterWithdrawn, Refusal, StudyNotOpen, invited_rater, require_launched
from studies.models import CHOOSING, OF_TWO, DeviceCheck, Outcome, Rater, Study
from studies.models.languages import own_name
from studies.protocol import languages
from studies.rating import (
    arrivals,
    consent,
    continuing,
    device_check,
    evidence,
    outcomes,
    places,
    questionnaire,
    sessions,
    speech,
)
from studies.rating.devices import note_second
from studies.rating.forms import AgreeForm, RatingForm, UndoForm
from studies.rating.images import image_bytes, shows_whole_image, whole_image_bytes
from studies.rating.recording import InvalidRating, UnknownTrial, image_trial, record_rating
from studies.rating.told import asked_of, last_page, outbox_key, page_data, scale_context, standing_data, study_context
from studies.rating.undo import take_back
from studies.rating.withdrawal import rated_of
from studies.rating.withdrawal import withdraw as erase

COOKIE = "rater"
DEVICE = "rater_device"
LOOKED_AT = "rater_looked_at"
COOKIE_SECONDS = 366 * 24 * 3600
# No token holds a colon.
FINISHED = "finished:"

View = Callable[..., HttpResponseBase]
never_stored = cache_control(no_store=True)


class NoInvitation(Refusal):
    code = "no-invitation"
    message = gettext_lazy(
        "This browser does not know you yet, or not any more. Please open your invitation link again. If you have just "
        "done so, the browser keeps no cookies: please allow them for this site, or use another browser."
    )


class OtherInvitation(Refusal):
    status, code = 409, "other-invitation"
    message = gettext_lazy("Another invitation was opened in this browser meanwhile. Please open your own link again.")


def page(view: View) -> View:
    """Speak the rater's language, and say a refusal on a page of its own."""

    @never_stored
    @wraps(view)
    def wrapper(request: HttpRequest, **kwargs: str) -> HttpResponseBase:
        with speech.spoken_to(request, _spoken_with(request, kwargs)):
            try:
                response = view(request, **kwargs)
            except Refusal as refusal:
                response = render(request, "rating/refused.html", {"refusal": refusal}, status=refusal.status)
                # Its address may be an invitation's.
                response.headers["Referrer-Policy"] = "no-referrer"
            speech.remember(request, response, speech.spoken())
            return response

    return wrapper


def _spoken_with(request: HttpRequest, of_address: dict[str, str]) -> Rater | Study | None:
    if "link" in of_address:
        return speech.study_of_link(of_address["link"])
    return speech.rater_with(of_address.get("token") or browsers_token(request))


def for_scripts(view: View) -> View:
    """Say a refusal as JSON, in the rater's language: {"code", "message"}."""

    @never_stored
    @wraps(view)
    def wrapper(request: HttpRequest, **kwargs: str) -> HttpResponseBase:
        try:
            return view(request, **kwargs)
        except Refusal as refusal:
            # Asked for only now: a rating and an image that are given say nothing.
            with speech.spoken_to(request, speech.rater_with(browsers_token(request))):
                return JsonResponse({"code": refusal.code, "message": refusal.message}, status=refusal.status)

    return wrapper


@require_GET
@page
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    rater = continuing.due_part(invited_rater(token=token, at_any_time=True), now=timezone.now())
    session = sessions.session_of(rater)
    known_here = browsers_token(request) == rater.token
    note_second(rater=rater, session=session, known_here=known_here, now=timezone.now())
    if sessions.stage(rater, now=timezone.now()) == "finished":
        # Who holds the link may still withdraw; a finished session that is left open on a screen may not be.
        context = last_page(rater, own=True, first=True) | {"may_withdraw": True}
        response = render(request, "rating/finished.html", context)
        response.headers["Referrer-Policy"] = "no-referrer"
    else:
        response = redirect("rater-home")
    remember(response, rater.token)
    return response


@require_GET
@page
def home(request: HttpRequest) -> HttpResponseBase:
    """The page of the stage at which the rater is."""
    token = rater_token(request, finished_too=True)
    try:
        rater = invited_rater(token=token, ended_too=True)
    except StudyNotOpen:
        part = Rater.objects.select_related("study", "continues").filter(token=token).first()
        if part and part.continues and continuing.is_shut(part):
            return _to_part(part.continues)
        raise
    arrivals.end_if_late(rater, now=timezone.now())
    own = arrivals.is_own_browser(rater, browsers_secret(request))
    stage = sessions.stage(rater, now=timezone.now())
    first = not kept_token(request).startswith(FINISHED)
    if first and stage == "finished":
        part = continuing.due_part(rater, now=timezone.now())
        if part != rater:
            return _to_part(part)
    if rater.outcome or stage == "finished":
        ended = "rating/ended.html" if rater.outcome else "rating/finished.html"
        response = render(request, ended, last_page(rater, own=own, first=first))
        # Also of a part that ended early: there are ratings to withdraw.
        if sessions.session_of(rater) or rater.continues_id:
            remember(response, f"{FINISHED}{rater.token}")
        return response
    if not first:  # staff have let the rater go on, and who sits here now is not known
        raise NoInvitation
    if stage != "instructions" and device_is_due(request, rater):
        return redirect("device")
    if stage == "questions":
        return _questions_page(request, rater)
    session = sessions.session_of(rater)
    resumed = session is not None
    language = speech.spoken()
    context = {
        **study_context(rater.study),
        **scale_context(languages.scale(rater.study, language)),
        "instructions": languages.instructions(rater.study, language),
        "is_pair": rater.study.task in OF_TWO,
        "is_choice": rater.study.task in CHOOSING,
        "language": language,
        # Which to choose from, until it is chosen.
        "languages": [] if resumed else [(code, own_name(code)) for code in rater.study.languages],
        "resumed": resumed,
        "is_next_part": rater.continues_id is not None,
        "may_undo": rater.study.undo and (own or not resumed),
        "may_withdraw": own,
        # Who has rated already can end it without erasing that, where it is they who sit there.
        "may_decline": own is (rater.continues_id is not None) and not resumed,
        **(_before_agreeing(rater, language) if stage == "instructions" else {}),
        "examples_again": bool(session and session.calibration_trials and rater.study.examples_again),
        "data": page_data(rater, stage, own=own),
    }
    template = "pair" if stage == "rating" and context["is_pair"] else stage
    return render(request, f"rating/{template}.html", context)


def _to_part(part: Rater) -> HttpResponseBase:
    """To the page of another part of the same person."""
    response = redirect("rater-home")
    remember(response, part.token)
    return response


@require_POST
@page
def agree(request: HttpRequest) -> HttpResponseBase:
    rater = rater_of_the_page(request)
    now, language = timezone.now(), speech.spoken()
    form = AgreeForm(request.POST)
    if not form.is_valid():
        raise consent.OtherText
    read = consent.statement(rater.study, language=language, **(asked_of(rater) | form.named()))
    try:
        with transaction.atomic():
            places.lock(rater.study)  # first, as who takes a launch back or deletes the study locks it
            # Against a withdrawal at this moment, which would leave what is written here.
            if Rater.objects.select_for_update().get(pk=rater.pk).withdrawn_at:
                raise RaterWithdrawn
            require_launched(rater)
            consent.agreed(rater=rater, read=read, sha256=form.cleaned_data["read"], language=language, now=now)
            arrivals.agree_to(rater=rater, secret=browsers_secret(request), now=now)
            sessions.agree(rater=rater, now=now, language=language)
    except arrivals.NoPlace:
        outcomes.end(rater=rater, outcome=Outcome.FULL, now=now)
    return redirect("rater-home")


@require_POST
@page
def answer_questions(request: HttpRequest) -> HttpResponseBase:
    """The answers to all questions of a part; who sends them again, or too late, goes on."""
    rater = rater_of_the_page(request)
    session = sessions.session_of(rater)
    part = questionnaire.due(session) if session else ""
    if not part or request.POST.get("part") != part:
        return redirect("rater-home")
    form = questionnaire.QuestionsForm(request.POST, rater=rater, part=part, language=speech.spoken())
    if not form.is_valid():
        return _questions_page(request, rater, form)
    questionnaire.record(rater=rater, part=part, answers=form.answers(), now=timezone.now())
    return redirect("rater-home")


def _questions_page(
    request: HttpRequest, rater: Rater, form: questionnaire.QuestionsForm | None = None
) -> HttpResponseBase:
    part = questionnaire.due(sessions.started_session(rater))
    form = form or questionnaire.QuestionsForm(rater=rater, part=part, language=speech.spoken())
    context = {**study_context(rater.study), "form": form, "data": {"outbox": outbox_key(rater)}}
    context["may_withdraw"] = arrivals.is_own_browser(rater, browsers_secret(request))
    return render(request, "rating/questions.html", context, status=422 if form.errors else 200)


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
    session = sessions.started_session(rater)
    if device_is_due(request, rater):
        raise sessions.TrialNotDue(gettext_lazy("Your screen is looked at first. Please load the page again."))
    if questionnaire.due(session):
        raise sessions.TrialNotDue(gettext_lazy("Please answer the questions first."))
    return JsonResponse(standing_data(sessions.standing(session, now=timezone.now())))


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
            looks=form.looks(),
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
    arrivals.require_own_browser(invited_rater(token=rater_token(request)), browsers_secret(request))
    standing = take_back(rater_token=rater_token(request), token=token, attempt=attempt, now=timezone.now())
    return JsonResponse(standing_data(standing))


@require_GET
@cache_control(no_transform=True)  # a proxy that squeezes images would change what is rated
@for_scripts
def image(request: HttpRequest, token: str, which: evidence.Which = "left") -> HttpResponseBase:
    trial = image_trial(rater_token=rater_token(request), token=token, now=timezone.now(), which=which)
    response = HttpResponse(image_bytes(trial), content_type="image/png")
    response.headers["Receipt"] = evidence.receipt(token=token, now=timezone.now(), which=which)
    return response


@require_GET
@cache_control(no_transform=True)
@for_scripts
def whole_image(request: HttpRequest, token: str) -> HttpResponseBase:
    """The image whose region the trial shows, small, where the study has it seen before."""
    trial = image_trial(rater_token=rater_token(request), token=token, now=timezone.now())
    if not shows_whole_image(trial):
        raise UnknownTrial
    return HttpResponse(whole_image_bytes(trial), content_type="image/png")


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest) -> HttpResponseBase:
    """Ask first, then erase."""
    rater = invited_rater(token=rater_token(request), at_any_time=True)
    arrivals.require_own_browser(rater, browsers_secret(request))
    context: dict[str, Any] = {**study_context(rater.study), "data": {"outbox": outbox_key(rater)}}
    if request.method == "GET":
        context["rated"] = rated_of(rater)
        return render(request, "rating/withdraw.html", context)
    require_same_rater(request, rater)
    context["erased"] = erase(rater=rater, now=timezone.now())
    return render(request, "rating/withdrawn.html", context)


def _before_agreeing(rater: Rater, language: str) -> dict[str, Any]:
    asked = asked_of(rater)
    resumed = sessions.session_of(rater) is not None
    amount = consent.pairs_left(asked["images"]) if resumed else consent.pairs_amount(asked["images"])
    return {**asked, "amount": amount, "statement": consent.statement(rater.study, language=language, **asked)}


def browsers_secret(request: HttpRequest) -> str:
    """By what a browser is known again in which a rater agreed who came by a public link; or nothing."""
    return request.COOKIES.get(DEVICE, "")


def rater_token(request: HttpRequest, *, finished_too: bool = False) -> str:
    """The token of the invitation that was opened in this browser. Raises NoInvitation.

    Once its session is finished, or its part has ended early, and the last page was shown, the cookie is good for that
    page alone: the next person at the computer cannot withdraw for the one who was there.
    """
    kept = kept_token(request)
    if kept.startswith(FINISHED) and not finished_too:
        invited_rater(token=kept.removeprefix(FINISHED))  # says so of a part that ended early
        raise NoInvitation
    if not kept:
        raise NoInvitation
    return kept.removeprefix(FINISHED)


def kept_token(request: HttpRequest) -> str:
    """What `remember` has kept in this browser, or nothing."""
    return request.get_signed_cookie(COOKIE, default="", max_age=COOKIE_SECONDS) or ""


def browsers_token(request: HttpRequest) -> str:
    """The token of the rater who was last in this browser, finished or not, or nothing."""
    return kept_token(request).removeprefix(FINISHED)


def remember(response: HttpResponseBase, kept: str) -> None:
    """Keep the rater's token, or that of a finished session, in the browser."""
    response.set_signed_cookie(COOKIE, kept, **_cookie())


def device_is_due(request: HttpRequest, rater: Rater) -> bool:
    """Whether the study asks something of devices, and this browser was not looked at since the rater agreed.

    Who tries the study is looked at once.
    """
    session = sessions.session_of(rater)
    if session is None or session.finished_at or not device_check.asked(rater.study).rules:
        return False
    if rater.is_preview and DeviceCheck.objects.filter(session=session).exclude(checked_at=None).exists():
        return False
    looked_at: str = request.get_signed_cookie(LOOKED_AT, default="", max_age=COOKIE_SECONDS) or ""
    return looked_at != str(session.pk)


def remember_look(response: HttpResponseBase, rater: Rater) -> None:
    """That this browser was looked at for the rater's session."""
    response.set_signed_cookie(LOOKED_AT, str(rater.session.pk), **_cookie())


def remember_device(request: HttpRequest, response: HttpResponseBase) -> None:
    """Give the browser a secret, if it has none."""
    if not browsers_secret(request):
        response.set_cookie(DEVICE, secrets.token_urlsafe(24), **_cookie())


def _cookie() -> dict[str, Any]:
    secure: bool = settings.SESSION_COOKIE_SECURE
    return {"max_age": COOKIE_SECONDS, "secure": secure, "httponly": True, "samesite": "Lax"}


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
