"""A stand-in for a panel: people who arrive by a public link, reload, open two tabs, lose answers, change device.

    python -m tests.e2e.panel [--arrivals 1000] [--postgresql]

They answer questions before the first image and after the last. Meanwhile the web server, and PostgreSQL, are killed
by kill -9. Each must have one session, one set of answers and one code at the end, told to nobody before the last
rating is stored and the last question answered. Then the site's every address is asked for by staff of each role, a
rater and a stranger, reports and exports are made, and no panel id may be in any of it, nor in a log (everywhere.py).
"""

import argparse
import asyncio
import contextlib
import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e import everywhere
from tests.e2e.everywhere import METRICS_TOKEN
from tests.e2e.id_search import Search
from tests.e2e.plant import ROOT, Database, Sqlite, cluster, wait_for
from tests.e2e.scripted import FACTS, Rater, Site
from tests.http_client import Answer, Browser

SOURCES, METHODS = 2, 3
RATINGS = SOURCES * METHODS
AT_ONCE = 24
OF_PANELS_STUDY = "numberofstudy77"
HABITS = ("plain", "two tabs", "lost answers", "reloads", "another device")
QUESTIONS = {
    "questions_before": "age: How old are you? [number 18-99]\nscreen: Which screen? [choice]\n- small\n- large",
    "questions_after": "remarks: Anything else? [text, optional]",
}
_CODE = re.compile(rb'<output translate="no" dir="ltr">([A-Z2-7]{10})</output>')
_LINK = """
from studies.models import *
link = PublicLink.objects.create(study=Study.objects.get(), is_open=True, panel="prolific", quota={quota})
way = "https://app.prolific.com/submissions/complete?cc=CODE"
Ending.objects.create(study=link.study, outcome="completed", own_code=True, return_address=way)
print("LINK", link.token)
"""


class PanelSite(Site):
    """A site whose one study has a public link with so many places. What its commands say is kept as a log."""

    def __init__(self, var: Path, database: Database, *, quota: int) -> None:
        said = {"MOSWEB_METRICS_TOKEN": METRICS_TOKEN}
        super().__init__(var, database, raters=0, sources=SOURCES, protocol=QUESTIONS, **said)
        out = self.manage("shell", "--no-imports", "-c", _LINK.format(quota=quota))
        self.join = f"/join/{next(line for line in out.splitlines() if line.startswith('LINK')).split()[1]}/"
        self.var = var

    def manage(self, *words: str) -> str:
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, check=False)
        with self.log.with_name("commands.log").open("a") as log:
            log.write(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Person(Rater):
    """One who arrives. `code` is what their last page shows; `early` any page that showed a code before that."""

    patience = 120

    def __init__(self, site: PanelSite, number: int) -> None:
        self.pid = f"5f0c{number:06d}panelperson"
        self.habit = HABITS[number % len(HABITS)]
        address = f"{site.join}?PROLIFIC_PID={self.pid}&STUDY_ID={OF_PANELS_STUDY}&SESSION_ID=visit{number:06d}of77"
        super().__init__(site.port, address)
        self._first = self.browser
        self.age = 18 + number % 80
        self.code, self.early = b"", 0
        self.leaked = False

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.pid, self.link.rpartition("=")[2])

    @property
    def cookies(self) -> dict[str, str]:
        return self._first.cookies

    async def go(self) -> None:
        await self._arrive()
        await self._until_answered(lambda: self.browser.get("/study/"))
        await self._until_answered(lambda: self.browser.post("/study/agree/", {}))
        await self._answer({"part": "before", "q-age": self.age, "q-screen": "1"})
        standing = await self._standing()
        while standing["upcoming"]:
            trial = standing["upcoming"][0]
            image = await self._until_answered(lambda url=trial["url"]: self.browser.get(url, keep_body=False))
            score = sum(trial["token"].encode()) % 5 + 1
            fields = {"score": score, "receipt": image.header("Receipt"), **FACTS}
            address = f"/study/rate/{trial['token']}/"
            if self.habit == "lost answers":
                await self._lose(lambda a=address, f=fields: self.browser.post(a, f))
            answer = await self._until_answered(lambda a=address, f=fields: self.browser.post(a, f))
            self.acknowledged[trial["token"]] = score
            standing = json.loads(answer.body)
            if standing["upcoming"]:
                await self._in_between()
        await self._finish()

    async def _arrive(self) -> None:
        if self.habit == "lost answers":
            await self._lose(lambda: self.browser.get(self.link))
        tabs = [self.browser]
        if self.habit == "two tabs":
            # One browser: the tabs share its cookies.
            tabs.append(Browser(self.browser.port))
            tabs[1].cookies = self.browser.cookies
        await asyncio.gather(*(self._until_answered(lambda tab=tab: tab.get(self.link), of=tab) for tab in tabs))
        for tab in tabs[1:]:
            tab.close()

    async def _in_between(self) -> None:
        half = len(self.acknowledged) == RATINGS // 2
        if self.habit == "reloads":
            await self._until_answered(lambda: self.browser.get(self.link))
            self._look(await self._until_answered(lambda: self.browser.get("/study/")))
        elif half and self.habit == "another device":
            self.browser = Browser(self._first.port)
            await self._until_answered(lambda: self.browser.get(self.link))
            self._look(await self._until_answered(lambda: self.browser.get("/study/")))
        elif half:
            self._look(await self._until_answered(lambda: self.browser.get("/study/")))

    async def _finish(self) -> None:
        if self.browser is not self._first:
            self._look(await self._until_answered(lambda: self.browser.get("/study/")))
        # Who leaves here finds the questions again, and no code before they are answered.
        self._look(await self._until_answered(lambda: self._first.get("/study/")))
        await self._answer({"part": "after", "q-remarks": f"remark of {self.age}"})
        pages = [await self._until_answered(lambda: self._first.get("/study/")) for _ in range(2)]
        told = [_CODE.findall(page.body) for page in pages]
        assert all(len(codes) == 1 for codes in told), (self.habit, told, pages[0].body[-1500:])
        assert told[0] == told[1], "a reload shows it again"
        self.code = told[0][0]
        self.leaked |= any(identity.encode() in page.body + page.head for page in pages for identity in self.ids)

    async def _answer(self, fields: dict[str, object]) -> None:
        if self.habit == "lost answers":
            await self._lose(lambda: self.browser.post("/study/questions/", fields))
        await self._until_answered(lambda: self.browser.post("/study/questions/", fields))

    async def _standing(self) -> dict:
        return json.loads((await self._until_answered(lambda: self.browser.get("/study/upcoming/"))).body)

    def _look(self, page: Answer) -> None:
        self.early += b'class="code"' in page.body or b"complete?cc" in page.body
        self.leaked |= any(identity.encode() in page.body + page.head for identity in self.ids)

    async def _lose(self, ask: Callable) -> None:
        """Ask, and go away before the answer comes."""
        task = asyncio.ensure_future(ask())
        await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await task
        self.browser.close()

    def close(self) -> None:
        self.browser.close()
        self._first.close()


async def all_arrive(people: list[Person]) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(person: Person) -> None:
        async with places:
            try:
                await person.go()
            finally:
                person.close()

    await asyncio.gather(*(one(person) for person in people))


def run(site: PanelSite, arrivals: int, faults: list[Callable[[], None]]) -> list[Person]:
    """All arrive and rate; the faults come evenly among their ratings."""
    site.start()
    people = [Person(site, number) for number in range(arrivals)]
    given = lambda: sum(len(person.acknowledged) for person in people)  # noqa: E731
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(lambda: asyncio.run(all_arrive(people)))
        for number, fault in enumerate(faults, start=1):
            after = arrivals * RATINGS * number // (len(faults) + 1)
            wait_for(lambda after=after: given() >= after or going.done(), seconds=1800, what=f"{after} ratings")
            assert not going.done(), going.result() or "the fault must come in the middle"
            fault()
        going.result(timeout=1800)
    return people


def check(site: PanelSite, people: list[Person]) -> str:
    """One session and one code each, every rating once, no id where none may be; a line that says how many."""
    query = site.database.query
    sessions = query("SELECT count(*) FROM studies_session WHERE finished_at IS NOT NULL")[0][0]
    raters = query("SELECT count(*) FROM studies_rater")[0][0]
    assert sessions == raters == len(people)
    assert len({person.code for person in people}) == len(people)
    assert [person.habit for person in people if person.early] == []
    sent = {token: score for person in people for token, score in person.acknowledged.items()}
    assert site.stored() == sent
    assert len(sent) == len(people) * RATINGS
    answers = query("SELECT count(*), count(DISTINCT session_id) FROM studies_questionnaireanswers")[0]
    assert tuple(answers) == (2 * len(people), len(people))
    stored = {json.loads(ids)["PROLIFIC_PID"] if isinstance(ids, str) else ids["PROLIFIC_PID"]
              for (ids,) in query("SELECT ids FROM studies_panelids")}  # fmt: skip
    assert stored == {person.pid for person in people}
    said = site.var / "answers.csv"
    site.manage("export_ratings", "study", "--out", str(site.var / "ratings.csv"), "--answers", str(said))
    ages = Counter(int(float(row["age"])) for row in csv.DictReader(said.read_text(encoding="utf-8").splitlines()))
    assert ages == Counter(person.age for person in people)
    assert not any(person.leaked for person in people)
    walk = everywhere.search(site, search_for(people), rater=people[0].cookies)
    assert walk.leaks == []
    assert sum(".csv" in path for path in walk.of_panel) == 3, "the panel's own files have them: the search finds"
    failures = sum(person.failures for person in people)
    return (
        f"{len(people)} arrivals: {sessions} sessions, {len({p.code for p in people})} codes, none early, "
        f"{len(sent)} ratings each once; {failures} requests sent again; no id in {walk.answers} answers to staff, "
        f"raters and strangers, nor in exports, reports and logs"
    )


def search_for(people: list[Person]) -> Search:
    """All that the panel said of anybody; its number of the study, too, which is in no setting of this one."""
    return Search([identity for person in people for identity in person.ids] + [OF_PANELS_STUDY])


def killing(site: PanelSite) -> Callable[[], None]:
    def kill_and_start() -> None:
        site.kill()
        site.start()

    return kill_and_start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arrivals", type=int, default=1000)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="panel-")))
        server = stack.enter_context(cluster()) if asked.postgresql else None
        site = PanelSite(folder, server or Sqlite(folder / "db.sqlite3"), quota=asked.arrivals)
        stack.callback(site.kill)
        faults = [killing(site), killing(site)]
        if server:

            def kill_database() -> None:
                server.kill()
                wait_for(server.is_ready, seconds=60, what="PostgreSQL comes back")

            faults.insert(1, kill_database)
        began = time.monotonic()
        people = run(site, asked.arrivals, faults)
        print(f"{check(site, people)}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
