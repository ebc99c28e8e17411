"""Looking at real processes from a test."""

import os
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

from django.db import connection


def eventually(condition: Callable[[], object], *, seconds: float = 20) -> object:
    """Wait for a truthy answer and return it; fail after `seconds`, naming the condition."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true within {seconds} s"
        time.sleep(0.02)
    return answer


def processes_with(text: str) -> dict[int, str]:
    """Living processes, other than this one and those above it, whose command or environment contains `text`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in command + environment and int(folder.name) != os.getpid():
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports that are free, and that no connection out of this machine is given meanwhile.

    The kernel gives those from 32768 on: one that it gave to a test and took back, another test's connection can hold
    by the time a server asks for it, and again when that is killed and started.
    """
    free: list[int] = []
    for port in random.SystemRandom().sample(range(15000, 32000), 200):
        with socket.socket() as candidate:
            if candidate.connect_ex(("127.0.0.1", port)) != 0:
                free.append(port)
        if len(free) == count:
            return free
    raise OSError(f"no {count} free ports under 32000")


def database_url() -> str:
    """Of the tests' own database, for a process that is to see what they wrote; inside no transaction."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
