"""A pace that guards against slips: what comes too early does not count, and grey lies between two images."""

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import (
    advance_clocks,
    arrive,
    expect_overlay,
    places_of,
    scores,
    screenshot,
    see,
    stored,
    two_frames,
)

# When each image was painted, by the page's clock; the answers go through the real keyboard.
WATCH = """() => {
  window.painted = {};
  const stage = document.getElementById("stage");
  new MutationObserver(() => {
    const position = stage.dataset.painted;
    if (position && !(position in window.painted)) window.painted[position] = performance.now();
  }).observe(stage, { attributes: true, attributeFilter: ["data-painted"] });
  window.addEventListener("keydown", () => { window.pressed = performance.now(); }, true);
}"""


@pytest.fixture
def start(site, browser):
    def begin(**protocol):
        invitation = site.backstage("invite_to_new_study", **protocol)
        return invitation, arrive(browser, site.url, invitation.path)

    return begin


def test_a_key_that_chatters_gives_one_rating_and_none_for_the_image_that_came_up_under_it(site, start):
    invitation, page = start(least_view_ms=60_000 // 6)
    see(page, 3)
    advance_clocks(page, 1)
    # A contact that bounces: two presses with a release between them, in one turn of the page's loop.
    page.evaluate("""() => {
      for (const kind of ["keydown", "keyup", "keydown", "keyup"]) {
        window.dispatchEvent(new KeyboardEvent(kind, { code: "Digit4", key: "4" }));
      }
    }""")
    see(page, 4)
    page.keyboard.press("2")  # long before ten seconds
    expect(page.locator("#place")).to_have_text("Image 2 of 6")
    assert scores(stored(site, invitation, 1)) == [4]
    advance_clocks(page, 1)
    page.keyboard.press("1")
    see(page, 5)
    assert scores(stored(site, invitation, 2)) == [4, 1]


def test_grey_lies_between_two_images_for_as_long_as_the_study_says(site, start):
    invitation, page = start(gap_ms=700)
    see(page, 3)
    page.evaluate(WATCH)
    page.keyboard.press("3")
    see(page, 4)
    between = page.evaluate("window.painted[4] - window.pressed")
    assert 700 <= between < 3000
    page.keyboard.press("5")
    see(page, 5)
    rows = site.backstage("pace_of", invitation.rater)
    # The image was there, loaded ahead: the grey is no waiting for the network.
    assert all(row["waited_ms"] < 500 for row in rows)
    assert all(row["response_ms"] < between for row in rows[1:])


def test_between_two_images_the_screen_is_mid_grey(site, start):
    """Neither the image that was rated nor the next one, which is loaded already."""
    invitation, page = start(gap_ms=10_000)
    see(page, 3)
    image = site.backstage("pixels", invitation.rater, 3)
    ((row, _),) = places_of(image, screenshot(page))
    page.keyboard.press("3")
    stored(site, invitation, 1)
    two_frames(page)
    between = screenshot(page)
    assert page.locator("#stage").get_attribute("data-painted") is None
    assert (between[: row + image.shape[0]] == 128).all()


def test_what_the_network_takes_is_stored_apart_from_the_grey(site, browser):
    invitation = site.backstage("invite_to_new_study", gap_ms=100)
    page = browser.pages[0]
    held, released = [], []
    page.route("**/image/*", lambda route: route.continue_() if released else held.append(route))
    page.goto(site.url + invitation.path)
    expect(page.locator("#status")).to_have_text("Loading the image")
    page.evaluate("() => new Promise((done) => setTimeout(done, 400))")
    released.append(True)
    held[0].continue_()
    see(page, 3)
    page.keyboard.press("3")
    (row,) = site.backstage("pace_of", invitation.rater, number=1)
    assert row["waited_ms"] >= 400


def test_a_page_says_when_it_counts_and_its_button_is_elsewhere(site, start):
    invitation, page = start(announce_start=True, calibrated=False)
    page.locator("#agree").click()
    see(page, 1)
    page.locator("#next").click()
    see(page, 2)
    expect(page.locator("#next")).to_have_text("Go on")
    where = page.locator("#next").bounding_box()
    # Eight clicks on the same spot, as of somebody in a hurry.
    for _ in range(8):
        page.mouse.click(where["x"] + where["width"] / 2, where["y"] + where["height"] / 2)
    expect_overlay(page, "Now it counts")
    assert site.backstage("scores", invitation.rater) == []
    page.get_by_role("button", name="Start rating").click()
    see(page, 3)
    page.keyboard.press("4")
    see(page, 4)
    page.reload()
    see(page, 4)
    expect(page.locator("#overlay")).to_be_hidden()
    assert scores(stored(site, invitation, 1)) == [4]
