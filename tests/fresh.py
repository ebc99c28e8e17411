"""An installation as `migrate` and `collectstatic` leave it: made once a test process, and copied.

Making one takes some ten seconds of a processor, and most tests of a whole site need a new one.
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
    """Lay an empty database, var/db.sqlite3, and the static files there. Where one is, FileExistsError."""
    static(var)
    if (var / DATABASE).exists():
        raise FileExistsError(var / DATABASE)
    shutil.copyfile(_made() / DATABASE, var / DATABASE)


def static(var: Path) -> None:
    """The static files alone."""
    var.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_made() / "static", var / "static", dirs_exist_ok=True)


@cache
def _made() -> Path:
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
    for command in (["migrate", "-v0"], ["collectstatic", "--no-input", "-v0"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
    left = sorted(path.name for path in folder.glob(f"{DATABASE}-*"))
    assert not left, f"what {left} hold is not in the file that is copied"
    return folder
