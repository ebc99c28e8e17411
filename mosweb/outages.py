"""What the site answers while its database or its image storage is away: 503 and when to ask again, in one log line."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy

from mosweb.visitors import spoken_to_visitor
from studies.storage.guard import StorageUnavailable, time_limit

logger = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds
MESSAGE = gettext_lazy(
    "A part of this site does not answer at the moment. Nothing is lost; please try again in a few seconds."
)


class Outages:
    """No request waits long for the storage, and what is away is answered as that, not as an error of the site."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with time_limit(settings.STORAGE_SECONDS_OF_A_REQUEST):
            response = self._get_response(request)
        if response.status_code == 503:
            response.headers.setdefault("Retry-After", str(RETRY_AFTER))
            # Said already by who knows why; Django would add a line for each address.
            response._has_been_logged = True  # type: ignore[attr-defined]
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, StorageUnavailable):
            logger.warning("%s", exception)
        elif isinstance(exception, OperationalError | InterfaceError):
            logger.warning("the database cannot be reached (%s)", " ".join(str(exception).split()))
        else:
            return None
        return unavailable(request)


def unavailable(request: HttpRequest) -> HttpResponse:
    """A page for a browser, JSON for a page's script."""
    with spoken_to_visitor(request):
        if "text/html" in request.headers.get("Accept", ""):
            return HttpResponse(render_to_string("studies/unavailable.html", {"message": MESSAGE}), status=503)
        return JsonResponse({"code": "unavailable", "message": MESSAGE}, status=503)
