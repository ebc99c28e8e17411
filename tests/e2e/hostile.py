"""Requests that mean harm, beside raters at work: `python -m tests.e2e.hostile [--requests 10000] [--seed 1]`.

Drawn from a corpus of what attackers and broken programs send: addresses, methods, headers, cookies and bodies put
together at random, some by a stranger, some by an invited rater who cheats, some by a browser logged in as staff, and
some that are hardly HTTP. Passes if nothing is answered with 5xx, nothing of it is stored, every honest rating is
there once, and the raters kept at least half of the rate that they had alone.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from urllib.parse import quote

from tests.e2e.hostile_corpus import HEADERS, METHODS, NAMES, NASTY, PATHS, QUERIES, RAW, TYPES
from tests.e2e.plant import Sqlite
from tests.e2e.scripted import FACTS, Rater, Site, wait_until_up

# After which a request counts as not answered; one that is not whole is waited for by the site, and given up here.
SECONDS, SECONDS_HALF = 20.0, 1.0
# Two raters rate for a spell now and then, as long as the attack lasts: they have 60 images each.
SECONDS_A_SPELL, SECONDS_BETWEEN, SPELLS_A_PAIR, PAIRS = 5.0, 20.0, 4, 8
STAFF = """
from django.contrib.auth.models import User; from django.test import Client
user = User.objects.create_superuser("staff", password="right"); client = Client(); client.force_login(user)
print("STAFF", client.cookies["sessionid"].value)
"""
# Each address of the site's own, with its parameters as %(name)s.
ADDRESSES = """
from django.urls import get_resolver
known = get_resolver().reverse_dict
for name in [name for name in known if isinstance(name, str)]:
    for possibilities, *_ in known.getlist(name):
        for template, _ in possibilities:
            print("ADDRESS", "/" + template)
"""
# What is put for a parameter, beside a nasty value; a trial's token where nothing stands here.
PARAMETERS = {"name": "study", "pk": "1", "table": "ratings", "kind": "csv", "language": "en", "metric": "psnr",
              "file": "1", "number": "0"}  # fmt: skip
# What raters and workers change while nobody attacks; every other table of the site stays as it is.
CHANGING = {
    "studies_rating",
    "studies_session",
    "studies_trial",
    "studies_agreement",
    "studies_worker",
    "studies_precision",
}


@dataclass
class Outcome:
    answers: Counter[int] = field(default_factory=Counter)  # 0: the connection was closed without an answer
    broken: list[str] = field(default_factory=list)  # what was answered with 5xx, or not in time


class Attacker:
    """Draws requests; `cookies` are of those whose part it may play: a stranger's are empty."""

    def __init__(
        self, rng: random.Random, port: int, paths: list[str], cookies: list[str], trials: list[str], token: str
    ) -> None:
        self._rng, self._port, self._paths = rng, port, paths
        self._cookies, self._trials, self._token = cookies, trials, token

    def draw(self) -> bytes:
        rng = self._rng
        if rng.random() < 0.1:
            return rng.choice(RAW)
        cookie = rng.choice(self._cookies)
        # Staff may change things: a browser logged in as staff only looks.
        method = "GET" if "sessionid" in cookie else rng.choice(METHODS)
        body = self._body()
        head = [f"{method} {self._address()} HTTP/1.1"]
        head += [self._fill(line, "utf-8") for line in rng.sample(HEADERS, rng.choice([0, 1, 1, 2, 4]))]
        head += ["Host: localhost"] if not any(line.startswith("Host:") for line in head) else []
        head += [f"Cookie: {cookie}"] if cookie else []
        if method not in ("GET", "HEAD"):
            head += [f"Content-Type: {self._fill(rng.choice(TYPES), 'utf-8')}", f"Content-Length: {len(body)}"]
        else:
            body = b""
        return "\r\n".join(head).encode("utf-8", "replace") + b"\r\n\r\n" + body

    def _address(self) -> str:
        path = self._rng.choice(self._paths) + self._rng.choice(QUERIES)
        path = path.replace("{token}", self._token).replace("{trial}", self._rng.choice(self._trials))
        return self._fill(path, "percent")

    def _fill(self, text: str, how: str) -> str:
        while "{x}" in text:
            nasty = self._rng.choice(NASTY)
            text = text.replace("{x}", quote(nasty) if how == "percent" else nasty.replace("\r\n", " "), 1)
        return text

    def _body(self) -> bytes:
        rng = self._rng
        kind = rng.random()
        if kind < 0.2:
            return rng.randbytes(rng.choice([1, 50, 5000]))
        if kind < 0.3:
            return b'--x\r\nContent-Disposition: form-data; name="score"; filename="' + rng.randbytes(9) + b'"\r\n\r\n'
        if kind < 0.35:
            return b"&".join(b"a=1" for _ in range(3000))
        if kind < 0.4:
            return b"[" * 5000
        pairs = [(rng.choice(NAMES), rng.choice(NASTY)) for _ in range(rng.choice([1, 3, 12]))]
        if rng.random() < 0.3:  # all in order but the score
            pairs = [*((name, str(value)) for name, value in FACTS.items()), ("score", rng.choice(NASTY))]
        return "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs).encode()

    async def send(self, outcome: Outcome) -> None:
        request = self.draw()
        whole = b"\r\n\r\n" in request and b"chunked" not in request and b"Content-Length: 99999" not in request
        try:
            status = await asyncio.wait_for(self._status_of(request), SECONDS if whole else SECONDS_HALF)
        except TimeoutError:
            status = 599 if whole else 0
        outcome.answers[status] += 1
        if status >= 500:
            outcome.broken.append(f"{status}: {request[:300]!r}")

    async def _status_of(self, request: bytes) -> int:
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(request)
                line = await reader.readline()
                return int(match[1]) if (match := re.match(rb"HTTP/1\.[01] (\d{3})", line)) else 0
            finally:
                writer.close()
        return 0


class PacedRater(Rater):
    """An honest rater who looks at each image for a while."""

    pause = 0.2

    async def _until_answered(self, ask):
        answer = await super()._until_answered(ask)
        await asyncio.sleep(self.pause)
        return answer


async def rate_for(raters: list[PacedRater], seconds: float) -> float:
    """Let the raters rate for so long; return their ratings a second."""
    before, begun = sum(len(r.acknowledged) for r in raters), time.monotonic()
    tasks = [asyncio.create_task(rater.go()) for rater in raters]
    await asyncio.sleep(seconds)
    given = sum(len(r.acknowledged) for r in raters) - before
    took = time.monotonic() - begun
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for rater in raters:
        rater.browser.close()
    return given / took


async def rates_beside(raters: list[PacedRater], work: asyncio.Task[Outcome]) -> list[float]:
    """Ratings a second of two raters at a time, in spells over the whole attack; those that it was over before the end
    of do not count, unless there is no other."""
    found: list[float] = []
    pairs = [pair for pair in zip(raters[::2], raters[1::2], strict=True) for _ in range(SPELLS_A_PAIR)]
    for pair in pairs:
        rate = await rate_for(list(pair), SECONDS_A_SPELL)
        if found and work.done():
            break
        found.append(rate)
        await asyncio.wait({work}, timeout=SECONDS_BETWEEN)
        if work.done():
            break
    return found


async def attack(attackers: list[Attacker], requests: int) -> Outcome:
    outcome, left = Outcome(), iter(range(requests))

    async def one(attacker: Attacker) -> None:
        for _ in left:
            await attacker.send(outcome)

    await asyncio.gather(*(one(attacker) for attacker in attackers))
    return outcome


def counts(site: Site) -> dict[str, int]:
    """The rows of each table that no hostile request may change. That a link was opened elsewhere is an event, and so
    is what the browser that is logged in downloads of a rater."""
    tables = {str(row[0]) for row in site.database.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables >= CHANGING
    kept = sorted(table for table in tables - CHANGING if not table.startswith("sqlite_"))
    but = {"studies_studyevent": "WHERE NOT (kind = 'second device' OR kind = 'downloaded' AND \"by\" = 'staff')"}
    return {
        table: int(site.database.query(f"SELECT count(*) FROM {table} {but.get(table, '')}")[0][0]) for table in kept
    }


def addresses(site: Site) -> list[str]:
    """Every address of the site: once with what is there as its parameters, once with something nasty for them."""
    out = site.manage("shell", "--no-imports", "-c", ADDRESSES)
    templates = sorted({line.split(" ", 1)[1] for line in out.splitlines() if line.startswith("ADDRESS ")})
    real = [re.sub(r"%\((\w+)\)s", lambda match: PARAMETERS.get(match[1], "{trial}"), text) for text in templates]
    return [*real, *(re.sub(r"%\(\w+\)s", "{x}", text) for text in templates if "%" in text)]


async def _run(site: Site, requests: int, seed: int) -> tuple[Outcome, float, list[float], list[PacedRater]]:
    honest = [PacedRater(site.port, link) for link in site.links[1:]]
    cheat = Rater(site.port, site.links[0])
    await cheat.browser.get(cheat.link)
    await cheat.browser.get("/study/")
    await cheat.browser.post("/study/agree/", {})
    trials = [t["token"] for t in json.loads((await cheat.browser.get("/study/upcoming/")).body)["upcoming"]]
    cheat.browser.close()
    out = site.manage("shell", "--no-imports", "-c", STAFF)
    session = next(line for line in out.splitlines() if line.startswith("STAFF")).split()[1]
    csrf = cheat.browser.cookies["csrftoken"]
    cookies = ["", "", f"csrftoken={csrf}", f"rater={cheat.browser.cookies['rater']}", f"sessionid={session}"]
    rng = random.Random(seed)
    paths = [*addresses(site), *PATHS, "/i/{token}/"]
    assert len(paths) > 100
    attackers = [Attacker(rng, site.port, paths, cookies, trials, honest[0].link.split("/")[2]) for _ in range(8)]
    alone = await rate_for(honest[:2], SECONDS_A_SPELL)
    before = counts(site)
    work = asyncio.create_task(attack(attackers, requests))
    beside = await rates_beside(honest[2:], work)
    outcome = await work
    after = counts(site)
    assert after == before, f"something was stored: {before} -> {after}"
    return outcome, alone, beside, honest


def run(folder: Path, *, requests: int, seed: int, slowest: float = 0.5) -> Outcome:
    """Raises AssertionError if the site gave in, or if raters beside it came under that share of their rate alone;
    prints what there was."""
    site = Site(folder, Sqlite(folder / "db.sqlite3"), raters=1 + 2 * (1 + PAIRS), MOSWEB_PROXIES="1")
    site.start()
    try:
        wait_until_up(site)
        outcome, alone, beside, honest = asyncio.run(_run(site, requests, seed))
        stored = site.stored()
    finally:
        site.kill()
    sent = {token: score for rater in honest for token, score in rater.acknowledged.items()}
    print(f"{sum(outcome.answers.values())} hostile requests: {dict(sorted(outcome.answers.items()))} (0: closed)")
    print(
        f"raters: {alone:.1f} ratings/s alone, {fmean(beside):.1f} beside them in {len(beside)} spells, at least "
        f"{min(beside):.1f}; {len(sent)} sent, {len(stored)} stored"
    )
    assert not outcome.broken, "\n".join([*outcome.broken[:20], *_last_errors(site)])
    assert sent.items() <= stored.items()
    # A rating whose answer was on its way when its rater stopped may be stored too; none of the cheat's is.
    assert len(stored) - len(sent) <= len(honest)
    assert fmean(beside) >= alone * slowest
    return outcome


def _last_errors(site: Site) -> list[str]:
    """What the site's log says beside the requests that it refused."""
    lines = site.log.read_text(errors="replace").splitlines()
    return [line for line in lines if " WARNING " not in line][-60:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), requests=options.requests, seed=options.seed)


if __name__ == "__main__":
    main()
