"""Writing a file that appears under its name whole or not at all: for srcore, and for what is built on it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PUBLIC, PRIVATE = 0o666, 0o600
"""Modes of a new file: readable as the umask has it, or by its owner alone, not even for a moment by others."""


@contextmanager
def whole_file(path: Path, *, mode: int = PUBLIC, draft: Path | None = None) -> Iterator[BinaryIO]:
    """A binary file to write; it replaces `path` when the block ends, and disappears if the block raises.

    It is written beside `path` under a name of its own, or as `draft`, which a writer that was killed leaves for the
    next one to write over. A file that cannot be made raises OSError and leaves the old one as it was.
    """
    name = draft or path.with_name(f".{path.name[:40]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if draft else os.O_EXCL) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(name, flags, mode), "wb") as file:
        try:
            if hasattr(os, "fchmod") and mode == PRIVATE:  # a draft may be there with another mode
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
            name.replace(path)
        except BaseException:
            with suppress(OSError):
                name.unlink()
            raise
