"""The page on which a rater's device is looked at, and what is drawn for it."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_http_methods

from studies.access import invited_rater
from studies.models import Rater, Study
from studies.protocol import languages
from studies.rating import arrivals, device_check, plates, sessions
from studies.rating.speech import script_texts, spoken
from studies.rating.told import outbox_key, scale_context, study_context
from studies.rating.views import (
    browsers_secret,
    device_is_due,
    for_scripts,
    page,
    rater_of_the_page,
    rater_token,
    remember_look,
)


@require_http_methods(["GET", "POST"])
@page
def device(request: HttpRequest) -> HttpResponseBase:
    """Measure and ask; then go on, or end where the study says so."""
    rater = rater_of_the_page(request)
    now = timezone.now()
    if sessions.stage(rater, now=now) == "instructions" or not device_is_due(request, rater):
        return redirect("rater-home")
    if request.method == "GET":
        return _page(request, rater)
    form = device_check.DeviceForm(request.POST)
    if not form.is_valid():
        return _page(request, rater, problem="incomplete", status=422)
    try:
        device_check.take(rater=rater, form=form, now=now)
    except device_check.LookAgain:
        return _page(request, rater, problem="earlier", status=409)
    response = redirect("rater-home")
    remember_look(response, rater)
    return response


@require_GET
@cache_control(no_transform=True)
@for_scripts
def drawing(request: HttpRequest, token: str, what: str) -> HttpResponseBase:
    """Grey squares, or a digit of dots, for the rater whose look it is."""
    rater = invited_rater(token=rater_token(request))
    png = device_check.drawing(sessions.started_session(rater), token=token, what=what)
    if png is None:
        raise Http404
    return HttpResponse(png, content_type="image/png")


def _page(request: HttpRequest, rater: Rater, *, problem: str = "", status: int = 200) -> HttpResponse:
    study = rater.study
    rules = device_check.asked(study).rules
    look = device_check.begin(sessions.started_session(rater), now=timezone.now())
    pictures = [reverse("device-drawing", args=[look.token, f"plate-{place}"]) for place in range(len(plates.PLATES))]
    data: dict[str, Any] = {
        "outbox": outbox_key(rater),
        "largest": sessions.largest_images(study),
        "rules": rules,
        "least": [study.least_screen_width, study.least_screen_height],
        "card_mm": device_check.CARD_MM,
        "card_css": [device_check.LEAST_CARD, device_check.MOST_CARD],
        "heights": study.viewing_heights,
        **script_texts(),
    }
    context = {
        **study_context(study),
        **scale_context(languages.scale(study, spoken())),
        "rules": rules,
        "look": look,
        "measured": device_check.MEASURED,
        "problem": problem,
        "ends": study.device_rule == Study.DeviceRule.END,
        "greys": reverse("device-drawing", args=[look.token, "greys"]),
        "halves": [range(half * plates.CELLS, (half + 1) * plates.CELLS) for half in range(len(plates.BACKGROUNDS))],
        "plates": list(enumerate(pictures)),
        "may_withdraw": arrivals.is_own_browser(rater, browsers_secret(request)),
        "data": data,
    }
    return render(request, "rating/device.html", context, status=status)
