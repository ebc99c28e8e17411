"""What is refused before anything reads it, and the headers that Django does not set by itself."""

from collections.abc import Callable, Iterator
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, UnreadablePostError

# blob: is where the browser keeps a preloaded image. Styles and scripts come from this site's files alone.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

View = Callable[[HttpRequest], HttpResponse]


def refuse_nul(get_response: View) -> View:
    """400 for what no browser sends and PostgreSQL does not take: a NUL character."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            if any("\0" in text for text in _texts(request)):
                return HttpResponseBadRequest("A NUL character means nothing here.\n", content_type="text/plain")
        except UnreadablePostError:  # the browser went away; nobody will read this
            return HttpResponseBadRequest("The form did not arrive whole.\n", content_type="text/plain")
        return get_response(request)

    return middleware


def _texts(request: HttpRequest) -> Iterator[str]:
    """All in a request that a query to the database could be made of."""
    yield request.path_info
    yield unquote(request.META.get("QUERY_STRING", ""))
    # Cookies too may write it in another way, as \\000.
    yield from request.COOKIES.values()
    for name, values in request.POST.lists():
        yield name
        yield from values


def headers(get_response: View) -> View:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        # Pages and downloads of staff, answers to raters: nothing but the files of the design is kept by anybody.
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
