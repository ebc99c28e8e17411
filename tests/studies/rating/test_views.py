"""Every address of a rater: as the rater, another rater, a stranger, with the wrong verb, and twice."""

import io
import json
import logging.config
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from studies.models import Rating, Session, StudyEvent, Trial
from studies.protocol.subsets import WINDOW
from studies.rating.evidence import receipt
from studies.research import invitations, lifecycle
from tests.studies.factories import launch, make_benchmark, make_rater, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]

FACTS = {
    "response_ms": 812.25,
    "hidden_ms": 40,
    "device_pixel_ratio": 1.25,
    "visual_viewport_scale": 1,
    "viewport_width": 1024,
    "viewport_height": 640,
    "screen_width": 1536,
    "screen_height": 864,
}


@pytest.fixture
def study():
    return launch(make_study(calibration=make_benchmark("anchors", images=1)))


@pytest.fixture
def rater(study):
    return make_rater(study)


def arrive(rater):
    """A browser in which the rater's invitation was opened."""
    client = Client()
    assert client.get(f"/i/{rater.token}/").status_code == 302
    return client


@pytest.fixture
def browser(rater):
    """A browser whose rater is about to rate the first image."""
    client = arrive(rater)
    client.post(reverse("agree"))
    client.post(reverse("calibrated"))
    return client


@pytest.fixture
def other(study):
    """Another rater of the same study, just as far."""
    client = arrive(make_rater(study))
    client.post(reverse("agree"))
    client.post(reverse("calibrated"))
    return client


def trials(rater):
    return list(Trial.objects.filter(session__rater=rater, phase="rated"))


def rate(client, trial, score=4, **changes):
    proof = receipt(token=trial.token, now=timezone.now())
    return client.post(reverse("rate", args=[trial.token]), {"score": score, "receipt": proof, **FACTS, **changes})


def fetch(client, trial):
    """The response for a trial's image and its body. Reading to the end closes the file."""
    response = client.get(reverse("image", args=[trial.token]))
    return response, response.getvalue()


# the invitation


def test_an_invitation_moves_the_token_from_the_address_into_a_signed_cookie(rater):
    response = Client().get(f"/i/{rater.token}/")
    assert response.status_code == 302
    assert response.url == "/study/"
    assert rater.token not in response.url
    cookie = response.cookies["rater"]
    assert cookie["httponly"]
    assert cookie["secure"]
    assert cookie["samesite"] == "Lax"


def test_an_unknown_invitation_is_a_404_page_that_leaks_no_referrer(db):
    response = Client().get("/i/nobody-was-given-this/")
    assert response.status_code == 404
    assert "not known here" in response.text
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "rater" not in response.cookies


def test_a_revoked_invitation_is_refused_and_so_is_the_cookie_it_set(rater, browser):
    invitations.revoke(rater=rater, now=timezone.now())
    again = Client()
    again.get(f"/i/{rater.token}/")
    refused = again.get(reverse("rater-home"))
    assert refused.status_code == 403
    assert reverse("withdraw") in refused.text
    assert browser.get(reverse("rater-home")).status_code == 403
    assert rate(browser, trials(rater)[0]).json()["code"] == "revoked"
    assert not Rating.objects.exists()


@pytest.mark.parametrize("action", ["agree", "calibrated", "withdraw"])
def test_a_page_of_one_rater_does_nothing_to_the_next_one_in_that_browser(rater, study, action):
    client = arrive(rater)
    made_for = re.search(r'name="who" value="(\w+)"', client.get(reverse("withdraw")).text)[1]
    other = make_rater(study)
    client.get(f"/i/{other.token}/")
    response = client.post(reverse(action), {"who": made_for})
    assert response.status_code == 409
    assert "open your own link again" in response.text
    assert not Session.objects.filter(rater=other).exists()
    other.refresh_from_db()
    assert other.withdrawn_at is None


def test_the_script_of_one_rater_is_not_told_where_the_next_one_stands(rater, browser, study):
    asks = json.loads(re.search(r'type="application/json">(.*?)</script>', browser.get(reverse("rater-home")).text)[1])
    assert browser.get(asks["upcoming"]).status_code == 200
    browser.get(f"/i/{make_rater(study).token}/")
    assert browser.get(asks["upcoming"]).json()["code"] == "other-invitation"


def test_an_invitation_is_not_opened_by_post(rater):
    assert Client().post(f"/i/{rater.token}/").status_code == 405


def test_a_second_device_within_minutes_is_an_event_that_staff_see_and_is_let_in(rater, browser, study):
    arrive(rater)
    event = StudyEvent.objects.get(kind="second device")
    assert (event.rater, list(event.detail)) == (rater.label, ["seconds since the first was used"])
    again = Client()
    again.cookies = browser.cookies
    again.get(f"/i/{rater.token}/")
    assert StudyEvent.objects.filter(kind="second device").count() == 1, "the first one is known"


def test_another_device_after_a_while_or_before_the_start_is_no_event(rater):
    arrive(rater)
    client = arrive(rater)
    client.post(reverse("agree"))
    Session.objects.update(last_active_at=timezone.now() - timedelta(minutes=16))
    arrive(rater)
    assert not StudyEvent.objects.filter(kind="second device").exists()


def test_withdrawing_erases_what_was_noted_of_devices(rater, browser):
    arrive(rater)
    browser.post(reverse("withdraw"))
    assert list(StudyEvent.objects.filter(rater=rater.label).values_list("kind", flat=True)) == ["withdrawal"]


def test_a_forged_cookie_is_nobody(rater):
    client = Client()
    client.cookies["rater"] = f"{rater.token}:1uXyZ:forged"
    response = client.get(reverse("rater-home"))
    assert response.status_code == 403
    assert "open your invitation link again" in response.text


# the stages


def test_a_rater_goes_from_instructions_to_examples_to_rating_to_thanks(rater):
    client = arrive(rater)
    home = reverse("rater-home")
    assert "I have read this and agree" in client.get(home).text
    assert client.post(reverse("agree")).url == home
    assert "examples.js" in client.get(home).text
    assert client.post(reverse("calibrated")).url == home
    assert "rate.js" in client.get(home).text
    for trial in trials(rater):
        assert rate(client, trial).status_code == 200
    assert "Thank you" in client.get(home).text


def test_after_the_last_page_the_next_person_at_the_computer_can_neither_withdraw_nor_rate(rater, browser):
    for trial in trials(rater):
        assert rate(browser, trial).status_code == 200
    assert "open your invitation link" in browser.get("/study/").content.decode()
    assert "Thank you" in browser.get("/study/").content.decode(), "the last page can be loaded again"
    for verb in (browser.get, browser.post):
        assert verb(reverse("withdraw")).status_code == 403
    assert rate(browser, trials(rater)[0]).status_code == 403
    assert Rating.objects.count() == len(trials(rater))


def test_who_finished_withdraws_by_opening_the_link_again(rater, browser):
    for trial in trials(rater):
        rate(browser, trial)
    browser.get("/study/")
    page = browser.get(f"/i/{rater.token}/")
    assert reverse("withdraw") in page.content.decode()
    assert browser.post(reverse("withdraw")).status_code == 200
    assert not Rating.objects.exists()


def test_agreeing_twice_plans_one_session(rater):
    client = arrive(rater)
    client.post(reverse("agree"))
    client.post(reverse("agree"))
    assert Session.objects.filter(rater=rater).count() == 1


def test_finishing_the_examples_again_does_not_move_a_rater_back(rater, browser):
    rate(browser, trials(rater)[0])
    browser.post(reverse("calibrated"))
    assert browser.get(reverse("upcoming")).json()["rated"] == 1


def test_the_examples_cannot_be_finished_before_the_instructions(rater):
    assert arrive(rater).post(reverse("calibrated")).status_code == 409


def test_after_a_long_absence_the_instructions_come_first_and_rating_goes_on_where_it_stopped(rater, browser):
    rate(browser, trials(rater)[0])
    Session.objects.update(last_active_at=timezone.now() - timedelta(minutes=rater.study.reminder_minutes + 1))
    assert "Welcome back" in browser.get(reverse("rater-home")).text
    browser.post(reverse("agree"))
    assert "examples.js" in browser.get(reverse("rater-home")).text, "the examples come again"
    browser.post(reverse("calibrated"))
    page = browser.get(reverse("rater-home"))
    assert page.context["data"]["standing"]["rated"] == 1


def test_a_study_may_leave_it_at_the_instructions_for_who_comes_back():
    study = launch(make_study(calibration=make_benchmark("anchors", images=1), examples_again=False))
    rater = make_rater(study)
    client = arrive(rater)
    client.post(reverse("agree"))
    client.post(reverse("calibrated"))
    Session.objects.update(last_active_at=timezone.now() - timedelta(minutes=61))
    client.post(reverse("agree"))
    assert "rate.js" in client.get(reverse("rater-home")).text


def test_ratings_on_their_way_are_taken_while_the_examples_are_shown_again(rater, browser):
    rate(browser, trials(rater)[0])
    Session.objects.update(last_active_at=timezone.now() - timedelta(minutes=61))
    browser.post(reverse("agree"))
    assert rate(browser, trials(rater)[1]).status_code == 200
    assert "examples.js" in browser.get(reverse("rater-home")).text


def test_the_link_goes_on_in_another_browser(rater, browser):
    rate(browser, trials(rater)[0])
    elsewhere = arrive(rater)
    assert elsewhere.get(reverse("upcoming")).json()["upcoming"][0]["token"] == trials(rater)[1].token


def test_the_sizes_of_the_largest_images_are_told_before_the_start_each_that_of_an_image():
    wide, tall = (
        make_benchmark("wide", images=2, height=40, width=96),
        make_benchmark("tall", images=1, height=96, width=40),
    )
    study = launch(make_study(benchmarks=[wide, tall]))
    largest = arrive(make_rater(study)).get(reverse("rater-home")).context["data"]["largest"]
    # The second of the benchmark is 4 higher; the first is no larger than it either way.
    assert largest == [(40, 96), (96, 44)]


def test_a_rater_page_opens_no_login_session_and_needs_few_queries(rater, browser, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):  # the site's key is one, the language another
        response = browser.get(reverse("rater-home"))
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize("name", ["agree", "calibrated"])
def test_a_stage_is_not_moved_by_a_link(rater, name):
    assert arrive(rater).get(reverse(name)).status_code == 405


@pytest.mark.parametrize(
    ("verb", "name"),
    [("get", "rater-home"), ("post", "agree"), ("post", "calibrated"), ("get", "upcoming"), ("get", "withdraw")],
)
def test_a_stranger_is_asked_for_the_link(db, verb, name):
    response = getattr(Client(), verb)(reverse(name))
    assert response.status_code == 403
    assert "invitation link again" in response.text


def test_a_browser_that_keeps_no_cookies_is_told_so_where_its_link_leads(rater):
    led = Client().get(f"/i/{rater.token}/")
    response = Client().get(led.url)  # without what it was given
    assert response.status_code == 403
    assert "If you have just done so, the browser keeps no cookies" in response.text


def test_a_browsers_cookie_outlives_a_change_of_the_secret_key_that_is_among_the_earlier_ones(rater):
    browser = arrive(rater)
    earlier = settings.SECRET_KEY
    with override_settings(SECRET_KEY="another key of this site", SECRET_KEY_FALLBACKS=[]):
        assert browser.get(reverse("rater-home")).status_code == 403
    with override_settings(SECRET_KEY="another key of this site", SECRET_KEY_FALLBACKS=[earlier]):
        assert browser.get(reverse("rater-home")).status_code == 200


def test_forms_without_the_secret_of_the_page_are_refused(rater):
    client = Client(enforce_csrf_checks=True)
    client.get(f"/i/{rater.token}/")
    assert client.post(reverse("agree")).status_code == 403
    assert not Session.objects.exists()


# ratings


def test_a_rating_is_stored_with_how_the_image_was_displayed(rater, browser):
    trial = trials(rater)[0]
    response = rate(browser, trial, score=2)
    rating = Rating.objects.get(trial=trial)
    assert rating.score == 2
    assert {name: getattr(rating, name) for name in FACTS} == FACTS
    answer = response.json()
    assert (answer["rated"], answer["total"]) == (1, 6)
    assert [one["position"] for one in answer["upcoming"]] == [4, 5, 6, 7, 8]


def test_the_same_rating_again_is_answered_alike_and_stored_once(rater, browser):
    trial = trials(rater)[0]
    first, second = rate(browser, trial, score=2), rate(browser, trial, score=2)
    assert second.status_code == 200
    assert second.json() == first.json()
    assert Rating.objects.count() == 1


def test_another_score_for_a_rated_image_is_refused_said_and_noted(rater, browser):
    trial = trials(rater)[0]
    rate(browser, trial, score=2)
    response = rate(arrive(rater), trial, score=5)
    assert response.status_code == 409
    assert response.json()["code"] == "conflict"
    assert "already rated 2" in response.json()["message"]
    assert Rating.objects.get().score == 2
    assert StudyEvent.objects.get(kind="conflict").detail["refused"] == 5


def test_an_image_that_is_not_due_cannot_be_rated(rater, browser):
    response = rate(browser, trials(rater)[1])
    assert (response.status_code, response.json()["code"]) == (409, "not-due")
    assert not Rating.objects.exists()


def test_an_example_cannot_be_rated(rater):
    client = arrive(rater)
    client.post(reverse("agree"))
    example = Trial.objects.get(session__rater=rater, position=1)
    assert rate(client, example).status_code == 409


def test_the_trial_of_another_rater_is_unknown(rater, browser, other):
    response = rate(other, trials(rater)[0])
    assert (response.status_code, response.json()["code"]) == (404, "unknown-trial")
    assert not Rating.objects.exists()


def test_a_stranger_cannot_rate(rater, browser):
    response = rate(Client(), trials(rater)[0])
    assert (response.status_code, response.json()["code"]) == (403, "no-invitation")
    assert not Rating.objects.exists()


def test_a_rating_is_not_given_by_a_link(rater, browser):
    assert browser.get(reverse("rate", args=[trials(rater)[0].token])).status_code == 405


@pytest.mark.parametrize("score", ["0", "6", "99", "-1", "3.5", "", "good", "NaN"])
def test_a_score_that_is_not_on_the_scale_is_refused(rater, browser, score):
    response = rate(browser, trials(rater)[0], score=score)
    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["score"]
    assert not Rating.objects.exists()


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "", "wide", "\u0663", "1_0", "+1"])
def test_a_display_fact_that_cannot_be_is_refused(rater, browser, name, value):
    response = rate(browser, trials(rater)[0], **{name: value})
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [name]
    assert not Rating.objects.exists()


def test_a_time_beyond_all_reason_is_stored_as_a_day_and_minus_zero_as_zero(rater, browser):
    rate(browser, trials(rater)[0], response_ms="1e300", hidden_ms="-0", waited_ms="1e-7")
    rating = Rating.objects.get()
    assert (rating.response_ms, repr(rating.hidden_ms), rating.waited_ms) == (24 * 3600 * 1000, "0.0", 1e-7)


def test_a_score_in_digits_of_another_script_is_refused(rater, browser):
    assert rate(browser, trials(rater)[0], score="\u0663").status_code == 422
    assert not Rating.objects.exists()


def test_a_device_pixel_ratio_of_zero_is_refused(rater, browser):
    assert rate(browser, trials(rater)[0], device_pixel_ratio=0).status_code == 422


def test_a_closed_study_takes_no_rating_and_says_so(rater, browser):
    lifecycle.close(study=rater.study, now=timezone.now())
    response = rate(browser, trials(rater)[0])
    assert (response.status_code, response.json()["code"]) == (403, "not-open")
    page = browser.get(reverse("rater-home"))
    assert page.status_code == 403
    assert "not open for ratings now" in page.text
    assert reverse("withdraw") in page.text


def test_a_rating_asks_the_database_little(rater, browser, django_assert_num_queries):
    trial = trials(rater)[0]
    # Find the trial; begin, claim, insert, commit; the next images.
    with django_assert_num_queries(6):
        rate(browser, trial)


# what comes next


def test_upcoming_names_five_trials_and_of_each_only_what_is_needed(rater, browser):
    answer = browser.get(reverse("upcoming")).json()
    assert set(answer) == {"rated", "total", "upcoming", "last"}
    assert len(answer["upcoming"]) == WINDOW == 5
    assert all(set(one) == {"position", "url", "token", "attempt", "width", "height"} for one in answer["upcoming"])


def test_upcoming_before_the_instructions_is_refused(rater):
    assert arrive(rater).get(reverse("upcoming")).status_code == 409


def test_upcoming_is_only_read(rater, browser):
    assert browser.post(reverse("upcoming")).status_code == 405


# images


def test_an_image_is_the_stimulus_bit_for_bit(rater, browser):
    trial = trials(rater)[0]
    _, body = fetch(browser, trial)
    with trial.stimulus.file.open("rb") as file:
        assert body == file.read()
    with Image.open(io.BytesIO(body)) as image:
        assert image.size == (trial.stimulus.source.width, trial.stimulus.source.height)


def test_an_image_is_not_stored_by_any_cache_and_has_no_name(rater, browser):
    headers = fetch(browser, trials(rater)[0])[0].headers
    assert headers["Content-Type"] == "image/png"
    assert set(headers["Cache-Control"].split(", ")) == {"no-store", "no-transform"}
    for name in ("ETag", "Last-Modified", "Content-Disposition", "Set-Cookie", "Vary", "Expires"):
        assert name not in headers


def test_an_image_is_served_only_within_the_window(rater, browser):
    assert [fetch(browser, trial)[0].status_code for trial in trials(rater)] == [200] * 5 + [409]
    rate(browser, trials(rater)[0])
    assert [fetch(browser, trial)[0].status_code for trial in trials(rater)] == [409] + [200] * 5


def test_an_image_takes_one_query(rater, browser, django_assert_num_queries):
    trial = trials(rater)[0]
    with django_assert_num_queries(1):
        assert fetch(browser, trial)[0].status_code == 200


def test_the_image_of_another_rater_is_unknown(rater, browser, other):
    assert fetch(other, trials(rater)[0])[0].status_code == 404


def test_a_stranger_gets_no_image(rater, browser):
    assert fetch(Client(), trials(rater)[0])[0].status_code == 403


def test_an_image_is_only_read(rater, browser):
    assert browser.post(reverse("image", args=[trials(rater)[0].token])).status_code == 405


# withdrawal


def test_withdrawing_asks_first(rater, browser):
    rate(browser, trials(rater)[0])
    page = browser.get(reverse("withdraw"))
    assert "Your 1 rating will be erased" in page.text
    assert Rating.objects.count() == 1


def test_withdrawing_erases_the_raters_ratings_and_nobody_elses(rater, browser, other):
    rate(browser, trials(rater)[0])
    theirs = Trial.objects.get(token=other.get(reverse("upcoming")).json()["upcoming"][0]["token"])
    rate(other, theirs, score=1)
    page = browser.post(reverse("withdraw"))
    assert "1 rating erased" in page.text
    assert [rating.trial.token for rating in Rating.objects.all()] == [theirs.token]
    assert StudyEvent.objects.filter(kind="withdrawal", rater=rater.label).count() == 1


def test_withdrawing_twice_says_that_it_is_done(rater, browser):
    browser.post(reverse("withdraw"))
    again = browser.post(reverse("withdraw"))
    assert again.status_code == 403
    assert "You have withdrawn" in again.text
    assert StudyEvent.objects.filter(kind="withdrawal").count() == 1


def test_who_withdrew_cannot_rate_or_come_back(rater, browser):
    trial = trials(rater)[0]
    browser.post(reverse("withdraw"))
    assert rate(browser, trial).json()["code"] == "withdrawn"
    assert browser.get(f"/i/{rater.token}/").status_code == 403


def test_one_can_withdraw_from_a_closed_study(rater, browser):
    rate(browser, trials(rater)[0])
    lifecycle.close(study=rater.study, now=timezone.now())
    assert browser.post(reverse("withdraw")).status_code == 200
    assert not Rating.objects.exists()


# logs


def test_no_token_reaches_a_log(rater, browser, other, capfd, settings):
    logging.config.dictConfig(settings.LOGGING)
    trial = trials(rater)[0]
    Client().get(f"/i/x{rater.token}/")
    other.get(reverse("image", args=[trial.token]))
    rate(other, trial)
    rate(browser, trials(rater)[1])
    strict = Client(enforce_csrf_checks=True)
    strict.post(reverse("rate", args=[trial.token]))
    printed = capfd.readouterr().err
    assert printed.count("/image/...") == 1
    assert printed.count("/study/rate/.../") == 3
    assert printed.count("/i/.../") == 1
    for token in (rater.token, trial.token, trials(rater)[1].token):
        assert token not in printed
