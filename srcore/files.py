"""Files: what is there, what can be written, and writing one that appears whole or not at all. Also for others."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from srcore.errors import in_words

PUBLIC, PRIVATE = 0o666, 0o600
"""Modes of a new file: readable as the umask has it, or by its owner alone, not even for a moment by others."""


@contextmanager
def whole_file(
    path: Path, *, mode: int = PUBLIC, draft: Path | None = None, lasting: bool = True
) -> Iterator[BinaryIO]:
    """A binary file to write; it replaces `path` when the block ends, and disappears if the block raises.

    It is written beside `path` under a name of its own, or as `draft`, which a writer that was killed leaves for the
    next one to write over. Unless it need not be `lasting`, as what can be fetched again, the disk has it before it
    gets its name. A file that cannot be made raises OSError and leaves the old one as it was.
    """
    name = draft or path.with_name(f".{path.name[:40]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if draft else os.O_EXCL) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(name, flags, mode), "wb") as file:
        try:
            if hasattr(os, "fchmod") and mode == PRIVATE:  # a draft may be there with another mode
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
            name.replace(path)
        except BaseException:
            with suppress(OSError):
                name.unlink()
            raise


def is_there(path: Path) -> bool:
    """Whether a file or folder has this name; False too for a name that none can have, where Path.exists raises."""
    return os.path.exists(path)  # noqa: PTH110


def is_folder(path: Path) -> bool:
    """Whether this is a folder; False too for a name that none can have, where Path.is_dir raises."""
    return os.path.isdir(path)  # noqa: PTH112


def why_no_file(path: Path) -> str:
    """What keeps a file from being written under this name, to be asked before long work; "" when nothing seems to."""
    if is_folder(path):
        return f"{path} is a folder, where a file is to be written; name a file in it"
    if not is_folder(path.absolute().parent):
        return f"{path}: there is no such folder to write into"
    return _why_not_here(path, path.absolute().parent)


def why_no_folder(path: Path) -> str:
    """What keeps files from being written into a folder of this name, there or to be made; "" when nothing seems to."""
    for place in (path.absolute(), *path.absolute().parents):
        if is_folder(place):
            return _why_not_here(path, place)
        if is_there(place):
            return f"{place if place != path.absolute() else path} is a file, where a folder is needed; name another"
    return ""


def _why_not_here(path: Path, folder: Path) -> str:
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        return f"{path}: {in_words(error)}"
    return "" if os.access(folder, os.W_OK) else f"{path}: nothing can be written in {folder} by this user"
