"""A rater's whole way in other languages: German and Chinese as they ship, Arabic with a researcher's texts alone.

Each page is kept as a picture in the test's temporary folder.
"""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from studies.protocol import answers, catalogues
from tests.e2e.rater import advance_clocks, arrive, scores, see, stored

SIZES = [(1280, 800), (390, 844)]
SHIPPED = {
    "de": {
        "agree": "Ich habe dies gelesen und bin mit der Teilnahme einverstanden",
        "example": "Beispiel 1 von 2",
        "anchor": "Das ist 1 - Schlecht",
        "practice": "Sie gaben 4; erwartet: 2 bis 3",
        "begin": "Jetzt zählt es",
        "place": "Bild 1 von 6",
        "best": "5 Ausgezeichnet",
        "rest": "Zeit für eine Ruhepause",
        "thanks": "Vielen Dank",
        "withdrawn": "6 Bewertungen gelöscht.",
    },
    "zh-hans": {
        "agree": "我已阅读并同意参加",
        "example": "示例 1 / 2",
        "anchor": "这是 1 - 劣",
        "practice": "您给了 4；预期：2 到 3",
        "begin": "现在正式开始",
        "place": "图像 1 / 6",
        "best": "5 优",
        "rest": "该休息了",
        "thanks": "谢谢您",
        "withdrawn": "已删除 6 个评分。",
    },
}
ARABIC_LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنه"
ARABIC = {
    "languages": ["ar"],
    "title": "جودة الصور",
    "instructions": "سترى صورة بعد أخرى. قيّم جودة كل صورة من ١ (سيئ) إلى ٥ (ممتاز) بحسب ما تبدو لك.",
}
ARABIC_LABELS = ["سيئ", "ضعيف", "مقبول", "جيد", "ممتاز"]


def every_text_in_arabic():
    """A researcher's file in which every Latin letter has become an Arabic one, the names in %( )s aside."""

    def arabic(text):
        parts = re.split(r"(%\(\w+\)s|\{\w+\})", text)
        return "".join(p if i % 2 else re.sub("[A-Za-z]", _letter, p) for i, p in enumerate(parts))

    def _letter(found):
        return ARABIC_LETTERS[ord(found[0].lower()) - ord("a")]

    found = catalogues.read(catalogues.for_translator("ar", {}))
    forms = catalogues.number_of_forms(found.plural_forms)
    messages = [
        replace(m, forms=tuple(arabic(m.plural or m.text) for _ in range(forms if m.plural else 1)))
        for m in found.messages
    ]
    return catalogues.Catalogue(found.header, tuple(messages))


@pytest.fixture
def picture(tmp_path):
    def take(page, name):
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)

    return take


def said(page):
    """All that a person can read or hear on the page: its title, its texts, and what screen readers say; without codes
    and addresses, which are of no language."""
    return page.evaluate(
        """() => {
          for (const code of document.querySelectorAll("[translate=no][dir=ltr]")) code.hidden = true;
          const attributes = ["aria-label", "title", "aria-valuetext", "alt", "placeholder"];
          const found = [document.title, document.body.innerText];
          for (const element of document.querySelectorAll("*"))
            for (const name of attributes) if (element.hasAttribute(name)) found.push(element.getAttribute(name));
          return found.join("\\n");
        }"""
    )


def expect_no_english(page):
    text = said(page)
    english = [m.text for m in catalogues.rater_messages() if len(m.text) > 8 and "%" not in m.text and m.text in text]
    assert english == []
    expect(page.locator("body")).not_to_contain_text(re.compile(r"\b(rating|choice|pairs?)\b"))


def expect_nothing_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def walk(page, site, invitation, *, check, picture, sitting=2):
    """From the agreement to the last image; `check` is called on every page."""

    def stop(name):
        check(page)
        expect_nothing_wider_than_the_window(page)
        picture(page, name)

    stop("1 instructions")
    page.locator("#agree").click()
    see(page, 1)
    stop("2 examples")
    page.locator("#next").click()
    see(page, 2)
    page.locator("#next").click()
    see(page, 3)
    page.keyboard.press("4")
    expect(page.locator("#next")).to_be_enabled()
    stop("3 practice")
    page.keyboard.press("Enter")
    expect(page.locator("#overlay")).to_be_visible()
    stop("4 it counts")
    page.locator("#overlay-button").click()
    for number in range(6):
        see(page, 4 + number)
        if number == 0:
            stop("5 rating")
            page.locator("#pause").click()
            expect(page.locator("#overlay")).to_be_visible()
            stop("6 pause")
            page.locator("#overlay-button").click()
            see(page, 4)
        page.keyboard.press("3")
        if number % sitting == sitting - 1 and number < 5:
            # The rest's own: where a rating still waits for the server, there is no link to withdraw.
            expect(page.locator("#overlay-withdraw")).to_be_visible()
            if number < sitting:
                stop("7 rest")
            site.backstage("let_time_pass", invitation.rater, minutes=3)
            advance_clocks(page, 3)
    expect(page.locator(".message.success")).to_be_visible()
    stop("8 finished")
    page.goto(site.url + invitation.path)
    page.locator("a[href='/study/withdraw/']").click()
    expect(page.locator("button.danger")).to_be_visible()
    stop("9 withdraw")


PROTOCOL = {
    "calibrated": False,
    "practised": ["bicubic 2-3"],
    "announce_start": True,
    "sitting_trials": 2,
    "rest_minutes": 3,
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("language", SHIPPED)
def test_the_whole_way_in_a_language_that_ships(site, open_browser, picture, language, size):
    words = {"de": {"title": "Bildqualität", "instructions": ""}, "zh-hans": {"title": "图像质量", "instructions": ""}}
    invitation = site.backstage("invite_to_new_study", languages=["en", "de", "zh-hans"], words=words, **PROTOCOL)
    browser = open_browser(size=size)
    browser.set_extra_http_headers({"Accept-Language": f"{language},en;q=0.5"})
    page = arrive(browser, site.url, invitation.path)
    expected = SHIPPED[language]
    expect(page.locator("#agree")).to_have_text(expected["agree"])
    seen = []

    def check(page):
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect_no_english(page)
        seen.append(said(page))

    walk(page, site, invitation, check=check, picture=picture)
    page.locator("button.danger").click()
    expect(page.locator(".message.success")).to_contain_text(expected["withdrawn"])
    check(page)
    picture(page, "10 withdrawn")
    everything = "\n".join(seen)
    assert [name for name, text in expected.items() if text not in everything] == []


def test_the_language_can_be_changed_before_the_first_image_and_not_after(site, browser):
    words = {"de": {"title": "Bildqualität", "instructions": ""}}
    invitation = site.backstage("invite_to_new_study", languages=["en", "de"], words=words, calibrated=False)
    page = arrive(browser, site.url, invitation.path)
    expect(page.locator(".languages a")).to_have_text(["English", "Deutsch"])
    page.get_by_role("link", name="Deutsch").click()
    expect(page.locator("#agree")).to_have_text(SHIPPED["de"]["agree"])
    expect(page.locator("h1")).to_have_text("Bildqualität")
    page.reload()
    page.locator("#agree").click()
    see(page, 1)
    expect(page.locator(".languages")).to_have_count(0)
    assert site.backstage("language", invitation.rater) == "de"
    page.goto(f"{site.url}/study/?language=en")
    see(page, 1)
    expect(page.locator("#place")).to_have_text("Beispiel 1 von 2")
    site.backstage("stay_away", invitation.rater, minutes=90)
    page.reload()
    expect(page.locator("#agree")).to_have_text("Ich habe dies gelesen und mache weiter")
    expect(page.locator(".languages")).to_have_count(0)


def test_what_waits_for_the_network_is_said_in_the_language_and_number_of_the_page(site, browser):
    words = {"de": {"title": "Bildqualität", "instructions": ""}}
    invitation = site.backstage("invite_to_new_study", languages=["de", "en"], words={"en": words["de"]})
    page = arrive(browser, site.url, invitation.path)
    page.route("**/study/rate/**", lambda route: route.abort())
    for number, text in ((3, "1 Bewertung noch nicht"), (4, "2 Bewertungen noch nicht")):
        see(page, number)
        page.keyboard.press("3")
        expect(page.locator("#status")).to_contain_text(text)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("make", [answers.five, answers.continuous], ids=["five", "line"])
def test_the_whole_way_in_arabic_by_a_researchers_texts_alone_from_right_to_left(
    site, open_browser, picture, size, make
):
    words = {"ar": {"file": every_text_in_arabic()}}
    line = make is answers.continuous
    protocol = PROTOCOL | ARABIC | ({"practised": ["bicubic 20-30"]} if line else {})
    invitation = site.backstage("invite_to_new_study", scale=make(ARABIC_LABELS), words=words, **protocol)
    page = arrive(open_browser(size=size), site.url, invitation.path)

    def check(page):
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        assert re.findall("[A-Za-z]+", said(page)) == []

    if line:
        check(page)
        picture(page, "1 instructions")
        page.locator("#agree").click()
        see(page, 1)
        for _ in range(2):
            page.locator("#next").click()
        see(page, 3)
        page.keyboard.press("ArrowLeft")  # from the low end, which is at the right
        expect(page.locator("#score")).to_have_attribute("aria-valuetext", "1")
        ends = page.locator(".line-scale li")
        assert ends.first.bounding_box()["x"] > ends.last.bounding_box()["x"]
        check(page)
        picture(page, "2 line")
        return
    walk(page, site, invitation, check=check, picture=picture)
    assert scores(stored(site, invitation, 6)) == [3] * 6


def test_in_arabic_the_best_is_at_the_left_and_arrows_go_where_they_point(site, browser):
    words = {"ar": {"file": every_text_in_arabic()}}
    scale = answers.five(ARABIC_LABELS)
    invitation = site.backstage("invite_to_new_study", words=words, scale=scale, **ARABIC)
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    buttons = page.locator(".scores button")
    expect(buttons).to_have_text(["1 سيئ", "2 ضعيف", "3 مقبول", "4 جيد", "5 ممتاز"])
    assert buttons.first.bounding_box()["x"] > buttons.last.bounding_box()["x"]
    assert [button.get_attribute("translate") for button in buttons.all()] == ["no"] * 5
    page.keyboard.press("ArrowLeft")
    expect(buttons.first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(buttons.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == [2]
