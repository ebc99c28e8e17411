"""How many ratings the site takes: the paper's study, 26 raters at once, then many raters at a human pace.

    python -m tests.bench.bench_rating [--database URL] [--seconds 120] [--raters 1000] [--beside]

Prints ratings a second beside what other rating tools reached on two cores with the client on the same machine:
AVrateVoyager 139/s (and lost raters with several workers), oTree 36/s, ReSEval 342 bare posts/s.
Every image is fetched, and every rating is then looked for in the database: exactly once, with the score sent.

--beside: as many raters once more at that pace, while reports of the ratings are made, one after the other as a worker
does, and a member of staff downloads the export again and again; then by how much the raters' p95 moved.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tests.bench.paper_study import build, environment, manage
from tests.conftest import ROOT
from tests.http_client import Browser

FACTS = {"response_ms": 1500.0, "hidden_ms": 0, "device_pixel_ratio": 1.25, "visual_viewport_scale": 1,
         "viewport_width": 1536, "viewport_height": 730, "screen_width": 1536, "screen_height": 864}  # fmt: skip
PAPER_RATERS, PAPER_TRIALS, PACE_SECONDS = 26, 1128, 4.0


class Rater:
    """A scripted rater: fetches images as the page's script does, five ahead, and rates one after the other."""

    def __init__(self, port: int, invitation: str) -> None:
        self.browser, self.invitation = Browser(port), invitation
        self.fetched: set[str] = set()
        self.receipts: dict[str, str] = {}
        self.sent: dict[str, int] = {}
        self.rating_seconds: list[float] = []
        self.image_seconds: list[float] = []
        self.errors: list[str] = []

    async def start(self) -> dict:
        await self.browser.get(self.invitation)
        await self.browser.get("/study/")
        await self.browser.post("/study/agree/", {})
        await self.browser.post("/study/calibrated/", {})
        return json.loads((await self.browser.get("/study/upcoming/")).body)

    async def rate_one(self, standing: dict) -> dict:
        trial = standing["upcoming"][0]
        # A rater has looked for this one's image before the answer to the last rating came.
        await self._fetch(standing["upcoming"])
        score = scripted_score(trial["token"])
        fields = {"score": score, "receipt": self.receipts.pop(trial["url"]), **FACTS}
        began = time.perf_counter()
        answer = await self.browser.post(f"/study/rate/{trial['token']}/", fields)
        self.rating_seconds.append(time.perf_counter() - began)
        if answer.status != 200:
            self.errors.append(f"{answer.status} {answer.body[:200]!r}")
            return json.loads((await self.browser.get("/study/upcoming/")).body)
        self.sent[trial["token"]] = score
        return json.loads(answer.body)

    async def _fetch(self, upcoming: list[dict]) -> None:
        for trial in upcoming:
            if trial["url"] not in self.fetched:
                began = time.perf_counter()
                answer = await self.browser.get(trial["url"], keep_body=False)
                self.image_seconds.append(time.perf_counter() - began)
                self.fetched.add(trial["url"])
                self.receipts[trial["url"]] = answer.header("Receipt")
                if answer.status != 200:
                    self.errors.append(f"image: {answer.status}")


async def at_once(raters: list[Rater]) -> float:
    """All raters rate all their trials without thinking; returns the seconds from the first rating to the last."""
    standings = await asyncio.gather(*(rater.start() for rater in raters))
    began = time.perf_counter()

    async def run(rater: Rater, standing: dict) -> None:
        while standing["upcoming"]:
            standing = await rater.rate_one(standing)

    await asyncio.gather(*(run(*pair) for pair in zip(raters, standings, strict=True)))
    return time.perf_counter() - began


async def at_human_pace(raters: list[Rater], seconds: float) -> None:
    """Each rater gives one rating every PACE_SECONDS, starting at a random moment."""
    standings = []
    for start in range(0, len(raters), 20):
        standings += await asyncio.gather(*(rater.start() for rater in raters[start : start + 20]))
    for rater, standing in zip(raters, standings, strict=True):
        await rater._fetch(standing["upcoming"])
        rater.image_seconds.clear()
    end = time.monotonic() + seconds

    async def run(rater: Rater, standing: dict) -> None:
        due = time.monotonic() + random.uniform(0, PACE_SECONDS)
        while due < end and standing["upcoming"]:
            await asyncio.sleep(due - time.monotonic())
            standing = await rater.rate_one(standing)
            await rater._fetch(standing["upcoming"])
            due += PACE_SECONDS

    await asyncio.gather(*(run(*pair) for pair in zip(raters, standings, strict=True)))


def scripted_score(token: str) -> int:
    return hashlib.sha256(token.encode()).digest()[0] % 5 + 1


def check_stored(env: dict[str, str], raters: list[Rater]) -> str:
    """Compare what the raters sent with what the database holds, rating by rating."""
    code = (
        "import json; from studies.models import Rating;"
        "print(json.dumps(list(Rating.objects.values_list('trial__token', 'score'))))"
    )
    out = manage(env, "shell", "--no-imports", "-c", code)
    stored = json.loads(out.strip().splitlines()[-1])
    counts, scores = Counter(token for token, _ in stored), dict(stored)
    sent = {token: score for rater in raters for token, score in rater.sent.items()}
    lost = sum(token not in scores for token in sent)
    wrong = sum(scores.get(token, score) != score for token, score in sent.items())
    twice = sum(count > 1 for count in counts.values())
    return f"sent {len(sent)}, stored {len(stored)}: {lost} lost, {twice} doubled, {wrong} with another score"


def percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p95 = (1000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.95))
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms"


def report(title: str, raters: list[Rater]) -> None:
    ratings = [s for rater in raters for s in rater.rating_seconds]
    images = [s for rater in raters for s in rater.image_seconds]
    errors = [error for rater in raters for error in rater.errors]
    print(f"  {title}: rating {percentiles(ratings)}; image {percentiles(images)}; {len(errors)} errors", *errors[:3])


def serve(env: dict[str, str], port: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "gunicorn", "--config", "python:mosweb.gunicorn_conf"]
    server = subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "mosweb.wsgi:application"],
        cwd=ROOT,
        env=env,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                time.sleep(2)  # until all processes are there: who comes before the second one stays with the first
                return server
        time.sleep(0.05)
    raise SystemExit("gunicorn did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; default a new SQLite file")
    parser.add_argument("--seconds", type=float, default=120, help="how long the human pace is kept; 0: not at all")
    parser.add_argument("--raters", type=int, default=1000, help="raters at a human pace")
    parser.add_argument("--beside", action="store_true", help="once more while reports and exports are made")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("MOSWEB_SHARED", ROOT.parent / "shared")))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder), options.database)
        kind = urlsplit(options.database).scheme or "sqlite"
        began = time.monotonic()
        paced = options.raters if options.seconds else 0
        links = build(env, options.shared, raters=PAPER_RATERS + paced * (2 if options.beside else 1))
        print(f"{kind}: the paper's study built in {time.monotonic() - began:.0f} s", flush=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = serve(env, port)
        try:
            measure(env, port, links, options.seconds, beside=options.beside)
        finally:
            server.terminate()
            server.wait()


def measure(env: dict[str, str], port: int, links: list[str], seconds: float, *, beside: bool = False) -> None:
    raters = [Rater(port, link) for link in links[:PAPER_RATERS]]
    took = asyncio.run(at_once(raters))
    given = sum(len(rater.sent) for rater in raters)
    assert given == PAPER_RATERS * PAPER_TRIALS, f"{given} ratings were accepted"
    print(f"  26 raters at once: {given} ratings in {took:.0f} s = {given / took:.0f} ratings/s")
    report("26 raters at once", raters)
    print("  " + check_stored(env, raters))
    if not seconds:
        return
    crowd = [Rater(port, link) for link in links[PAPER_RATERS:]]
    alone = crowd[: len(crowd) // 2] if beside else crowd
    asyncio.run(at_human_pace(alone, seconds))
    report(f"{len(alone)} raters, one rating each {PACE_SECONDS:.0f} s, for {seconds:.0f} s", alone)
    print("  " + check_stored(env, [*raters, *alone]))
    if beside:
        disturbed = crowd[len(alone) :]
        with reports_and_exports(env, port) as done:
            asyncio.run(at_human_pace(disturbed, seconds))
        report(f"{len(disturbed)} others, beside {done['report']} reports and {done['export']} exports", disturbed)
        print("  " + check_stored(env, [*raters, *crowd]))
        before, after = (p95([s for r in of for s in r.rating_seconds]) for of in (alone, disturbed))
        print(
            f"  p95 of a rating {1000 * before:.1f} ms alone, {1000 * after:.1f} ms beside: {after / before:.2f} times"
        )


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


@contextmanager
def reports_and_exports(env: dict[str, str], port: int) -> Iterator[Counter[str]]:
    """While the block runs, both are made again and again; what is counted is those that were finished."""
    done, over = Counter[str](), threading.Event()
    session = manage(env, "shell", "--no-imports", "-c", _LOG_IN).strip().splitlines()[-1]

    def reports() -> None:
        while not over.is_set():
            # As a worker does, and as nice as it is (mosweb.parts).
            command = ["nice", "-n", "5", sys.executable, "manage.py", "shell", "--no-imports", "-c", _REPORT]
            made = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
            assert made.stdout.strip().endswith("done"), made.stdout + made.stderr
            done["report"] += 1

    def exports() -> None:
        while not over.is_set():
            asked = Request(
                f"http://127.0.0.1:{port}/studies/paper/ratings.csv", headers={"Cookie": f"sessionid={session}"}
            )
            with urlopen(asked) as answer:
                lines = sum(piece.count(b"\n") for piece in iter(lambda: answer.read(1 << 16), b""))
            assert lines > PAPER_RATERS * PAPER_TRIALS, lines
            done["export"] += 1

    threads = [threading.Thread(target=target) for target in (reports, exports)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        over.set()
        for thread in threads:
            thread.join()


_LOG_IN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
root = User.objects.create_superuser("root")
client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
print(client.session.session_key)
"""
_REPORT = """
from studies.models import Report, Study
from studies.research.reporting import make
report = Report.objects.create(study=Study.objects.get(name="paper"))
make(report.pk)
report.refresh_from_db()
print(report.error, report.state)
"""


if __name__ == "__main__":
    main()
