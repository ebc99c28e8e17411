"""A rater's whole way through a study of pairs, from the first page to the last: by keyboard, by mouse and by touch, in
German and in Chinese. Each page is kept as a picture in the test's temporary folder."""

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import advance_clocks, places_of, screenshot, see, stored, two_frames
from tests.e2e.test_languages import expect_no_english, expect_nothing_wider_than_the_window, picture, said

__all__ = ["picture"]

LEFT, NEITHER, RIGHT = -1, 0, 1
PAIRS, SITTING = 6, 3
LANGUAGES = {
    "de": {
        "amount": "Sie werden 6 Bildpaare vergleichen.",
        "time": "Das dauert etwa",
        "place": "Paar 1 von 6",
        "both": "Zwei Bilder zur Wahl",
        "neither": "Kein Unterschied",
        "rest": "Zeit für eine Ruhepause",
        "thanks": "Vielen Dank",
    },
    "zh-hans": {
        "amount": "您将比较 6 对图像。",
        "time": "大约需要",
        "place": "第 1 对，共 6 对",
        "both": "供选择的两幅图像",
        "neither": "没有差别",
        "rest": "该休息了",
        "thanks": "谢谢您",
    },
}
SIZES = {"keyboard": (1280, 800), "mouse": (700, 800), "touch": (390, 844)}  # only the first holds both images


class Keyboard:
    """What a rater does who touches nothing but keys."""

    def press(self, page, selector):
        page.locator(selector).focus()
        page.keyboard.press("Enter")

    def change_view(self, page):
        page.keyboard.press("ArrowUp")

    def choose(self, page, score):
        page.keyboard.press({LEFT: "ArrowLeft", NEITHER: "ArrowDown", RIGHT: "ArrowRight"}[score])

    def undo(self, page):
        page.keyboard.press("Backspace")


class Mouse:
    def press(self, page, selector):
        page.locator(selector).click()

    def change_view(self, page):
        self.press(page, "#stage")

    def choose(self, page, score):
        self.press(page, f"button[data-score='{score}']")

    def undo(self, page):
        self.press(page, "#undo")


class Touch(Mouse):
    def press(self, page, selector):
        page.locator(selector).tap()


WAYS = {"keyboard": Keyboard(), "mouse": Mouse(), "touch": Touch()}


@pytest.fixture
def open_page(playwright, chromium):
    opened = []

    def launch(way, language):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        opened.append(browser)
        width, height = SIZES[way]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            has_touch=way == "touch",
            extra_http_headers={"Accept-Language": f"{language},en;q=0.5"},
        )
        context.set_default_timeout(20_000)
        return context.new_page()

    yield launch
    for browser in opened:
        browser.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_way_of_a_rater_of_pairs(site, open_page, picture, language, way):
    words = {"de": {"title": "Bildpaare", "instructions": ""}, "zh-hans": {"title": "图像对", "instructions": ""}}
    invitation = site.backstage(
        "invite_to_pairs", height=300, width=360, agreed=False, languages=["en", "de", "zh-hans"], words=words,
        sitting_trials=SITTING, rest_minutes=3, least_view_ms=100, gap_ms=0,
    )  # fmt: skip
    page, hand, seen = open_page(way, language), WAYS[way], []

    def stop(name):
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect_no_english(page)
        expect_nothing_wider_than_the_window(page)
        seen.append(said(page))
        picture(page, name)

    page.goto(site.url + invitation.path)
    expect(page.locator("#agree")).to_be_enabled()
    stop("1 instructions")
    hand.press(page, "#agree")
    asked = [LEFT, NEITHER, RIGHT, RIGHT, NEITHER, LEFT]
    for position, score in enumerate(asked, start=1):
        see(page, position)
        look_at_both(site, page, hand, invitation, position, both=way == "keyboard")
        if position == 1:
            stop("2 a pair")
            hand.press(page, "#pause")
            expect(page.locator("#overlay")).to_be_visible()
            stop("3 pause")
            hand.press(page, "#overlay-button")
            see(page, 1)
        hand.choose(page, score)
        if position == 2:
            see(page, 3)
            hand.undo(page)
            see(page, 2)
            look_at_both(site, page, hand, invitation, 2, both=way == "keyboard")
            hand.choose(page, score)
            see(page, 3)
            page.reload()
        if position == SITTING:
            expect(page.locator("#overlay-withdraw")).to_be_visible()
            stop("4 rest")
            stored(site, invitation, SITTING)
            site.backstage("let_time_pass", invitation.rater, minutes=4)
            advance_clocks(page, 4)
    expect(page.locator(".message.success")).to_be_visible()
    stop("5 finished")
    rows = site.backstage("looks", invitation.rater)
    assert [row["score"] for row in rows] == asked
    assert all(row["left_looks"] >= 1 and row["right_looks"] >= 1 for row in rows)
    assert {row["side_by_side"] for row in rows} == {way == "keyboard"}
    page.goto(site.url + invitation.path)
    hand.press(page, "a[href='/study/withdraw/']")
    expect(page.locator("button.danger")).to_be_visible()
    stop("6 withdraw")
    hand.press(page, "button.danger")
    expect(page.locator(".message.success")).to_be_visible()
    stop("7 withdrawn")
    assert site.backstage("looks", invitation.rater) == []
    everything = "\n".join(seen)
    assert [name for name, text in LANGUAGES[language].items() if text not in everything] == []


def look_at_both(site, page, hand, invitation, position, *, both):
    """Each image is on the screen pixel by pixel, both at once or one after the other."""
    sides = {side: site.backstage("pixels", invitation.rater, position, right=side == "right") for side in SIDES}
    if both:
        expect(page.locator("#stage")).to_have_attribute("data-view", "both")
        two_frames(page)
        shown = screenshot(page)
        (left,), (right,) = (places_of(image, shown) for image in sides.values())
        assert left[0] == right[0]
        assert left[1] + sides["left"].shape[1] < right[1]
    else:
        for side, image in sides.items():
            expect(page.locator("#stage")).to_have_attribute("data-view", side)
            two_frames(page)
            assert len(places_of(image, screenshot(page))) == 1
            if side == "left":
                hand.change_view(page)
    page.wait_for_timeout(150)  # what counts as a look in this study


SIDES = ("left", "right")
