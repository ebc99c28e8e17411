"""Raters who each rate a part, over HTTP on a real server: through several runs, one leaves and returns, a kill -9."""

import asyncio
from collections import defaultdict
from itertools import pairwise

import pytest

from tests.e2e.plant import Sqlite
from tests.e2e.scripted import Rater, Site
from tests.e2e.test_rating_faults import rate_while

SOURCES, TRIALS, RATERS = 10, 25, 5
HELD = 6  # images that a browser may hold, from the first unrated one on
IMAGES = SOURCES * 3
ORDER = """
SELECT t.session_id, i.source_id, i.id FROM studies_trial t
  JOIN studies_stimulus i ON i.id = t.stimulus_id
 ORDER BY t.session_id, t.position
"""


@pytest.fixture
def site(tmp_path):
    protocol = {"allocation": "spread", "trials": TRIALS, "away_minutes": 30}
    site = Site(tmp_path, Sqlite(tmp_path / "db.sqlite3"), raters=RATERS, sources=SOURCES, protocol=protocol)
    yield site
    site.kill()


def claimed(site: Site) -> dict[int, list[tuple[int, int]]]:
    """Session -> source and stimulus of its places, in order."""
    found = defaultdict(list)
    for session, source, stimulus in site.database.query(ORDER):
        found[session].append((source, stimulus))
    return found


def test_a_rater_leaves_and_comes_back_and_the_server_is_killed_and_all_are_rated_alike(site):
    site.start()
    leaver = Rater(site.port, site.links.pop())
    asyncio.run(leaver.go(leave_after=3))
    (before,) = claimed(site).values()
    assert len(before) == 10
    site.database.query("UPDATE studies_session SET last_active_at = '2026-01-01 00:00:00'")
    site.kill()

    def kill_and_restart() -> None:
        site.kill()
        site.start()

    raters = rate_while(site, {40: kill_and_restart})
    assert claimed(site)[min(claimed(site))] == before[: 3 + HELD]
    # A kept-open connection to the server before; a browser opens another.
    leaver.browser.close()
    asyncio.run(leaver.go())
    leaver.browser.close()

    sent = {token: score for rater in [*raters, leaver] for token, score in rater.acknowledged.items()}
    assert site.stored() == sent
    assert [len(rater.acknowledged) for rater in [*raters, leaver]] == [TRIALS] * RATERS
    ratings: dict[int, int] = defaultdict(int)
    for places in claimed(site).values():
        assert len({stimulus for _, stimulus in places}) == TRIALS
        assert all(a != b for (a, _), (b, _) in pairwise(places))
        for _, stimulus in places:
            ratings[stimulus] += 1
    assert len(ratings) == IMAGES
    # The leaver came back to few images that were new to them.
    assert max(ratings.values()) - min(ratings.values()) <= 2
