"""What goes wrong is said in words."""

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import arrive, see

STARTING = "This page could not start"


@pytest.mark.parametrize(("calibrated", "script"), [(True, "rate"), (False, "prepare")])
def test_a_script_that_does_not_load_is_said_by_the_page_itself(site, browser, calibrated, script):
    invitation = site.backstage("invite_to_new_study", calibrated=calibrated)
    page = browser.pages[0]
    page.route(f"**/rating/{script}*.js", lambda route: route.abort())
    page.goto(site.url + invitation.path)
    words = page.locator("#starting")
    expect(words).to_be_hidden()
    expect(words).to_be_visible(timeout=12_000)
    expect(words).to_contain_text(STARTING)


def test_a_page_that_starts_says_nothing_of_it_and_tells_a_screen_reader_of_each_rating(site, browser):
    invitation = site.backstage("invite_to_new_study")
    page = arrive(browser, site.url, invitation.path)
    see(page, 3)
    expect(page.locator("#starting")).to_have_count(0)
    page.keyboard.press("3")
    see(page, 4)
    expect(page.locator("#heard")).to_have_text("Image 1: rated")
