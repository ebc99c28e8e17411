"""gunicorn's processes with waitress in each, on a tiny application: connections that stay or send slowly."""

import contextlib
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.e2e.plant import wait_for

APP = """
import os
import time
import mosweb.wsgi  # which the configuration expects to be loaded
def app(environ, start_response):
    sent = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    body = sent or str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
# Half a minute is too long for a test.
CONFIGURATION = """
from mosweb import web_worker
from mosweb.gunicorn_conf import *
web_worker.SECONDS_TO_ARRIVE = 1.0
"""


@pytest.fixture
def server(tmp_path):
    (tmp_path / "tiny.py").write_text(APP)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "quick_conf.py").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:quick_conf"]
    env = {**os.environ, "PYTHONPATH": f"{root}:{tmp_path}", "MOSWEB_VAR": str(tmp_path), "WEB_CONCURRENCY": "2",
           "DJANGO_SETTINGS_MODULE": "mosweb.settings", "MOSWEB_HTTPS": "0"}  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", "tiny:app"], env=env, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: len(answering(port)) == 2, seconds=30, what="both processes answer")
        yield port, process
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=20)


def ask(connection):
    connection.request("GET", "/")
    return int(connection.getresponse().read())


def connect(port, number):
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(number)]
    try:
        return connections, Counter(ask(connection) for connection in connections)
    except (OSError, http.client.HTTPException):
        close(connections)
        raise


def close(connections):
    for connection in connections:
        connection.close()


def answering(port):
    try:
        connections, owners = connect(port, 6)
    except (OSError, http.client.HTTPException):
        return set()
    close(connections)
    return set(owners)


def say(port, text):
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(text)
    return connection


def test_connections_that_send_nothing_or_half_a_request_hold_nobody_up(server):
    port, _ = server
    held = [say(port, b"") for _ in range(200)]
    held += [say(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: a") for _ in range(200)]
    held += [say(port, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf") for _ in range(200)]
    begun = time.monotonic()
    connections, owners = connect(port, 20)
    took = time.monotonic() - begun
    close([*connections, *held])
    assert sum(owners.values()) == 20
    # gunicorn's own threads needed 9.5 s beside 40 such connections, or never answered.
    assert took < 5


def test_a_request_that_arrives_in_pieces_is_answered_whole(server):
    port, _ = server
    connection = say(port, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n")
    connection.sendall(b"\r\nabc")
    assert answering(port)  # others are answered in between
    connection.sendall(b"def")
    answer = b""
    while not answer.endswith(b"abcdef") and (more := connection.recv(4096)):  # head and body may come apart
        answer += more
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"abcdef")
    connection.close()


def test_a_request_that_goes_on_arriving_for_too_long_is_given_up(server):
    port, _ = server
    connection = say(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: ")
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while not select.select([connection], [], [], 0.1)[0]:
            connection.sendall(b"a")
            assert time.monotonic() - begun < 20, "it may send for ever"
        assert connection.recv(100) == b""
    connection.close()


def test_a_request_under_work_is_answered_when_the_server_is_asked_to_stop(server):
    port, process = server
    connection = say(port, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    idle = say(port, b"")
    assert answering(port)  # by now the slow one is being worked on
    process.terminate()
    assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert process.wait(timeout=10) == 0
    close([connection, idle])


def test_open_connections_are_shared_evenly(server):
    """One process took nearly all of 26 raters' connections, and so one core: half of the ratings a second."""
    port, _ = server
    most = 0
    for _ in range(3):
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(30)]
        for connection in connections:
            connection.connect()  # all at once, as when a study is opened in a class room
        owners = Counter(ask(connection) for connection in connections)
        close(connections)
        assert len(owners) == 2
        most += max(owners.values())
    assert most <= 3 * 21, "25 to 29 of 30, most times, before they were shared"


def test_who_comes_back_at_once_when_the_processes_start_is_shared_too(server):
    """All would go to the process that is there first, and stay: each of them rates every few seconds."""
    port, process = server
    for child in psutil.Process(process.pid).children():
        child.kill()
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(30)]
    for connection in connections:
        connection.connect()
    owners = Counter(ask(connection) for connection in connections)
    close(connections)
    assert max(owners.values()) <= 21, owners


def test_a_process_that_was_killed_is_replaced_and_answers_again(server):
    port, process = server
    victim = psutil.Process(process.pid).children()[0]
    victim.kill()
    wait_for(lambda: len(answering(port)) == 2 and victim.pid not in answering(port), seconds=30, what="a new process")


def test_a_process_that_is_stuck_does_not_keep_others_from_answering(server):
    port, process = server
    stuck = psutil.Process(process.pid).children()[0]
    stuck.suspend()
    try:
        connections, owners = connect(port, 12)
        close(connections)
    finally:
        stuck.resume()
    assert set(owners) == {child.pid for child in psutil.Process(process.pid).children()} - {stuck.pid}
