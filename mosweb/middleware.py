"""The header that Django 5.2 does not set by itself, and who is asking."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# blob: is where the browser keeps a preloaded image. Styles and scripts come from this site's files alone.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def client_address(request: HttpRequest) -> str:
    """Who asks, for the throttle of the login: the address that the outermost of our own proxies saw.

    What stands before that in X-Forwarded-For anybody can write.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if 0 < settings.PROXIES <= len(forwarded) and forwarded[-settings.PROXIES].strip():
        return str(forwarded[-settings.PROXIES].strip())
    return str(request.META.get("REMOTE_ADDR", ""))


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return middleware
