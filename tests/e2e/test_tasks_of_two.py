"""Comparisons, and images beside their original, in real browsers; and pairs where pages run from right to left."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e import firefox
from tests.e2e.rater import arrive, expect_status, fetched, places_of, screenshot, see, two_frames
from tests.e2e.test_firefox import pixels
from tests.e2e.test_languages import every_text_in_arabic, expect_nothing_wider_than_the_window, said
from tests.e2e.test_pairs import looks, view

COMPARISON, DEGRADATION = "comparison", "degradation"
ARABIC = {
    "languages": ["ar"],
    "title": "أزواج الصور",
    "instructions": "سترى أزواجًا من الصور. قل أي الصورتين أفضل.",
}
SIDES = ["يسار", "لا فرق", "يمين"]
SEVEN = ["أسوأ بكثير", "أسوأ", "أسوأ قليلا", "متماثلان", "أفضل قليلا", "أفضل", "أفضل بكثير"]
FIVE = ["مزعج جدا", "مزعج", "مزعج قليلا", "ملحوظ غير مزعج", "غير ملحوظ"]


@pytest.fixture
def picture(tmp_path):
    def take(page, name):
        page.screenshot(path=tmp_path / f"{name}.png")

    return take


def test_a_comparison_is_answered_by_digits_arrows_mouse_and_undone(site, browser, picture):
    invitation = site.backstage("invite_to_pairs", task=COMPARISON, images=3)
    page = arrive(browser, site.url, invitation.path)
    for position, (key, _) in enumerate([("1", -3), ("4", 0), ("7", 3)], start=1):
        see(page, position)
        page.keyboard.press(key)
    see(page, 4)
    picture(page, "comparison")
    expect(page.locator(".asked")).to_have_text("Beside the left image, the right one is:")
    expect(page.locator("#place")).to_have_text("Pair 4 of 9")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("button[data-score='-2']")).to_be_focused()
    page.keyboard.press("Enter")
    see(page, 5)
    expect(page.locator("#heard")).to_have_text("Pair 4: rated")
    page.get_by_role("button", name="Slightly better").click()
    see(page, 6)
    page.get_by_role("button", name="Undo last rating").click()
    see(page, 5)
    page.keyboard.press("5")
    see(page, 6)
    page.keyboard.press("8")  # no such answer
    two_frames(page)
    see(page, 6)
    rows = looks(site, invitation, 5)
    assert [row["score"] for row in rows] == [-3, 0, 3, -2, 1]
    assert all(row["left_looks"] and row["right_looks"] and row["left_ms"] > 0 for row in rows)


def test_a_comparison_in_one_place_counts_once_both_were_seen_also_offline(site, browser):
    invitation = site.backstage("invite_to_pairs", task=COMPARISON, height=240, width=800)
    page = arrive(browser, site.url, invitation.path)
    see(page, 1)
    page.keyboard.press("6")
    expect_status(page, "Please look at both images first")
    page.keyboard.press("ArrowUp")
    view(page, "right")
    fetched(page, 2 * 2)
    browser.set_offline(True)
    page.keyboard.press("6")
    see(page, 2)
    expect(page.locator("#status")).to_contain_text("1 rating not yet saved")
    browser.set_offline(False)
    [row] = looks(site, invitation, 1)
    assert (row["score"], row["left_looks"], row["right_looks"]) == (2, 1, 1)


def test_the_original_stands_left_is_called_so_and_each_pixel_of_both_is_there(site, browser, picture):
    invitation = site.backstage("invite_to_pairs", task=DEGRADATION, images=3)
    page = arrive(browser, site.url, invitation.path)
    for position in range(1, 7):
        see(page, position)
        expect(page.locator("#view")).to_have_text("Left: the original")
        shown = screenshot(page)
        original = site.backstage("pixels", invitation.rater, position)
        [(row, start)] = places_of(original, shown)
        [(beside, then)] = places_of(site.backstage("pixels", invitation.rater, position, right=True), shown)
        assert (row, start < then) == (beside, True)
        page.keyboard.press("ArrowUp")
        expect(page.locator("#view")).to_have_text("The original")
        page.keyboard.press("ArrowUp")
        expect(page.locator("#view")).to_have_text("The image to rate")
        picture(page, "degradation")
        page.keyboard.press(str(1 + position % 5))
    expect(page.locator("body")).to_contain_text("You have rated all of your pairs of images")
    assert [row["score"] for row in looks(site, invitation, 6)] == [2, 3, 4, 5, 1, 2]


@pytest.mark.parametrize(("task", "label"), [(COMPARISON, "Etwas besser"), (DEGRADATION, "Leicht störend")])
def test_a_walk_by_touch_alone_on_a_phone_in_german(site, playwright, chromium, picture, task, label):
    words = {"de": {"title": "Bildpaare"}}
    asked = {"task": task, "height": 300, "width": 360, "languages": ["de"], "words": words, "agreed": False}
    invitation = site.backstage("invite_to_pairs", **asked)
    phone = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
    page = phone.new_context(has_touch=True, viewport={"width": 390, "height": 844}, locale="de-DE").new_page()
    page.goto(site.url + invitation.path)
    expect(page.locator("body")).to_contain_text("Bildpaare vergleichen")
    expect(page.locator("body")).to_contain_text(label)
    expect_nothing_wider_than_the_window(page)
    picture(page, f"{task} instructions")
    page.locator("#agree").tap()
    number, told = (6, "Rechtes Bild") if task == COMPARISON else (4, "Das Bild, das Sie bewerten")
    for position in range(1, number + 1):
        see(page, position)
        page.locator("#stage" if position % 2 else "#toggle").tap()
        expect(page.locator("#view")).to_have_text(told)
        expect_nothing_wider_than_the_window(page)
        picture(page, task)
        page.get_by_role("button", name=label).tap()
    expect(page.locator("body")).to_contain_text("Sie haben alle Ihre Bildpaare bewertet")
    assert {row["score"] for row in looks(site, invitation, number)} == {1 if task == COMPARISON else 3}
    phone.close()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=str)
@pytest.mark.parametrize(("task", "labels"), [("pair", SIDES), (COMPARISON, SEVEN), (DEGRADATION, FIVE)])
def test_from_right_to_left_sides_stay_where_the_images_are(site, open_browser, picture, size, task, labels):
    told = {name: ARABIC[name] for name in ("title", "instructions")}
    words = {"ar": {"file": every_text_in_arabic(), "labels": labels, **told}}
    asked = {"task": task, "words": words, "images": 1, "width": 160, "order": "random", "agreed": False}
    # The sides have no words of one's own in the first language.
    asked |= {"languages": ["en", "ar"]} if task == "pair" else {"labels": labels, **ARABIC}
    invitation = site.backstage("invite_to_pairs", **asked)
    page = open_browser(size=size).pages[0]
    page.goto(site.url + invitation.path)
    if task == "pair":
        page.get_by_role("link", name="العربيّة").click()

    def check(name):
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        assert set(re.findall("[A-Za-z]+", said(page))) <= {"English"}
        expect_nothing_wider_than_the_window(page)
        picture(page, f"{task} {name}")

    check("instructions")
    page.locator("#agree").click()
    see(page, 1)
    check("rating")
    buttons = page.locator(".scores button")
    first, last = buttons.first.bounding_box()["x"], buttons.last.bounding_box()["x"]
    assert (first < last) == (task != DEGRADATION)
    if task != "pair":
        page.keyboard.press("ArrowRight" if task == COMPARISON else "ArrowLeft")
        expect(buttons.first).to_be_focused()
        page.keyboard.press("Enter")
    else:
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#toggle")).to_be_visible()
    page.wait_for_function("document.querySelector('#stage').dataset.painted !== '1'")
    assert looks(site, invitation, 1)[0]["score"] == {"pair": -1, COMPARISON: -3, DEGRADATION: 1}[task]


@pytest.mark.parametrize("task", ["pair", COMPARISON, DEGRADATION])
def test_firefox_shows_both_pixel_by_pixel_and_takes_keys_and_mouse(site, tmp_path, task):
    found = firefox.find() or pytest.skip("needs Firefox (Debian: apt-get install firefox-esr), or MOSWEB_FIREFOX")
    invitation = site.backstage("invite_to_pairs", task=task, agreed=False)
    with firefox.Firefox(found, tmp_path / "profile") as fox:
        fox.open(site.url + invitation.path)
        fox.wait("!document.querySelector('#agree').disabled")
        fox.click("#agree")
        number = 4 if task == DEGRADATION else 6
        for position in range(1, number + 1):
            fox.see(position)
            shown = pixels(fox)
            for right in (False, True):
                assert len(places_of(site.backstage("pixels", invitation.rater, position, right=right), shown)) == 1
            if position % 2:
                fox.press("3")
            else:
                fox.click("#toggle")
                fox.wait("document.querySelector('#stage').dataset.view === 'left'")
                fox.click(".scores button:nth-of-type(2)")
        fox.wait("/all of your (choices|ratings) are saved/.test(document.body.innerText)")
    scores = [row["score"] for row in looks(site, invitation, number)]
    low = {"pair": -1, COMPARISON: -3, DEGRADATION: 1}[task]
    assert scores == [low + 2, low + 1] * (number // 2)
