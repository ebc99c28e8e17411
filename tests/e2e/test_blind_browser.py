"""The blindness of tests/studies/rating/test_blindness.py once more, on what a real server sends to a real browser."""

import base64
import re

from playwright.sync_api import expect

from tests.blindness import Received
from tests.e2e.rater import arrive, press, see, stored


def test_a_browser_receives_nothing_telling_in_a_whole_session(site, browser):
    invitation = site.backstage("invite_to_telling_study")
    received = record(browser)
    page = arrive(browser, site.url, invitation.path)
    page.click("#agree:enabled")
    for position in (1, 2):
        see(page, position)
        page.keyboard.press("ArrowRight")
    for position in range(3, 9):
        press(page, position, 3)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    received.append(Received("cookies", tuple((c["name"], c["value"]) for c in browser.cookies()), b""))
    assert site.backstage("leaks_in", received, invitation.rater) == []

    images = [thing for thing in received if thing.body.startswith(b"\x89PNG")]
    assert len(images) == 8
    assert sum(thing.where.endswith(".js") for thing in received) >= 10
    # Two sources were rated in three versions each: two kinds of header sets, however many images.
    assert len({steady(thing) for thing in images[2:]}) == 2
    assert len({thing.body for thing in images[2:]}) == 6
    planted = Received("/image/x", (("X-Method", "Tapir"),), b"")
    assert len(site.backstage("leaks_in", [planted], invitation.rater)) == 1
    assert len(stored(site, invitation, 6)) == 6


def record(browser):
    """A list that gets all that the browser's first window receives, before the window does."""
    received = []
    session = browser.new_cdp_session(browser.pages[0])

    def take(event):
        if not 300 <= event["responseStatusCode"] < 400:
            answer = session.send("Fetch.getResponseBody", {"requestId": event["requestId"]})
            body = base64.b64decode(answer["body"]) if answer["base64Encoded"] else answer["body"].encode()
        else:
            body = b""
        headers = tuple((h["name"].lower(), h["value"]) for h in event["responseHeaders"])
        received.append(Received(event["request"]["url"], headers, body))
        session.send("Fetch.continueRequest", {"requestId": event["requestId"]})

    session.on("Fetch.requestPaused", take)
    session.send("Fetch.enable", {"patterns": [{"requestStage": "Response"}]})
    return received


def steady(thing):
    """The headers without the time of day, the request's random number, and the receipt's time and its signature."""
    shape = {"receipt": lambda value: re.sub(r"^\d{13}\.[0-9a-f]{32}$", "time.signature", value)}
    kept = (header for header in thing.headers if header[0] not in ("date", "x-request-id"))
    return tuple((name, shape.get(name, str)(value)) for name, value in kept)
