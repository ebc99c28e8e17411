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
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.e2e.plant import ROOT, Database, Sqlite, wait_for
from tests.fresh import fresh, static
from tests.http_client import Answer, Browser
from tests.process_tools import free_ports

RATERS, SOURCES = 6, 20
RATINGS = RATERS * SOURCES * 3
FACTS = {"response_ms": 900, "hidden_ms": 0, "device_pixel_ratio": 1, "visual_viewport_scale": 1,
         "viewport_width": 1280, "viewport_height": 800, "screen_width": 1280, "screen_height": 800}  # fmt: skip
LOOKS = {"left_looks": 1, "right_looks": 2, "left_ms": 500, "right_ms": 400, "side_by_side": "false"}
PAIRS = """{"task": "pair", "scale": pair_scale(ties=True)}"""
OF_TWO = {
    "pair": PAIRS,
    "comparison": """{"task": "comparison", "scale": comparison_scale()}""",
    "degradation": """{"task": "degradation", "scale": degradation_scale()}""",
    "original": """{"task": "pair", "scale": pair_scale(ties=True), "original_on_key": True, "methods": METHODS}""",
}
ANSWERS = {"comparison": range(-3, 4), "degradation": range(1, 6)}
SET_UP = """
from django.urls import reverse
from studies.models.task import comparison_scale, degradation_scale, pair_scale
from tests.studies.factories import *
METHODS = ["nearest", "bicubic"]
study = launch(make_study(benchmarks=[make_benchmark(images={sources}, height=32, width=32)], **{protocol}))
print("LINKS", *(reverse("invitation", args=[make_rater(study).token]) for _ in range({raters})))
"""


class Site:
    """gunicorn as `make run` starts it, on one port that outlives it."""

    def __init__(
        self,
        var: Path,
        database: Database,
        *,
        raters: int = RATERS,
        sources: int = SOURCES,
        protocol: dict[str, object] | str | None = None,
        **environment: str,
    ) -> None:
        self.database = database
        self.take(var, **environment)
        if isinstance(database, Sqlite):
            fresh(var)
        else:
            static(var)
            self.manage("migrate", "-v0")
        set_up = SET_UP.format(raters=raters, sources=sources, protocol=protocol or {})
        out = self.manage("shell", "--no-imports", "-c", set_up)
        self.links = next(line for line in out.splitlines() if line.startswith("LINKS")).split()[1:]

    def take(self, var: Path, **environment: str) -> None:
        """An installation in this folder, whatever is in it, and a free port."""
        var.mkdir(parents=True, exist_ok=True)
        self._env = {**os.environ, "MOSWEB_VAR": str(var), "DATABASE_URL": self.database.url, "MOSWEB_HTTPS": "0",
                     "PYTHONPATH": str(ROOT), **environment}  # fmt: skip
        self._env.pop("REDIS_URL", None)
        self.log = var / "gunicorn.log"
        (self.port,) = free_ports(1)

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
    """Goes through a session, or leaves after so many ratings; a request that fails is sent until it is answered."""

    patience = 60  # seconds

    def __init__(self, port: int, link: str, *, answers: Sequence[int] = ()) -> None:
        """`answers`: the scale's, where neither one image is rated nor one of two is chosen."""
        self.browser, self.link, self.answers = Browser(port), link, answers
        self.acknowledged: dict[str, int] = {}
        self.failures = 0
        self.seconds: list[float] = []

    @property
    def longest_wait(self) -> float:
        return max(self.seconds, default=0.0)

    async def go(self, *, leave_after: int | None = None) -> None:
        await self._until_answered(lambda: self.browser.get(self.link))
        await self._until_answered(lambda: self.browser.get("/study/"))
        await self._until_answered(lambda: self.browser.post("/study/agree/", {}))
        standing = json.loads((await self._until_answered(lambda: self.browser.get("/study/upcoming/"))).body)
        while standing["upcoming"] and len(self.acknowledged) != leave_after:
            trial = standing["upcoming"][0]
            fields = await self._answer(trial)
            address = f"/study/rate/{trial['token']}/"
            answer = await self._until_answered(lambda a=address, f=fields: self.browser.post(a, f))
            self.acknowledged[trial["token"]] = fields["score"]
            standing = json.loads(answer.body)

    async def _answer(self, trial: dict) -> dict[str, object]:
        """Fetch what the trial shows, and give a score that follows from its token."""
        receipts = []
        for url in filter(None, (trial["url"], trial.get("right"), trial.get("original"))):
            image = await self._until_answered(lambda url=url: self.browser.get(url, keep_body=False))
            receipts.append(image.header("Receipt"))
        number = sum(trial["token"].encode())
        if "right" in trial:
            answers = self.answers or (-1, 0, 1)
            looks = {**LOOKS, **({"original_looks": 3, "original_ms": 250} if "original" in trial else {})}
            return {"score": answers[number % len(answers)], "receipt": " ".join(receipts), **FACTS, **looks}
        return {"score": number % 5 + 1, "receipt": receipts[0], **FACTS}

    async def _until_answered(self, ask: Callable, *, of: Browser | None = None) -> Answer:
        """`of`: the window that asks, where it is not the first; another one's connection is left alone."""
        begun = time.monotonic()
        while True:
            with contextlib.suppress(ConnectionError):
                answer = await ask()
                if answer.status < 500:
                    assert answer.status in (200, 302), (answer.status, answer.body[:300])
                    self.seconds.append(time.monotonic() - begun)
                    return answer
            (of or self.browser).close()
            self.failures += 1
            assert time.monotonic() - begun < self.patience, "nobody answers"
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


def check(site: Site, raters: list[Rater], what: str, *, number: int = RATINGS) -> None:
    """All that was acknowledged is stored once, and it is all that there was to rate."""
    sent = {token: score for rater in raters for token, score in rater.acknowledged.items()}
    assert len(sent) == number
    assert site.stored() == sent
    wait = max(rater.longest_wait for rater in raters)
    failures = sum(rater.failures for rater in raters)
    print(f"\n{what}: {number} ratings, all stored once; {failures} requests sent again, longest wait {wait:.1f} s")


def wait_until_up(site: Site) -> None:
    def answers() -> bool:
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", site.port))

    wait_for(answers, seconds=60, what="the site listens")
