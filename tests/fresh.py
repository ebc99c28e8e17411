"""An installation's database and static files as `migrate` and `collectstatic` leave them.

They are made once a test process, and copied: making them takes some ten seconds of a processor, and most tests of a
whole site need new ones.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "db.sqlite3"


def fresh(var: Path) -> None:
    """Lay an empty database and the static files into var."""
    database(var)
    static(var)


def database(var: Path) -> None:
    """Lay an empty database there, var/db.sqlite3. Raises FileExistsError where one is."""
    if (var / DATABASE).exists():
        raise FileExistsError(var / DATABASE)
    var.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_made("migrate", "-v0") / DATABASE, var / DATABASE)


def static(var: Path) -> None:
    """Lay the static files there."""
    shutil.copytree(_made("collectstatic", "--no-input", "-v0") / "static", var / "static", dirs_exist_ok=True)


@cache
def _made(*command: str) -> Path:
    """A folder var/ in which the command was run."""
    folder = Path(tempfile.mkdtemp(prefix="mosweb-fresh-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = {
        **os.environ,
        "MOSWEB_VAR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / DATABASE}",
        "MOSWEB_HTTPS": "0",
        "SECRET_KEY": "only for a template",
        "DJANGO_SETTINGS_MODULE": "mosweb.settings",
    }
    subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
    left = sorted(path.name for path in folder.glob(f"{DATABASE}-*"))
    assert not left, f"what {left} hold is not in the file that is copied"
    return folder
