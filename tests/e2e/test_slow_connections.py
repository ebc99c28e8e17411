"""Raters beside connections that send nothing, and beside requests that never become whole, with no proxy in front."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.plant import Sqlite
from tests.e2e.scripted import RATINGS, Rater, Site, all_go, p95

HALF_A_HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Half: "
# With this cookie the site reads the form before it looks at anything else.
HALF_A_FORM = (
    b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nCookie: csrftoken=abcdefghijklmnopqrstuvwxyzABCDEF\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\nusername="
)
NOBODY: list[bytes] = []
IDLE = [b""] * 40
HALF_SENT = [HALF_A_HEAD] * 30 + [HALF_A_FORM] * 30


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path, Sqlite(tmp_path / "db.sqlite3"))
    site.start()
    yield site
    site.kill()


@contextmanager
def beside(port: int, texts: list[bytes]) -> Iterator[list[socket.socket]]:
    """Connections that have sent these beginnings; those of a request go on with a byte each half second."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in texts]
    for connection, text in zip(connections, texts, strict=True):
        connection.sendall(text)
    over = threading.Event()
    dripping = threading.Thread(target=_drip, args=(connections, texts, over))
    dripping.start()
    try:
        yield connections
    finally:
        over.set()
        dripping.join()
        for connection in connections:
            connection.close()


def _drip(connections: list[socket.socket], texts: list[bytes], over: threading.Event) -> None:
    while not over.wait(0.5):
        for connection, text in zip(connections, texts, strict=True):
            if text:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")


def rate_beside(site: Site, links: list[str], texts: list[bytes]) -> list[Rater]:
    raters = [Rater(site.port, link) for link in links]
    with beside(site.port, texts):
        asyncio.run(asyncio.wait_for(all_go(raters), timeout=90))
    return raters


def test_raters_go_on_beside_40_idle_connections_and_60_requests_that_are_never_whole(site):
    """With gunicorn's own threads an image took 9.5 s beside the idle ones; beside the others nobody was answered."""
    alone = rate_beside(site, site.links[:2], NOBODY)
    idle = rate_beside(site, site.links[2:4], IDLE)
    half = rate_beside(site, site.links[4:], HALF_SENT)
    everybody = [*alone, *idle, *half]
    sent = {token: score for rater in everybody for token, score in rater.acknowledged.items()}
    assert len(sent) == RATINGS
    assert site.stored() == sent
    assert not any(rater.failures for rater in everybody[2:])
    for name, raters in {"alone": alone, "40 idle": idle, "60 half-sent": half}.items():
        longest = max(rater.longest_wait for rater in raters)
        print(f"\n{name}: p95 {1000 * p95(raters):.1f} ms, longest {1000 * longest:.0f} ms")
    # Twice as long would be felt by nobody; noise of the machine is in it too.
    assert p95(idle) < 2 * p95(alone) + 0.1
    assert p95(half) < 2 * p95(alone) + 0.1
