"""What goes wrong is said in words."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import arrive, see

STARTING = "This page could not start"
SWITCHED_OFF = "needs JavaScript, which is switched off in this browser"
ASKED = {
    "questions_before": "age: How old are you? [number 18-99]",
    "questions_after": "said: Anything else? [text 100, optional]",
}
EVERY_PAGE = {"calibrated": False, "practised": ["bicubic 2-3"], "window_fits": True, **ASKED}


def answer_before(page):
    page.get_by_label("How old are you?").fill("40")
    page.get_by_role("button", name="Go on").click()


def look_at_examples(page):
    for number in (1, 2):
        see(page, number)
        page.locator("#next").click()


def practise(page):
    see(page, 3)
    page.keyboard.press("4")
    page.locator("#next").click()


def rate(page):
    for number in range(4, 10):
        see(page, number)
        page.keyboard.press("3")


# The pages in a rater's order: the script of each, and what leads to the next. The questions have none.
PAGES = {
    "prepare": lambda page: page.locator("#agree").click(),
    "device": lambda page: page.locator("#go-on").click(),
    "questions before": answer_before,
    "examples": look_at_examples,
    "practice": practise,
    "rate": rate,
}


def without(page, script):
    """The browser gets everything but this script."""
    page.route(re.compile(rf"/rating/{script}(\.\w+)?\.js"), lambda route: route.abort())


def go_to(page, wanted):
    for name, act in PAGES.items():
        if name == wanted:
            return
        act(page)


def expect_words(page, text=STARTING):
    words = page.locator("#starting")
    expect(words).to_be_visible(timeout=15_000)
    expect(words).to_contain_text(text)
    # Whole and over everything else, not only in the page's text.
    assert page.evaluate("""() => {
      const words = document.getElementById("starting"), box = words.getBoundingClientRect();
      words.scrollIntoView({ block: "center" });
      const { left, top, width, height } = words.getBoundingClientRect();
      return box.width > 200 && words.contains(document.elementFromPoint(left + width / 2, top + height / 2));
    }""")


@pytest.mark.parametrize("name", [name for name in PAGES if name != "questions before"])
def test_a_page_whose_script_does_not_load_says_so_itself(site, browser, name):
    invitation = site.backstage("invite_to_new_study", **EVERY_PAGE)
    page = browser.pages[0]
    without(page, name)
    page.goto(site.url + invitation.path)
    go_to(page, name)
    expect(page.locator("#starting")).to_be_hidden()
    expect_words(page)


def test_the_questions_need_no_script(site, browser):
    invitation = site.backstage("invite_to_new_study", **EVERY_PAGE)
    page = browser.pages[0]
    page.goto(site.url + invitation.path)
    go_to(page, "questions before")
    page.route("**/*.js", lambda route: route.abort())
    answer_before(page)
    expect_words(page)  # of the examples
    page.unroute("**/*.js")
    page.reload()
    for name in ("examples", "practice", "rate"):
        PAGES[name](page)
    page.wait_for_selector("text=The last questions")
    page.route("**/*.js", lambda route: route.abort())
    page.get_by_label("Anything else?").fill("no")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("h1")).to_have_text("Thank you")


def test_nor_does_the_choice_of_a_language_whose_words_are_then_said(site, browser):
    words = {"de": {"title": "Bildqualität", "instructions": ""}}
    invitation = site.backstage("invite_to_new_study", languages=["en", "de"], words=words, calibrated=False)
    page = browser.pages[0]
    page.route("**/*.js", lambda route: route.abort())
    page.goto(site.url + invitation.path)
    page.get_by_role("link", name="Deutsch").click()
    expect_words(page, "Diese Seite konnte nicht starten")


@pytest.mark.parametrize("task", ["pair", "comparison", "degradation"])
def test_pages_of_two_images_say_so_too(site, browser, task):
    invitation = site.backstage("invite_to_pairs", task=task)
    page = browser.pages[0]
    without(page, "pair")
    page.goto(site.url + invitation.path)
    expect_words(page)


def test_a_part_that_is_missing_is_said_as_the_script_itself_is(site, browser):
    invitation = site.backstage("invite_to_new_study")
    page = browser.pages[0]
    without(page, "stage")
    page.goto(site.url + invitation.path)
    expect_words(page)


@pytest.mark.parametrize("lacks", ["ResizeObserver", "BroadcastChannel"])
def test_a_browser_that_lacks_what_the_page_needs_is_told(site, browser, lacks):
    """One too old: the scripts load, and stop where they need what is not there."""
    invitation = site.backstage("invite_to_new_study")
    page = browser.pages[0]
    page.add_init_script(f"delete window.{lacks}")
    page.goto(site.url + invitation.path)
    expect_words(page)


def test_a_page_that_needs_scripts_says_that_they_are_switched_off(site, browser, playwright, chromium):
    invitation = site.backstage("invite_to_new_study", **EVERY_PAGE)
    page = browser.pages[0]
    page.goto(site.url + invitation.path)
    plain = playwright.chromium.launch(executable_path=chromium)
    try:
        for name, act in PAGES.items():
            context = plain.new_context(java_script_enabled=False, storage_state=browser.storage_state())
            there = context.new_page()
            there.goto(f"{site.url}/study/")
            if name != "questions before":
                expect(there.locator("noscript p")).to_contain_text(SWITCHED_OFF)
                expect(there.locator("noscript p")).to_be_visible()
            context.close()
            page.reload()  # the device is looked at on the page that was opened last
            act(page)
    finally:
        plain.close()


def test_a_page_that_starts_says_nothing_of_it_and_tells_a_screen_reader_of_each_rating(site, browser):
    invitation = site.backstage("invite_to_new_study")
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    expect(page.locator("#starting")).to_have_count(0)
    page.keyboard.press("3")
    see(page, 4)
    expect(page.locator("#heard")).to_have_text("Image 1: rated")
