"""Sittings that end, the rest after them, and what a rest must not do: lose a rating."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from studies.models import Rating, Session
from studies.rating import sessions
from studies.rating.evidence import receipt
from studies.rating.recording import image_trial, record_rating
from studies.rating.sittings import RestDue
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY, reread
from tests.studies.rating.test_views import arrive
from tests.studies.rating.test_views import rate as rate_over_http

pytestmark = [pytest.mark.services, pytest.mark.django_db]

NOW = timezone.now()


def minutes(number):
    return NOW + timedelta(minutes=number)


def begin(**protocol):
    """A rater who is about to rate the first of 9 images."""
    rater = make_rater(launch(make_study(benchmarks=[make_benchmark(images=3)], **protocol)))
    sessions.agree(rater=rater, now=NOW)
    return rater


def standing(rater, now):
    return sessions.standing(reread(rater).session, now=now)


def rate(rater, position, now):
    token = reread(rater).session.trials.get(position=position).token
    proof = receipt(token=token, now=now)
    return record_rating(rater_token=rater.token, token=token, score=3, display=DISPLAY, receipt=proof, now=now)


def served(rater, position, now):
    token = reread(rater).session.trials.get(position=position).token
    try:
        return bool(image_trial(rater_token=rater.token, token=token, now=now))
    except (RestDue, sessions.TrialNotDue):
        return False


def positions(standing):
    return [trial.position for trial in standing.upcoming]


def test_a_sitting_ends_after_so_many_images_and_none_beyond_it_is_served_until_the_rest_is_over():
    rater = begin(sitting_trials=3, rest_minutes=10)
    assert positions(standing(rater, NOW)) == [1, 2, 3]
    assert [served(rater, position, NOW) for position in (1, 3, 4)] == [True, True, False]
    for position in (1, 2):
        assert rate(rater, position, minutes(1)).rest is None
    last = rate(rater, 3, minutes(2))
    assert (last.rest, positions(last)) == (timedelta(minutes=10), [])
    assert standing(rater, minutes(9)).rest == timedelta(minutes=3)
    assert not served(rater, 4, minutes(11.9))
    again = standing(rater, minutes(12))
    assert (again.rest, positions(again)) == (None, [4, 5, 6])
    assert served(rater, 4, minutes(12))


def test_a_sitting_ends_after_so_many_minutes_and_what_was_shown_is_still_taken():
    rater = begin(sitting_minutes=5, rest_minutes=10)
    assert positions(standing(rater, NOW)) == [1, 2, 3, 4, 5]
    assert rate(rater, 1, minutes(4)).rest is None
    assert served(rater, 2, minutes(4.9))
    assert not served(rater, 2, minutes(5))
    late = rate(rater, 2, minutes(6))
    assert (late.rest, late.rated) == (timedelta(minutes=10), 2)
    assert Rating.objects.count() == 2
    # The rest is one from rating: it is counted from the last.
    assert not served(rater, 3, minutes(15))
    assert served(rater, 3, minutes(16))


def test_who_was_away_for_as_long_as_a_rest_begins_a_new_sitting():
    rater = begin(sitting_trials=3, rest_minutes=10)
    standing(rater, NOW)
    rate(rater, 1, minutes(1))
    assert positions(standing(rater, minutes(10))) == [2, 3]
    assert positions(standing(rater, minutes(11))) == [2, 3, 4]


def test_a_rating_that_comes_after_a_rest_belongs_to_the_new_sitting():
    rater = begin(sitting_trials=2, rest_minutes=10)
    standing(rater, NOW)
    rate(rater, 1, minutes(1))
    assert rate(rater, 2, minutes(30)).rest is None
    assert rate(rater, 3, minutes(31)).rest == timedelta(minutes=10)


def test_reading_the_instructions_again_does_not_prolong_a_rest():
    rater = begin(sitting_trials=1, rest_minutes=90, reminder_minutes=60)
    standing(rater, NOW)
    rate(rater, 1, minutes(1))
    assert sessions.stage(reread(rater), now=minutes(70)) == "instructions"
    sessions.agree(rater=reread(rater), now=minutes(70))
    assert standing(rater, minutes(80)).rest == timedelta(minutes=11)
    assert standing(rater, minutes(91)).rest is None


def test_the_last_image_is_followed_by_no_rest():
    rater = begin(sitting_trials=9, rest_minutes=10)
    for position in range(1, 10):
        answer = rate(rater, position, NOW)
    assert (answer.rated, answer.rest) == (9, None)
    assert Session.objects.get().finished_at == NOW


def test_without_limits_nothing_is_noted_of_sittings():
    rater = begin()
    rate(rater, 1, NOW)
    session = Session.objects.get()
    assert (session.sitting_first, session.sitting_at, session.last_rated_at) == (None, None, None)


@pytest.mark.parametrize(
    "protocol", [{"sitting_trials": 3}, {"sitting_minutes": 3}, {"rest_minutes": 3}], ids=lambda p: next(iter(p))
)
def test_a_sitting_that_ends_and_a_rest_need_each_other(protocol):
    with pytest.raises(ValidationError) as refused:
        make_study(**protocol)
    assert set(refused.value.message_dict) == {"rest_minutes"}


def test_the_page_is_told_how_long_the_rest_is_and_an_image_says_that_it_is_time_for_one():
    rater = make_rater(launch(make_study(sitting_trials=1, rest_minutes=10)))
    client = arrive(rater)
    said = " ".join(client.get(reverse("rater-home")).text.split())
    assert "A sitting has at most 1 image. After it there is a rest of 10 minutes" in said
    client.post(reverse("agree"))
    first, second = Session.objects.get().trials.all()[:2]
    answer = rate_over_http(client, first).json()
    assert (answer["rest"], answer["upcoming"]) == (600, [])
    refused = client.get(reverse("image", args=[second.token]))
    assert (refused.status_code, refused.json()["code"]) == (409, "rest")
    assert 0 < client.get(reverse("rater-home")).context["data"]["standing"]["rest"] <= 600


@pytest.mark.parametrize("limits", [{}, {"sitting_trials": 3, "sitting_minutes": 30, "rest_minutes": 10}])
def test_a_sitting_costs_no_statement_more(django_assert_num_queries, limits):
    rater = begin(**limits)
    standing(rater, NOW)
    browser = arrive(rater)
    trial = reread(rater).session.trials.get(position=1)
    address = reverse("image", args=[trial.token])
    browser.get(address)  # the site's keys are read once
    with django_assert_num_queries(1):
        browser.get(address)
    proof = receipt(token=trial.token, now=NOW)
    # Find the trial; begin, claim, insert, commit; the next images.
    with django_assert_num_queries(6):
        record_rating(rater_token=rater.token, token=trial.token, score=3, display=DISPLAY, receipt=proof, now=NOW)
