"""What a rating's receipt shows, and what a script that fetches no image comes to."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from analysis.screening import too_fast
from studies.models import Rating, Session, SiteKey, Trial
from studies.rating import evidence
from studies.rating.evidence import CLOCKS_DIFFER_MS, proof, receipt, served_ms
from studies.research.export import ratings_frame, serialise
from tests.studies.factories import launch, make_rater, make_study
from tests.studies.rating.test_views import FACTS, arrive

pytestmark = [pytest.mark.services, pytest.mark.django_db]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = int(NOW.timestamp() * 1000)


@pytest.fixture
def rater():
    return make_rater(launch(make_study()))


@pytest.fixture
def browser(rater):
    client = arrive(rater)
    client.post(reverse("agree"))
    return client


def trials(rater):
    return list(Trial.objects.filter(session__rater=rater, phase="rated"))


def rate(client, trial, proof="", **changes):
    return client.post(reverse("rate", args=[trial.token]), {"score": 4, "receipt": proof, **FACTS, **changes})


def fetched(client, trial):
    return client.get(reverse("image", args=[trial.token])).headers["Receipt"]


def test_an_image_comes_with_a_receipt_of_its_trial_and_of_now(rater, browser):
    before = int(timezone.now().timestamp() * 1000)
    trial = trials(rater)[0]
    served = served_ms(fetched(browser, trial), token=trial.token)
    assert before <= served <= int(timezone.now().timestamp() * 1000)


def test_a_receipt_of_another_trial_or_with_another_time_is_none():
    mine = receipt(token="mine", now=NOW)
    assert served_ms(mine, token="mine") == START
    assert served_ms(mine, token="another") is None
    assert served_ms(f"{START - 60_000}{mine.removeprefix(str(START))}", token="mine") is None
    assert served_ms("", token="mine") is None


def test_a_receipt_does_not_hang_on_the_secret_key_and_follows_a_restored_key(settings):
    mine = receipt(token="mine", now=NOW)
    settings.SECRET_KEY = "another host's"
    assert served_ms(mine, token="mine") == START
    SiteKey.objects.filter(name="receipts").update(value="ab" * 32)
    assert served_ms(mine, token="mine") == START, "known in this process"
    theirs = receipt(token="mine", now=NOW)
    SiteKey.objects.filter(name="receipts").update(value="cd" * 32)
    assert served_ms(theirs.replace(theirs[-4:], "0000"), token="mine") is None
    assert served_ms(theirs, token="mine") is None, "a key that the site no longer has"


def test_a_receipt_that_another_host_signed_with_the_restored_key_counts_at_once():
    """This process still has the key of before in its memory."""
    SiteKey.objects.update_or_create(name="receipts", defaults={"value": "ab" * 32})
    evidence._key.cache_clear()
    theirs = receipt(token="mine", now=NOW)
    SiteKey.objects.filter(name="receipts").update(value="cd" * 32)
    evidence._key.cache_clear()
    assert served_ms(theirs, token="mine") is None
    SiteKey.objects.filter(name="receipts").update(value="ab" * 32)
    assert served_ms(theirs, token="mine") == START
    evidence._key.cache_clear()


def test_a_rating_is_stored_with_when_its_image_was_sent(rater, browser):
    trial = trials(rater)[0]
    mine = fetched(browser, trial)
    assert rate(browser, trial, mine).status_code == 200
    rating = Rating.objects.get()
    assert int(rating.served_at.timestamp() * 1000) == served_ms(mine, token=trial.token)
    session = Session.objects.get()
    assert session.first_served_ms == served_ms(mine, token=trial.token)
    assert session.viewed_ms == rating.possible_ms


@pytest.mark.parametrize("forged", ["", "1.00", f"{START}.{'0' * 32}"])
def test_a_rating_without_a_receipt_is_sent_back_for_its_image_and_takes_it_then(rater, browser, forged):
    trial = trials(rater)[0]
    refused = rate(browser, trial, forged)
    assert (refused.status_code, refused.json()["code"]) == (409, "no-receipt")
    assert not Rating.objects.exists()
    assert rate(browser, trial, fetched(browser, trial)).status_code == 200


def test_what_was_stored_is_answered_again_with_or_without_a_receipt(rater, browser):
    trial = trials(rater)[0]
    rate(browser, trial, fetched(browser, trial))
    assert rate(browser, trial).status_code == 200
    assert Rating.objects.count() == 1


def test_a_session_begun_before_receipts_goes_on_and_its_ratings_say_so(rater, browser):
    Session.objects.update(needs_receipts=False)
    first, second = trials(rater)[:2]
    assert rate(browser, first).status_code == 200
    assert rate(browser, second, fetched(browser, second)).status_code == 200
    stored = list(Rating.objects.order_by("trial__position"))
    assert (stored[0].served_at, stored[0].possible_ms) == (None, None)
    assert stored[1].served_at is not None
    frame = ratings_frame(rater.study)
    assert frame["served_at"].isna().tolist() == [True, False]
    cells = dict(zip(frame, serialise(frame, kind="csv").decode().splitlines()[1].split(","), strict=True))
    assert (cells["served_at"], cells["possible_ms"]) == ("", "")


def test_a_script_that_claims_five_seconds_for_each_of_its_images_is_found_out(rater, browser):
    for trial in trials(rater):
        assert rate(browser, trial, fetched(browser, trial), response_ms=5000).status_code == 200
    ratings = ratings_frame(rater.study)
    assert set(ratings["response_ms"]) == {5000}
    began = ratings["served_at"].min()
    took = (ratings["rated_at"].max() - began).total_seconds() * 1000
    assert ratings["possible_ms"].sum() <= took + 1 + CLOCKS_DIFFER_MS
    if took < 6 * 500:
        assert too_fast(ratings)["rejected"].all()


def ms(claimed, *, sent, now, first=None, viewed=0.0):
    """possible_ms for an image sent `sent` ms after START, with the answer at `now` ms after it."""
    first_ms = None if first is None else START + first
    moment = NOW + timedelta(milliseconds=now)
    found = proof(claimed_ms=claimed, served_ms=START + sent, first_served_ms=first_ms, viewed_ms=viewed, now=moment)
    return found.possible_ms


def test_a_claim_that_can_be_is_believed():
    assert ms(2000, sent=0, now=2100) == 2000
    assert ms(0, sent=0, now=2100) == 0


def test_five_ratings_that_arrive_at_once_after_an_hour_offline_are_believed():
    viewed = 0.0
    for claimed in (2000, 3000, 1500, 4000, 2500):
        possible = ms(claimed, sent=100, first=0, viewed=viewed, now=3_600_000)
        assert possible == claimed
        viewed += possible


def test_all_viewing_together_is_no_longer_than_the_time_since_the_first_image():
    assert ms(5000, sent=0, first=0, viewed=8000, now=10_000) == 2000 + CLOCKS_DIFFER_MS
    assert ms(5000, sent=0, first=0, viewed=20_000, now=10_000) == 0


def test_time_that_passed_before_an_image_was_sent_was_not_spent_on_it():
    assert ms(5000, sent=36_000_000, first=0, now=36_000_010) == 10 + CLOCKS_DIFFER_MS
