"""Raters at work while the web server or the database is killed by kill -9: what was acknowledged stays, all is stored.

Every part is real and the test's own; the raters are scripts that do what the page does: try again until answered.
What they saw is printed (pytest -s shows it).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.plant import Sqlite, wait_for
from tests.e2e.scripted import Rater, Site, all_go, check


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
