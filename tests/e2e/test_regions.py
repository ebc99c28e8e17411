"""3840 x 2160 images on a laptop's screen: raters see one region, pixel by pixel; before it, if wanted, the whole."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.e2e.rater import arrive, places_of, screenshot, see, stored
from tests.e2e.test_pixels import assert_alone_on_grey

LAPTOP = (1366, 768)
ORIENTATION_MS = 8000


@pytest.mark.parametrize("ratio", [1, 1.25, 2])
def test_every_pixel_of_the_region_is_on_a_laptops_screen(site, open_browser, ratio):
    invitation = site.backstage("invite_to_regions")
    page = arrive(open_browser(ratio=ratio, size=LAPTOP), site.url, invitation.path)
    page.click("#agree:enabled")
    for position in (1, 2, 3):
        see(page, position)
        region = site.backstage("pixels", invitation.rater, position)
        assert region.shape == (480, 1280, 3)
        shown = screenshot(page)
        places = places_of(region, shown)
        assert len(places) == 1, f"the region is not on the screen of {shown.shape[1]} x {shown.shape[0]} pixels"
        assert_alone_on_grey(shown, region, places[0])
        page.keyboard.press("3")
    assert [row["device_pixel_ratio"] for row in stored(site, invitation, 3)] == pytest.approx([ratio] * 3)


@pytest.mark.parametrize("ratio", [1, 1.25])
def test_the_whole_image_comes_before_small_with_a_frame_and_cannot_be_rated(site, open_browser, ratio):
    invitation = site.backstage("invite_to_regions", orientation_ms=ORIENTATION_MS)
    page = arrive(open_browser(ratio=ratio, size=LAPTOP), site.url, invitation.path)
    expect(page.locator("body")).to_contain_text("Before it the whole image appears for a moment, made smaller")
    page.click("#agree:enabled")
    page.wait_for_selector("#stage[data-whole='1']")
    page.keyboard.press("3")
    shown = screenshot(page)
    expect(page.locator("#status")).to_contain_text("made smaller")
    stage = page.locator("#stage").bounding_box()
    shown = shown[: int((stage["y"] + stage["height"]) * ratio)]
    assert_whole(shown, site.backstage("whole_pixels", invitation.rater, 1))
    see(page, 1)
    expect(page.locator("#status")).to_have_text("")
    assert len(places_of(site.backstage("pixels", invitation.rater, 1), screenshot(page))) == 1
    page.keyboard.press("4")
    assert [row["score"] for row in stored(site, invitation, 1)] == [4]
    (row,) = site.backstage("pace_of", invitation.rater, number=1)
    assert row["response_ms"] + row["waited_ms"] < ORIENTATION_MS, "the whole image's time is neither"


def test_a_frame_is_dragged_clicked_and_written_and_saved_where_it_was_left(site, open_browser):
    name = site.backstage("draft_of_regions")
    browser = open_browser(ratio=1.25, size=LAPTOP)
    browser.add_cookies([{"name": "sessionid", "value": site.backstage("staff_session"), "url": site.url}])
    page = browser.pages[0]
    page.goto(f"{site.url}/studies/{name}/regions/")
    frame, left, top = page.locator("rect.edge"), *page.locator(".region-numbers input").all()
    expect(frame).to_be_hidden()
    page.locator(".region-map").scroll_into_view_if_needed()
    area = page.locator(".region-map").bounding_box()
    a_pixel = area["width"] / 3840

    def numbers() -> tuple[int, int]:
        return int(left.input_value()), int(top.input_value())

    page.mouse.click(area["x"] + 1920 * a_pixel, area["y"] + 1080 * a_pixel)
    assert numbers() == pytest.approx((1920 - 640, 1080 - 240), abs=1 / a_pixel), "its middle is where the click was"
    before = numbers()
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 45, box["y"] + 25, steps=5)
    page.mouse.up()
    dragged = numbers()
    assert dragged == pytest.approx((before[0] + 40 / a_pixel, before[1] + 20 / a_pixel), abs=2 / a_pixel)
    page.mouse.move(box["x"] + 45, box["y"] + 25)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] + 300, area["y"] + area["height"] + 300, steps=5)
    page.mouse.up()
    assert numbers() == (3840 - 1280, 2160 - 480), "it stays on the image"
    left.fill("1203")
    assert float(frame.get_attribute("x")) == 1203
    page.get_by_role("button", name="Save the regions").click()
    expect(page.get_by_text("1 region set by hand.")).to_be_visible()
    assert site.backstage("region_places", name) == [(1203, 1680)]


def assert_whole(shown: np.ndarray, low: np.ndarray) -> None:
    """The low-resolution image is on the screen, no larger than it is, with a white frame at its region."""
    grey = (shown == 128).all(axis=-1)
    rows, columns = (np.flatnonzero(~grey.all(axis=axis)) for axis in (1, 0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert width <= low.shape[1]
    assert width / height == pytest.approx(low.shape[1] / low.shape[0], rel=0.02)
    left, top = columns[0] + 1203 / 3840 * width, rows[0] + 877 / 2160 * height
    frame = shown[round(top) : round(top + 480 / 2160 * height), round(left)]
    assert (frame == 255).all(axis=-1).mean() > 0.9
