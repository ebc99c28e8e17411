"""A real installation to kill parts of: its own folder, database, broker and workers, looked at from outside."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import psycopg
import pytest
from celery import Celery

from tests.studies.services import Valkey

ROOT = Path(__file__).resolve().parents[2]
RENDER = "studies.generation.tasks.render_stimulus"


def wait_for(condition: Callable[[], Any], *, seconds: float, what: str) -> float:
    """Wait until the condition holds and return the seconds it took. Raises TimeoutError."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - begun


def program(name: str, *, needed_in_ci: bool = True) -> str:
    """The path of a program of the system; a test that needs it skips where it is missing, but not in CI."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        missing = f"needs {name}, which is not installed"
        pytest.fail(missing) if needed_in_ci and os.environ.get("CI") else pytest.skip(missing)
    return found


class Database(Protocol):
    url: str

    def query(self, sql: str) -> list[tuple[Any, ...]]: ...


class Sqlite:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"sqlite:///{path}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            with connection:
                return connection.execute(sql).fetchall()
        finally:
            connection.close()


class Cluster:
    """A PostgreSQL server of the test's own, on a socket alone. `kill` is kill -9; what was committed stays."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        # PostgreSQL refuses to run as root.
        self._as = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
        if self._as:
            shutil.chown(folder, "postgres", "postgres")
        self.user = "postgres"
        self.url = f"postgres://{self.user}@{quote(str(folder), safe='')}/postgres"
        self._server: subprocess.Popen[bytes] | None = None
        command = [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            self.user,
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **self._as)

    def start(self) -> None:
        command = [
            self._programs / "postgres",
            "-D",
            self._folder / "data",
            "-k",
            self._folder,
            "-c",
            "listen_addresses=",
        ]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._as)

    def is_ready(self) -> bool:
        try:
            return self.query("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            # Until the processes of a killed server are gone, the next one ends at once.
            if self._server is None or self._server.poll() is not None:
                self.start()
            return False

    def kill(self) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()
            self._server = None

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(host=str(self._folder), user=self.user, dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


def postgresql_programs() -> Path | None:
    """The folder with initdb and postgres, if PostgreSQL's server is installed here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) + [Path(p) for p in [shutil.which("initdb")] if p]
    return found[-1].parent if found else None


@contextmanager
def cluster() -> Iterator[Cluster]:
    programs = postgresql_programs()
    assert programs is not None
    # Not below pytest's folder, which the user postgres may not enter; short, as the path of a socket must be.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Cluster(folder, programs)
    try:
        wait_for(server.is_ready, seconds=60, what="PostgreSQL starts")
        yield server
    finally:
        server.kill()
        wait_for(lambda: not _server_left(folder), seconds=30, what="PostgreSQL's processes end")
        shutil.rmtree(folder, ignore_errors=True)


def _server_left(folder: Path) -> bool:
    import psutil

    return any(str(folder) in " ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))


class Worker:
    """A Celery worker with its child processes. Both kills are kill -9."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def has_left(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """The worker and its children at once."""
        self.end()

    def kill_main_process(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Leave nothing behind, whatever was killed before."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """As an operator does: the images under work are finished."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=120)


class Plant:
    def __init__(self, var: Path, database: Database, **environment: str) -> None:
        self.var = var
        self.database = database
        run = var / "run"
        run.mkdir(parents=True, exist_ok=True)
        self.broker = Valkey(run)
        self._workers: list[Worker] = []
        self._env = {
            **os.environ,
            "MOSWEB_VAR": str(var),
            "DATABASE_URL": database.url,
            "REDIS_URL": self.broker.url,
            "MOSWEB_HTTPS": "0",
            "SECRET_KEY": "only for this test",
            "OMP_NUM_THREADS": "1",
            **environment,
        }

    def manage(self, *words: str) -> str:
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def start_worker(
        self, name: str = "cpu", *options: str, queues: str = "default,cpu", processes: int = 2,
        code: Path = ROOT, **environment: str,
    ) -> Worker:  # fmt: skip
        """On another host: with its `code` and what its environment says otherwise."""
        log = self.var / f"{name}-{len(self._workers)}.log"
        command = [sys.executable, "-m", "celery", "-A", "mosweb", "worker", "-l", "INFO", "-n", f"{name}@test"]
        command += ["-Q", queues, "-c", str(processes), "--without-gossip", "--without-mingle", *options]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=code, env={**self._env, **environment}, stdout=file, stderr=file, start_new_session=True
            )
        self._workers.append(Worker(process, log))
        return self._workers[-1]

    def keep_a_worker(self) -> None:
        """Start one if there is none, or the last has left."""
        if not self._workers or self._workers[-1].has_left:
            self.start_worker()

    def send(self, stimulus: int, **options: Any) -> None:
        """A message for this row, whoever has sent one before."""
        with Celery(broker=self.broker.url, set_as_current=False) as sender:
            sender.send_task(RENDER, (stimulus,), queue="cpu", ignore_result=True, **options)

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self.broker.kill()

    def count(self, condition: str = "1 = 1") -> int:
        return int(self.database.query(f"SELECT count(*) FROM studies_stimulus WHERE {condition}")[0][0])

    def logs(self) -> str:
        return "\n".join(worker.log.read_text(errors="replace") for worker in self._workers)

    def stored(self) -> list[str]:
        """Every file of the stimuli's folder, drafts too, as rows name them."""
        images = self.var / "images"
        return sorted(str(p.relative_to(images)) for p in (images / "stimuli").rglob("*") if p.is_file())
