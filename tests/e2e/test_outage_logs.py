"""What 20 s without the database, or without the broker, write into the logs: lines, not megabytes."""

import asyncio
import time

import pytest

from tests.e2e.plant import Plant, Sqlite, wait_for
from tests.e2e.scripted import Rater, Site, all_go, check, wait_until_up
from tests.e2e.test_bucket_faults import made
from tests.e2e.test_generation_faults import set_up
from tests.e2e.test_hosts import write_pictures

OUTAGE = 20
MOST = 20_000  # bytes; 2 MB was what one wrote


@pytest.fixture
def site(own_postgresql, tmp_path):
    site = Site(tmp_path, own_postgresql)
    yield site
    site.kill()


def test_20_s_without_the_database_log_lines_and_cost_no_rating(site, own_postgresql):
    """Six raters ask again twenty times a second meanwhile, as no browser does."""
    site.start()
    wait_until_up(site)
    raters = [Rater(site.port, link) for link in site.links]
    logged = []

    async def kill_for_a_while() -> None:
        while sum(len(rater.acknowledged) for rater in raters) < 30:
            await asyncio.sleep(0.05)
        size = site.log.stat().st_size
        own_postgresql.kill()
        await asyncio.sleep(OUTAGE)
        logged.append(site.log.stat().st_size - size)
        await asyncio.to_thread(wait_for, own_postgresql.is_ready, seconds=60, what="PostgreSQL comes back")

    async def run() -> None:
        await asyncio.gather(all_go(raters), kill_for_a_while())

    asyncio.run(run())
    check(site, raters, f"database away for {OUTAGE} s")
    failures = sum(rater.failures for rater in raters)
    print(f"{logged[0]} bytes of log for {failures} requests that failed")
    assert failures > 50
    assert 0 < logged[0] < MOST


def test_20_s_without_the_broker_log_lines_and_cost_no_image(tmp_path):
    plant = Plant(tmp_path / "var", Sqlite(tmp_path / "var/db.sqlite3"))
    try:
        set_up(plant, benchmark="noise", path=write_pictures(tmp_path / "pictures"), methods=("nearest", "bicubic"))
        plant.broker.start()
        plant.keep_a_worker()
        plant.manage("generate", "run", "--no-wait")
        wait_for(lambda: made(plant, 4), seconds=120, what="it runs")
        size = len(plant.logs())
        plant.broker.kill()
        time.sleep(OUTAGE)
        grown = len(plant.logs()) - size
        plant.broker.start()
        wait_for(lambda: made(plant, 14 * 2), seconds=180, what="all")
        assert plant.count("state = 'failed'") == 0
        print(f"\nbroker away for {OUTAGE} s: {grown} characters of a worker's log, no image failed")
        assert grown < MOST
    finally:
        plant.close()
