"""Whatever happens in whatever order, the stored ratings are what the rater last confirmed.

Hypothesis lets two devices of one rater, one of them with two tabs, rate, take back, lose their network, load their
page again and repeat old requests, and kills the web process, over HTTP against a running server; a model of a few
lines says what must be stored. `INTERLEAVINGS=1000 pytest tests/studies/rating/test_interleavings.py` runs a thousand.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from studies.models import Rating, TakenBack
from studies.rating import sessions
from tests.process_tools import children, database_url, eventually, free_ports
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_views import FACTS

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = int(os.environ.get("INTERLEAVINGS", "12"))
TRIALS = 6
# Two tabs of one browser, which keep what is unsent in one place, and another device.
PAGES = (0, 1, 2)
CSRF = "c" * 32
LOST = "lost"
TABS = ("first tab", "second tab", "other device")
HAPPENS = {*TABS, "rated", "taken back", "reloaded", "offline", "old requests repeated", "kills", "answers lost"}
# One rule draws what happens: of several rules Hypothesis leaves some out of each example, and rating is then half of
# the time not among them.
WHAT = st.sampled_from(["rate"] * 8 + ["undo"] * 4 + ["reload"] * 2 + ["network"] * 3 + ["repeat"] * 3)
# The web process is killed with one request of seven, 0 to 21 ms after it was sent.
KILLS = st.integers(0, 55).map(lambda n: None if n < 48 else (n - 48) * 0.003)


@dataclass(frozen=True)
class Action:
    """A rating with its score, or with None the taking back of one."""

    position: int
    attempt: int
    score: int | None


@dataclass(frozen=True)
class Truth:
    """The model: (score, attempt) of each rated trial, and the position and attempt that were last taken back."""

    ratings: tuple[tuple[int, int], ...] = ()
    undone: tuple[int, int] = (0, 0)

    def after(self, action: Action) -> tuple[str, "Truth"]:
        """The code of the right answer, and what is true then."""
        return self._rated(action) if action.score is not None else self._taken_back(action)

    def _rated(self, action: Action) -> tuple[str, "Truth"]:
        if action.position > len(self.ratings) + 1:
            return "not-due", self
        if action.position <= len(self.ratings):
            score, attempt = self.ratings[action.position - 1]
            if attempt > action.attempt:
                return "taken-back", self
            return ("" if score == action.score else "conflict"), self
        if self.undone[0] == action.position and action.attempt <= self.undone[1]:
            return "taken-back", self
        return "", replace(self, ratings=(*self.ratings, (action.score, action.attempt)))

    def _taken_back(self, action: Action) -> tuple[str, "Truth"]:
        mine = (action.position, action.attempt)
        if self.undone[0] == action.position and self.undone[1] >= action.attempt:
            return "", self
        if action.position == len(self.ratings) + 1:
            return "", self
        last = action.position == len(self.ratings) < TRIALS and self.undone[0] <= action.position
        if last and self.ratings[-1][1] == action.attempt:
            return "", Truth(self.ratings[:-1], mine)
        return "stands", self


@dataclass
class Page:
    """What a page knows: the server's last standing and its outbox in the order of sending; what its browser keeps."""

    name: str
    standing: dict
    kept: list[Action]  # one list for all tabs of a browser
    online: bool = True
    outbox: list[Action] = field(default_factory=list)
    last: Action | None = None

    def due(self) -> tuple[int, int] | None:
        """Position and attempt of the trial that is on the screen."""
        about = {action.position: action for action in self.outbox}
        again = [(p, action.attempt + 1) for p, action in about.items() if action.score is None]
        expected = [(t["position"], t["attempt"]) for t in self.standing["upcoming"] if t["position"] not in about]
        return min([*again, *expected], default=None)

    def add(self, action: Action) -> None:
        self.outbox.append(action)
        places = [(one.position, one.attempt, one.score is None) for one in self.kept]
        if (action.position, action.attempt, action.score is None) not in places:
            self.kept.append(action)

    def load(self) -> None:
        self.outbox += [action for action in self.kept if action not in self.outbox]

    def drop(self, actions: list[Action]) -> None:
        for some in (self.outbox, self.kept):
            some[:] = [action for action in some if action not in actions]


class Server:
    """gunicorn with one web process on the test's own database."""

    def __init__(self, var: Path) -> None:
        (self.port,) = free_ports(1)
        command = [sys.executable, "-m", "gunicorn", "--config", "python:mosweb.gunicorn_conf", "--preload"]
        command += ["--workers", "1", "--bind", f"127.0.0.1:{self.port}", "mosweb.wsgi"]
        environment = {"MOSWEB_VAR": str(var), "DATABASE_URL": database_url(), "MOSWEB_HTTPS": "0", "SECRET_KEY": "x"}
        self.log = var / "gunicorn.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
            )
        eventually(self._listens, seconds=60)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", self.port))

    def kill_web_process(self) -> None:
        for pid in children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):  # it is dying of the kill before
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)


class Http:
    """The cookies of one rater; each request on a connection of its own."""

    def __init__(self, server: Server, link: str) -> None:
        self._server = server
        self._cookies = f"csrftoken={CSRF}"
        head = self.get(link)[0]
        self._cookies += "; " + head["Set-Cookie"].split(";")[0]

    def get(self, path: str) -> tuple[http.client.HTTPMessage, bytes]:
        """Until it is answered: a new web process may be starting."""
        deadline = time.monotonic() + 60
        while True:
            status, head, body = self._ask("GET", path) or (0, None, b"")
            if head is not None:
                assert status in (200, 302), (path, status, body[:200])
                return head, body
            assert time.monotonic() < deadline, self._server.log.read_text()[-2000:]

    def post(self, path: str, fields: dict, *, kill_after: float | None = None) -> tuple[int, dict] | None:
        """Status and JSON; None where no answer came, as the web process was killed so many seconds after sending."""
        answer = self._ask("POST", path, urlencode(fields), kill_after)
        return None if answer is None else (answer[0], json.loads(answer[2]))

    def _ask(self, verb: str, path: str, body: str = "", kill_after: float | None = None):
        line = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        head = {"Cookie": self._cookies, "X-CSRFToken": CSRF, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            line.request(verb, path, body, head)
            if kill_after is not None:
                time.sleep(kill_after)
                self._server.kill_web_process()
            answer = line.getresponse()
            return answer.status, answer.headers, answer.read()
        except (http.client.HTTPException, ConnectionError):
            return None
        finally:
            line.close()


class Interleavings(RuleBasedStateMachine):
    server: Server
    study = None
    # Killing a process is never the same twice, and of what it cannot repeat Hypothesis says only that.
    wrong: AssertionError | None = None
    happened: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.rater = make_rater(self.study)
        session = sessions.agree(rater=self.rater, now=timezone.now())
        self.tokens = dict(session.trials.values_list("position", "token"))
        self.http = Http(self.server, f"/i/{self.rater.token}/")
        browser, other = [], []
        self.pages = [Page(n, self._standing(), kept) for n, kept in zip(TABS, (browser, browser, other), strict=True)]
        self.truths = {Truth()}
        self.sent: list[Action] = []
        self.receipts = {}
        for page in self.pages:
            self._fetch_images(page)

    # what happens

    @rule(what=WHAT, number=st.sampled_from(PAGES), score=st.integers(1, 5), kill_after=KILLS, ago=st.integers(0, 30))
    def something_happens(self, what: str, number: int, score: int, kill_after: float | None, ago: int) -> None:
        page = self.pages[number]
        if what == "rate":
            self._give(page, score)
            self._send(page, kill_after=kill_after)
        elif what == "undo":
            self._undo(page)
            self._send(page, kill_after=kill_after)
        elif what == "network":
            page.online = not page.online
            self.happened["offline"] += not page.online
            self._send(page)
        elif what == "reload" and page.online:
            self.happened["reloaded"] += 1
            self._resync(page)
            self._send(page)
        # How many were sent hangs on when the web process was killed; what Hypothesis draws may not.
        elif what == "repeat" and self.sent:
            self.happened["old requests repeated"] += 1
            self._ask(self.sent[-1 - ago % len(self.sent)])

    @invariant()
    def what_is_stored_is_what_was_confirmed(self) -> None:
        stored = self._stored()
        right = {tuple((p, *rating) for p, rating in enumerate(truth.ratings, start=1)) for truth in self.truths}
        self._expect(stored in right, "stored", stored, "and not one of", right)

    def _stored(self) -> tuple[tuple[int, int, int], ...]:
        rows = Rating.objects.filter(trial__session__rater=self.rater).order_by("trial__position")
        found = rows.values_list("trial__position", "score", "attempt")
        return tuple((position, int(score), attempt) for position, score, attempt in found)

    def teardown(self) -> None:
        """Everything that is waiting is delivered in the end; then there is one truth."""
        for page in self.pages * 2:
            page.online = True
            self._send(page)
        self.what_is_stored_is_what_was_confirmed()
        self.happened.update({"interleavings": 1, "stored in the end": len(self._stored())})
        if len(self.truths) == 1:
            given = sum(truth.undone[0] > 0 for truth in self.truths)
            kept = TakenBack.objects.filter(trial__session__rater=self.rater).exists()
            self._expect(kept == bool(given), "taken back and kept:", kept, "and not", bool(given))

    def _expect(self, holds: object, *what: object) -> None:
        if not holds:
            wrong = AssertionError(" ".join(map(str, what)))
            Interleavings.wrong = Interleavings.wrong or wrong
            raise wrong

    # what a page does

    def _give(self, page: Page, score: int) -> None:
        if due := page.due():
            action = Action(*due, score)
            self.happened.update(["rated", page.name])
            page.add(action)
            page.last = action

    def _undo(self, page: Page) -> None:
        rated_all = page.standing["rated"] + sum(1 if a.score else -1 for a in page.outbox) >= TRIALS
        if page.last and not rated_all:
            self.happened["taken back"] += 1
            page.add(Action(page.last.position, page.last.attempt, None))
            page.last = None

    def _send(self, page: Page, *, kill_after: float | None = None) -> None:
        page.outbox.sort(key=lambda action: (action.position, action.attempt, action.score is None))
        while page.online and page.outbox:
            action = page.outbox[0]
            code, standing = self._ask(action, kill_after=kill_after)
            kill_after = None
            if code == LOST:
                return
            if code == "not-due":
                self._resync(page)
                return
            stands = code in ("conflict", "stands")
            about = [other for other in page.outbox if stands and other.position == action.position]
            page.drop([action, *about])
            if code:
                self._resync(page)
            else:
                page.standing = standing
                self._fetch_images(page)

    def _ask(self, action: Action, *, kill_after: float | None = None) -> tuple[str, dict]:
        """Send it and compare the answer's code with the model's."""
        self.sent.append(action)
        what = "undo" if action.score is None else "rate"
        fields = {"attempt": action.attempt, "receipt": self.receipts.get(action.position, "")}
        if action.score is not None:
            fields |= {"score": action.score, **FACTS}
        answer = self.http.post(f"/study/{what}/{self.tokens[action.position]}/", fields, kill_after=kill_after)
        self.happened.update({"requests": 1, "kills": kill_after is not None, "answers lost": answer is None})
        after = [truth.after(action) for truth in self.truths]
        if answer is None:
            self.truths |= {truth for _, truth in after}
            return LOST, {}
        code = "" if answer[0] == 200 else answer[1].get("code", str(answer))
        possible = {truth for right, truth in after if right == code}
        self._expect(possible, action, "was answered", answer, "and not with one of", after)
        self.truths = possible
        return code, answer[1]

    def _resync(self, page: Page) -> None:
        page.load()
        page.standing = self._standing()
        self._fetch_images(page)
        if not page.outbox:
            last = page.standing["last"]
            page.last = Action(last["position"], last["attempt"], 0) if last else None

    def _standing(self) -> dict:
        return json.loads(self.http.get("/study/upcoming/")[1])

    def _fetch_images(self, page: Page) -> None:
        for trial in page.standing["upcoming"]:
            if trial["position"] not in self.receipts and trial["position"] not in {a.position for a in page.outbox}:
                self.receipts[trial["position"]] = self.http.get(trial["url"])[0]["Receipt"]


def test_whatever_happens_in_whatever_order_what_is_stored_is_what_was_confirmed(tmp_path):
    server = Server(tmp_path)
    try:
        Interleavings.server = server
        Interleavings.study = launch(make_study(benchmarks=[make_benchmark(images=TRIALS // 3, height=32, width=32)]))
        run_state_machine_as_test(
            Interleavings,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=20,
                deadline=None,
                database=None,
                derandomize="INTERLEAVINGS" not in os.environ,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception:
        if Interleavings.wrong:
            raise Interleavings.wrong from None
        raise
    finally:
        server.stop()
    print(f"\n{connection.vendor}:", ", ".join(f"{number} {what}" for what, number in Interleavings.happened.items()))
    assert {what for what in HAPPENS if not Interleavings.happened[what]} == set()
