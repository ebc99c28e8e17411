"""A large site: no page asks more of the database, nor says much more, for more raters, images and ratings."""

import logging

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studies.models import Study
from studies.research import draft_state, tallies
from studies.research.tallying import make
from tests.bench.big_site import Size, build
from tests.studies.addresses import staff_addresses

pytestmark = [pytest.mark.services, pytest.mark.django_db]

# Lists that are cut into pages are longer than one in both.
SMALL = Size(raters=104, trials=2, sources=36, studies=5, pair_raters=102)
LARGE = Size(raters=208, trials=4, sources=72, studies=7, pair_raters=204)
MOST_QUERIES = 20
STUDIES = ("big", "big-draft", "big-pairs")
FILES = (".csv", ".parquet", ".zip", ".png", ".jpg", ".po", ".json")
# What may say more: the list of studies, what asks which of them to turn away, and up to a thousand links to be copied.
LONGER = {"study-list", "public-link", "raters"}


@pytest.fixture(autouse=True)
def _quiet():
    """What is refused is logged with its traceback, and much is."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def asked(client, size: Size) -> dict[str, tuple[int, int]]:
    """(queries, bytes) of each address on a site of this size."""
    found = {}
    build(size)
    for study in Study.objects.all():
        of = draft_state.draft_tally if study.state == Study.State.DRAFT else tallies.tally_of
        if tally := of(study, now=timezone.now()):
            make(tally.pk)
    client.force_login(User.objects.get(username="owner"), backend="django.contrib.auth.backends.ModelBackend")
    for study in Study.objects.filter(name__in=STUDIES):
        for name, address in staff_addresses(study):
            if address.endswith(FILES) or client.get(address).status_code not in (200, 302):
                continue
            cache.clear()
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(address)
            assert answer.status_code in (200, 302), address
            last = address.removesuffix("/").rpartition("/")[2]
            place = f"{study.name} {name} {'key' if last.isdecimal() else last}"
            found[place] = len(queries), len(answer.content)
    return found


def on_a_site_of(client, size: Size) -> dict[str, tuple[int, int]]:
    with transaction.atomic():
        found = asked(client, size)
        transaction.set_rollback(True)
    return found


@pytest.mark.once
@pytest.mark.parametrize("immediate", [10**6, 0], ids=["read at once", "computed by a worker"])
def test_no_page_asks_or_says_more_for_more_raters_images_and_ratings(client, monkeypatch, immediate):
    monkeypatch.setattr(tallies, "IMMEDIATE", immediate)
    monkeypatch.setattr(draft_state, "IMMEDIATE", immediate)
    small, large = on_a_site_of(client, SMALL), on_a_site_of(client, LARGE)
    assert len(small) > 60, sorted(small)
    assert small.keys() == large.keys()
    more = {place: (small[place][0], large[place][0]) for place in small if large[place][0] > small[place][0]}
    assert more == {}
    assert {place: queries for place, (queries, _) in large.items() if queries > MOST_QUERIES} == {}
    pages = [place for place in small if place.split()[1] not in LONGER]
    longer = {place: (small[place][1], large[place][1]) for place in pages if _is_longer(small, large, place)}
    assert longer == {}


def _is_longer(small, large, place: str) -> bool:
    return large[place][1] > 1.15 * small[place][1] + 2000
