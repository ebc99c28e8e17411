"""Images by the browser: files, a folder, a zip; a site that goes away in between; nothing counts unseen."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def folder(tmp_path, request) -> Path:
    made = tmp_path / "results"
    made.mkdir()
    return made


@pytest.fixture
def staff(site, browser):
    cookie = {"name": "sessionid", "value": site.backstage("staff_session"), "url": site.url}
    browser.add_cookies([cookie])
    return browser.pages[0]


def begin(page: Page, url: str, benchmark: str, method: str) -> None:
    page.goto(f"{url}/imports/")
    page.select_option("#id_results-benchmark", benchmark)
    page.fill("#id_results-method", method)
    page.click("text=Choose the files >> nth=0")


def look(site, page: Page) -> None:
    page.click("#send")
    expect(page.get_by_text("A worker looks at the pictures")).to_be_visible(timeout=30_000)
    site.backstage("do_imports")
    expect(page.get_by_text("What was seen")).to_be_visible(timeout=30_000)  # by itself


def take(site, page: Page) -> None:
    for box in page.locator("[name=confirmed]").all():
        box.check()
    page.click("button:has-text('Take ')")
    expect(page.get_by_text("A worker takes the pictures")).to_be_visible()
    site.backstage("do_imports")
    expect(page.locator(".message.success")).to_be_visible(timeout=30_000)


def test_a_folder_is_sent_looked_at_and_taken_though_the_site_goes_away_in_between(site, staff, folder):
    site.backstage("benchmark_to_bring_to", "far", str(folder), images=6)
    begin(staff, site.url, "far", "by-folder")
    staff.set_input_files("#folder", folder)
    asked = []

    def three_alone(route):
        """Then the site is away for a while."""
        asked.append(route.request.url)
        route.continue_() if len(asked) <= 3 else route.abort()

    staff.route("**/files/*/0/", three_alone)
    staff.click("#send")
    expect(staff.locator("#told")).to_contain_text("trying again")
    site.stop()
    site.start()
    staff.unroute("**/files/*/0/")
    expect(staff.get_by_text("A worker looks at the pictures")).to_be_visible(timeout=60_000)
    names = sorted(path for path, _ in set(site.backstage("pieces")))
    assert set(names) == {f"results/p{number:02d}_SRGAN.png" for number in range(6)}
    site.backstage("do_imports")
    expect(staff.get_by_text("What was seen")).to_be_visible(timeout=30_000)
    expect(staff.locator("table.looked tbody tr")).to_have_count(6)
    expect(staff.locator("label", has_text="Nearer to p01 than to its own (p00_SRGAN.png)")).to_be_visible()
    assert staff.locator("table.looked img").first.evaluate("image => image.naturalWidth") == 96
    assert site.backstage("brought", "by-folder") == 0
    take(site, staff)
    assert site.backstage("brought", "by-folder") == 6
    assert site.backstage("pieces") == []


def test_an_upload_that_was_left_goes_on_when_the_same_files_are_chosen_again(site, staff, folder):
    site.backstage("benchmark_to_bring_to", "left", str(folder), images=3)
    begin(staff, site.url, "left", "by-files")
    address = staff.url
    seen = []

    def two_alone(route):
        seen.append(route.request.url)
        if len(seen) <= 2:
            route.continue_()

    staff.route("**/files/*/0/", two_alone)
    staff.set_input_files("#files", sorted(folder.iterdir()))
    staff.click("#send")
    expect(staff.locator("#told")).to_contain_text("MB, 3 files")
    for _ in range(100):
        if len(site.backstage("pieces")) == 2:
            break
        staff.wait_for_timeout(200)
    staff.on("dialog", lambda dialog: dialog.accept())
    staff.goto(address)
    staff.unroute("**/files/*/0/")
    expect(staff.get_by_text("2 of 3 files came whole")).to_be_visible()
    sent = []
    staff.on("request", lambda request: sent.append(request.url) if request.url.endswith("/0/") else None)
    staff.set_input_files("#files", sorted(folder.iterdir()))
    look(site, staff)
    assert len(sent) == 1
    staff.click("text=Discard it")
    expect(staff.get_by_text("was discarded")).to_be_visible()
    assert site.backstage("pieces") == []


def test_a_zip_and_a_benchmark_from_two_folders(site, staff, folder, tmp_path):
    site.backstage("benchmark_to_bring_to", "zipped", str(folder), images=3)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"deep/{path.name}")
    begin(staff, site.url, "zipped", "by-zip")
    staff.set_input_files("#files", tmp_path / "all.zip")
    look(site, staff)
    take(site, staff)
    assert site.backstage("brought", "by-zip") == 3
    staff.goto(f"{site.url}/imports/")
    staff.fill("#id_pictures-benchmark", "from-the-browser")
    staff.click("text=Choose the files >> nth=1")
    staff.set_input_files("#hr-folder", folder)
    look(site, staff)
    take(site, staff)
    expect(staff.locator(".message.success")).to_have_text("from-the-browser: 3 images imported, 0 were there already.")


def test_what_is_refused_is_said_on_the_page(site, staff, folder):
    site.backstage("benchmark_to_bring_to", "refused", str(folder), images=2)
    begin(staff, site.url, "refused", "nothing")
    staff.click("#send")
    expect(staff.get_by_role("alert")).to_have_text("Choose files, a folder or a zip first.")
    (folder / "readme.txt").write_text("no picture")
    staff.set_input_files("#files", folder / "readme.txt")
    staff.click("#send")
    expect(staff.get_by_text("A worker looks at the pictures")).to_be_visible()
    site.backstage("do_imports")
    expect(staff.locator(".message.error")).to_contain_text("There is no picture among what was sent (readme.txt)")
