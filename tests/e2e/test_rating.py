"""A rater's session in a real browser, as it is meant to go."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import (
    advance_clocks,
    arrive,
    expect_overlay,
    press,
    resize,
    scores,
    see,
    set_hidden,
    stored,
    two_frames,
)


@pytest.fixture
def invitation(site):
    """A rater who is about to rate the first of 6 images, at positions 3 to 8."""
    return site.backstage("invite_to_new_study")


@pytest.fixture
def page(site, browser, invitation):
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    return page


def test_a_whole_session_by_keyboard_alone(site, browser):
    invitation = site.backstage("invite_to_new_study", calibrated=False)
    faults = []
    browser.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    browser.on("weberror", lambda error: faults.append(str(error.error)))
    page = arrive(browser, site.url, invitation.path)
    assert page.url == f"{site.url}/study/"
    expect(page.locator("#agree")).to_be_enabled()
    while page.evaluate("document.activeElement.id") != "agree":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    see(page, 1)
    expect(page.locator("#status")).to_have_text("This is 1 - Bad")
    page.keyboard.press("Enter")
    see(page, 2)
    expect(page.locator("#status")).to_have_text("This is 5 - Excellent")
    page.keyboard.press("Enter")
    for position, score in zip(range(3, 9), [5, 1, 4, 2, 3, 5], strict=True):
        see(page, position)
        expect(page.locator("#place")).to_have_text(f"Image {position - 2} of 6")
        page.keyboard.press(str(score))
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert scores(stored(site, invitation, 6)) == [5, 1, 4, 2, 3, 5]
    assert site.backstage("finished", invitation.rater)
    assert faults == []


def test_the_focus_can_be_seen_and_enter_rates(site, page, invitation):
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.dataset.score") != "4":
        page.keyboard.press("Tab")
    style = (
        "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
    )
    assert page.evaluate(style) == "solid3px"
    page.keyboard.press("Enter")
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [4]


def test_the_number_pad_rates(site, page, invitation):
    page.keyboard.press("Numpad2")
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [2]


@pytest.mark.parametrize(("name", "score"), [("Bad", 1), ("Poor", 2), ("Fair", 3), ("Good", 4), ("Excellent", 5)])
def test_each_button_is_labelled_and_rates(site, page, invitation, name, score):
    page.get_by_role("button", name=re.compile(rf"{score}\s+{name}")).click()
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [score]


def test_other_keys_and_shortcuts_do_not_rate(page):
    for key in ("0", "6", "a", "Control+1", "Alt+2", "Space"):
        page.keyboard.press(key)
    two_frames(page)
    see(page, 3)


def test_a_held_key_rates_once(site, page, invitation):
    page.keyboard.down("3")
    see(page, 4)
    for _ in range(30):
        page.keyboard.down("3")
    two_frames(page)
    see(page, 4)
    page.keyboard.up("3")
    page.keyboard.press("5")
    see(page, 5)
    assert scores(stored(site, invitation, 2)) == [3, 5]


def test_a_held_key_rates_once_where_the_system_does_not_mark_repeats(site, page, invitation):
    page.keyboard.down("3")
    see(page, 4)
    for _ in range(30):
        page.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', { code: 'Digit3', key: '3' }))")
    two_frames(page)
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [3]


def test_a_key_whose_release_was_swallowed_by_a_shortcut_still_rates(site, page, invitation):
    """On a Mac, Command+3 reports that 3 goes down and never that it comes up."""
    page.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', { code: 'Digit3', key: '3', metaKey: true }))")
    page.keyboard.press("3")
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [3]


def test_enter_held_on_a_button_rates_once(site, page, invitation):
    page.locator("[data-score='2']").focus()
    for _ in range(30):
        page.keyboard.down("Enter")
    see(page, 4)
    two_frames(page)
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [2]


def test_a_double_click_rates_once(site, page, invitation):
    page.dblclick("[data-score='4']")
    see(page, 4)
    two_frames(page)
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [4]


def test_a_smaller_window_pauses_the_trial_and_a_larger_one_goes_on(site, page, invitation):
    advance_clocks(page, 1)
    resize(page, 500, 250)
    expect_overlay(page, "Paused")
    expect(page.locator("#overlay-text")).to_contain_text("An image of this study is 96 x 68 pixels")
    page.keyboard.press("1")
    assert page.locator("#stage[data-painted]").count() == 0
    advance_clocks(page, 2)
    resize(page, 1280, 800)
    see(page, 3)
    page.keyboard.press("2")
    [row] = stored(site, invitation, 1)
    assert row["score"] == 2
    assert row["hidden_ms"] == pytest.approx(2 * 60_000, abs=15_000)
    assert row["response_ms"] == pytest.approx(1 * 60_000, abs=15_000)


def test_fingers_that_enlarge_the_page_pause_the_trial(page):
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 2})
    expect_overlay(page, "Paused")
    expect(page.locator("#overlay-text")).to_contain_text("zoom out with two fingers")
    session.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 1})
    see(page, 3)


def test_time_with_the_page_hidden_is_kept_apart(site, page, invitation):
    set_hidden(page, True)
    advance_clocks(page, 5)
    page.keyboard.press("1")
    set_hidden(page, False)
    page.keyboard.press("4")
    [row] = stored(site, invitation, 1)
    assert row["score"] == 4
    assert row["hidden_ms"] == pytest.approx(5 * 60_000, abs=15_000)
    assert 0 < row["response_ms"] < 15_000


def test_a_pause_is_offered_after_the_minutes_of_the_study(site, browser):
    invitation = site.backstage("invite_to_new_study", pause_minutes=20)
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    advance_clocks(page, 12)
    press(page, 3, 3)
    see(page, 4)
    advance_clocks(page, 9)
    page.keyboard.press("3")
    expect_overlay(page, "Pause")
    expect(page.locator("#overlay-text")).to_contain_text("You have been rating for 21 minutes")
    assert page.locator("#stage[data-painted]").count() == 0
    page.keyboard.press("Enter")
    press(page, 5, 2)
    see(page, 6)
    rows = stored(site, invitation, 3)
    assert scores(rows) == [3, 3, 2]
    assert rows[2]["response_ms"] < 15_000


def test_a_rater_may_pause_and_finds_the_same_image(page):
    page.click("#pause")
    expect_overlay(page, "Pause")
    page.keyboard.press("3")
    page.click("#overlay-button")
    see(page, 3)


def test_the_instructions_come_again_after_a_long_absence(site, page, invitation):
    press(page, 3, 3)
    see(page, 4)
    stored(site, invitation, 1)
    advance_clocks(page, 61)
    site.backstage("stay_away", invitation.rater, minutes=61)
    page.keyboard.press("1")
    expect(page.get_by_text("Welcome back")).to_be_visible()
    expect(page.get_by_text("the examples follow")).to_be_visible()
    page.click("#agree:enabled")
    see(page, 1)
    page.click("#next")
    see(page, 2)
    expect(page.locator("#next")).to_have_text("Go on rating")
    page.click("#next")
    press(page, 4, 5)
    see(page, 5)
    assert scores(stored(site, invitation, 2)) == [3, 5]


def test_a_window_that_is_too_small_cannot_start(site, open_browser):
    invitation = site.backstage("invite_to_new_study", height=320, width=640, calibrated=False)
    page = arrive(open_browser(size=(600, 500)), site.url, invitation.path)
    expect(page.locator("#fit")).to_contain_text("An image of this study is 640 x 324 pixels")
    expect(page.locator("#agree")).to_be_disabled()
    resize(page, 1000, 700)
    expect(page.locator("#agree")).to_be_enabled()
    expect(page.locator("#fit")).to_be_hidden()


def test_a_rater_withdraws_after_a_confirmation(site, page, invitation):
    press(page, 3, 3)
    see(page, 4)
    stored(site, invitation, 1)
    page.click("#pause")
    page.click("#overlay-withdraw")
    expect(page.get_by_text("Your 1 rating will be erased")).to_be_visible()
    page.get_by_role("button", name="Withdraw and erase my ratings").click()
    expect(page.get_by_role("heading")).to_have_text("You have withdrawn")
    assert site.backstage("ratings", invitation.rater) == []


def test_a_study_closed_under_way_says_so(site, page, invitation):
    site.backstage("close_study", invitation.rater)
    page.keyboard.press("3")
    expect_overlay(page, "This cannot go on here")
    expect(page.locator("#overlay-text")).to_contain_text("not open for ratings now")
    expect(page.locator("#overlay-text")).to_contain_text("1 rating could not be saved yet; this browser keeps")


def test_without_javascript_the_site_says_what_it_needs(site, open_browser, tmp_path):
    # The setting that a user makes; the driver's own switch stops scripts but not what stands in for them.
    preferences = tmp_path / "scriptless" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text(json.dumps({"profile": {"default_content_setting_values": {"javascript": 2}}}))
    invitation = site.backstage("invite_to_new_study", calibrated=False)
    page = open_browser(profile="scriptless").pages[0]
    page.goto(site.url + invitation.path)
    said = page.locator("noscript p")
    expect(said).to_be_visible()
    expect(said).to_contain_text("This study needs JavaScript", use_inner_text=True)
    expect(page.locator("#agree")).to_be_disabled()
