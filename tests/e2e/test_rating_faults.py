"""Raters at work while the web server or the database is killed by kill -9: what was acknowledged stays, all is stored.

Every part is real and the test's own; the raters are scripts that do what the page does: try again until answered.
What they saw is printed (pytest -s shows it).
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.plant import Sqlite, wait_for
from tests.e2e.scripted import ANSWERS, OF_TWO, RATERS, SOURCES, Rater, Site, all_go, check
from tests.variants import LONG, variants


def rate_while(
    site: Site, faults: dict[int, Callable[[], None]], *, answers: Sequence[int] = ()
) -> list[Rater]:
    """Let all raters rate; when so many ratings are acknowledged, do the fault.

    What the raters had been told by then must be in the database right after the fault.
    """
    site.start()
    raters = [Rater(site.port, link, answers=answers) for link in site.links]
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


@pytest.fixture
def of_two(request):
    """(task, sources, answers) of a study of two images: of choices as many as of ratings, of the others some, or all
    with MOSWEB_LONG set."""
    sources = SOURCES if request.param == "pair" or LONG else 8
    each = {"degradation": 2, "original": 1}.get(request.param, 3)
    return request.param, sources, RATERS * sources * each


# Each task on one of the two databases.
@pytest.mark.parametrize("of_two", variants("comparison", "degradation", more=("pair", "original")), indirect=True)
def test_the_web_server_is_killed_twice_while_two_images_are_shown_on_sqlite(of_two, tmp_path):
    task, sources, number = of_two
    site = Site(tmp_path, Sqlite(tmp_path / "db.sqlite3"), protocol=OF_TWO[task], sources=sources)

    def kill_and_restart():
        site.kill()
        site.start()

    try:
        faults = {number // 6: kill_and_restart, number * 5 // 9: kill_and_restart}
        raters = rate_while(site, faults, answers=ANSWERS.get(task, ()))
        check(site, raters, f"web server killed twice, {task}, SQLite", number=number)
        assert looked_at_all(site, task) == number
    finally:
        site.kill()


@pytest.mark.parametrize("of_two", variants("pair", "original", more=("comparison", "degradation")), indirect=True)
def test_the_database_and_the_web_server_are_killed_while_two_images_are_shown_on_postgresql(
    of_two, own_postgresql, tmp_path
):
    task, sources, number = of_two
    site = Site(tmp_path, own_postgresql, protocol=OF_TWO[task], sources=sources)

    def kill_database():
        own_postgresql.kill()
        wait_for(own_postgresql.is_ready, seconds=60, what="PostgreSQL comes back")

    def kill_web_server():
        site.kill()
        site.start()

    try:
        faults = {number // 6: kill_database, number * 5 // 12: kill_web_server, number * 2 // 3: kill_database}
        raters = rate_while(site, faults, answers=ANSWERS.get(task, ()))
        check(site, raters, f"database killed twice and web server once, {task}, PostgreSQL", number=number)
        assert looked_at_all(site, task) == number
    finally:
        site.kill()


def looked_at_all(site: Site, task: str) -> int:
    """Answers on two images of one source with all that their raters' pages sent about each image."""
    original = "= 3 AND t.original_id IS NOT NULL" if task == "original" else "IS NULL"
    rows = site.database.query(
        "SELECT COUNT(*), 0 FROM studies_rating r JOIN studies_trial t ON t.id = r.trial_id"
        " JOIN studies_stimulus a ON a.id = t.stimulus_id JOIN studies_stimulus b ON b.id = t.right_id"
        " WHERE a.source_id = b.source_id AND r.left_looks = 1 AND r.right_looks = 2 AND r.served_at IS NOT NULL"
        f" AND r.original_looks {original}"
    )
    return int(rows[0][0])
