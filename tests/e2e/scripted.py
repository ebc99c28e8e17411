"""Raters that are scripts, on a real gunicorn as `make run` starts it: they do what the page does, and count.

A request that fails is sent again until it is answered, as the page's outbox does.
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
from pathlib import Path

from tests.e2e.plant import ROOT, Database, wait_for
from tests.http_client import Answer, Browser

RATERS, SOURCES = 6, 20
RATINGS = RATERS * SOURCES * 3
FACTS = {"response_ms": 900, "hidden_ms": 0, "device_pixel_ratio": 1, "visual_viewport_scale": 1,
         "viewport_width": 1280, "viewport_height": 800, "screen_width": 1280, "screen_height": 800}  # fmt: skip
SET_UP = """
from django.urls import reverse
from tests.studies.factories import *
study = launch(make_study(benchmarks=[make_benchmark(images={sources}, height=32, width=32)]))
print("LINKS", *(reverse("invitation", args=[make_rater(study).token]) for _ in range({raters})))
"""


class Site:
    """gunicorn as `make run` starts it, on one port that outlives it."""

    def __init__(
        self, var: Path, database: Database, *, raters: int = RATERS, sources: int = SOURCES, **environment: str
    ) -> None:
        self.database = database
        self.take(var, **environment)
        self.manage("migrate", "-v0")
        self.manage("collectstatic", "--no-input", "-v0")
        out = self.manage("shell", "--no-imports", "-c", SET_UP.format(raters=raters, sources=sources))
        self.links = next(line for line in out.splitlines() if line.startswith("LINKS")).split()[1:]

    def take(self, var: Path, **environment: str) -> None:
        """An installation in this folder, whatever is in it, and a free port."""
        var.mkdir(parents=True, exist_ok=True)
        self._env = {**os.environ, "MOSWEB_VAR": str(var), "DATABASE_URL": self.database.url, "MOSWEB_HTTPS": "0",
                     "PYTHONPATH": str(ROOT), **environment}  # fmt: skip
        self._env.pop("REDIS_URL", None)
        self.log = var / "gunicorn.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def manage(self, *words: str) -> str:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=self._env, check=True, capture_output=True, text=True).stdout

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:mosweb.gunicorn_conf"]
        command += ["--bind", f"127.0.0.1:{self.port}", "mosweb.wsgi:application"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """All of its processes at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

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
        self.seconds: list[float] = []

    @property
    def longest_wait(self) -> float:
        return max(self.seconds, default=0.0)

    async def go(self) -> None:
        await self._until_answered(lambda: self.browser.get(self.link))
        await self._until_answered(lambda: self.browser.get("/study/"))
        await self._until_answered(lambda: self.browser.post("/study/agree/", {}))
        standing = json.loads((await self._until_answered(lambda: self.browser.get("/study/upcoming/"))).body)
        while standing["upcoming"]:
            trial = standing["upcoming"][0]
            image = await self._until_answered(lambda url=trial["url"]: self.browser.get(url, keep_body=False))
            score = sum(trial["token"].encode()) % 5 + 1
            fields = {"score": score, "receipt": image.header("Receipt"), **FACTS}
            address = f"/study/rate/{trial['token']}/"
            answer = await self._until_answered(lambda a=address, f=fields: self.browser.post(a, f))
            self.acknowledged[trial["token"]] = score
            standing = json.loads(answer.body)

    async def _until_answered(self, ask: Callable) -> Answer:
        begun = time.monotonic()
        while True:
            with contextlib.suppress(ConnectionError):
                answer = await ask()
                if answer.status < 500:
                    assert answer.status in (200, 302), (answer.status, answer.body[:300])
                    self.seconds.append(time.monotonic() - begun)
                    return answer
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


def p95(raters: list[Rater]) -> float:
    """Of all that the raters asked for, in seconds."""
    seconds = sorted(second for rater in raters for second in rater.seconds)
    return seconds[int(0.95 * len(seconds))]


def check(site: Site, raters: list[Rater], what: str) -> None:
    """All that was acknowledged is stored once, and it is all that there was to rate."""
    sent = {token: score for rater in raters for token, score in rater.acknowledged.items()}
    assert len(sent) == RATINGS
    assert site.stored() == sent
    wait = max(rater.longest_wait for rater in raters)
    failures = sum(rater.failures for rater in raters)
    print(f"\n{what}: {RATINGS} ratings, all stored once; {failures} requests sent again, longest wait {wait:.1f} s")


def wait_until_up(site: Site) -> None:
    def answers() -> bool:
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", site.port))

    wait_for(answers, seconds=60, what="the site listens")
