"""Where the browser of the browser tests is: `python -m tests.chromium` prints its path, installing it if need be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MACOS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
HELP = (
    "The browser tests need Chromium, and none was found or could be installed. Install it (Debian: apt-get install "
    "chromium), or set MOSWEB_CHROMIUM to its program."
)


def find() -> Path | None:
    """MOSWEB_CHROMIUM, else the system's Chromium or Chrome, else the one that playwright has installed.

    Raises FileNotFoundError if MOSWEB_CHROMIUM names no program.
    """
    if named := os.environ.get("MOSWEB_CHROMIUM"):
        program = shutil.which(named)
        if program is None:
            raise FileNotFoundError(f"MOSWEB_CHROMIUM={named}: there is no such program")
        return Path(program)
    found = [Path(path) for name in NAMES if (path := shutil.which(name))]
    found += [Path(path) for path in MACOS if Path(path).exists()]
    return found[0] if found else _of_playwright()


def install() -> None:
    """By the system's package manager where we may use it, else by playwright; says nothing if neither works."""
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run([apt, "update", "-qq"], environment)
        # Ubuntu's package of that name is only a pointer to a snap, which does not run everywhere.
        if _run([apt, "install", "-y", "-qq", "--no-install-recommends", "chromium"], environment) and find():
            return
    _run([sys.executable, "-m", "playwright", "install", "chromium"], dict(os.environ))


def _of_playwright() -> Path | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = Path(playwright.chromium.executable_path)
    return program if program.exists() else None


def _run(command: list[str], environment: dict[str, str]) -> bool:
    # Standard output is for the path alone.
    return subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode == 0


def main() -> int:
    try:
        if find() is None:
            install()
        program = find()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    if program is None:
        print(HELP, file=sys.stderr)
        return 1
    print(program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
