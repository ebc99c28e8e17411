"""Installations of their own for backups to come from and go to: a folder, a database, a SECRET_KEY."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.e2e.plant import Database


class Installation:
    def __init__(self, var: Path, database: Database, *, secret: str = "one key") -> None:
        var.mkdir(parents=True, exist_ok=True)
        self.var, self.database = var, database
        self.env = {
            **os.environ,
            "MOSWEB_VAR": str(var),
            "DATABASE_URL": database.url,
            "MOSWEB_HTTPS": "0",
            "SECRET_KEY": secret,
            "DJANGO_SETTINGS_MODULE": "mosweb.settings",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        self.env.pop("REDIS_URL", None)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)

    def manage(self, *words: str) -> str:
        """What the command prints. Fails with all of it where the command does."""
        done = self.run("manage.py", *words)
        assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, *words: str) -> str:
        """Why the command refuses."""
        done = self.run("manage.py", *words)
        assert done.returncode == 1, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stderr

    def python(self, code: str) -> "subprocess.CompletedProcess[str]":
        return self.run("-c", f"import django; django.setup()\n{code}")

    def files(self) -> dict[str, bytes]:
        """What rows name; not the marker, by which workers know the storage."""
        images = self.var / "images"
        files = {str(p.relative_to(images)): p.read_bytes() for p in images.rglob("*") if p.is_file()}
        files.pop("mosweb-storage.txt", None)
        return files

    def table(self, name: str) -> list[tuple]:
        return self.database.query(f"SELECT * FROM {name} ORDER BY 1")
