"""Requests bred by Atheris (libFuzzer): `pip install atheris`, then `python -m tests.e2e.fuzz [-runs=N]`.

The fuzzer sees which lines of the site and of Django's request handling its bytes reach, and breeds on from those that
reach new ones; what it sends begins as the corpus of `tests.e2e.hostile`. Each input is one request to the WSGI
application, as a stranger, as an invited rater or as staff who only look. It ends at the first that is answered with
5xx; options are libFuzzer's (-runs, -max_total_time, -seed).
"""

import os
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import atheris

from tests.e2e.hostile_corpus import HEADERS, NASTY, PATHS, QUERIES, TYPES

METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]
VARIABLES = [line.split(":")[0].upper().replace("-", "_") for line in HEADERS]


def as_wsgi(text: str) -> str:
    """As a server hands over what came in as UTF-8 (PEP 3333)."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


class Target:
    """The site in this process, with a launched study and one rater at its first trial."""

    def __init__(self, folder: Path) -> None:
        os.environ.update(
            MOSWEB_VAR=str(folder), DATABASE_URL=f"sqlite:///{folder}/db.sqlite3", MOSWEB_HTTPS="0",
            MOSWEB_PROXIES="1", MOSWEB_LOG_LEVEL="CRITICAL", DJANGO_SETTINGS_MODULE="mosweb.settings",
        )  # fmt: skip
        os.environ.pop("REDIS_URL", None)
        with atheris.instrument_imports(include=["studies", "mosweb", "django.http", "django.core.handlers"]):
            from mosweb.wsgi import application

        import logging

        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.core.signals import got_request_exception
        from django.test import Client
        from django.urls import reverse

        logging.disable(logging.CRITICAL)
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        from tests.studies.factories import launch, make_benchmark, make_rater, make_study

        study = launch(make_study(benchmarks=[make_benchmark(images=2, height=32, width=32)]))
        rater, staff = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
        token = make_rater(study).token
        rater.get(reverse("invitation", args=[token]))
        rater.get("/study/")
        rater.post("/study/agree/", {})
        self.trial = rater.get("/study/upcoming/").json()["upcoming"][0]["token"]
        staff.force_login(User.objects.create_superuser("staff"))
        self.token, self._application = token, application
        self._cookies = ["", *("; ".join(f"{name}={m.value}" for name, m in c.cookies.items()) for c in (rater, staff))]
        self._cause: list[str] = []
        got_request_exception.connect(self._note, weak=False)

    def _note(self, **_: Any) -> None:
        self._cause.append(repr(sys.exc_info()[1]))

    def __call__(self, data: bytes) -> None:
        """One request. Raises AssertionError for a fault of the site."""
        draw = atheris.FuzzedDataProvider(data)
        as_staff = (who := draw.ConsumeIntInRange(0, 2)) == 2
        path = draw.PickValueInList(PATHS) + draw.ConsumeUnicode(draw.ConsumeIntInRange(0, 8))
        path = (
            path.replace("{token}", self.token)
            .replace("{trial}", self.trial)
            .replace("{x}", draw.PickValueInList(NASTY))
        )
        query = draw.PickValueInList(QUERIES) + draw.ConsumeUnicode(draw.ConsumeIntInRange(0, 8))
        cookie = self._cookies[who] + draw.PickValueInList(["", "", "; rater=" + draw.ConsumeUnicode(20)])
        environ = {
            "REQUEST_METHOD": "GET" if as_staff else draw.PickValueInList(METHODS),
            "PATH_INFO": as_wsgi(path),
            "QUERY_STRING": as_wsgi(query),
            "HTTP_COOKIE": as_wsgi(cookie),
            "CONTENT_TYPE": draw.PickValueInList(TYPES),
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost",
            "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "wsgi.version": (1, 0),
        }  # fmt: skip
        for _ in range(draw.ConsumeIntInRange(0, 2)):
            value = draw.ConsumeUnicode(draw.ConsumeIntInRange(0, 40))
            environ[f"HTTP_{draw.PickValueInList(VARIABLES)}"] = value.encode("utf-8", "surrogatepass").decode(
                "latin-1"
            )
        body = draw.ConsumeBytes(sys.maxsize)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        statuses: list[str] = []
        self._cause.clear()
        answer = self._application(environ, lambda status, *_: statuses.append(status))
        for _ in answer:
            pass
        getattr(answer, "close", int)()  # whitenoise answers some with a plain list
        assert int(statuses[0][:3]) < 500, f"{statuses[0]} {environ} {self._cause}"


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    target = Target(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate([*NASTY, *PATHS, *QUERIES]):
        (corpus / str(number)).write_bytes(seed.encode("utf-8", "surrogatepass") * 4)
    options = sys.argv[1:] or ["-max_total_time=600"]
    atheris.Setup([sys.argv[0], str(corpus), "-max_len=4096", f"-artifact_prefix={folder}/", *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
