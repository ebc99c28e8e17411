"""A process that outlives the supervisor by seconds: whatever ends the supervisor, it ends the parts.

It knows that the supervisor is gone when the pipe between them closes, which the kernel sees to even after kill -9,
on Linux and macOS alike. It holds the lock of the data folder meanwhile, so that the next run waits for it.
"""

import contextlib
import os
import signal
from collections.abc import Iterable

from mosweb.processes import stop_groups

STOPPING = b"stopping"


class Guardian:
    def __init__(self, lock: int) -> None:
        """Start it. `lock` is the descriptor of the locked file, which it keeps open and marks when it has to act."""
        reader, self._writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _close_all_but({reader, lock})
                _stand_guard(reader, lock)
            finally:
                os._exit(0)
        os.close(reader)

    def tell(self, leaders: Iterable[int]) -> None:
        """Say which process groups there are now, by their leaders."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writer, (" ".join(map(str, leaders)) + "\n").encode())

    def is_alive(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:
            return False

    def dismiss(self) -> None:
        """End it, after the parts were stopped."""
        self.tell([])
        os.close(self._writer)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _close_all_but(kept: set[int]) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # a pipe that reads our output must not wait for this process
        os.dup2(nowhere, standard)
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, 4096)


def _stand_guard(reader: int, lock: int) -> None:
    os.setsid()  # out of reach of the terminal's signals
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told = b""
    while piece := os.read(reader, 4096):
        told = (told + piece)[-4096:]
    lines = told.split(b"\n")
    leaders = [int(word) for word in lines[-2].split()] if len(lines) > 1 else []
    if leaders:
        os.pwrite(lock, STOPPING.ljust(os.fstat(lock).st_size), 0)
        stop_groups(leaders)
