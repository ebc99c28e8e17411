"""26 raters at work while a backup is made; restored elsewhere, under another SECRET_KEY, they all go on."""

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from tests.e2e.plant import Sqlite, wait_for
from tests.e2e.rater import arrive, expect_overlay, expect_status, press, scores, see, stored
from tests.e2e.scripted import Rater, Site, all_go
from tests.e2e.site import ROOT
from tests.e2e.site import Site as BrowserSite
from tests.fresh import static
from tests.studies.safekeeping.conftest import PostgresqlDatabase

RATERS, SOURCES = 26, 30
HALF = """
SELECT count(*) FROM studies_session s WHERE s.next_position - 1 <>
  (SELECT count(*) FROM studies_rating r JOIN studies_trial t ON t.id = r.trial_id WHERE t.session_id = s.id)
"""


@pytest.fixture
def databases(request, tmp_path):
    """A site's database, and an empty one of the same kind."""
    if request.param == "sqlite":
        return [Sqlite(tmp_path / name / "db.sqlite3") for name in ("here", "there")]
    server = request.getfixturevalue("own_postgresql")
    return [PostgresqlDatabase(server, name) for name in ("here", "there")]


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
def test_26_raters_rate_while_a_backup_is_made_and_all_go_on_after_its_restore(databases, tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    site = Site(tmp_path / "here", databases[0], raters=RATERS, sources=SOURCES)
    site.start()
    begin = backup_in_waiting(site, tmp_path / "x.zip")
    raters = [Rater(site.port, link) for link in site.links]
    given = lambda: sum(len(rater.acknowledged) for rater in raters)  # noqa: E731
    try:
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(lambda: asyncio.run(all_go(raters)))
            wait_for(lambda: given() >= 80 or run.done(), seconds=90, what="80 ratings")
            told = {token: score for rater in raters for token, score in list(rater.acknowledged.items())}
            assert begin.communicate(b"now")[1] == b""
            run.result(timeout=120)
    finally:
        site.kill()
    sent = {token: score for rater in raters for token, score in rater.acknowledged.items()}
    links = site.links
    site = restored(tmp_path, databases[1], links)
    before = site.stored()
    assert {token: before.get(token) for token in told} == told
    assert before.items() <= sent.items()
    assert len(told) <= len(before) < len(sent), "the backup must be made in the middle"
    assert databases[1].query(HALF) == [(0,)]
    print(f"\nacknowledged before the backup {len(told)}, in it {len(before)}, in the end {len(sent)}")
    site.start()
    raters = [Rater(site.port, link) for link in links]
    try:
        asyncio.run(all_go(raters))
    finally:
        site.kill()
    again = {token: score for rater in raters for token, score in rater.acknowledged.items()}
    assert before.keys().isdisjoint(again)
    assert len(site.stored()) == RATERS * SOURCES * 3 == len(before) + len(again)


IN_WAITING = """
import sys, django
django.setup()
from django.core.management import call_command
from studies.management.commands.backup import Command
print("ready", flush=True)
sys.stdin.read()
call_command(Command(), sys.argv[1])
"""


def backup_in_waiting(site, path) -> "subprocess.Popen[bytes]":
    """manage.py backup, which begins when its input ends: to start Python takes longer than many ratings."""
    process = subprocess.Popen(
        [sys.executable, "-c", IN_WAITING, str(path)],
        cwd=ROOT,
        env={**site._env, "DJANGO_SETTINGS_MODULE": "mosweb.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", process.stderr.read()
    return process


def restored(tmp_path, database, links) -> Site:
    """The backup on another machine, as far as there is one: another folder, database and SECRET_KEY."""
    site = Site.__new__(Site)
    site.database, site.links, site.log = database, links, tmp_path / "there" / "gunicorn.log"
    site.take(tmp_path / "there")
    site.manage("restore", str(tmp_path / "x.zip"))
    static(tmp_path / "there")
    return site


def manage(site: BrowserSite, *words: str) -> None:
    command = [sys.executable, "manage.py", *words]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **site.environment}, check=True, capture_output=True)


def test_ratings_held_offline_are_accepted_after_a_restore_under_another_key(tmp_path, browser):
    here = BrowserSite(tmp_path / "here")
    try:
        invitation = here.backstage("invite_to_new_study", images=3)
        here.start()
        page = arrive(browser, here.url, invitation.path)
        press(page, 3, 5)
        see(page, 4)
        stored(here, invitation, 1)
        page.wait_for_load_state("networkidle")
        manage(here, "backup", str(tmp_path / "x.zip"))
    finally:
        here.close()
    for position, score in ((4, 1), (5, 2), (6, 3)):
        press(page, position, score)
    expect_status(page, "3 ratings not yet saved - retrying")
    there = BrowserSite(tmp_path / "there", port=here.port, secret="another key", backup=tmp_path / "x.zip")
    try:
        there.start()
        page.evaluate("window.dispatchEvent(new Event('online'))")  # the page waits up to 15 s between two tries
        # The cookie is void under another key; the page says what to do, and keeps the ratings.
        expect_overlay(page, "This cannot go on here")
        expect(page.locator("#overlay-text")).to_contain_text("open your invitation link again")
        expect(page.locator("#overlay-text")).to_contain_text("3 ratings could not be saved yet")
        page.goto(there.url + invitation.path)
        see(page, 7)
        assert scores(stored(there, invitation, 4)) == [5, 1, 2, 3]
    finally:
        there.close()
