"""What the site says where no page of it answers: in a rater's language at raters' addresses, to staff in English."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy

from studies.models import Rater
from studies.rating.speech import rater_with, spoken_to
from studies.rating.views import browsers_token

RATERS_ADDRESSES = ("/i/", "/join/", "/study/", "/image/", "/withdraw/")
NO_PAGE = gettext_lazy("There is no page at this address. Please check that your invitation link was copied whole.")
STALE = gettext_lazy("This page was open for too long, or the browser keeps no cookies. Please open your link again.")


@contextmanager
def spoken_to_visitor(request: HttpRequest) -> Iterator[None]:
    """While the database is away, a language that does not ship is not there either: then one of the site's own."""
    if not request.path_info.startswith(RATERS_ADDRESSES):
        yield
        return
    with spoken_to(request, _rater(request)):
        yield


def _rater(request: HttpRequest) -> Rater | None:
    try:
        return rater_with(browsers_token(request))
    except (OperationalError, InterfaceError):
        return None


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path_info.startswith(RATERS_ADDRESSES):
        return render(request, "studies/nothing.html", {"message": "There is no page at this address."}, status=404)
    with spoken_to_visitor(request):
        return render(request, "studies/nothing.html", {"message": NO_PAGE}, status=404)


def stale_page(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form came without the token that Django gave its page."""
    with spoken_to_visitor(request):
        return render(request, "studies/nothing.html", {"message": STALE}, status=403)
