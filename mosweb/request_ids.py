"""A number for each request, in its answer's X-Request-ID and in every log line that it causes."""

import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
# What a proxy may call a request; anything else could write into the log what it likes.
_ALLOWED = re.compile(r"[A-Za-z0-9_.:-]{8,128}")

request_id: ContextVar[str] = ContextVar("request_id", default="")


def request_ids(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware. The proxies' own number is taken over where there are proxies (MOSWEB_PROXIES)."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "") if settings.PROXIES else ""
        number = given if _ALLOWED.fullmatch(given) else secrets.token_hex(8)
        before = request_id.set(number)
        try:
            response = get_response(request)
        finally:
            request_id.reset(before)
        response.headers[HEADER] = number
        return response

    return middleware


class AddRequestId(logging.Filter):
    """Gives a record `request_id`: of the request, or of the task, that it is about; empty for neither."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
