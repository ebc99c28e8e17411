"""The staff's pages in a real browser: nothing keeps anybody out, nothing runs over on a phone, the live page lives."""

import pytest
from playwright.sync_api import expect

from tests.e2e.accessible import faults, is_accessible
from tests.e2e.rater import two_frames

SIZES = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
OF_STUDY = ("", "live/", "quality/", "results/", "people/", "events/", "raters/", "link/", "consent/", "endings/",
            "languages/", "sheet/", "edit/", "delete/", "erase/", "close/ask/")  # fmt: skip
OTHERS = ("/studies/", "/new/", "/imports/", "/imports/{import}/", "/content/", "/status/")


@pytest.fixture
def staff(site, playwright, chromium):
    browser = playwright.chromium.launch(executable_path=chromium)

    def open_page(size):
        context = browser.new_context(viewport=SIZES[size])
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": "sessionid", "value": site.backstage("staff_session"), "url": site.url}])
        return context.new_page()

    yield open_page
    browser.close()


@pytest.mark.parametrize("size", SIZES)
def test_nothing_on_a_page_keeps_anybody_out(site, staff, tmp_path, size):
    """Of a study that is being rated, with a flagged rater, decisions, panel ids and an import."""
    study = site.backstage("study_to_watch")
    page, found = staff(size), {}
    for path in [*(f"/studies/{{name}}/{page}" for page in OF_STUDY), *OTHERS]:
        answer = page.goto(site.url + path.format(**study))
        assert (path, answer.status) == (path, 200)
        page.screenshot(path=tmp_path / f"{path.strip('/').replace('/', ' ')}.png", full_page=True)
        found[path] = faults(page)
    page.context.clear_cookies()
    page.goto(f"{site.url}/login/")
    found["login"] = faults(page)
    assert "\n".join(f"{path}: {fault}" for path, of in found.items() for fault in of) == ""


@pytest.mark.parametrize("size", SIZES)
def test_the_live_page_shows_ratings_as_they_come_in_without_being_loaded_again(site, staff, tmp_path, size):
    study = site.backstage("study_to_watch", raters=0)
    page = staff(size)
    page.goto(f"{site.url}/studies/{study['name']}/live/")
    page.evaluate("window.loadedOnce = true")
    live = page.locator("#live")
    expect(live).to_contain_text("Nothing is rated yet.")
    for number in range(1, 4):
        site.backstage("rate_whole_part", study["name"], f"rater {number}")
        expect(live.locator(".tiles div", has_text="finished").locator("dd")).to_have_text(str(number), timeout=15_000)
        expect(live).to_contain_text(f"Lowest {number}, median {number}, highest {number}.")
        # What is set anew is within the screen, too.
        two_frames(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(live).to_contain_text("95 % intervals, each of a MOS, after 18 ratings")
    page.screenshot(path=tmp_path / "live.png", full_page=True)
    assert page.evaluate("window.loadedOnce"), "it was not loaded again"
    is_accessible(page)


def test_staff_pages_are_dark_by_night_and_what_raters_see_is_the_same(site, staff):
    """An eye that comes from a dark page takes an image for brighter: all raters have the same pages."""
    page = staff("desk")
    background = "getComputedStyle(document.body).backgroundColor"
    invitation = site.backstage("invite_to_new_study")
    for path, differs in (("/studies/", True), (invitation.path, False)):
        page.goto(site.url + path)
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found.append(page.evaluate(background))
        assert (found[0] != found[1]) == differs, (path, found)
