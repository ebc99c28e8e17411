"""A real browser on a real site."""

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.chromium import HELP, find
from tests.e2e.bucket import Bucket
from tests.e2e.plant import cluster, postgresql_programs
from tests.e2e.site import Site

# As long as a click may wait (below): on a busy machine a page takes its time.
expect.set_options(timeout=20_000)

QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def own_postgresql():
    """A PostgreSQL server of the test's own, to be killed."""
    if postgresql_programs() is None:
        missing = "needs PostgreSQL's server programs (Debian: apt-get install postgresql)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with cluster() as server:
        yield server


@pytest.fixture
def bucket(tmp_path):
    """An object store of the test's own, running; a test may kill it, or freeze it."""
    bucket = Bucket(tmp_path / "bucket")
    bucket.start()
    yield bucket
    bucket.thaw()
    bucket.kill()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    found = find()
    return str(found) if found else pytest.fail(HELP)


@pytest.fixture(scope="module")
def playwright():
    """Ended with its file: its event loop would stand in the way of what runs after it in this process."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def _running_site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"))
    site.start()
    yield site
    site.close()


@pytest.fixture
def site(_running_site):
    """The site, running; a test may stop it."""
    if not _running_site.running:
        _running_site.start()
    return _running_site


def extension_for_zooming(folder):
    """Arguments that load an extension without code, in whose name a test may call chrome.tabs.setZoom."""
    extension = folder / "zoom"
    extension.mkdir()
    (extension / "worker.js").touch()
    manifest = {"manifest_version": 3, "name": "zoom", "version": "1", "background": {"service_worker": "worker.js"}}
    (extension / "manifest.json").write_text(json.dumps(manifest))
    return [f"--load-extension={extension}", "--disable-features=DisableLoadExtensionCommandLineSwitch"]


@pytest.fixture
def open_browser(playwright, chromium, tmp_path):
    """Opens a browser with a profile of its own; the same `profile` again is the same person's computer."""
    opened = []

    def launch(*, ratio=1, profile="one", size=(1280, 800), zoomable=False):
        args = [*QUIET, f"--force-device-scale-factor={ratio}", f"--window-size={size[0]},{size[1]}"]
        if zoomable:
            args += extension_for_zooming(tmp_path)
        context = playwright.chromium.launch_persistent_context(
            tmp_path / profile,
            executable_path=chromium,
            # With a viewport of its own the driver emulates a screen, and scales what it shows.
            no_viewport=True,
            ignore_default_args=["--disable-extensions"] if zoomable else None,
            args=args,
        )
        context.set_default_timeout(20_000)
        opened.append(context)
        return context

    yield launch
    for context in opened:
        context.close()


@pytest.fixture
def browser(open_browser):
    return open_browser()
