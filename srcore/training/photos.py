"""The photographs to train on: found in folders, tar files and globs, and decoded."""

import glob
import io
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from srcore.images import ImageError, Pixels, as_rgb, read_image
from srcore.matching import PICTURE_SUFFIXES, passed_over
from srcore.training.limits import cpu_cores

_TOGETHER = 64  # files decoded ahead


class Photo(NamedTuple):
    """A picture file; inside an uncompressed tar, the bytes [start, start + size) of it."""

    path: Path
    name: str
    start: int = 0
    size: int = -1

    def read(self) -> Pixels:
        """uint8 (H, W, 3). Raises ImageError."""
        if self.size < 0:
            return as_rgb(read_image(self.path))
        with self.path.open("rb") as file:
            file.seek(self.start)
            return as_rgb(read_image(io.BytesIO(file.read(self.size)), name=f"{self.path}: {self.name}"))


def find_photos(sources: Sequence[str | Path]) -> list[Photo]:
    """All pictures in folders (and those below), uncompressed tar files, globs, and files named themselves; sorted.

    Raises ImageError for a source that is not there or in which there is no picture.
    """
    photos: list[Photo] = []
    for source in sources:
        matching = glob.glob(str(source))  # noqa: PTH207 - pathlib globs below a folder only
        paths = [Path(source)] if Path(source).exists() else [Path(found) for found in matching]
        found = [photo for path in paths for photo in _expand(path)]
        if not found:
            raise ImageError(f"{source}: no pictures there; give folders, tar files or globs of photographs")
        photos += found
    return sorted(set(photos))


def decode(photos: Sequence[Photo]) -> Iterator[tuple[Photo, Pixels | ImageError]]:
    """The pixels of each photograph in order, or why it cannot be read; several are decoded at once."""
    with ThreadPoolExecutor(min(16, cpu_cores())) as pool:
        for start in range(0, len(photos), _TOGETHER):
            chunk = photos[start : start + _TOGETHER]
            yield from zip(chunk, pool.map(_read, chunk), strict=True)


def _read(photo: Photo) -> Pixels | ImageError:
    try:
        return photo.read()
    except ImageError as error:
        return error


def _expand(path: Path) -> list[Photo]:
    if path.is_dir():
        files = sorted(path.rglob("*"))
        if others := passed_over(files):
            warnings.warn(f"{path}: {others}", stacklevel=2)
        return [Photo(file, file.name) for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    if path.suffix.lower() == ".tar":
        return _members(path)
    return [Photo(path, path.name)] if path.suffix.lower() in PICTURE_SUFFIXES else []


def _members(path: Path) -> list[Photo]:
    try:
        with tarfile.open(path, "r:") as tar:
            files = [m for m in tar if m.isfile() and Path(m.name).suffix.lower() in PICTURE_SUFFIXES]
            return [Photo(path, member.name, member.offset_data, member.size) for member in files]
    except tarfile.TarError as error:
        raise ImageError(f"{path}: not an uncompressed tar file ({error})") from error
