"""Ending groups of processes, and finding those of a run that was killed. Standard library only."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# In the environment of every part, with a number of this run: no other process can have it by chance.
MARKER = "MOSWEB_RUN"
PATIENCE = 8.0  # seconds between the request to stop and the kill


def is_gone(pid: int) -> bool:
    """Whether no process `pid` runs; where there is /proc, one that ended and was not waited for is gone too."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        return state == "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def stop_groups(leaders: Iterable[int], *, patience: float = PATIENCE, gone: Callable[[int], bool] = is_gone) -> None:
    """Ask each group's leader to stop, wait at most `patience` seconds, then kill what is left of the groups.

    Only the leader is asked: a worker whose children were told to stop as well could not finish what they do.
    """
    leaders = list(leaders)
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not all(gone(leader) for leader in leaders):
        time.sleep(0.05)
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def stop_marked(marker: str) -> int:
    """End every process that a run marked with `marker` has left behind; return how many there were."""
    found = list(marked(marker))
    groups = set()
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            groups.add(os.getpgid(pid))
    stop_groups(groups - {os.getpgid(0)}, patience=3)
    return len(found)


def marked(marker: str) -> Iterator[int]:
    """The processes whose environment carries `marker`; those of other users are not seen."""
    wanted = f"{MARKER}={marker}"
    for pid, environment in _environments():
        if wanted in environment:
            yield pid


def parent_has_ended() -> Callable[[], bool]:
    """Return a check whether our parent, taken to be `make`, has ended since."""
    parent = os.getppid()
    return lambda: os.getppid() != parent


def _environments() -> Iterator[tuple[int, str]]:
    if Path("/proc/self/environ").exists():
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                yield int(folder.name), (folder / "environ").read_text(encoding="utf-8", errors="replace")
        return
    # macOS and the BSDs: ps appends the environment to the command.
    command = ["ps", "-A", "-E", "-ww", "-o", "pid=,command="]
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():  # noqa: S603
        pid, _, rest = line.strip().partition(" ")
        yield int(pid), rest
