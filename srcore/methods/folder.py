"""Somebody's result images as a method: files of a folder matched to a benchmark's pictures by name and size."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from srcore.images import MAX_PIXELS, ImageError, Pixels, read_image
from srcore.matching import match_names, picture_files


class Wanted(NamedTuple):
    """A picture of the benchmark: its name, and the HR picture's width and height in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class FolderMatch:
    """`files`: name -> the one file that fits. `problems`: a message for each picture without one, and why.

    `pattern` is how the files are named, such as "<name>x4_SRGAN"; "" if as the pictures. `left_over` fit no picture.
    """

    files: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    pattern: str = ""
    left_over: list[Path] = field(default_factory=list)


def match_folder(
    folder: Path | str,
    wanted: Iterable[Wanted | tuple[str, int, int]],
    *,
    suffix: str = "",
    mapping: Mapping[str, str] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> FolderMatch:
    """Find in `folder` the result image of each wanted picture, by its name as srcore.matching says, and read it.

    `suffix` keeps only files whose stem ends in it, for folders that hold several methods' results; `mapping` is name
    -> file name (matching.read_mapping). Two files for one picture are a problem, as are a wrong size and an
    unreadable file. Raises ImageError when `folder` is not a folder.
    """
    folder = Path(folder)
    pictures = [Wanted(*item) for item in wanted]
    found = match_names([p.name for p in pictures], picture_files(folder), suffix=suffix, mapping=mapping)
    match = FolderMatch(pattern=found.pattern, left_over=found.left_over)
    for picture in pictures:
        if picture.name not in found.files:
            match.problems.append(f"{picture.name}: {found.problems[picture.name]} (in {folder})")
        elif problem := _problem(found.files[picture.name], picture, max_pixels):
            match.problems.append(problem)
        else:
            match.files[picture.name] = found.files[picture.name]
    return match


def read_result(file: Path | str, picture: Wanted, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture in a matched file. Raises ImageError if it cannot be read or has another size than wanted."""
    pixels = read_image(file, max_pixels=max_pixels)
    height, width = pixels.shape[:2]
    if (width, height) != (picture.width, picture.height):
        raise ImageError(
            f"{file}: {width} x {height} pixels where {picture.name} needs {picture.width} x {picture.height}; "
            "results must have the HR picture's size, without a border cut off"
        )
    return pixels


def _problem(file: Path, picture: Wanted, max_pixels: int) -> str:
    try:
        read_result(file, picture, max_pixels=max_pixels)
    except ImageError as error:
        return str(error)
    return ""
