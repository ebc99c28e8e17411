"""The design of a study with many methods stays within the screen, and chooses what it shows."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def staff(site, browser):
    site.backstage("many_methods", methods=30, benchmarks=5)
    browser.add_cookies([{"name": "sessionid", "value": site.backstage("staff_session"), "url": site.url}])
    return browser.pages[0]


def test_thirty_methods_on_five_benchmarks_are_within_the_screen_and_found_by_name(site, staff):
    staff.goto(f"{site.url}/new/")
    table = staff.locator("table.cells")
    assert staff.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert staff.locator(".tall").bounding_box()["height"] <= 0.61 * staff.evaluate("innerHeight")
    own = table.locator("tbody tr", has_text="Network")
    expect(own).to_have_count(30)
    boxes = own.locator("input").count()
    assert boxes == 15 * 5, "only cells that have images"
    while table.locator("input:checked").count():
        table.locator("input:checked").first.uncheck()
    staff.fill("#having", "network 0")
    expect(own.locator("visible=true").locator("th")).to_have_count(10)
    table.get_by_label("All methods shown here on bench0").click()
    expect(staff.locator("#count")).to_have_text("5 chosen")
    staff.fill("#having", "network 1")
    expect(staff.locator("#count")).to_have_text("5 chosen, 5 of them not shown")
    staff.fill("#having", "")
    staff.check("#chosen")
    expect(own.locator("visible=true").locator("th")).to_have_count(5)
    staff.fill("#id_name", "many")
    staff.fill("#id_title", "Many")
    staff.click("text=Save the draft")
    expect(staff.get_by_text("Network 08").first).to_be_visible()
    expect(staff.locator("h1")).to_contain_text("Many")


def test_what_is_wrong_is_said_first_and_beside_its_field(site, staff):
    staff.goto(f"{site.url}/new/")
    staff.fill("#id_name", "wrong")
    staff.fill("#id_title", "Wrong")
    staff.fill("#id_repeats", "100000")
    staff.click("text=Save the draft")
    alert = staff.get_by_role("alert")
    expect(alert).to_contain_text("The draft is not saved yet. Please look at:")
    alert.locator("a").first.click()
    expect(staff.locator(".field", has=staff.locator("#id_repeats")).locator(".errorlist")).to_be_in_viewport()
