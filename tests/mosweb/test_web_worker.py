"""Connections that stay open are spread over gunicorn's processes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.e2e.plant import wait_for

APP = """
import os
import mosweb.wsgi  # which the configuration expects to be loaded
def app(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def server(tmp_path):
    (tmp_path / "tiny.py").write_text(APP)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "gunicorn", "--config", "python:mosweb.gunicorn_conf", "--workers", "2"]
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
    return connections, Counter(ask(connection) for connection in connections)


def close(connections):
    for connection in connections:
        connection.close()


def answering(port):
    try:
        connections, owners = connect(port, 6)
    except OSError:
        return set()
    close(connections)
    return set(owners)


def test_open_connections_are_shared_evenly(server):
    port, _ = server
    connections, owners = connect(port, 30)
    close(connections)
    assert len(owners) == 2
    assert max(owners.values()) <= 18


def test_a_process_that_was_killed_is_replaced_and_gets_its_share_again(server):
    port, process = server
    victim = psutil.Process(process.pid).children()[0]
    victim.kill()
    wait_for(lambda: len(answering(port)) == 2 and victim.pid not in answering(port), seconds=30, what="a new process")
    connections, owners = connect(port, 30)
    close(connections)
    assert max(owners.values()) <= 18


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
