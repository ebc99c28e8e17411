"""Somebody's result images as a method: files of a folder matched to a benchmark's pictures by name and size."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from srcore.images import ImageError, Pixels, read_image

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


class Wanted(NamedTuple):
    """A picture of the benchmark: its name, and the HR picture's width and height in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class FolderMatch:
    """`files`: name -> the one file that fits. `problems`: a message for each picture without one, and why."""

    files: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def match_folder(folder: Path, wanted: Iterable[Wanted | tuple[str, int, int]], *, suffix: str = "") -> FolderMatch:
    """Find in `folder` the result image of each wanted picture.

    A file belongs to the picture NAME if its stem is NAME, or NAME followed by one of "_-. " and anything
    (img_001_SRF_4_SRGAN.png belongs to img_001); of several names that fit, the longest. Upper and lower case are
    the same. A file named exactly NAME wins over longer ones. Files ending in HR or LR are the benchmark's own and
    are passed over. `suffix` keeps only files whose stem ends in it, for folders that hold several methods' results.
    Two files for one picture are a problem, as are a wrong size and an unreadable file.
    Raises ImageError when `folder` is no folder.
    """
    pictures = [Wanted(*item) for item in wanted]
    candidates = _candidates(folder, [picture.name for picture in pictures], suffix)
    match = FolderMatch()
    for picture in pictures:
        files = candidates[picture.name]
        exact = [file for file in files if file.stem.lower() == picture.name.lower()]
        files = exact or files
        if not files:
            match.problems.append(f"{picture.name}: no file of {folder} has this name")
        elif len(files) > 1:
            names = ", ".join(file.name for file in files)
            match.problems.append(f"{picture.name}: several files fit ({names}); keep one, or give the suffix to take")
        elif problem := _problem(files[0], picture):
            match.problems.append(problem)
        else:
            match.files[picture.name] = files[0]
    return match


def read_result(file: Path, picture: Wanted) -> Pixels:
    """The picture in a matched file. Raises ImageError if it cannot be read or has another size than wanted."""
    pixels = read_image(file)
    height, width = pixels.shape[:2]
    if (width, height) != (picture.width, picture.height):
        raise ImageError(
            f"{file}: {width} x {height} pixels where {picture.name} needs {picture.width} x {picture.height}; "
            "results must have the HR picture's size, without a border cut off"
        )
    return pixels


def _problem(file: Path, picture: Wanted) -> str:
    try:
        read_result(file, picture)
    except ImageError as error:
        return str(error)
    return ""


def _candidates(folder: Path, names: list[str], suffix: str) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise ImageError(f"{folder} is not a folder")
    found: dict[str, list[Path]] = {name: [] for name in names}
    for file in sorted(folder.iterdir()):
        stem = file.stem.lower()
        if file.suffix.lower() not in PICTURE_SUFFIXES or not stem.endswith(suffix.lower()):
            continue
        owners = [name for name in names if _belongs(stem, name.lower())]
        if owners:
            found[max(owners, key=len)].append(file)
    return found


def _belongs(stem: str, name: str) -> bool:
    rest = stem.removeprefix(name)
    if not stem.startswith(name) or rest.strip("_-. ") in ("hr", "lr") or rest.endswith(("_hr", "_lr")):
        return False
    return rest == "" or rest[0] in "_-. "
