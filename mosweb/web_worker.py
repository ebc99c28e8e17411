"""gunicorn's processes with waitress in each: a connection holds a thread only while its request is being answered.

gunicorn's own threads read from the connections themselves: 40 that send nothing or 60 that send half a request hold
all of them, and the site stands still. waitress collects requests in one loop and hands only whole ones to the threads.
gunicorn stays for what it does well: it starts, watches and replaces the processes.

A browser keeps its connection for a whole session, and whichever process accepts it serves it to the end. Left alone,
the process that happens to be quicker takes nearly all of them, and one process cannot use more than one core: so they
are shared evenly.
"""

import mmap
import os
import resource
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server

# A request must have arrived whole within this time; a rating has some hundred bytes.
SECONDS_TO_ARRIVE = 30.0
# Forms are all that is sent to the site, and Django refuses those of more than 2.5 MB.
LARGEST_BODY, LARGEST_HEAD = 4_000_000, 32_768
# Connections of one process; each costs some KB. Beside them a process has files open: database, images, logs.
MOST_CONNECTIONS, OTHER_FILES = 4096, 256
TICK = 1.0  # seconds between two looks at the clock

# Connections of each process, -1 where there is none, in memory that the processes share.
_SLOTS = 64
_SLOT = struct.Struct("i")
_counts = mmap.mmap(-1, _SLOTS * _SLOT.size)
_counts[:] = _SLOT.pack(-1) * _SLOTS
# A process that does not take its share within this time is busy or stuck: then anybody accepts.
PATIENCE = 0.05  # seconds
# When the site starts again all browsers are back at once, and would stay with the process that is there first: so long
# it waits for the others.
PATIENCE_AT_START = 3.0
_NAP = 0.001

_Kind = TypeVar("_Kind")


class WaitressWorker(Worker):  # type: ignore[misc]  # comes without types
    def init_process(self) -> None:
        # waitress keeps what it watches by file descriptor: the listening sockets and the open connections.
        self._watched: dict[int, Any] = {}
        self._unfinished: dict[HTTPChannel, tuple[object, float]] = {}
        self._server = create_server(
            lambda environ, start_response: self.wsgi(environ, start_response),
            map=self._watched,
            sockets=[listener.sock for listener in self.sockets],
            threads=self.cfg.threads,
            connection_limit=_allow_files(MOST_CONNECTIONS + OTHER_FILES) - OTHER_FILES,
            channel_timeout=self.cfg.keepalive,
            cleanup_interval=5,
            max_request_header_size=LARGEST_HEAD,
            max_request_body_size=LARGEST_BODY,
            asyncore_use_poll=True,
            # Whom to believe is the site's own setting, MOSWEB_PROXIES.
            clear_untrusted_proxy_headers=False,
            # A browser that goes away is no error.
            log_socket_errors=False,
            ident=None,
        )
        self._started = self._declining_since = self._declined_at = float("-inf")
        self._servers = self._all(BaseWSGIServer)
        for server in self._servers:
            server.handle_accept = partial(self._accept, server.handle_accept)
        super().init_process()

    def run(self) -> None:
        self._started = time.monotonic()
        while self.alive and os.getppid() == self.ppid:
            self._serve_until(time.monotonic() + TICK)
            self.notify()
            self._close_slow_senders(time.monotonic())
        self._finish(time.monotonic() + self.cfg.graceful_timeout)

    def handle_exit(self, sig: int, frame: object) -> None:
        super().handle_exit(sig, frame)
        for server in self._servers:
            server.pull_trigger()

    def _serve_until(self, moment: float) -> None:
        while self.alive and (left := moment - time.monotonic()) > 0:
            wasyncore.loop(timeout=left, use_poll=True, map=self._watched, count=1)
            self._tell(self._open())

    def _accept(self, accept: Callable[[], None]) -> None:
        """Take a new connection, unless another process has fewer and takes it."""
        count, now = self._open(), time.monotonic()
        there = [number for (number,) in _SLOT.iter_unpack(_counts[:]) if number >= 0]
        is_new = now < self._started + PATIENCE_AT_START
        if count > (0 if is_new and len(there) < self.cfg.workers else min(there, default=0)):
            if now - self._declined_at > 10 * _NAP:  # that one was taken: this is another
                self._declining_since = now
            self._declined_at = now
            if is_new or now - self._declining_since < PATIENCE:
                time.sleep(_NAP)
                self._declined_at = time.monotonic()
                return
        accept()
        self._tell(self._open())

    def _open(self) -> int:
        """Connections of this process."""
        return sum(len(server.active_channels) for server in self._servers)

    def _tell(self, count: int) -> None:
        # `age` numbers the processes in the order in which they were started.
        _SLOT.pack_into(_counts, self.age % _SLOTS * _SLOT.size, count)

    def expect(self) -> None:
        """The process is about to start: its share is kept for it."""
        self._tell(0)

    def forget(self) -> None:
        """The process has ended, or takes no connections any more."""
        self._tell(-1)

    def _all(self, kind: type[_Kind]) -> list[_Kind]:
        return [watched for watched in self._watched.values() if isinstance(watched, kind)]

    def _close_slow_senders(self, now: float) -> None:
        """waitress closes connections that are silent; one that sends a byte now and then would stay for ever."""
        before, self._unfinished = self._unfinished, {}
        for connection in self._all(HTTPChannel):
            request = connection.request
            if request is None:
                continue
            known, since = before.get(connection, (None, now))
            self._unfinished[connection] = (request, since if known is request else now)
            if known is request and now - since > SECONDS_TO_ARRIVE:
                connection.will_close = True

    def _finish(self, deadline: float) -> None:
        """Take no new requests, and send the answers to those that are here."""
        self.forget()
        for server in self._servers:
            server.accepting = False
        while time.monotonic() < deadline and any(c.requests or c.total_outbufs_len for c in self._all(HTTPChannel)):
            wasyncore.loop(timeout=0.1, use_poll=True, map=self._watched, count=1)
        self._server.task_dispatcher.shutdown(timeout=max(0.0, deadline - time.monotonic()))


def _allow_files(wanted: int) -> int:
    """Raise this process's limit of open files towards `wanted`, as far as it may; return what it is then."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    return allowed
