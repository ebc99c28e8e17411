"""One pixel of the image on one pixel of the screen, proved on screenshots in device pixels."""

import numpy as np
import pytest

from tests.e2e.rater import arrive, places_of, screenshot, see, set_zoom, stored, two_frames

RATIOS = [1, 1.1, 1.25, 1.5, 1.75, 2]
SURROUND = np.array([128, 128, 128], np.uint8)


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_pixel_of_the_file_is_on_the_screen(site, open_browser, ratio):
    invitation = site.backstage("invite_to_new_study", images=2, height=240, width=320)
    page = arrive(open_browser(ratio=ratio), site.url, invitation.path)
    assert page.evaluate("devicePixelRatio") == pytest.approx(ratio)
    for position in (3, 4, 5):
        see(page, position)
        image = site.backstage("pixels", invitation.rater, position)
        shown = screenshot(page)
        places = places_of(image, shown)
        assert len(places) == 1, f"the image is not on the screen of {shown.shape[1]} x {shown.shape[0]} pixels"
        assert_alone_on_grey(shown, image, places[0])
        page.keyboard.press("3")
    rows = stored(site, invitation, 3)
    assert [row["device_pixel_ratio"] for row in rows] == pytest.approx([ratio] * 3)


def assert_alone_on_grey(shown, image, place):
    (row, column), (height, width) = place, image.shape[:2]
    around = shown[row - 1 : row + height + 1, column - 1 : column + width + 1].copy()
    around[1:-1, 1:-1] = SURROUND
    assert (around == SURROUND).all()
    assert (shown[:row] == SURROUND).all()


@pytest.mark.parametrize("ratio", [1, 1.5])
def test_the_examples_are_shown_as_exactly(site, open_browser, ratio):
    invitation = site.backstage("invite_to_new_study", height=240, width=320, calibrated=False)
    page = arrive(open_browser(ratio=ratio), site.url, invitation.path)
    page.click("#agree:enabled")
    for position in (1, 2):
        see(page, position)
        image = site.backstage("pixels", invitation.rater, position)
        assert len(places_of(image, screenshot(page))) == 1
        page.keyboard.press("ArrowRight")


def test_the_search_for_an_image_would_miss_one_wrong_pixel():
    image = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    screen = np.full((100, 120, 3), 128, np.uint8)
    screen[10:34, 20:52] = image
    assert places_of(image, screen) == [(10, 20)]
    screen[20, 30, 1] ^= 1
    assert places_of(image, screen) == []


@pytest.mark.parametrize("ratio", [1, 1.25])
def test_the_image_stays_exact_when_the_browsers_zoom_is_changed(site, open_browser, ratio):
    invitation = site.backstage("invite_to_new_study", height=240, width=320)
    browser = open_browser(ratio=ratio, zoomable=True)
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    image = site.backstage("pixels", invitation.rater, 3)
    for zoom in (1.1, 0.9, 1.5, 0.67, 1):
        set_zoom(browser, zoom)
        page.wait_for_function("ratio => Math.abs(devicePixelRatio - ratio) < 1e-5", arg=ratio * zoom)
        two_frames(page)
        shown = screenshot(page)
        places = places_of(image, shown)
        assert len(places) == 1, f"at zoom {zoom} the image is not on the screen"
        assert_alone_on_grey(shown, image, places[0])
