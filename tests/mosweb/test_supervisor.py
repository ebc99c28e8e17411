import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mosweb.processes import MARKER, PATIENCE, marked, stop_marked
from tests.process_tools import children, eventually, is_running, processes_with

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

ROOT = Path(__file__).resolve().parents[2]
SUPERVISED = "tests.mosweb.supervised"
# A part with a child of its own, as a pool of workers has.
FAMILY = ["sh", "-c", "sleep 1000 & exec sleep 1001"]
DEAF = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(1000)"]


class Run:
    """A supervisor in a process of its own, known by a marker in the environment of all that it starts."""

    def __init__(self, folder: Path, **parts: list[str]) -> None:
        self.folder = folder
        self.marker = secrets.token_hex(16)
        self.command = [sys.executable, "-m", SUPERVISED, str(folder), json.dumps(parts)]
        # Only the parts carry the marker in the site; here the supervisor has it too, and its guardian.
        self.env = {**os.environ, MARKER: self.marker, "PYTHONUNBUFFERED": "1"}

    def start(self, **options) -> "Run":
        self.process = subprocess.Popen(
            self.command, env=self.env, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True, **options
        )
        self.read_until("started")
        return self

    def read_until(self, text: str) -> str:
        read = ""
        while text not in read:
            line = self.process.stdout.readline()
            assert line, f"the supervisor ended without saying {text!r}, but: {read!r}"
            read += line
        return read

    def processes(self) -> dict[int, str]:
        return processes_with(self.marker)

    def sleepers(self) -> list[int]:
        return [pid for pid, command in self.processes().items() if command.startswith("sleep")]

    def part(self, text: str) -> int:
        return next(pid for pid, command in self.processes().items() if command.startswith(text))

    def guardian(self) -> int:
        (found,) = (pid for pid in children(self.process.pid) if SUPERVISED in self.processes().get(pid, ""))
        return found

    def is_over(self) -> bool:
        return not self.processes()


@pytest.fixture
def run(tmp_path):
    runs = []

    def start(**parts) -> Run:
        runs.append(Run(tmp_path, **parts).start())
        return runs[-1]

    yield start
    for each in runs:
        for pid in each.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        each.process.wait()
        each.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_parts_and_their_children(run, number):
    site = run(first=FAMILY, last=FAMILY)
    eventually(lambda: len(site.sleepers()) == 4)
    site.process.send_signal(number)
    assert site.process.wait(timeout=10) == 0
    assert site.processes() == {}


def test_after_kill_9_of_the_supervisor_its_guardian_ends_everything(run):
    site = run(first=FAMILY)
    eventually(lambda: len(site.sleepers()) == 2)
    site.process.kill()
    eventually(site.is_over)


def test_a_guardian_that_was_killed_is_replaced(run):
    site = run(first=FAMILY)
    first = site.guardian()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not is_running(first))
    eventually(lambda: [p for p in children(site.process.pid) if SUPERVISED in site.processes().get(p, "")])
    assert site.guardian() != first
    site.process.kill()
    eventually(site.is_over)


def test_what_is_left_when_supervisor_and_guardian_are_killed_is_found_by_its_marker(run):
    site = run(first=FAMILY)
    eventually(lambda: len(site.sleepers()) == 2)
    guardian = site.guardian()
    os.kill(guardian, signal.SIGSTOP)  # it must not act between the two kills
    site.process.kill()
    os.kill(guardian, signal.SIGKILL)
    site.process.wait()
    eventually(lambda: not is_running(guardian))
    assert stop_marked(site.marker) == 2
    eventually(site.is_over)


def test_no_stranger_is_ended():
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as stranger:
        assert stop_marked(secrets.token_hex(16)) == 0
        assert stranger.poll() is None
        stranger.kill()


def test_the_marker_is_read_from_the_environment_of_processes():
    marker = secrets.token_hex(16)
    with subprocess.Popen(["sleep", "1000"], env={**os.environ, MARKER: marker}) as process:
        assert list(marked(marker)) == [process.pid]
        process.kill()


def test_a_part_that_is_killed_is_started_again_and_leaves_no_orphan(run):
    site = run(first=FAMILY)
    eventually(lambda: len(site.sleepers()) == 2)
    part, orphan = site.part("sleep 1001"), site.part("sleep 1000")
    os.kill(part, signal.SIGKILL)
    assert "The first was ended by SIGKILL; starting it again." in site.read_until("again")
    eventually(lambda: not is_running(orphan))
    eventually(lambda: len(site.sleepers()) == 2)
    assert site.part("sleep 1001") != part


def test_a_part_that_keeps_dying_is_said_with_the_end_of_its_log(run):
    site = run(broken=["sh", "-c", "echo the reason; exit 3"])
    said = site.read_until("the reason")
    assert said.count("ended with status 3; starting it again") == 4
    assert "The broken keeps dying" in said


def test_a_closed_terminal_ends_everything(tmp_path):
    site = Run(tmp_path, first=FAMILY)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(site.command[0], site.command, site.env)
    eventually(lambda: len(site.sleepers()) == 2)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert site.processes() == {}


def test_a_hangup_that_nohup_had_ignored_stays_ignored(tmp_path):
    site = Run(tmp_path, first=FAMILY)
    site.command = ["nohup", *site.command]
    site.start(stderr=subprocess.DEVNULL)
    site.process.send_signal(signal.SIGHUP)
    site.process.send_signal(signal.SIGUSR2)  # ends it at once if the hangup did not
    eventually(site.is_over)
    assert site.process.wait() == -signal.SIGUSR2
    site.process.stdout.close()


def test_a_second_signal_does_not_wait_for_a_part_that_ignores_the_first(run, tmp_path):
    site = run(deaf=DEAF)
    eventually(lambda: "deaf" in (tmp_path / "deaf.log").read_text())
    deaf, begun = site.part(" ".join(DEAF[:2])), time.monotonic()
    eventually(lambda: not is_running(deaf) or site.process.send_signal(signal.SIGINT))
    assert time.monotonic() - begun < PATIENCE
    assert site.process.wait() == 0
    assert site.processes() == {}


def test_a_log_that_grows_is_cut_and_its_end_kept(run, tmp_path):
    chatter = [sys.executable, "-uc", "import time\nfor i in range(10**6): print('line', i); time.sleep(0.001)"]
    site = run(chatter=chatter)
    eventually((tmp_path / "chatter.log.1").exists)
    eventually(lambda: "line" in (tmp_path / "chatter.log").read_text())
    site.process.terminate()
    site.process.wait()
    assert (tmp_path / "chatter.log").stat().st_mode & 0o777 == 0o600
    kept = [int(line.removeprefix("line ")) for line in (tmp_path / "chatter.log.1").read_text().split("\n")[:-1]]
    assert kept == list(range(kept[0], kept[0] + len(kept)))
