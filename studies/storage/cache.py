"""A host's own copies of images, by the sha256 of the file: what was shown here is shown while the storage is away."""

import contextlib
import hashlib
import os
from pathlib import Path

from srcore.files import PRIVATE, whole_file

# Looked at only now and then: a folder of thousands of files takes milliseconds to list.
PUTS_BETWEEN_LOOKS = 64


class ImageCache:
    """Files under `folder`, `megabytes` at most, the longest unused removed first. Several processes may share it.

    Nothing depends on it: what cannot be read or written is as if it were not there.
    """

    _puts = 0

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self._folder = folder
        self._most_bytes = megabytes * 1_000_000

    def get(self, sha256: str) -> bytes | None:
        """The file's bytes, if a whole copy of it is here."""
        if not (sha256 and self._most_bytes):
            return None
        path = self._path(sha256)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put(self, sha256: str, data: bytes) -> None:
        """Keep a copy. A disk that is full keeps none."""
        if not (sha256 and self._most_bytes):
            return
        path = self._path(sha256)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path, mode=PRIVATE, lasting=False) as file:
                file.write(data)
        ImageCache._puts += 1
        if ImageCache._puts % PUTS_BETWEEN_LOOKS == 1:
            self.shrink()

    def shrink(self) -> None:
        """Remove the longest unused until nine tenths of the limit are left, if it is passed."""
        files = []
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        left = sum(size for _, size, _ in files)
        if left <= self._most_bytes:
            return
        for _, size, path in sorted(files):
            if left <= 0.9 * self._most_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                left -= size

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.png"
