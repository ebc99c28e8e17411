"""Without a shell: from twelve folders of results to a closed study, its LaTeX and its supplement, in a real browser.

With MOSWEB_PICTURES, a folder, every staff page is stored there as a picture, at two widths, light and dark.
"""

import asyncio
import contextlib
import csv
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.e2e import folders
from tests.e2e.accessible import faults
from tests.e2e.conftest import QUIET
from tests.e2e.plant import ROOT
from tests.e2e.scripted import Rater, all_go
from tests.e2e.site import Site
from tests.studies.services import Valkey
from tests.variants import variants

PATIENCE = 240_000  # ms: for what a worker does, on a machine that others use
RATERS = ("anna", "ben", "carla", "dora")
# Both benchmarks by these, and Set5 alone by the fourth.
BOTH = ("net-a", "net-b", "net-c")
RATED = (5 + 14) * (len(BOTH) + 2) + 5
SIZES = variants((1280, "light"), (390, "dark"), more=((1280, "dark"), (390, "light")))


@dataclass
class Walked:
    """What the researcher has met: of each folder what was said, and the files that were downloaded."""

    site: Site
    made: list[folders.Folder]
    said: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    report: bytes = b""
    supplement: bytes = b""
    events: str = ""


@pytest.fixture(scope="module")
def console(tmp_path_factory) -> Iterator[Site]:
    """A site with its broker and a worker of every kind, and an account of its staff."""
    folder = tmp_path_factory.mktemp("console")
    site = Site(folder / "var")
    broker = Valkey(folder)
    broker.start()
    site.environment |= {"REDIS_URL": broker.url, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "celery", "-A", "mosweb", "worker", "-l", "INFO", "-Q", "default,cpu", "-c", "2"]
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=ROOT, env=site._env(), stdout=log, stderr=log)
    try:
        site.backstage("staff_session")
        site.start()
        yield site
    finally:
        site.close()
        worker.terminate()  # what it is at is ended; after a failure nobody waits for that
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(timeout=30)
        worker.kill()
        worker.wait()
        broker.kill()


@pytest.fixture(scope="module")
def window(playwright: Playwright, chromium: str) -> Iterator[Page]:
    browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
    page = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True).new_page()
    page.set_default_timeout(30_000)
    yield page
    browser.close()


@pytest.fixture(scope="module")
def walked(console: Site, window: Page, tmp_path_factory, shared: Path) -> Walked:
    """The whole way, each step by what a page offers."""
    found = folders.make(tmp_path_factory.mktemp("folders"), shared)
    assert len(found) == 12
    walk = Walked(console, found)
    log_in(window, console.url)
    for name in ("Set5", "Set14"):
        bring_benchmark(window, name, shared / "benchmarks" / name)
    for folder in found:
        walk.said[folder.name] = bring(window, folder)
    design(window)
    make_images(window)
    walk.pages["contact sheet"] = look_at_the_sheet(window)
    launch(window)
    links = invite(window)
    rate(console.port, links)
    decide(window)
    close(window)
    walk.report = order(window, "Make a report of the ratings so far", "report of")
    walk.supplement = order(window, "Make a supplement", "supplement of")
    window.goto(f"{console.url}/studies/walk/events/")
    with window.expect_download() as started:
        window.click("text=All as CSV")
    walk.events = Path(started.value.path()).read_text()
    return walk


def log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.goto(f"{url}/login/")
    page.fill("[name=username]", "staff")
    page.fill("[name=password]", "right")
    page.click("main button")
    expect(page.get_by_text("There is no study yet")).to_be_visible()


def bring_benchmark(page: Page, name: str, path: Path) -> None:
    page.click("nav >> text=Bring images")
    page.fill("#id_pictures-benchmark", name)
    page.click("form:has(#id_pictures-benchmark) button")
    page.set_input_files("#hr-folder", path)
    send_and_look(page)
    take(page)


def bring(page: Page, folder: folders.Folder) -> str:
    """Send it, look, and take it, or discard it where the pictures are wrong; returns what was said of it."""
    page.click("nav >> text=Bring images")
    page.select_option("#id_results-benchmark", folder.benchmark)
    page.fill("#id_results-method", folder.method)
    page.fill("#id_results-display_name", folder.method.title())
    if folder.mapping:
        page.set_input_files("#id_results-mapping_file", folder.mapping)
    page.click("form:has(#id_results-method) button")
    page.set_input_files("#files" if folder.path.suffix == ".zip" else "#folder", folder.path)
    send_and_look(page)
    said = page.inner_text("main")
    if folder.says and folder.name not in ("jpeg", "grid"):
        page.click("button:has-text('Discard it')")
        expect(page.get_by_text("was discarded")).to_be_visible()
    else:
        take(page)
    return said


def send_and_look(page: Page) -> None:
    page.click("#send")
    expect(page.get_by_text("What was seen")).to_be_visible(timeout=PATIENCE)


def take(page: Page) -> None:
    for box in page.locator("[name=confirmed]").all():
        box.check()
    page.click("button:has-text('Take ')")
    expect(page.locator(".message.success")).to_be_visible(timeout=PATIENCE)


def design(page: Page) -> None:
    page.click("nav >> text=New study")
    page.fill("#id_name", "walk")
    page.fill("#id_title", "How good do these pictures look?")
    chosen = page.locator("table.cells input:checked")
    while chosen.count():
        chosen.first.uncheck()
    methods = {name.title(): ("Set5", "Set14") for name in BOTH} | {"Net-D": ("Set5",)}
    for method, benchmarks in (methods | {"Bicubic": ("Set5", "Set14"), "HR": ("Set5", "Set14")}).items():
        for benchmark in benchmarks:
            page.get_by_label(re.compile(rf"^{method}( \(.*\))? on {benchmark}$", re.IGNORECASE)).check()
    page.click("summary:has-text('Pace and undo')")
    page.fill("#id_least_view_ms", "0")
    page.fill("#id_gap_ms", "0")
    page.click("text=Save the draft")
    expect(page.get_by_text("Not ready to launch")).to_be_visible()


def make_images(page: Page) -> None:
    page.click("button:has-text('Make the missing images')")
    expect(page.get_by_text("Everything is there")).to_be_visible(timeout=PATIENCE)  # by itself


def look_at_the_sheet(page: Page) -> str:
    page.click("nav.tabs >> text=Contact sheet")
    expect(page.locator("#compare")).to_be_visible()
    return page.inner_text("main")


def launch(page: Page) -> None:
    page.click("nav.tabs >> text=Overview")
    page.click("a.button:has-text('Launch')")
    expect(page.get_by_text("frozen from then on")).to_be_visible()
    page.click("button:has-text('Launch it')")
    expect(page.locator("h1 .state")).to_have_text("Launched")


def invite(page: Page) -> list[str]:
    page.click("nav.tabs >> text=Raters and links")
    page.fill("#id_labels", "\n".join(RATERS))
    page.click("button:has-text('Invite')")
    links = page.locator("input.link-field")
    expect(links).to_have_count(len(RATERS))
    return ["/" + one.input_value().split("/", 3)[3] for one in links.all()]


def rate(port: int, links: list[str]) -> None:
    """In a thread: the browser's driver has this one's event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(all_go([Rater(port, link) for link in links]))).result()


def decide(page: Page) -> None:
    page.click("nav.tabs >> text=Quality")
    row = page.locator("tr", has_text="dora")
    row.locator("summary").click()
    row.locator("select").select_option("exclude")
    row.locator("textarea").fill("was called away")
    row.locator("button").click()
    expect(page.get_by_text("1 excluded from the analysis")).to_be_visible()


def close(page: Page) -> None:
    page.click("nav.tabs >> text=Overview")
    page.click("a.button:has-text('Close the study')")
    page.click("button:has-text('Close it')")
    expect(page.locator("h1 .state")).to_have_text("Closed")


def order(page: Page, button: str, title: str) -> bytes:
    page.click("nav.tabs >> text=Results")
    page.click(f"button:has-text('{button}')")
    link = page.locator("#reports a", has_text=title)
    expect(link).to_be_visible(timeout=PATIENCE)  # by itself
    with page.expect_download() as started:
        link.click()
    return Path(started.value.path()).read_bytes()


def test_of_each_folder_the_site_says_what_is_strange_and_nothing_of_the_clean_ones(walked):
    made = {folder.name: folder for folder in walked.made}
    assert set(walked.said) == set(made)
    for name, said in walked.said.items():
        if made[name].says:
            assert made[name].says.lower() in said.lower(), name
            assert "Please look at this first" in said, name
        else:
            assert "Nothing is strange about them." in said, (name, said[:600])
            assert f"Take {5 if made[name].benchmark == 'Set5' else 14} pictures" in said
    assert "comparison_grid.png" in walked.said["grid"]
    assert "Thumbs.db" not in "".join(walked.said.values())


def test_the_sheet_shows_each_version_and_every_act_is_an_event_with_who_did_it(walked):
    for method in ("Net-A", "Net-B", "Net-C", "bicubic"):
        assert method in walked.pages["contact sheet"]
    rows = list(csv.DictReader(io.StringIO(walked.events)))
    kinds = [row["kind"] for row in rows if row["kind"] != "second device"]
    assert kinds == [
        "created", "images asked for", "launch", "invited", "decision", "close", "report ordered", "downloaded",
        "report ordered", "downloaded",
    ]  # fmt: skip
    assert {row["by"] for row in rows if row["kind"] in kinds} == {"staff"}


def test_the_report_has_latex_of_all_who_count(walked):
    with zipfile.ZipFile(io.BytesIO(walked.report)) as archive:
        latex = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".tex")}
        paragraph = archive.read("walk-report/methods.txt").decode()
        scores = list(csv.DictReader(io.StringIO(archive.read("walk-report/tables/mos.csv").decode())))
    whole = "\n".join(latex.values())
    assert "\\toprule" in whole
    for method in ("Net-A", "Net-B", "Net-C", "Net-D"):
        assert method in whole
    assert "Left out: 1 rater (was called away)." in paragraph
    assert sum(int(row["n"]) for row in scores) == (len(RATERS) - 1) * RATED


def test_the_supplement_is_anonymous_and_makes_its_numbers_again(walked):
    with zipfile.ZipFile(io.BytesIO(walked.supplement)) as archive:
        names = archive.namelist()
        texts = "\n".join(archive.read(n).decode() for n in names if n.endswith((".csv", ".txt", ".json", ".html")))
    assert [name for name in names if name.endswith("reproduce.py")]
    assert [name for name in names if re.search(r"rating-en\.png$", name)]
    assert [name for name in names if re.search(r"instructions-en\.(png|txt)$", name)]
    assert [name for name in names if name.endswith("methods.txt")]
    for label in RATERS:
        assert not re.search(rf"\b{label}\b", texts), label


@pytest.mark.parametrize(("width", "colours"), SIZES)
def test_no_staff_page_has_a_serious_fault_or_is_wider_than_the_screen(
    walked, playwright, chromium, window, width, colours
):
    browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=colours)
    context.add_cookies(window.context.cookies())
    page, pictures = context.new_page(), os.environ.get("MOSWEB_PICTURES")
    found = {}
    paths = walked.site.backstage("staff_pages", "walk")
    assert len(paths) > 25
    for name, path in paths.items():
        page.goto(walked.site.url + path)
        page.wait_for_load_state("load")
        page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true; })")
        if told := faults(page, schemes=[colours]):
            found[name] = told
        if pictures:
            Path(pictures).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{pictures}/{name}-{width}-{colours}.png", full_page=True)
    browser.close()
    assert found == {}
