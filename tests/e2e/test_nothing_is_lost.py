"""Networks that fail, browsers that die, windows and devices that disagree: every rating is stored exactly once."""

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import arrive, expect_overlay, expect_status, fetched, press, scores, see, stored


@pytest.fixture
def invitation(site):
    """A rater who is about to rate the first of 9 images, at positions 3 to 11."""
    return site.backstage("invite_to_new_study", images=3)


@pytest.fixture
def page(site, browser, invitation):
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    return page


def rate_five_unsent(page):
    """Rate as far as the images loaded ahead reach."""
    for position in range(3, 8):
        press(page, position, position - 2)


def test_offline_the_rater_goes_on_to_the_end_of_the_window_and_nothing_is_lost(site, page, browser, invitation):
    fetched(page, 5)
    browser.set_offline(True)
    rate_five_unsent(page)
    expect_overlay(page, "Waiting for the connection")
    expect_status(page, "5 ratings not yet saved - retrying")
    assert site.backstage("ratings", invitation.rater) == []
    browser.set_offline(False)
    see(page, 8)
    expect(page.locator("#overlay")).to_be_hidden()
    expect_status(page, "All ratings are saved")
    assert scores(stored(site, invitation, 5)) == [1, 2, 3, 4, 5]


def test_a_server_that_stops_and_comes_back_loses_nothing(site, page, invitation):
    fetched(page, 5)
    site.stop()
    press(page, 3, 5)
    press(page, 4, 1)
    expect_status(page, "2 ratings not yet saved - retrying")
    site.start()
    expect_status(page, "All ratings are saved")
    press(page, 5, 2)
    see(page, 6)
    assert scores(stored(site, invitation, 3)) == [5, 1, 2]


def test_unsent_ratings_survive_a_reload(site, page, browser, invitation):
    fetched(page, 5)
    browser.route("**/study/rate/**", lambda route: route.abort())
    press(page, 3, 4)
    press(page, 4, 2)
    see(page, 5)
    page.reload()
    expect_status(page, "2 ratings not yet saved - retrying")
    see(page, 5)
    browser.unroute("**/study/rate/**")
    assert scores(stored(site, invitation, 2)) == [4, 2]


def test_unsent_ratings_survive_a_browser_that_is_killed(site, open_browser, tmp_path, invitation):
    browser = open_browser(profile="killed")
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    fetched(page, 5)
    site.stop()
    press(page, 3, 4)
    press(page, 4, 2)
    expect_status(page, "2 ratings not yet saved - retrying")
    os.kill(process_of(tmp_path / "killed"), signal.SIGKILL)
    browser.wait_for_event("close")
    site.start()
    again = arrive(open_browser(profile="killed"), site.url, invitation.path)
    press(again, 5, 1)
    see(again, 6)
    assert scores(stored(site, invitation, 3)) == [4, 2, 1]


def process_of(profile: Path) -> int:
    """The browser's main process: the one with this profile that is no helper of another."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"--user-data-dir={profile}".encode() in arguments and not any(
                a.startswith(b"--type=") for a in arguments
            ):
                return int(entry.name)
    raise LookupError(f"no browser with the profile {profile}")


def test_unsent_ratings_are_sent_from_the_instructions_too(site, page, browser, invitation):
    fetched(page, 5)
    browser.route("**/study/rate/**", lambda route: route.abort())
    press(page, 3, 4)
    see(page, 4)
    site.backstage("stay_away", invitation.rater, minutes=100)
    page.reload()
    expect(page.get_by_text("Welcome back")).to_be_visible()
    expect(page.locator("#unsent")).to_have_text("1 rating not yet saved - retrying")
    browser.unroute("**/study/rate/**")
    expect(page.locator("#unsent")).to_have_text("All ratings are saved")
    assert scores(stored(site, invitation, 1)) == [4]


def test_an_answer_that_is_lost_on_the_way_back_stores_one_rating(site, page, browser, invitation):
    def lose_the_answer(route):
        route.fetch()
        route.abort()

    browser.route("**/study/rate/**", lose_the_answer, times=1)
    press(page, 3, 4)
    expect_status(page, "1 rating not yet saved - retrying")
    press(page, 4, 5)
    expect_status(page, "All ratings are saved")
    assert scores(stored(site, invitation, 2)) == [4, 5]


def test_another_device_goes_on_where_this_one_stopped(site, page, open_browser, invitation):
    press(page, 3, 4)
    press(page, 4, 5)
    stored(site, invitation, 2)
    elsewhere = arrive(open_browser(profile="two"), site.url, invitation.path)
    see(elsewhere, 5)
    expect(elsewhere.locator("#place")).to_have_text("Image 3 of 9")


def test_another_score_from_a_second_device_is_refused_and_said(site, page, open_browser, invitation):
    elsewhere = arrive(open_browser(profile="two"), site.url, invitation.path)
    see(elsewhere, 3)
    press(page, 3, 4)
    stored(site, invitation, 1)
    press(elsewhere, 3, 2)
    expect_overlay(elsewhere, "Already rated")
    expect(elsewhere.locator("#overlay-text")).to_contain_text("already rated 4")
    elsewhere.keyboard.press("Enter")
    press(elsewhere, 4, 5)
    see(elsewhere, 5)
    assert scores(stored(site, invitation, 2)) == [4, 5]


def test_a_second_window_is_told_that_the_image_was_rated(site, page, browser, invitation):
    second = browser.new_page()
    second.goto(f"{site.url}/study/")
    see(second, 3)
    press(page, 3, 4)
    expect_overlay(second, "Already rated")
    stored(site, invitation, 1)
    second.keyboard.press("Enter")
    press(second, 4, 1)
    expect_overlay(page, "Already rated")
    assert scores(stored(site, invitation, 2)) == [4, 1]


def test_two_windows_offline_store_each_image_once(site, page, browser, invitation):
    second = browser.new_page()
    second.goto(f"{site.url}/study/")
    see(second, 3)
    fetched(page, 5)
    browser.set_offline(True)
    press(page, 3, 4)
    press(page, 4, 5)
    expect_overlay(second, "Already rated")
    browser.set_offline(False)
    second.keyboard.press("Enter")
    press(second, 5, 1)
    see(second, 6)
    assert scores(stored(site, invitation, 3)) == [4, 5, 1]


def test_an_image_that_fails_is_fetched_again_and_never_shown_broken(site, browser, invitation):
    page = browser.pages[0]
    answers = []

    def fail_twice(route):
        answers.append(route.request.url)
        if len(answers) == 1:
            route.abort()
        elif len(answers) == 2:
            whole = route.fetch()
            route.fulfill(response=whole, body=whole.body()[: len(whole.body()) // 2])
        else:
            route.continue_()

    browser.route("**/image/*", fail_twice)
    page.goto(site.url + invitation.path)
    see(page, 3)
    assert answers[0] == answers[1] == answers[2] != answers[3]


def test_where_an_images_file_is_missing_the_rater_pauses_is_told_and_goes_on_when_it_is_back(
    site, browser, invitation
):
    site.backstage("take_image_away", invitation.rater, 4)
    page = arrive(browser, site.url, invitation.path)
    press(page, 3, 5)
    expect_status(page, "This image cannot be shown now. The researchers have been told. Your ratings are kept.")
    page.keyboard.press("1")  # nothing is shown, so nothing is rated
    assert scores(stored(site, invitation, 1)) == [5]
    assert site.backstage("events", invitation.rater).count("image missing") == 1
    site.backstage("bring_image_back", invitation.rater, 4)
    press(page, 4, 2)
    see(page, 5)
    assert scores(stored(site, invitation, 2)) == [5, 2]


def test_a_lost_cookie_is_said_and_the_rating_is_kept_for_the_link(site, page, browser, invitation):
    fetched(page, 5)  # else an image loaded ahead is refused first
    browser.clear_cookies()
    press(page, 3, 4)
    expect_overlay(page, "This cannot go on here")
    expect(page.locator("#overlay-text")).to_contain_text("open your invitation link again")
    page.goto(site.url + invitation.path)
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [4]
