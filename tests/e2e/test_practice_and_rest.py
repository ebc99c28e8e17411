"""Practice with feedback, a rest that ends by itself, and a window that is too small, in a real browser."""

import pytest
from playwright.sync_api import expect

from studies.protocol import answers
from tests.e2e.rater import (
    advance_clocks,
    arrive,
    expect_overlay,
    expect_status,
    places_of,
    resize,
    scores,
    screenshot,
    see,
    stored,
    two_frames,
)


@pytest.fixture
def start(site, browser):
    def begin(**protocol):
        invitation = site.backstage("invite_to_new_study", **protocol)
        return invitation, arrive(browser, site.url, invitation.path)

    return begin


def practise(page):
    page.locator("#agree").click()
    see(page, 1)
    page.locator("#next").click()
    see(page, 2)
    expect(page.locator("#next")).to_have_text("Go on")
    page.locator("#next").click()


def test_practice_says_what_was_expected_and_nothing_of_it_is_stored(site, start):
    invitation, page = start(calibrated=False, practised=["bicubic 2-3", "hr 5"])
    practise(page)
    see(page, 3)
    assert len(places_of(site.backstage("pixels", invitation.rater, 3), screenshot(page))) == 1
    expect(page.locator("#next")).to_be_disabled()
    page.keyboard.press("4")
    expect_status(page, "You gave 4; expected: 2 to 3")
    expect(page.locator(".expected")).to_have_count(2)
    page.keyboard.press("1")
    expect_status(page, "You gave 4; expected: 2 to 3")
    page.keyboard.press("Enter")
    see(page, 4)
    expect(page.locator(".expected")).to_have_count(0)
    page.locator("button[data-score='5']").click()
    expect_status(page, "You gave 5; expected: 5")
    page.get_by_role("button", name="Go on").click()
    see(page, 5)
    page.keyboard.press("3")
    see(page, 6)
    rows = stored(site, invitation, 1)
    assert (scores(rows), rows[0]["trial__position"]) == ([3], 5)


def test_practice_on_a_line_says_what_was_expected(start):
    _, page = start(calibrated=False, practised=["bicubic 20-40.5"], scale=answers.continuous())
    practise(page)
    see(page, 3)
    page.keyboard.press("7")
    page.keyboard.press("Enter")
    expect_status(page, "You gave 70; expected: 20 to 40.5")
    page.keyboard.press("Enter")
    see(page, 4)


def test_a_rest_counts_down_and_goes_on_by_itself(site, start):
    invitation, page = start(sitting_trials=2, rest_minutes=3)
    for position, score in ((3, "4"), (4, "2")):
        see(page, position)
        page.keyboard.press(score)
    expect_overlay(page, "Time for a rest")
    expect(page.locator("#overlay-text")).to_contain_text("in 2:5")
    expect(page.locator("#overlay-title")).to_be_focused()
    page.reload()
    expect_overlay(page, "Time for a rest")
    page.keyboard.press("5")
    site.backstage("let_time_pass", invitation.rater, minutes=3)
    advance_clocks(page, 3)
    see(page, 5)
    expect(page.locator("#overlay")).to_be_hidden()
    page.keyboard.press("1")
    see(page, 6)
    assert scores(stored(site, invitation, 3)) == [4, 2, 1]


def test_an_image_that_is_being_looked_at_when_the_sitting_ends_is_still_rated(site, start):
    invitation, page = start(sitting_minutes=5, rest_minutes=10)
    see(page, 3)
    site.backstage("let_time_pass", invitation.rater, minutes=6)
    held = []
    page.route("**/study/rate/**", lambda route: held.append(route))
    page.keyboard.press("4")
    see(page, 4)  # loaded ahead, and seen before the answer that says that it is time for a rest
    while not held:
        two_frames(page)
    with page.expect_response("**/study/rate/**"):
        held[0].continue_()
    page.unroute("**/study/rate/**")
    expect(page.locator("#overlay")).to_be_hidden()
    page.keyboard.press("2")
    expect_overlay(page, "Time for a rest")
    assert scores(stored(site, invitation, 2)) == [4, 2]


def test_the_next_image_is_not_shown_if_the_sitting_ends_in_the_grey_before_it(site, start):
    invitation, page = start(sitting_minutes=5, rest_minutes=10, gap_ms=9000)
    see(page, 3)
    site.backstage("let_time_pass", invitation.rater, minutes=6)
    page.keyboard.press("4")
    expect_overlay(page, "Time for a rest")
    assert page.locator("#stage").get_attribute("data-painted") is None
    assert scores(stored(site, invitation, 1)) == [4]


def test_a_small_window_is_told_a_real_images_size_is_offered_the_full_screen_and_enter_does_not_withdraw(start):
    _, page = start(height=320, width=640)
    see(page, 3)
    resize(page, 600, 500)
    expect_overlay(page, "Paused")
    expect(page.locator("#overlay-text")).to_contain_text("An image of this study is 640 x 324 pixels")
    expect(page.locator("#overlay-withdraw")).not_to_be_focused()
    expect(page.get_by_role("button", name="Full screen")).to_be_focused()
    page.keyboard.press("Enter")
    # Without a screen the window does not grow by it.
    page.wait_for_function("document.fullscreenElement !== null")
    resize(page, 1280, 800)
    see(page, 3)
    expect(page.locator("#overlay")).to_be_hidden()


def test_on_a_screen_that_is_too_small_enter_does_not_withdraw(start):
    _, page = start(height=3000, width=640)
    expect_overlay(page, "Paused")
    expect(page.locator("#overlay-text")).to_contain_text("An image of this study is 640 x 3004 pixels")
    expect(page.locator("#overlay-title")).to_be_focused()
    page.keyboard.press("Enter")
    two_frames(page)
    assert page.url.endswith("/study/")
    expect(page.locator("#overlay")).to_be_visible()


def test_what_the_canvas_has_and_what_the_page_gives_it_reaches_the_server(site, start):
    invitation, page = start()
    see(page, 3)
    page.keyboard.press("4")
    stored(site, invitation, 1)
    facts = site.backstage("canvas_of", invitation.rater)
    ratio = page.evaluate("devicePixelRatio")
    assert facts["canvas_width"] == pytest.approx(facts["canvas_css_width"] * ratio, abs=1)
    assert facts["canvas_height"] == pytest.approx(facts["canvas_css_height"] * ratio, abs=1)
    assert facts["canvas_css_width"] == page.evaluate("innerWidth")
