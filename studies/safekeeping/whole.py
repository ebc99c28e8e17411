"""Files that appear under their name whole or not at all, readable by their owner alone."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from srcore import files
from studies.safekeeping.errors import SafekeepingError


def draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it is on disk under `path`, mode 0600, when the block ends well, and gone when it does not.

    Killed in between it leaves `.NAME.part`, which the next writer of that name takes over. Raises SafekeepingError
    where another process writes the same file, OSError where the disk refuses.
    """
    draft = draft_of(path)
    with _only_writer(path, draft), files.whole_file(path, mode=files.PRIVATE, draft=draft) as file:
        yield file
    _sync_folder(path.parent)


@contextmanager
def _only_writer(path: Path, draft: Path) -> Iterator[None]:
    handle = os.open(draft, os.O_RDWR | os.O_CREAT, files.PRIVATE)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SafekeepingError(f"{path} is being written by another process; wait for it.") from None
        yield
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
