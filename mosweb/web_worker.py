"""gunicorn's threaded worker, with the kept-open connections shared evenly among the processes.

A browser keeps its connection for a whole session, and whichever process accepts it serves it to the end. Left alone,
the process that happens to be quicker takes nearly all of them (measured: 54 s of work against 7 s), and one process
cannot use more than one core.
"""

import mmap
import socket
import struct
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# Connections of each process, -1 where there is none, in memory that the processes share.
_SLOTS = 64
_SLOT = struct.Struct("i")
_counts = mmap.mmap(-1, _SLOTS * _SLOT.size)
_counts[:] = _SLOT.pack(-1) * _SLOTS

# So many more than the process with the fewest is still even.
SLACK = 1
# A process that does not take its share within this time is busy or stuck: then anybody accepts.
PATIENCE = 0.05  # seconds
_NAP = 0.001


def forget(worker: ThreadWorker) -> None:
    """Clear the slot of a process that has ended."""
    _write(worker, -1)


class EvenWorker(ThreadWorker):  # type: ignore[misc]
    _declining_since: float | None = None

    def accept(self, listener: socket.socket) -> None:
        if self._is_others_turn():
            time.sleep(_NAP)
            return
        self._declining_since = None
        super().accept(listener)
        _write(self, self.nr_conns)

    def finish_request(self, conn: Any, fs: Any) -> None:
        super().finish_request(conn, fs)
        _write(self, self.nr_conns)

    def notify(self) -> None:
        """Once a second at least, and after connections that timed out."""
        super().notify()
        _write(self, self.nr_conns)

    def _is_others_turn(self) -> bool:
        fewest = min((count for (count,) in _SLOT.iter_unpack(_counts[:]) if count >= 0), default=0)
        if self.nr_conns < fewest + SLACK:
            return False
        now = time.monotonic()
        self._declining_since = self._declining_since or now
        return now - self._declining_since < PATIENCE


def _write(worker: ThreadWorker, count: int) -> None:
    # `age` numbers the processes in the order in which they were started.
    _SLOT.pack_into(_counts, worker.age % _SLOTS * _SLOT.size, count)
