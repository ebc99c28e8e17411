"""A long table is made by a process of its own: in the web server's, ratings would wait for Python's one lock.

That process runs `manage.py export_table`, comes after raters' requests where cores are short, and ends with who asked.
"""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, cast

from django.db import connection

_MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
# At once, of each process of the web server: each has some 200 MB. Beyond, tables are made where they are asked for.
_free = threading.BoundedSemaphore(2)
_CHUNK = 1 << 16


class ExportBroke(Exception):
    """The process ended before the table did; the message has its last words."""


def table(arguments: Sequence[str]) -> Iterator[bytes] | None:
    """What `export_table` writes for these arguments; None where it is to be made here.

    That is, inside a transaction, whose rows another process does not see, and while enough of them are running.
    The iterator raises ExportBroke.
    """
    if connection.in_atomic_block or not _free.acquire(blocking=False):
        return None
    return _read(arguments)


def _read(arguments: Sequence[str]) -> Iterator[bytes]:
    command = [sys.executable, str(_MANAGE), "export_table", *arguments]
    if nice := shutil.which("nice"):
        command = [nice, "-n", "10", *command]
    try:
        with TemporaryFile() as said, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process:  # noqa: S603 - this program
            try:
                while piece := cast(IO[bytes], process.stdout).read(_CHUNK):
                    yield piece
                if process.wait():
                    said.seek(0)
                    raise ExportBroke(said.read().decode(errors="replace")[-2000:])
            finally:
                process.kill()  # where who asked has gone
    finally:
        _free.release()
