"""The original of a pair in its place, by a key, mouse and touch: each pixel, never one of the two, looks stored."""

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import arrive, fetched, places_of, screenshot, see, two_frames
from tests.e2e.test_languages import expect_nothing_wider_than_the_window
from tests.e2e.test_pairs import looks, view

ASKED = {"original_on_key": True, "methods": ["nearest", "bicubic"], "images": 4}


def begin(site, browser, **asked):
    invitation = site.backstage("invite_to_pairs", **ASKED | asked)
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    return invitation, page


@pytest.mark.parametrize("ratio", [1, 1.25, 2])
def test_a_key_shows_each_of_its_pixels_and_again_the_two(site, open_browser, ratio, tmp_path):
    invitation, page = begin(site, open_browser(ratio=ratio), height=120, width=160)
    original = site.backstage("pixels", invitation.rater, 1, original=True)
    left, right = (site.backstage("pixels", invitation.rater, 1, right=side) for side in (False, True))
    page.context.set_offline(True)  # it was there before the pair was
    page.keyboard.press("r")
    view(page, "original")
    shown = screenshot(page)
    page.screenshot(path=tmp_path / "original.png")
    assert len(places_of(original, shown)) == 1
    assert places_of(left, shown) == places_of(right, shown) == []
    expect(page.locator("#view")).to_have_text("The original")
    expect(page.locator("#original")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".seen-now")).to_have_count(0)
    page.keyboard.press("r")
    view(page, "both")
    shown = screenshot(page)
    assert places_of(original, shown) == []
    assert len(places_of(left, shown)) == len(places_of(right, shown)) == 1
    expect(page.locator("#original")).to_have_attribute("aria-pressed", "false")


def test_what_is_looked_at_is_stored_undone_kept_offline_and_after_a_reload(site, browser):
    invitation, page = begin(site, browser, images=5)
    page.keyboard.press("1")  # without a look at it
    see(page, 2)
    page.keyboard.press("R")
    view(page, "original")
    page.wait_for_timeout(300)
    page.keyboard.press("ArrowUp")  # leads back
    view(page, "both")
    page.click("#original")
    view(page, "original")
    page.keyboard.press("3")
    see(page, 3)
    view(page, "both")
    page.keyboard.press("Backspace")
    see(page, 2)
    page.keyboard.press("r")
    view(page, "original")
    fetched(page, 4 * 3)
    browser.set_offline(True)
    page.keyboard.press("2")
    see(page, 3)
    page.keyboard.press("r")
    view(page, "original")
    page.keyboard.press("r")
    page.keyboard.press("1")
    see(page, 4)
    browser.set_offline(False)
    looks(site, invitation, 3)
    page.reload()
    see(page, 4)
    page.keyboard.press("r")
    view(page, "original")
    page.keyboard.press("1")
    see(page, 5)
    rows = looks(site, invitation, 4)
    assert [row["original_looks"] for row in rows] == [0, 1, 1, 1]
    assert [row["score"] for row in rows] == [-1, 0, -1, -1]
    assert rows[0]["original_ms"] == 0
    assert all(row["original_ms"] > 0 for row in rows[1:])
    assert all(row["left_ms"] + row["original_ms"] <= row["response_ms"] + 50 for row in rows)


def test_it_is_no_look_at_one_of_the_two_and_leads_back_to_the_image_before_it(site, browser):
    _, page = begin(site, browser, height=240, width=800)
    view(page, "left")
    page.keyboard.press("r")
    view(page, "original")
    page.keyboard.press("1")
    expect(page.locator("#status")).to_have_text("Please look at both images first")
    page.keyboard.press("r")
    view(page, "left")
    page.keyboard.press("ArrowUp")
    view(page, "right")
    page.keyboard.press("r")
    page.keyboard.press("r")
    view(page, "right")
    page.keyboard.press("1")
    see(page, 2)


@pytest.mark.parametrize("task", ["pair", "comparison"])
def test_by_touch_on_a_phone_in_german(site, playwright, chromium, tmp_path, task):
    asked = {"task": task, "height": 300, "width": 360, "languages": ["de"], "words": {"de": {"title": "Bildpaare"}}}
    invitation = site.backstage("invite_to_pairs", **ASKED | asked)
    phone = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
    page = phone.new_context(has_touch=True, viewport={"width": 390, "height": 844}, locale="de-DE").new_page()
    page.goto(site.url + invitation.path)
    see(page, 1)
    page.get_by_role("button", name="Das Original").tap()
    view(page, "original")
    expect(page.locator("#view")).to_have_text("Das Original")
    expect_nothing_wider_than_the_window(page)
    page.screenshot(path=tmp_path / "phone.png")
    assert len(places_of(site.backstage("pixels", invitation.rater, 1, original=True), screenshot(page))) == 1
    page.get_by_role("button", name="Das Original").tap()
    view(page, "left")
    page.locator("#toggle").tap()
    view(page, "right")
    page.locator(".scores button").first.tap()
    see(page, 2)
    assert looks(site, invitation, 1)[0]["original_looks"] == 1
    phone.close()


def test_regions_of_3840_x_2160_have_that_of_the_original(site, open_browser):
    asked = {name: ASKED[name] for name in ("original_on_key", "methods")}
    invitation = site.backstage("invite_to_regions", task="comparison", **asked)
    page = arrive(open_browser(size=(1366, 768)), site.url, invitation.path)
    page.click("#agree:enabled")
    see(page, 1)
    page.keyboard.press("r")
    view(page, "original")
    image = site.backstage("pixels", invitation.rater, 1, original=True)
    assert image.shape[:2] == (480, 1280)
    assert len(places_of(image, screenshot(page))) == 1


def test_where_the_study_has_it_not_the_key_does_nothing(site, browser):
    invitation = site.backstage("invite_to_pairs")
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    page.keyboard.press("r")
    two_frames(page)
    view(page, "both")
    expect(page.locator("#original")).to_have_count(0)
    page.keyboard.press("1")
    see(page, 2)
    assert looks(site, invitation, 1)[0]["original_looks"] is None
