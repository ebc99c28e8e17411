"""In which language a rater is spoken to: the session's; before there is one, what the rater or the browser wishes.

It is asked at every request anew, of the database or of the browser, so that every web host answers alike. A cookie
says it once more for when the database is away or the session is erased.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponseBase, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import get_language, override, trans_real

from studies.models import Rater, Study
from studies.protocol import catalogues
from studies.protocol.languages import speaking

COOKIE = "rater_language"
COOKIE_SECONDS = 366 * 24 * 3600


def rater_with(token: str) -> Rater | None:
    """Whom to speak to, admitted or not."""
    return Rater.objects.select_related("study", "session").filter(token=token).first() if token else None


def study_of_link(token: str) -> Study | None:
    """The study of a public link."""
    return Study.objects.filter(public_link__token=token).first()


@contextmanager
def spoken_to(request: HttpRequest, whom: Rater | Study | None) -> Iterator[None]:
    """Speak the rater's language, or of a study the one that is wished for; to a stranger one of the site's own.

    For a stranger the database is not asked.
    """
    if whom is None:
        with override(wished(request, [code for code, _ in settings.LANGUAGES])):
            yield
        return
    study, language = (
        (whom, wished(request, whom.languages)) if isinstance(whom, Study) else (whom.study, language_of(request, whom))
    )
    with speaking(study, language):
        yield


def spoken() -> str:
    """The language that a page is made in."""
    return get_language() or settings.LANGUAGE_CODE


def language_of(request: HttpRequest, rater: Rater) -> str:
    """The rater's language, one of the study's."""
    session = getattr(rater, "session", None)
    return session.language if session else wished(request, rater.study.languages)


def wished(request: HttpRequest, offered: Sequence[str]) -> str:
    """The one of the languages that is asked for: by the request, the cookie, the browser; the first if none is."""
    for asked in (_asked(request), request.COOKIES.get(COOKIE)):
        if asked in offered:
            return str(asked)
    for wish, _ in trans_real.parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        if language := _nearest(wish, offered):
            return language
    return offered[0]


def _asked(request: HttpRequest) -> str | None:
    """The form's field. What cannot be read asks for nothing: the page of an error is spoken too."""
    try:
        return request.GET.get("language") or request.POST.get("language")
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return None


def _nearest(wish: str, offered: Sequence[str]) -> str | None:
    """de for de-AT, zh-hans for zh-CN, pt-br for pt."""
    base, _, _ = wish.partition("-")
    for language in (wish, *LANG_INFO.get(wish, {}).get("fallback", ()), base):
        if language in offered:
            return str(language)
    return next((language for language in offered if language.partition("-")[0] == base), None)


def remember(request: HttpRequest, response: HttpResponseBase, language: str) -> None:
    """Keep it in the browser."""
    if request.COOKIES.get(COOKIE) != language:
        response.set_cookie(
            COOKIE,
            language,
            max_age=COOKIE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def script_texts() -> dict[str, Any]:
    """`texts` and `plural` for static/rating/texts.js, in the language that is spoken; nothing for plain English."""
    return _script_texts(trans_real.catalog())


@lru_cache(maxsize=64)
def _script_texts(catalogue: trans_real.DjangoTranslation) -> dict[str, Any]:
    """Made once: there is one catalogue for a language, or for a language with a task's or a researcher's texts."""
    messages = [message for message in catalogues.rater_messages() if message.is_of_scripts]
    said: dict[str, Any] = {m.text: catalogue.gettext(m.text) for m in messages if not m.plural}
    if catalogue.language() == "en" and all(text == translated for text, translated in said.items()):
        return {}
    counted = [m for m in messages if m.plural]
    # Which form a number takes is the same for all texts: one that tells the forms of all of them apart.
    kinds: dict[tuple[str, ...], int] = {}
    digits = [
        kinds.setdefault(tuple(catalogue.ngettext(m.text, m.plural, n) for m in counted), len(kinds))
        for n in catalogues.NUMBERS
    ]
    said |= {m.text: list(forms) for m, forms in zip(counted, zip(*kinds, strict=True), strict=True)}
    return {"texts": said, "plural": "".join(map(str, digits))}
