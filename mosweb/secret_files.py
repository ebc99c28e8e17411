"""Secrets that the product makes for itself: files under var/ that only their owner can read."""

import os
import secrets
from pathlib import Path


def read_or_create(path: Path, *, length: int = 50) -> str:
    """Return the secret stored in `path`, making the file (mode 0600) on first use.

    Two processes that start together agree: the file appears whole by a hard link, and the loser reads the winner's.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        write(draft, secrets.token_urlsafe(length))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()


def write(path: Path, text: str) -> None:
    """Write `text` so that the file is never readable by anybody but its owner, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text + "\n")
