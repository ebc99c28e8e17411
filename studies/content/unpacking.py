"""What a browser sent as a folder on disk: paths that stay inside it, and zips that are taken apart with care."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from srcore.matching import PICTURE_SUFFIXES

MOST_FILES = 5000
# What one import may hold, unpacked, and one file of it: the largest picture that is read, at 16 bits, has 537 MB.
MOST_BYTES, MOST_BYTES_A_FILE = 4_000_000_000, 600_000_000
LONGEST_PATH, LONGEST_NAME = 900, 200
_SHOWN = 5
_PIECE = 1 << 20
_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini"})
_END_OF_ZIP, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535  # the record that ends a zip, and says how many


class UploadRefused(Exception):
    """What was sent cannot be used; the message names the file and says what to do."""


def safe_path(path: str) -> PurePosixPath | None:
    """The path below a folder that a browser or a zip means; None for what systems leave beside files, to pass over.

    Raises UploadRefused for one that leads out of the folder, or that no file can have.
    """
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "\\")) or parts[0][1:2] == ":":
        raise UploadRefused(f"{_short(path)} is an absolute path: pack the folder itself, not the way to it.")
    parts = [part for part in parts if part not in ("", ".")]
    if ".." in parts:
        raise UploadRefused(f"{_short(path)} leads out of its folder: pack the files anew, without '..'.")
    if not parts or not path.isprintable():
        raise UploadRefused(f"{_short(path)} is no name of a file.")
    if len(path.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise UploadRefused(f"{_short(path)}: the name is too long, give it a shorter one.")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1].lower() in _OF_SYSTEMS:
        return None
    return PurePosixPath(*parts)


def unzip_all(folder: Path) -> None:
    """Take every zip below the folder apart and remove it: one alone in its place, of several each into a folder of
    its name. Raises UploadRefused."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    zips = sorted(path for path in files if path.suffix.lower() == ".zip")
    room = MOST_BYTES - sum(path.stat().st_size for path in files if path not in zips)
    for path in zips:
        packed = path.rename(path.with_name(f"{path.name}.packed"))  # its folder may have its name
        room -= unzip(packed, path.parent if len(zips) == 1 else path.with_suffix(""), name=path.name, room=room)
        packed.unlink()


def unzip(archive: Path, into: Path, *, name: str, room: int = MOST_BYTES) -> int:
    """Unpack a zip's files below `into`; returns how many bytes they have. `name` is what messages call it.

    At most `room` bytes, counted as they come out, whatever the zip says of itself. Raises UploadRefused for one that
    is none, is encrypted, holds links, paths that lead out, two files of one name, too many or too much.
    """
    written = 0
    try:
        _require_few(archive, name)
        with zipfile.ZipFile(archive) as opened:
            for entry, path in list(_entries(opened, name)):
                written += _take_out(opened, entry, into / path, name, room - written)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, struct.error) as error:
        raise UploadRefused(f"{name} is no zip, or is cut off or damaged ({error}). Pack it anew.") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UploadRefused(f"{name} has a file and a folder of one name. Pack it anew.") from error
    return written


def folders_with_pictures(root: Path) -> list[str]:
    """Those at and below `root` that hold pictures, relative to it; "." is `root`. Raises UploadRefused for none."""
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    folders = sorted({path.parent.as_posix() for path in files if path.suffix.lower() in PICTURE_SUFFIXES})
    if folders:
        return folders
    names = ", ".join(str(path) for path in files[:_SHOWN]) or "nothing"
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    raise UploadRefused(
        f"There is no picture among what was sent ({names}{more}). Pictures end in {', '.join(PICTURE_SUFFIXES)}."
    )


def _require_few(archive: Path, name: str) -> None:
    """Before the list of files is read, which is held in memory whole: what its last record says of their number."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - _END_BYTES - _LONGEST_COMMENT))
        end = file.read()
    at = end.rfind(_END_OF_ZIP)
    if at < 0 or len(end) < at + _END_BYTES:
        raise zipfile.BadZipFile("its end is missing")
    if struct.unpack_from("<H", end, at + 10)[0] > MOST_FILES:
        raise UploadRefused(f"{name} holds more than {MOST_FILES} files. Pack the pictures of one benchmark alone.")


def _entries(opened: zipfile.ZipFile, name: str) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    known: set[PurePosixPath] = set()
    for entry in opened.infolist():
        inside = f"{_short(entry.filename)} in {name}"
        if entry.is_dir():
            continue
        try:
            path = safe_path(entry.filename)
        except UploadRefused as error:
            raise UploadRefused(f"In {name}: {error}") from error
        if path is None:
            continue
        if entry.flag_bits & 0x1:
            raise UploadRefused(f"{inside} is encrypted. Pack the files without a password.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UploadRefused(f"{inside} is a link and no file. Pack the files themselves.")
        if path.suffix.lower() == ".zip":
            raise UploadRefused(f"{inside} is another zip. Pack the pictures themselves.")
        if path in known:
            raise UploadRefused(f"{inside} is there twice. Keep one.")
        known.add(path)
        yield entry, path
    if len(known) > MOST_FILES:
        raise UploadRefused(f"{name} holds more than {MOST_FILES} files. Pack the pictures of one benchmark alone.")


def _take_out(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, name: str, room: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    written, most = 0, min(room, MOST_BYTES_A_FILE)
    with opened.open(entry) as packed, target.open("xb") as file:
        while piece := packed.read(_PIECE):
            written += len(piece)
            if written > most:
                raise UploadRefused(
                    f"{_short(entry.filename)} in {name} unpacks to more than is taken: {MOST_BYTES_A_FILE:,} bytes a "
                    f"file, {MOST_BYTES:,} in all. Is it a picture?"
                )
            file.write(piece)
    return written


def _short(path: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in path)
    return repr(shown if len(shown) <= 80 else f"{shown[:77]}...")
