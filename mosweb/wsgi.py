import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosweb.settings")

_site = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django's application, before which one thing is refused: content that is said to be no UTF-8.

    Django decodes the address, too, by what is said of the content: with `charset=hex` or a NUL in it that ends with an
    exception before any middleware. Browsers send a form in the encoding of its page, which here is UTF-8.
    """
    if _is_utf_8(environ.get("CONTENT_TYPE", "")):
        return _site(environ, start_response)
    start_response("400 Bad Request", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
    return [b"Forms are read as UTF-8 only.\n"]


def _is_utf_8(content_type: str) -> bool:
    try:
        charset = parse_header_parameters(content_type)[1].get("charset", "utf-8")
    except ValueError:
        return False
    return charset.lower() == "utf-8"
