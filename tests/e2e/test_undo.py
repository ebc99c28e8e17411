"""The last rating is taken back in the browser: by key and button, offline, after a reload, in two windows."""

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
    fetched(page, 5)
    return page


def undo_button(page):
    return page.get_by_role("button", name="Undo last rating")


def test_backspace_and_the_button_bring_the_image_back_and_the_new_rating_is_stored(site, page, invitation):
    expect(undo_button(page)).to_be_disabled()
    press(page, 3, 2)
    see(page, 4)
    page.keyboard.press("Backspace")
    see(page, 3)
    expect(page.locator("#place")).to_have_text("Image 1 of 9")
    expect(undo_button(page)).to_be_disabled()
    press(page, 3, 5)
    press(page, 4, 1)
    see(page, 5)
    undo_button(page).click()
    see(page, 4)
    page.keyboard.press("Backspace")
    press(page, 4, 4)
    see(page, 5)
    expect_status(page, "")
    page.reload()
    see(page, 5)
    assert scores(stored(site, invitation, 2)) == [5, 4]


def test_offline_it_is_taken_back_at_once_and_sent_later(site, page, browser, invitation):
    browser.set_offline(True)
    press(page, 3, 2)
    press(page, 4, 3)
    see(page, 5)
    page.keyboard.press("Backspace")
    press(page, 4, 5)
    press(page, 5, 1)
    assert site.backstage("ratings", invitation.rater) == []
    browser.set_offline(False)
    assert scores(stored(site, invitation, 3)) == [2, 5, 1]
    expect_status(page, "All ratings are saved")


def test_what_is_taken_back_and_unsent_survives_a_reload(site, page, browser, invitation):
    press(page, 3, 2)
    stored(site, invitation, 1)
    browser.route("**/study/undo/**", lambda route: route.abort())
    page.keyboard.press("Backspace")
    see(page, 3)
    page.reload()
    expect_status(page, "1 rating not yet saved - retrying")
    expect(page.locator("#place")).to_have_text("Image 1 of 9")
    browser.unroute("**/study/undo/**")
    press(page, 3, 4)
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [4]


def test_an_answer_that_is_lost_on_the_way_back_takes_one_rating_back(site, page, browser, invitation):
    def lose_the_answer(route):
        route.fetch()
        route.abort()

    press(page, 3, 2)
    press(page, 4, 3)
    see(page, 5)
    browser.route("**/study/undo/**", lose_the_answer, times=1)
    page.keyboard.press("Backspace")
    press(page, 4, 5)
    press(page, 5, 1)
    see(page, 6)
    assert scores(stored(site, invitation, 3)) == [2, 5, 1]


def test_in_a_second_window_the_rating_that_stands_is_said(site, page, browser, invitation):
    press(page, 3, 2)
    see(page, 4)
    stored(site, invitation, 1)
    second = browser.new_page()
    second.goto(f"{site.url}/study/")
    press(second, 4, 3)
    stored(site, invitation, 2)
    page.keyboard.press("Enter")
    see(page, 5)
    second.keyboard.press("Backspace")
    see(second, 4)
    press(page, 5, 1)
    press(second, 4, 5)
    assert scores(stored(site, invitation, 3)) == [2, 5, 1]
    press(second, 5, 4)
    expect_overlay(second, "Already rated")
    assert scores(stored(site, invitation, 3)) == [2, 5, 1]


def test_a_device_whose_rating_was_taken_back_on_another_says_so_and_shows_the_image_again(
    site, page, browser, open_browser, invitation
):
    browser.set_offline(True)
    press(page, 3, 2)
    see(page, 4)
    other = arrive(open_browser(profile="other"), site.url, invitation.path)
    press(other, 3, 4)
    stored(site, invitation, 1)
    with other.expect_response("**/study/undo/**"):
        other.keyboard.press("Backspace")
    browser.set_offline(False)
    expect_overlay(page, "Taken back")
    page.get_by_role("button", name="Go on").click()
    press(page, 3, 5)
    assert scores(stored(site, invitation, 1)) == [5]


def test_after_the_last_image_there_is_no_way_back(site, page, invitation):
    for position in range(3, 12):
        press(page, position, 3)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert len(stored(site, invitation, 9)) == 9
