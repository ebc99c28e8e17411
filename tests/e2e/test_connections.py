"""How many connections two web hosts hold to one PostgreSQL, against what OPERATIONS.md says of it."""

import asyncio
import copy
import json
import re
from collections import Counter
from pathlib import Path

import psycopg

from tests.e2e.plant import ROOT
from tests.e2e.scripted import Rater, Site, all_go, wait_until_up
from tests.http_client import Browser

PROCESSES = 2
# Of each host; more than it has threads.
RATERS, WATCHERS = 22, 3
SOURCES = 2
SECONDS_HELD = 4
HELD = """SELECT application_name, count(*) FROM pg_stat_activity WHERE application_name LIKE 'host %' GROUP BY 1"""


def host(site: Site, var: Path, name: str) -> Site:
    """Another web host of the site, with the same storage."""
    host = copy.copy(site)
    options = json.dumps({"application_name": name})
    host.take(var, WEB_CONCURRENCY=str(PROCESSES), MOSWEB_DB_OPTIONS=options)
    host.start()
    wait_until_up(host)
    return host


class RaterBehindAProxy(Rater):
    """Each request on a connection of its own, so that all processes of a host get some whichever was up first."""

    async def _until_answered(self, ask, **options):
        answer = await super()._until_answered(ask, **options)
        self.browser.close()
        return answer


async def ask_how_it_is(port: int) -> None:
    """As a load balancer does, without a pause."""
    browser = Browser(port)
    try:
        while True:
            for path in ("/health", "/ready"):
                assert (await browser.get(path)).status == 200
    finally:
        browser.close()


async def count(database, most: Counter[str]) -> None:
    """Keep the largest number of connections that each host has had at once."""
    while True:
        for name, number in await asyncio.to_thread(database.query, HELD):
            most[name] = max(most[name], number)
        await asyncio.sleep(0.05)


async def hold_all_up(url: str, raters: list[Rater]) -> None:
    """Once ratings come in, let nobody store one for a while: every thread is at work, and requests wait for one."""
    while sum(len(rater.acknowledged) for rater in raters) < len(raters):
        await asyncio.sleep(0.05)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("LOCK TABLE studies_rating IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(SECONDS_HELD)


async def load(hosts: list[Site], raters: list[Rater], most: Counter[str]) -> None:
    database = hosts[0].database
    beside = [asyncio.create_task(ask_how_it_is(host.port)) for host in hosts for _ in range(WATCHERS)]
    beside.append(asyncio.create_task(count(database, most)))
    await asyncio.wait_for(asyncio.gather(all_go(raters), hold_all_up(database.url, raters)), timeout=240)
    for task in beside:
        assert not task.done() or task.exception() is None
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)


def test_two_web_hosts_under_load_hold_no_more_connections_than_is_documented(own_postgresql, tmp_path):
    each = int(re.search(r"at most (\d+) for each of its processes", (ROOT / "OPERATIONS.md").read_text())[1])
    site = Site(tmp_path, own_postgresql, raters=2 * RATERS, sources=SOURCES)
    hosts = []
    try:
        for name in ("host one", "host two"):
            hosts.append(host(site, tmp_path, name))
        raters = [RaterBehindAProxy(hosts[place % 2].port, link) for place, link in enumerate(site.links)]
        most: Counter[str] = Counter()
        asyncio.run(load(hosts, raters, most))
        stored = site.stored()
    finally:
        for one in hosts:
            one.kill()
    sent = {token: score for rater in raters for token, score in rater.acknowledged.items()}
    print(f"\n{len(sent)} ratings, connections at most: {dict(most)}; {each} x {PROCESSES} are documented")
    assert len(sent) == 2 * RATERS * SOURCES * 3
    assert stored == sent
    for name in ("host one", "host two"):
        # More than one process's, or this was no load.
        assert each < most[name] <= each * PROCESSES, name
