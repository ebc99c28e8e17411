"""A headless Chromium that makes pictures of pages, asked by the Chrome DevTools protocol through a pipe."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, Self

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NONE_FOUND = (
    "Pictures of what raters see could not be made: the worker's host has no Chromium or Chrome. Install it there, or "
    "set MOSWEB_CHROMIUM to its program, and order the supplement again."
)
SECONDS = 60.0
# The browser reads from its file 3 and writes to its file 4.
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


class NoPictures(Exception):
    """Why there are none, in words for the researcher."""


def find_browser() -> str:
    """The program of a Chromium or Chrome: MOSWEB_CHROMIUM, else the system's. Raises NoPictures."""
    named = os.environ.get("MOSWEB_CHROMIUM")
    found = (path for name in ([named] if named else PROGRAMS) if (path := shutil.which(name)))
    if program := next(found, None):
        return program
    raise NoPictures(f"MOSWEB_CHROMIUM={named}: there is no such program." if named else NONE_FOUND)


class Browser:
    """With a profile of its own, gone when the block is left."""

    def __enter__(self) -> Self:
        program = find_browser()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = _pipe(theirs=0)
        self._in, theirs_out = _pipe(theirs=1)
        options = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._folder.name}/profile"]
        options += ["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        if os.geteuid() == 0:  # as in a container, where its sandbox cannot be; it opens this site's pages alone
            options.append("--no-sandbox")
        start = [sys.executable, "-c", _START, str(theirs_in), str(theirs_out), program, *options]
        self._process = subprocess.Popen(  # noqa: S603 - the host's own browser
            start, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._asked, self._unread = 0, b""
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._out)  # upon which it leaves
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        self._folder.cleanup()

    def picture(self, address: str, *, language: str, size: tuple[int, int], ready: str, whole: bool = False) -> bytes:
        """A PNG of the page in a window of this width and height, in CSS pixels of one pixel each.

        language: which the browser asks for; no cookie of an earlier page is kept. ready: an expression of JavaScript
        that is true once there is something to see. whole: the page to its end, else what is in the window. Raises
        NoPictures.
        """
        context = self._ask("Target.createBrowserContext")["browserContextId"]
        target = self._ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        page = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", page, **metrics)
        self._ask("Network.enable", page)
        self._ask("Network.setExtraHTTPHeaders", page, headers={"Accept-Language": language})
        self._ask("Page.navigate", page, url=address)
        self._until(page, ready)
        data = self._ask("Page.captureScreenshot", page, captureBeyondViewport=whole, **self._clip(page, whole))["data"]
        self._ask("Target.disposeBrowserContext", browserContextId=context)
        return base64.b64decode(data)

    def _clip(self, page: str, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self._ask("Page.getLayoutMetrics", page)["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _until(self, page: str, ready: str) -> None:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            if self._ask("Runtime.evaluate", page, expression=f"Boolean({ready})")["result"].get("value"):
                return
            time.sleep(0.1)
        raise NoPictures(f"The rater's page did not come to show anything within {SECONDS:.0f} s.")

    def _ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        self._asked += 1
        asked: dict[str, Any] = {"id": self._asked, "method": method, "params": params}
        if session:
            asked["sessionId"] = session
        try:
            os.write(self._out, json.dumps(asked).encode() + b"\0")
        except BrokenPipeError:
            raise NoPictures("The browser that makes pictures of the rater's pages has ended.") from None
        ends = time.monotonic() + SECONDS
        while True:
            answer = self._read(ends)
            if answer.get("id") == self._asked:
                break
        if "error" in answer:
            raise NoPictures(f"The browser that makes pictures answered {method} with {answer['error']['message']!r}.")
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self, ends: float) -> dict[str, Any]:
        """The next message, an answer or news."""
        while b"\0" not in self._unread:
            if not select.select([self._in], [], [], max(ends - time.monotonic(), 0))[0]:
                raise NoPictures(f"The browser that makes pictures did not answer within {SECONDS:.0f} s.")
            piece = os.read(self._in, 1 << 16)
            if not piece:
                raise NoPictures("The browser that makes pictures of the rater's pages has ended.")
            self._unread += piece
        message, _, self._unread = self._unread.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told


def _pipe(theirs: int) -> tuple[int, int]:
    """(read, write); the browser's end has a number above those that it is given them under."""
    ends = list(os.pipe())
    moved = fcntl.fcntl(ends[theirs], fcntl.F_DUPFD, 10)
    os.close(ends[theirs])
    ends[theirs] = moved
    return ends[0], ends[1]
