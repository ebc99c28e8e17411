"""Raters at work while the web server or the database is killed by kill -9: what was acknowledged stays, all is stored.

Every part is real and the test's own; the raters are scripts that do what the page does: try again until answered.
What they saw is printed (pytest -s shows it).
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.plant import ROOT, Database, Sqlite, wait_for
from tests.http_client import Browser

RATERS, SOURCES = 6, 20
RATINGS = RATERS * SOURCES * 3
FACTS = {"response_ms": 900, "hidden_ms": 0, "device_pixel_ratio": 1, "visual_viewport_scale": 1,
         "viewport_width": 1280, "viewport_height": 800, "screen_width": 1280, "screen_height": 800}  # fmt: skip
SET_UP = f"""
from django.urls import reverse
from tests.studies.factories import *
study = launch(make_study(benchmarks=[make_benchmark(images={SOURCES}, height=32, width=32)]))
print("LINKS", *(reverse("invitation", args=[make_rater(study).token]) for _ in range({RATERS})))
"""


class Site:
    """gunicorn as `make run` starts it, on one port that outlives it."""

    def __init__(self, var: Path, database: Database) -> None:
        self.database = database
        self._env = {**os.environ, "MOSWEB_VAR": str(var), "DATABASE_URL": database.url, "MOSWEB_HTTPS": "0",
                     "PYTHONPATH": str(ROOT)}  # fmt: skip
        self._env.pop("REDIS_URL", None)
        self.log = var / "gunicorn.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._manage("migrate", "-v0")
        self._manage("collectstatic", "--no-input", "-v0")
        out = self._manage("shell", "--no-imports", "-c", SET_UP)
        self.links = next(line for line in out.splitlines() if line.startswith("LINKS")).split()[1:]

    def _manage(self, *words: str) -> str:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=self._env, check=True, capture_output=True, text=True).stdout

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:mosweb.gunicorn_conf"]
        command += ["--bind", f"127.0.0.1:{self.port}", "mosweb.wsgi:application"]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                command, cwd=ROOT, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """All of its processes at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()

    def stored(self) -> dict[str, int]:
        rows = self.database.query(
            "SELECT t.token, r.score FROM studies_rating r JOIN studies_trial t ON t.id = r.trial_id"
        )
        assert len(rows) == len(dict(rows))
        return dict(rows)


class Rater:
    """Goes through a whole session; a request that fails is sent again until it is answered."""

    def __init__(self, port: int, link: str) -> None:
        self.browser, self.link = Browser(port), link
        self.acknowledged: dict[str, int] = {}
        self.failures = 0
        self.longest_wait = 0.0

    async def go(self) -> None:
        await self._until_answered(lambda: self.browser.get(self.link))
        await self._until_answered(lambda: self.browser.get("/study/"))
        await self._until_answered(lambda: self.browser.post("/study/agree/", {}))
        standing = json.loads(await self._until_answered(lambda: self.browser.get("/study/upcoming/")))
        while standing["upcoming"]:
            trial = standing["upcoming"][0]
            await self._until_answered(lambda url=trial["url"]: self.browser.get(url, keep_body=False))
            score = sum(trial["token"].encode()) % 5 + 1
            fields = {"score": score, **FACTS}
            address = f"/study/rate/{trial['token']}/"
            answer = await self._until_answered(lambda a=address, f=fields: self.browser.post(a, f))
            self.acknowledged[trial["token"]] = score
            standing = json.loads(answer)

    async def _until_answered(self, ask: Callable) -> bytes:
        begun = time.monotonic()
        while True:
            with contextlib.suppress(ConnectionError):
                answer = await ask()
                if answer.status < 500:
                    assert answer.status in (200, 302), (answer.status, answer.body[:300])
                    self.longest_wait = max(self.longest_wait, time.monotonic() - begun)
                    return answer.body
            self.browser.close()
            self.failures += 1
            assert time.monotonic() - begun < 60, "nobody answers"
            await asyncio.sleep(0.05)


async def all_go(raters: list[Rater]) -> None:
    try:
        await asyncio.gather(*(rater.go() for rater in raters))
    finally:
        for rater in raters:
            rater.browser.close()


def rate_while(site: Site, faults: dict[int, Callable[[], None]]) -> list[Rater]:
    """Let all raters rate; when so many ratings are acknowledged, do the fault.

    What the raters had been told by then must be in the database right after the fault.
    """
    site.start()
    raters = [Rater(site.port, link) for link in site.links]
    given = lambda: sum(len(rater.acknowledged) for rater in raters)  # noqa: E731
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: asyncio.run(all_go(raters)))
        for after, fault in faults.items():
            wait_for(lambda after=after: given() >= after or run.done(), seconds=90, what=f"{after} ratings")
            assert not run.done(), "the fault must come in the middle"
            told = {token: score for rater in raters for token, score in list(rater.acknowledged.items())}
            fault()
            stored = site.stored()
            assert {token: stored.get(token) for token in told} == told
        run.result(timeout=120)
    return raters


def check(site: Site, raters: list[Rater], what: str) -> None:
    sent = {token: score for rater in raters for token, score in rater.acknowledged.items()}
    assert len(sent) == RATINGS
    assert site.stored() == sent
    wait = max(rater.longest_wait for rater in raters)
    failures = sum(rater.failures for rater in raters)
    print(f"\n{what}: {RATINGS} ratings, all stored once; {failures} requests sent again, longest wait {wait:.1f} s")


@pytest.fixture
def on_sqlite(tmp_path):
    site = Site(tmp_path, Sqlite(tmp_path / "db.sqlite3"))
    yield site
    site.kill()


@pytest.fixture
def on_postgresql(own_postgresql, tmp_path):
    site = Site(tmp_path, own_postgresql)
    yield site, own_postgresql
    site.kill()


def test_the_web_server_is_killed_twice_during_rating_on_sqlite(on_sqlite):
    def kill_and_restart():
        on_sqlite.kill()
        on_sqlite.start()

    raters = rate_while(on_sqlite, {60: kill_and_restart, 200: kill_and_restart})
    check(on_sqlite, raters, "web server killed twice, SQLite")
    assert sum(rater.failures for rater in raters) > 0


def test_the_database_and_the_web_server_are_killed_during_rating_on_postgresql(on_postgresql):
    site, server = on_postgresql

    def kill_database():
        server.kill()
        wait_for(server.is_ready, seconds=60, what="PostgreSQL comes back")

    def kill_web_server():
        site.kill()
        site.start()

    raters = rate_while(site, {60: kill_database, 150: kill_web_server, 240: kill_database})
    check(site, raters, "database killed twice and web server once, PostgreSQL")
    assert sum(rater.failures for rater in raters) > 0
