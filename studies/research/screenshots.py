"""Pictures of what raters see: the study's own pages in a headless Chromium, from a server of this process alone.

In each of the study's languages the instructions, what is asked of the device, the questions, and the page on which an
image is rated; with the instructions as text. A preview that is counted nowhere goes there, and is gone afterwards.
Runs in a worker.
"""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils import timezone

from studies.models import OF_TWO, DeviceCheck, Rater, Session, Study
from studies.protocol import languages
from studies.rating import device_check, questionnaire, sessions
from studies.research import invitations
from studies.research.browser import Browser

WIDTH, HEIGHT = 1280, 800
# What the rating page needs beside the image.
BESIDE, BELOW = 80, 320
# After examples a dialogue says that now it counts.
_PAST_THE_ANNOUNCEMENT = """(
    document.querySelector('dialog[open] #overlay-button')?.click(), document.querySelector('#stage')?.dataset.painted
)"""


def pictures(study: Study) -> dict[str, bytes]:
    """By file name, a picture (PNG) or a text (UTF-8). Raises NoPictures."""
    found = texts(study)
    with Browser() as browser, _site() as address:
        for language in study.languages:
            with _somebody(study) as rater:
                take = partial(browser.picture, f"{address}/i/{rater.token}/", language=language)
                found |= {f"{name}-{language}.png": png for name, png in _way(study, rater, language, take)}
    return found


def _way(study: Study, rater: Rater, language: str, take: Callable[..., bytes]) -> Iterator[tuple[str, bytes]]:
    """The pages that this rater comes to, one after the other."""
    whole = partial(take, size=(WIDTH, HEIGHT), whole=True)
    yield "instructions", whole(ready="document.querySelector('#agree')")
    session = sessions.agree(rater=rater, now=timezone.now(), language=language)
    if device_check.asked(study).rules:
        yield "device", whole(ready="document.querySelector('#go-on:enabled')")
        DeviceCheck.objects.filter(session=session).update(checked_at=timezone.now())
    if part := questionnaire.due(session):
        yield "questions", whole(ready="document.querySelector('form')")
        questionnaire.record(rater=rater, part=part, answers={}, now=timezone.now())
    Session.objects.filter(pk=session.pk).update(next_position=session.calibration_trials + 1)
    yield "rating", take(size=_window(study), ready=_PAST_THE_ANNOUNCEMENT)


def _window(study: Study) -> tuple[int, int]:
    """Large enough for the largest image, of pairs for two beside each other."""
    sizes = sessions.largest_images(study)
    beside = 2 if study.task in OF_TWO else 1
    wide = max((beside * (width + BESIDE) for width, _ in sizes), default=0)
    high = max((height + BELOW for _, height in sizes), default=0)
    return max(WIDTH, wide), max(HEIGHT, high)


def texts(study: Study) -> dict[str, bytes]:
    """The instructions in each of the study's languages (UTF-8), by file name."""
    told = {language: languages.instructions(study, language) for language in study.languages}
    return {f"instructions-{language}.txt": f"{text}\n".encode() for language, text in told.items()}


@contextmanager
def _somebody(study: Study) -> Iterator[Rater]:
    rater = invitations.invite(study=study, is_preview=True)
    try:
        yield rater
    finally:
        Session.objects.filter(rater=rater).delete()
        rater.delete()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """Addresses hold tokens, which stand in no log."""

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def _site() -> Iterator[str]:
    """The address of a server of this process, on this host alone, which takes its requests for those of the site."""
    application = get_wsgi_application()
    host = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")

    def as_the_site(environ: dict[str, Any], start_response: Any) -> Any:
        environ |= {"HTTP_HOST": host, "HTTP_X_FORWARDED_PROTO": "https", "wsgi.url_scheme": "https"}
        return application(environ, start_response)

    server = make_server("127.0.0.1", 0, as_the_site, server_class=_Server, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
