"""A real site for the browser: gunicorn in a process and on a database of its own, and a hand behind the scenes."""

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.fresh import fresh, static
from tests.process_tools import free_ports

ROOT = Path(__file__).resolve().parents[2]


def set_up_django(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    import django

    django.setup()


def call_backstage(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    rooms = [import_module(f"tests.e2e.{room}") for room in ("backstage", "backstage_crowd")]
    return next(getattr(room, name) for room in rooms if hasattr(room, name))(*args, **kwargs)


@dataclass(frozen=True)
class Invitation:
    path: str
    rater: int


class Site:
    """Serves `url` until stopped. `backstage` runs a function of backstage.py or backstage_crowd.py there."""

    def __init__(
        self, var: Path, *, port: int = 0, secret: str = "only for this test", backup: Path | None = None
    ) -> None:
        self.port = port or free_ports(1)[0]
        var.mkdir(exist_ok=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = var / "gunicorn.log"
        self.environment = {
            "MOSWEB_VAR": str(var),
            "DATABASE_URL": f"sqlite:///{var / 'db.sqlite3'}",
            "MOSWEB_HTTPS": "0",
            "SECRET_KEY": secret,
            "DJANGO_SETTINGS_MODULE": "mosweb.settings",
        }
        self._gunicorn: subprocess.Popen[bytes] | None = None
        if backup:
            command = [sys.executable, "manage.py", "restore", str(backup)]
            subprocess.run(command, cwd=ROOT, env=self._env(), check=True)
            static(var)
        else:
            fresh(var)
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=get_context("spawn"),
            initializer=set_up_django,
            initargs=(self.environment,),
        )

    def backstage(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return self._pool.submit(call_backstage, name, args, kwargs).result(timeout=120)

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:mosweb.gunicorn_conf", "mosweb.wsgi"]
        with self.log.open("ab") as log:
            self._gunicorn = subprocess.Popen(
                [*command, "--workers", "1", "--bind", f"127.0.0.1:{self.port}"],
                cwd=ROOT, env=self._env(), stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 90
        while True:
            try:
                urlopen(f"{self.url}/static/studies/site.css", timeout=5).close()
                return
            except URLError as error:
                if time.monotonic() > deadline or self._gunicorn.poll() is not None:
                    raise RuntimeError(f"the site did not start:\n{self.log.read_text()}") from error
                time.sleep(0.05)

    @property
    def running(self) -> bool:
        return self._gunicorn is not None

    def stop(self) -> None:
        if self._gunicorn:
            self._gunicorn.terminate()
            self._gunicorn.wait(timeout=30)
            self._gunicorn = None

    def close(self) -> None:
        self.stop()
        self._pool.shutdown()

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.environment}
