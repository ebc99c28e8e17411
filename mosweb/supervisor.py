"""Keeps the parts of the site running as children of one process, and leaves none behind. Standard library only.

Every part leads a process group and a session of its own: the terminal's Ctrl-C reaches the supervisor alone, which
stops the parts in order, and a part's own children end with it.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mosweb.guardian import Guardian
from mosweb.processes import stop_groups

TICK = 0.1
# A part that died so often within so many seconds "keeps dying": it is said, and tried again only slowly.
MANY_DEATHS, WITHIN_SECONDS = 5, 60
FIRST_DELAY, LONGEST_DELAY = 0.5, 20.0
LOG_BYTES, LOG_CHECK_SECONDS = 5_000_000, 10
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """The user, or whoever started the supervisor, asked for the end."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A program that runs as long as the site does."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    pass_fds: Sequence[int] = ()
    # The others need it until their own end.
    stops_last: bool = False


@dataclass(kw_only=True)
class Child:
    part: Part
    process: "subprocess.Popen[bytes]"
    # A command that is run to its end, not kept running.
    once: bool = False
    deaths: "deque[float]" = field(default_factory=deque)
    restart_at: float | None = None


def say(text: str) -> None:
    """Print for the user; where the terminal is gone there is nobody to tell."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


class Supervisor:
    def __init__(self, *, log_dir: Path, lock: int, abandoned: Callable[[], bool] = lambda: False) -> None:
        """`lock`: descriptor of the locked file of the data folder. `abandoned` tells that our own parent gave up."""
        self._log_dir = log_dir
        self._lock = lock
        self._abandoned = abandoned
        self._children: dict[str, Child] = {}
        self._asked_at: list[float] = []
        self._next_log_check = 0.0
        for number in STOP_SIGNALS:
            # nohup: a hang-up that was ignored from the start stays ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: self._asked_at.append(time.monotonic()))
        self._guardian = Guardian(lock)

    def start(self, part: Part) -> None:
        """Start `part` and keep it running from now on; its output goes to var/log/NAME.log."""
        self._children[part.name] = Child(part=part, process=self._spawn(part))
        self._tell_guardian()

    def begin(self, part: Part) -> "subprocess.Popen[bytes]":
        """Start a command that ends by itself, its output to the terminal."""
        process = subprocess.Popen(  # noqa: S603
            part.command, env=part.env, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._children[part.name] = Child(part=part, process=process, once=True)
        self._tell_guardian()
        return process

    def finish(self, part: Part) -> int:
        """Watch everything until the command begun as `part` has ended; return its exit status. Raises Stopped."""
        process = self._children[part.name].process
        self.wait_until(lambda: process.poll() is not None)
        del self._children[part.name]
        _kill_group(process)
        self._tell_guardian()
        return process.returncode

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = math.inf) -> bool:
        """Watch the parts until `ready()`, for at most `seconds`; return whether it came true. Raises Stopped."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                return False
            self.tick()
        return True

    def watch(self) -> None:
        """Keep the parts running until Stopped is raised."""
        while True:
            self.tick()

    def tick(self) -> None:
        """One look at everything, then a short sleep. Raises Stopped."""
        if self._asked_at or self._abandoned():
            raise Stopped
        now = time.monotonic()
        for child in list(self._children.values()):
            self._look_at(child, now)
        if not self._guardian.is_alive():
            self._guardian.dismiss()
            self._guardian = Guardian(self._lock)
            self._tell_guardian()
        if now >= self._next_log_check:
            self._bound_logs()
            self._next_log_check = now + LOG_CHECK_SECONDS
        time.sleep(TICK)

    def stop(self) -> None:
        """End every part: ask, wait, kill. A second signal, a second or more after the first, kills at once."""
        for last in (False, True):
            running = [c for c in self._children.values() if c.restart_at is None]
            self._stop([c.process for c in running if c.part.stops_last == last])
        self._children.clear()
        self._guardian.dismiss()

    def _stop(self, processes: "Sequence[subprocess.Popen[bytes]]") -> None:
        running = {p.pid: p for p in processes if p.poll() is None}
        stop_groups(running, gone=lambda pid: running[pid].poll() is not None or self._is_in_a_hurry())
        for process in processes:
            _kill_group(process)
            process.wait()

    def _is_in_a_hurry(self) -> bool:
        # One Ctrl-C or one closed terminal may reach us twice, from the kernel and from a shell.
        return bool(self._asked_at) and self._asked_at[-1] - self._asked_at[0] > 1

    def _spawn(self, part: Part) -> "subprocess.Popen[bytes]":
        with self._open_log(part.name) as log:
            return subprocess.Popen(  # noqa: S603
                part.command,
                env=part.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=part.pass_fds,
            )

    def _look_at(self, child: Child, now: float) -> None:
        if child.restart_at is not None:
            if now >= child.restart_at:
                child.process, child.restart_at = self._spawn(child.part), None
                self._tell_guardian()
            return
        status = child.process.poll()
        if status is None or child.once:
            return
        _kill_group(child.process)  # its children: workers without a master
        child.deaths.append(now)
        while child.deaths[0] < now - WITHIN_SECONDS:
            child.deaths.popleft()
        child.restart_at = now + min(LONGEST_DELAY, FIRST_DELAY * 2 ** (len(child.deaths) - 1))
        self._report_death(child, status)
        self._tell_guardian()

    def _report_death(self, child: Child, status: int) -> None:
        name, log = child.part.name, self._log_path(child.part.name)
        cause = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if len(child.deaths) < MANY_DEATHS:
            say(f"The {name} {cause}; starting it again.")
        elif len(child.deaths) == MANY_DEATHS:
            say(f"The {name} keeps dying: it {cause}. It is tried on, ever more slowly. Its log, {log}, ends:")
            say("\n".join(f"    {line}" for line in last_lines(log)))

    def _log_path(self, name: str) -> Path:
        return self._log_dir / f"{name.replace(' ', '-')}.log"

    def _open_log(self, name: str) -> IO[bytes]:
        handle = os.open(self._log_path(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "ab")

    def _bound_logs(self) -> None:
        """Move what a log holds to NAME.log.1 when it is too long: the part goes on appending to the emptied file."""
        for log in self._log_dir.glob("*.log"):
            if log.stat().st_size > LOG_BYTES:
                shutil.copy2(log, log.with_name(log.name + ".1"))
                os.truncate(log, 0)

    def _tell_guardian(self) -> None:
        self._guardian.tell(c.process.pid for c in self._children.values() if c.restart_at is None)


def last_lines(log: Path, count: int = 8) -> list[str]:
    """The end of a log, however long it is."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        return file.read().decode(errors="replace").splitlines()[-count:]


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    # macOS answers EPERM for a group of which only zombies are left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
