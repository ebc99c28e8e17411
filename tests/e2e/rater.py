"""What a rater does in the browser. Waiting is for something seen, never for time."""

import base64
import io
import time

import numpy as np
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.site import Invitation, Site


def arrive(browser: BrowserContext, site_url: str, path: str) -> Page:
    """Open the invitation in the browser's first window."""
    page = browser.pages[0]
    page.goto(site_url + path)
    return page


def see(page: Page, position: int) -> None:
    """Wait until the image of this trial has been painted."""
    page.wait_for_selector(f"#stage[data-painted='{position}']")


def fetched(page: Page, images: int) -> None:
    """Wait until the page has so many images whole: what may be seen of them without a network."""
    page.wait_for_function(
        "images => performance.getEntriesByType('resource').filter((e) => e.name.includes('/image/')).length >= images",
        arg=images,
    )


def press(page: Page, position: int, score: int) -> None:
    see(page, position)
    page.keyboard.press(str(score))


def expect_status(page: Page, text: str) -> None:
    # Where the server was away, tries come at longer and longer intervals.
    expect(page.locator("#status")).to_have_text(text, timeout=30_000)


def expect_overlay(page: Page, title: str) -> None:
    expect(page.locator("#overlay-title")).to_have_text(title)
    expect(page.locator("#overlay")).to_be_visible()


def stored(site: Site, invitation: Invitation, number: int) -> list[dict[str, float]]:
    """The rater's ratings, once so many are in the database."""
    deadline = time.monotonic() + 20
    while len(rows := site.backstage("ratings", invitation.rater)) < number:
        assert time.monotonic() < deadline, f"{len(rows)} of {number} ratings arrived"
    return rows


def scores(rows: list[dict[str, float]]) -> list[float]:
    return [row["score"] for row in rows]


def set_zoom(browser: BrowserContext, zoom: float) -> None:
    """What Ctrl and + do, by way of an extension: the driver has no other."""
    worker = browser.service_workers[0] if browser.service_workers else browser.wait_for_event("serviceworker")
    worker.evaluate("zoom => chrome.tabs.setZoom(zoom)", zoom)


def two_frames(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def screenshot(page: Page) -> np.ndarray:
    """The page in device pixels: uint8 (H, W, 3)."""
    session = page.context.new_cdp_session(page)
    answer = session.send("Page.captureScreenshot", {"format": "png", "fromSurface": True})
    session.detach()
    with Image.open(io.BytesIO(base64.b64decode(answer["data"]))) as image:
        return np.asarray(image.convert("RGB"))


def places_of(part: np.ndarray, whole: np.ndarray) -> list[tuple[int, int]]:
    """(row, column) of every place at which `part` occurs in `whole`, every pixel equal."""
    height, width = part.shape[:2]
    rows, columns = whole.shape[0] - height + 1, whole.shape[1] - width + 1
    if rows < 1 or columns < 1:
        return []
    # Narrow down by a few pixels first.
    candidate = np.ones((rows, columns), bool)
    for y, x in ((0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (height // 2, width // 2)):
        candidate &= (whole[y : y + rows, x : x + columns] == part[y, x]).all(axis=-1)
    return [
        (int(row), int(column))
        for row, column in np.argwhere(candidate)
        if np.array_equal(whole[row : row + height, column : column + width], part)
    ]


def resize(page: Page, width: int, height: int) -> None:
    """Give the browser's window another size."""
    session = page.context.new_cdp_session(page)
    window = session.send("Browser.getWindowForTarget")["windowId"]
    session.send("Browser.setWindowBounds", {"windowId": window, "bounds": {"width": width, "height": height}})
    session.detach()


def set_hidden(page: Page, hidden: bool) -> None:
    """Make the page believe that it is hidden: without a screen the browser shows every tab at once."""
    page.evaluate(
        """hidden => {
          Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def advance_clocks(page: Page, minutes: float) -> None:
    """Let the page's clocks say that so many minutes have passed."""
    page.evaluate(
        """minutes => {
          for (const clock of [performance, Date]) {
            const now = clock.now.bind(clock);
            clock.now = () => now() + minutes * 60000;
          }
        }""",
        minutes,
    )
