"""Pairs in a real browser: two images at 1:1, both looked at before an answer counts, by keyboard, mouse and touch."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.e2e.rater import (
    arrive,
    expect_overlay,
    expect_status,
    fetched,
    places_of,
    resize,
    screenshot,
    see,
    set_hidden,
    stored,
    two_frames,
)
from tests.e2e.test_pixels import RATIOS, SURROUND

LEFT, NEITHER, RIGHT = -1, 0, 1


def view(page, name):
    page.wait_for_selector(f"#stage[data-view='{name}']")
    two_frames(page)


def looks(site, invitation, number):
    stored(site, invitation, number)
    return site.backstage("looks", invitation.rater)


@pytest.fixture
def invitation(site):
    """A rater who is about to see the first of 6 pairs, both images of which the window holds."""
    return site.backstage("invite_to_pairs")


@pytest.fixture
def page(site, browser, invitation):
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    return page


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_pixel_of_both_files_is_on_the_screen_side_by_side(site, open_browser, ratio):
    invitation = site.backstage("invite_to_pairs", height=120, width=160)
    page = arrive(open_browser(ratio=ratio), site.url, invitation.path)
    assert page.evaluate("devicePixelRatio") == pytest.approx(ratio)
    for position in (1, 2):
        see(page, position)
        view(page, "both")
        left, right = (site.backstage("pixels", invitation.rater, position, right=side) for side in (False, True))
        shown = screenshot(page)
        [(row, start)], [(beside, then)] = places_of(left, shown), places_of(right, shown)
        assert row == beside
        assert then > start + left.shape[1]
        around = shown[row - 1 : row + left.shape[0] + 1, start - 1 : then + right.shape[1] + 1].copy()
        around[1:-1, 1 : 1 + left.shape[1]] = SURROUND
        around[1:-1, -1 - right.shape[1] : -1] = SURROUND
        assert (around == SURROUND).all()
        page.keyboard.press("1")


@pytest.mark.parametrize("ratio", [1, 1.25, 2])
def test_where_the_window_holds_one_alone_each_comes_to_the_same_place_pixel_by_pixel(site, open_browser, ratio):
    invitation = site.backstage("invite_to_pairs", height=240, width=800)
    page = arrive(open_browser(ratio=ratio, size=(int(1300 / ratio), 700)), site.url, invitation.path)
    see(page, 1)
    found = []
    for side in ("left", "right"):
        view(page, side)
        image = site.backstage("pixels", invitation.rater, 1, right=side == "right")
        [place] = places_of(image, screenshot(page))
        found.append(place)
        page.keyboard.press("ArrowUp")
    view(page, "left")
    assert found[0] == found[1]


def test_a_pair_side_by_side_is_answered_with_each_key_and_all_is_stored(site, page, invitation):
    for position, (key, _) in enumerate(
        [("ArrowLeft", LEFT), ("ArrowDown", NEITHER), ("ArrowRight", RIGHT), ("1", LEFT), ("2", NEITHER), ("3", RIGHT)],
        start=1,
    ):
        see(page, position)
        expect(page.locator("#place")).to_have_text(f"Pair {position} of 6")
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    rows = looks(site, invitation, 6)
    assert [row["score"] for row in rows] == [LEFT, NEITHER, RIGHT] * 2
    assert all((row["left_looks"], row["right_looks"], row["side_by_side"]) == (1, 1, True) for row in rows)
    assert all(0 < row["left_ms"] <= row["response_ms"] + 1 for row in rows)


def test_before_both_were_seen_no_answer_counts(site, browser):
    invitation = site.backstage("invite_to_pairs", height=240, width=800)
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    view(page, "left")
    expect(page.locator("#view")).to_have_text("Left image")
    page.keyboard.press("ArrowLeft")
    expect_status(page, "Please look at both images first")
    see(page, 1)
    page.keyboard.press("ArrowUp")
    view(page, "right")
    expect_status(page, "")
    page.keyboard.press("ArrowUp")
    view(page, "left")
    page.keyboard.press("ArrowRight")
    see(page, 2)
    [row] = looks(site, invitation, 1)
    assert (row["score"], row["left_looks"], row["right_looks"], row["side_by_side"]) == (RIGHT, 2, 1, False)


def test_each_must_have_been_seen_for_as_long_as_the_study_asks(site, browser):
    invitation = site.backstage("invite_to_pairs", height=240, width=800, least_view_ms=1500)
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    page.wait_for_timeout(1600)
    page.keyboard.press("ArrowUp")
    view(page, "right")
    page.keyboard.press("1")
    expect_status(page, "Please look at both images first")
    page.wait_for_timeout(1600)
    page.keyboard.press("1")
    see(page, 2)
    [row] = looks(site, invitation, 1)
    assert min(row["left_ms"], row["right_ms"]) >= 1500


def test_the_view_can_be_changed_also_where_both_are_side_by_side(page):
    both = ("both", "Both images")
    for name, told in (both, ("left", "Left image"), ("right", "Right image"), both):
        view(page, name)
        expect(page.locator("#view")).to_have_text(told)
        page.click("#toggle")


def test_buttons_and_the_image_itself_take_the_mouse(site, browser):
    invitation = site.backstage("invite_to_pairs", height=240, width=800)
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    page.click("#stage")
    view(page, "right")
    page.get_by_role("button", name="No difference").click()
    see(page, 2)
    [row] = looks(site, invitation, 1)
    assert row["score"] == NEITHER


def test_a_narrower_window_goes_on_in_one_place(site, page, invitation):
    view(page, "both")
    resize(page, 500, 400)
    resize(page, 320, 500)
    two_frames(page)
    resize(page, 1280, 800)
    see(page, 1)
    page.keyboard.press("1")
    see(page, 2)


def test_a_choice_is_taken_back_and_made_again_with_looks_of_its_own(site, page, invitation):
    page.keyboard.press("ArrowUp")
    view(page, "left")
    page.keyboard.press("1")
    see(page, 2)
    page.keyboard.press("Backspace")
    see(page, 1)
    view(page, "both")
    page.keyboard.press("3")
    see(page, 2)
    page.keyboard.press("2")
    see(page, 3)
    rows = looks(site, invitation, 2)
    assert [(row["score"], row["left_looks"], row["right_looks"]) for row in rows] == [(RIGHT, 1, 1), (NEITHER, 2, 2)]


def test_time_in_which_the_page_is_hidden_is_no_look(site, page, invitation):
    set_hidden(page, True)
    page.wait_for_timeout(700)
    set_hidden(page, False)
    page.keyboard.press("1")
    see(page, 2)
    [row] = looks(site, invitation, 1)
    assert (row["left_looks"], row["right_looks"]) == (2, 2)
    assert row["left_ms"] == pytest.approx(row["response_ms"], abs=200)


def test_without_a_network_the_choices_are_kept_and_sent_later(site, browser, page, invitation):
    fetched(page, 6)
    browser.set_offline(True)
    page.keyboard.press("1")
    see(page, 2)
    page.keyboard.press("3")
    see(page, 3)
    expect(page.locator("#status")).to_contain_text("not yet saved")
    browser.set_offline(False)
    assert [row["score"] for row in looks(site, invitation, 2)] == [LEFT, RIGHT]


def test_after_a_reload_it_goes_on_where_it_was(site, page, invitation):
    page.keyboard.press("1")
    see(page, 2)
    page.reload()
    see(page, 2)
    page.keyboard.press("3")
    see(page, 3)
    assert [row["score"] for row in looks(site, invitation, 2)] == [LEFT, RIGHT]


def test_a_study_without_no_difference_has_two_buttons(site, browser):
    invitation = site.backstage("invite_to_pairs", ties=False)
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    assert page.locator("button[data-score]").count() == 2
    page.keyboard.press("ArrowDown")
    two_frames(page)
    see(page, 1)
    page.keyboard.press("2")
    see(page, 2)
    assert looks(site, invitation, 1)[0]["score"] == RIGHT


def test_the_images_of_a_pair_are_asked_for_in_an_order_that_says_nothing(site, browser):
    invitation = site.backstage("invite_to_pairs", images=8)
    asked = []
    browser.on("request", lambda request: asked.append(request.url) if "/image/" in request.url else None)
    page = arrive(browser, site.url, invitation.path)
    for position in range(1, 25):
        see(page, position)
        page.keyboard.press("1")
    firsts = [url.endswith("/right") for url in asked[::2]]
    assert len(asked) == 48
    assert 0 < np.mean(firsts) < 1


def test_too_small_a_window_for_one_image_pauses(page):
    resize(page, 500, 200)
    expect_overlay(page, "Paused")


def test_regions_of_a_pair_of_3840_x_2160_are_shown_pixel_by_pixel_on_a_laptop(site, open_browser):
    invitation = site.backstage("invite_to_regions", task="pair")
    page = arrive(open_browser(size=(1366, 768)), site.url, invitation.path)
    page.click("#agree:enabled")
    see(page, 1)
    for side in ("left", "right"):
        view(page, side)
        image = site.backstage("pixels", invitation.rater, 1, right=side == "right")
        assert image.shape[:2] == (480, 1280)
        assert len(places_of(image, screenshot(page))) == 1
        page.keyboard.press("ArrowUp")
    page.keyboard.press("1")
    see(page, 2)
    assert looks(site, invitation, 1)[0]["score"] == LEFT


def test_a_walk_by_touch_alone_in_german(site, playwright, chromium):
    words = {"de": {"title": "Bildpaare"}}
    invitation = site.backstage("invite_to_pairs", height=300, width=360, languages=["de"], words=words)
    phone = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
    page = phone.new_context(has_touch=True, viewport={"width": 390, "height": 844}, locale="de-DE").new_page()
    page.goto(site.url + invitation.path)
    for position in range(1, 7):
        see(page, position)
        expect(page.locator("#place")).to_have_text(f"Paar {position} von 6")
        expect(page.locator("#view")).to_have_text("Linkes Bild")
        page.get_by_role("button", name="Rechts").tap()
        expect_status(page, "Bitte sehen Sie zuerst beide Bilder an")
        page.locator("#stage" if position % 2 else "#toggle").tap()
        expect(page.locator("#view")).to_have_text("Rechtes Bild")
        page.get_by_role("button", name="Kein Unterschied").tap()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    rows = looks(site, invitation, 6)
    assert {(row["score"], row["left_looks"], row["right_looks"]) for row in rows} == {(NEITHER, 1, 1)}
    phone.close()
