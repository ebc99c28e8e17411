"""The last rating is taken back until the next is given: by the rater, another, a stranger, twice, late, at once."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analysis.scale import ACR
from studies.models import Rating, Session, TakenBack, Trial
from studies.models.study import WITH_UNDO, WITHOUT_UNDO
from studies.rating.evidence import receipt
from studies.rating.recording import record_rating
from studies.rating.undo import RatingStands, take_back
from studies.research import lifecycle
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY
from tests.studies.rating.test_views import arrive, rate, trials
from tests.studies.threads import at_once

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def study():
    return launch(make_study(calibration=make_benchmark("anchors", images=1)))


@pytest.fixture
def rater(study):
    return make_rater(study)


@pytest.fixture
def browser(rater):
    return begun(rater)


def begun(rater):
    client = arrive(rater)
    client.post(reverse("agree"))
    client.post(reverse("calibrated"))
    return client


def undo(client, trial, attempt=1):
    return client.post(reverse("undo", args=[trial.token]), {"attempt": attempt})


def standing(client):
    return client.get(reverse("upcoming")).json()


def scores(rater):
    rows = Rating.objects.filter(trial__session__rater=rater).order_by("trial__position")
    return [int(score) for score in rows.values_list("score", flat=True)]


def test_the_last_rating_is_taken_back_kept_apart_and_its_image_is_due_again(rater, browser):
    first, second = trials(rater)[:2]
    rate(browser, first, score=5)
    rate(browser, second, score=2)
    assert standing(browser)["last"]["token"] == second.token
    answer = undo(browser, second)
    assert answer.status_code == 200
    assert answer.json()["rated"] == 1
    assert answer.json()["last"] is None
    due = answer.json()["upcoming"][0]
    assert (due["token"], due["attempt"]) == (second.token, 2)
    assert scores(rater) == [5]
    kept = TakenBack.objects.get()
    assert (kept.trial, kept.score, kept.attempt, kept.response_ms) == (second, 2, 1, 812.25)
    assert kept.served_at is not None


def test_it_is_rated_anew_and_can_be_taken_back_again(rater, browser):
    trial = trials(rater)[0]
    for attempt, score in ((1, 2), (2, 3), (3, 4)):
        assert rate(browser, trial, score=score, attempt=attempt).status_code == 200
        if attempt < 3:
            assert undo(browser, trial, attempt).status_code == 200
    assert Rating.objects.get().attempt == 3
    assert scores(rater) == [4]
    assert list(TakenBack.objects.order_by("attempt").values_list("score", flat=True)) == [2, 3]


def test_a_delayed_repeat_does_not_bring_it_back(rater, browser):
    trial = trials(rater)[0]
    rate(browser, trial, score=2)
    undo(browser, trial)
    late = rate(browser, trial, score=2)
    assert (late.status_code, late.json()["code"]) == (409, "taken-back")
    assert scores(rater) == []
    rate(browser, trial, score=4, attempt=2)
    assert rate(browser, trial, score=2).json()["code"] == "taken-back"
    assert scores(rater) == [4]


def test_a_delayed_repeat_of_an_undo_takes_nothing_else_back(rater, browser):
    first, second = trials(rater)[:2]
    rate(browser, first, score=2)
    undo(browser, first)
    assert undo(browser, first).status_code == 200, "asked twice"
    rate(browser, first, score=4, attempt=2)
    assert undo(browser, first).status_code == 200, "the first one's repeat"
    rate(browser, second, score=1)
    assert undo(browser, first).status_code == 200
    assert scores(rater) == [4, 1]
    assert TakenBack.objects.count() == 1


def test_a_rating_stands_once_the_next_is_given_also_when_that_one_is_taken_back(rater, browser):
    first, second = trials(rater)[:2]
    rate(browser, first)
    rate(browser, second)
    refused = undo(browser, first)
    assert (refused.status_code, refused.json()["code"]) == (409, "stands")
    undo(browser, second)
    assert undo(browser, first).json()["code"] == "stands"
    assert standing(browser)["last"] is None
    assert len(scores(rater)) == 1


def test_nothing_is_taken_back_after_the_last_image(rater, browser):
    for trial in trials(rater):
        rate(browser, trial)
    with pytest.raises(RatingStands):
        take_back(rater_token=rater.token, token=trials(rater)[-1].token, attempt=1, now=timezone.now())
    assert len(scores(rater)) == 6
    assert Session.objects.get().finished_at is not None


def test_a_study_without_undo_has_none(browser):
    rater = make_rater(launch(make_study(name="firm", benchmarks=[make_benchmark("other")], undo=False)))
    client = arrive(rater)
    client.post(reverse("agree"))
    assert 'id="undo"' not in client.get(reverse("rater-home")).text
    trial = trials(rater)[0]
    rate(client, trial)
    assert standing(client)["last"] is None
    assert undo(client, trial).json()["code"] == "stands"
    assert len(scores(rater)) == 1


def test_another_rater_a_stranger_and_a_link_take_nothing_back(rater, browser, study):
    trial = trials(rater)[0]
    rate(browser, trial)
    assert undo(begun(make_rater(study)), trial).status_code == 404
    assert undo(Client(), trial).status_code == 403
    assert browser.get(reverse("undo", args=[trial.token])).status_code == 405
    lifecycle.close(study=study, now=timezone.now())
    assert undo(browser, trial).status_code == 403
    assert len(scores(rater)) == 1


@pytest.mark.parametrize("attempt", ["0", "-1", "\u0661", "1.5", "one", "9" * 20])
def test_an_attempt_that_cannot_be_is_refused(rater, browser, attempt):
    trial = trials(rater)[0]
    assert rate(browser, trial, attempt=attempt).status_code == 422
    rate(browser, trial)
    assert undo(browser, trial, attempt).status_code == 422
    assert len(scores(rater)) == 1


def test_an_attempt_that_was_not_made_is_not_taken_back(rater, browser):
    trial = trials(rater)[0]
    rate(browser, trial)
    assert undo(browser, trial, 7).json()["code"] == "stands"
    assert len(scores(rater)) == 1
    assert Session.objects.get().undone_attempt == 0


def test_withdrawing_erases_what_was_taken_back_too(rater, browser):
    trial = trials(rater)[0]
    rate(browser, trial)
    undo(browser, trial)
    assert TakenBack.objects.count() == 1
    browser.post(reverse("withdraw"))
    assert not TakenBack.objects.exists()


def test_the_instructions_say_whether_there_is_a_way_back(rater, browser):
    assert WITH_UNDO in make_study(name="new", benchmarks=[]).instructions
    assert WITHOUT_UNDO in make_study(name="firm", benchmarks=[], undo=False, scale=ACR).instructions
    assert "take back your last rating" in arrive(make_rater(rater.study)).get(reverse("rater-home")).text


@pytest.mark.django_db(transaction=True)
def test_of_the_same_undo_and_the_next_rating_at_once_one_wins(rater, browser):
    first, second = trials(rater)[:2]
    rate(browser, first)
    mine = receipt(token=second.token, now=timezone.now())

    def give():
        return record_rating(
            rater_token=rater.token, token=second.token, score=3, display=DISPLAY, receipt=mine, now=timezone.now()
        )

    def back():
        return take_back(rater_token=rater.token, token=first.token, attempt=1, now=timezone.now())

    at_once(give, back, back)
    assert (len(scores(rater)), TakenBack.objects.count()) in ((2, 0), (0, 1))
    session = Session.objects.get()
    assert session.rated == Rating.objects.count()
    assert Trial.objects.filter(rating__isnull=False, position__gte=session.next_position).count() == 0
