"""Which file is which picture, by names as they are in the wild: babyx4.png, baby_x4.png, baboonx4_SRGAN.png.

The contract, for a picture NAME among the pictures asked for; upper and lower case are the same:

1. A mapping, where there is one, decides alone.
2. A file is NAME's if its stem is HEAD + NAME + TAIL. TAIL is empty, or begins with one of "_-. ", or with x and a
   scale (x4) that ends there or at one of those; so img_0012 is not img_001. HEAD is empty or ends in one of "_-. ".
   A stem that fits several names is the longest one's.
3. Files named HEAD + NAME with the same ends for all pictures belong together. Where NAME has several files: the one
   that is exactly NAME; else the one of the only pair of ends that every picture has; else the one whose TAIL names the
   scale asked for; else it is a problem, which lists them.
4. Stems that end in HR or LR are the benchmark's own and are passed over, unless all files that fit end the same.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from mimetypes import guess_type
from pathlib import Path
from typing import NamedTuple

from srcore.errors import in_words
from srcore.files import is_folder
from srcore.images import ImageError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
_SEPARATORS = "_-. "
_TAIL = re.compile(r"(x\d+)?([_\-. ].*)?", re.IGNORECASE | re.DOTALL)
_OWN = re.compile(r"(.*[_\-. ])?(hr|lr)", re.IGNORECASE | re.DOTALL)


class Fit(NamedTuple):
    """A file that is a picture's, and what stands before and after the picture's name in its own."""

    file: Path
    head: str
    tail: str


@dataclass(frozen=True)
class NameMatch:
    """`files`: name -> its file. `problems`: name -> why it has none. `left_over`: files that are nobody's.

    `prefix` and `suffix` are what stands around all the names; "" where it is not the same for all.
    """

    files: dict[str, Path] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    left_over: list[Path] = field(default_factory=list)
    prefix: str = ""
    suffix: str = ""

    @property
    def pattern(self) -> str:
        """The names as they were found, such as "SRGAN_<name>x4"; "" if they are the pictures' own or differ."""
        return f"{self.prefix}<name>{self.suffix}" if self.prefix or self.suffix else ""


def picture_files(folder: Path) -> list[Path]:
    """The files of a folder that are pictures by their ending, by name. Raises ImageError for no folder."""
    return [file for file in all_files(folder) if file.suffix.lower() in PICTURE_SUFFIXES]


def passed_over(files: Iterable[Path]) -> str:
    """A line that names the pictures of kinds for which folders are not searched, such as GIF; "" without any."""
    others = [file for file in files if file.suffix.lower() not in PICTURE_SUFFIXES and not is_folder(file)]
    named = [file for file in others if (guess_type(file.name)[0] or "").startswith("image/")]
    return f"passed over, being of a kind that is read only where it is named itself: {some(named)}" if named else ""


def some(files: Sequence[Path]) -> str:
    """The first few by name, and how many more."""
    more = f" and {len(files) - 5} more" if len(files) > 5 else ""
    return ", ".join(file.name for file in files[:5]) + more


def all_files(folder: Path) -> list[Path]:
    """What a folder holds, but for hidden files, by name. Raises ImageError for no folder."""
    try:
        return sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except NotADirectoryError as error:
        raise ImageError(f"{folder} is not a folder") from error
    except OSError as error:
        raise ImageError(f"{folder} is not a folder that can be read ({in_words(error)})") from error


def match_names(
    names: Sequence[str],
    files: Iterable[Path],
    *,
    mapping: Mapping[str, str] | None = None,
    suffix: str = "",
    scale: int | None = None,
    skip_own: bool = True,
) -> NameMatch:
    """Find each picture's file as the module says. `suffix` keeps only files whose stem ends in it.

    `mapping` is name -> file name; with it nothing else counts. Nothing is read but the names.
    """
    given = [file for file in files if file.stem.lower().endswith(suffix.lower())]
    if mapping is not None:
        return _mapped(names, given, mapping)
    fits = _fits(names, given)
    if skip_own:
        fits = _without_own(fits)
    common = _common_ends(names, fits)
    match, chosen = NameMatch(), []
    for name in names:
        best = _chosen(fits[name], common, scale)
        if len(best) == 1:
            match.files[name] = best[0].file
            chosen.append(best[0])
        elif best:
            several = ", ".join(fit.file.name for fit in best)
            match.problems[name] = f"several files fit ({several}); keep one, or give the suffix to take"
    taken = {fit.file for found in fits.values() for fit in found}
    match.left_over.extend(file for file in given if file not in taken)
    for name in names:
        if not fits[name]:
            match.problems[name] = f"no file has this name{_not_used(name, match.left_over)}"
    return _with_ends(match, chosen)


def read_mapping(path: Path | str) -> dict[str, str]:
    """Name -> file name, from a CSV of two columns, name and file; a header "name,file" is passed over.

    Raises ImageError for a file that is none, and for a name that stands there twice.
    """
    mapping: dict[str, str] = {}
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except OSError as error:
        raise ImageError(f"{path} cannot be read as a mapping: {in_words(error)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImageError(f"{path} cannot be read as a mapping: {error}") from error
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise ImageError(f"{path}, row {number}: {len(row)} columns, where a name and a file are needed")
        name, target = (cell.strip() for cell in row)
        if number == 1 and (name.lower(), target.lower()) == ("name", "file"):
            continue
        if name in mapping:
            raise ImageError(f"{path}, row {number}: {name} stands there twice")
        mapping[name] = target
    return mapping


def _mapped(names: Sequence[str], files: Sequence[Path], mapping: Mapping[str, str]) -> NameMatch:
    by_name = {file.name: file for file in files} | {file.stem: file for file in files}
    found = {name: by_name[mapping[name]] for name in names if mapping.get(name) in by_name}
    match = NameMatch(found, left_over=[file for file in files if file not in found.values()])
    for name in names:
        if name not in mapping:
            match.problems[name] = f"the mapping does not have this name{_not_used(name, match.left_over)}"
        elif name not in found:
            said = f"the mapping says {mapping[name]}, which is not there"
            match.problems[name] = f"{said}{_not_used(mapping[name], match.left_over)}"
    return match


def _without_own(fits: dict[str, list[Fit]]) -> dict[str, list[Fit]]:
    ends = {own[2].lower() if (own := _OWN.fullmatch(fit.file.stem)) else "" for few in fits.values() for fit in few}
    if len(ends) == 1:
        return fits
    return {name: [fit for fit in few if not _OWN.fullmatch(fit.file.stem)] for name, few in fits.items()}


def _fits(names: Sequence[str], files: Sequence[Path]) -> dict[str, list[Fit]]:
    found: dict[str, list[Fit]] = {name: [] for name in names}
    longest_first = sorted(names, key=len, reverse=True)
    for file in files:
        for name in longest_first:
            if ends := _ends(file.stem, name):
                found[name].append(Fit(file, *ends))
                break
    return found


def _ends(stem: str, name: str) -> tuple[str, str] | None:
    """What stands before and after the name in the stem, if both are as they may be; the first place counts."""
    low, wanted, start = stem.lower(), name.lower(), 0
    while wanted and (start := low.find(wanted, start)) >= 0:
        head, tail = stem[:start], stem[start + len(name) :]
        if (not head or head[-1] in _SEPARATORS) and _TAIL.fullmatch(tail):
            return head, tail
        start += 1
    return None


def _common_ends(names: Sequence[str], fits: Mapping[str, list[Fit]]) -> tuple[str, str] | None:
    """The only pair of ends that every picture with a file has; None if there is none, or several."""
    ends = [{(fit.head.lower(), fit.tail.lower()) for fit in fits[name]} for name in names if fits[name]]
    everywhere = set.intersection(*ends) if len(ends) > 1 else set()
    return everywhere.pop() if len(everywhere) == 1 else None


def _chosen(fits: Sequence[Fit], common: tuple[str, str] | None, scale: int | None) -> list[Fit]:
    of_scale = re.compile(rf"[_\-. ]?(x|srf_){scale}(?!\d)", re.IGNORECASE)
    kept = (
        [fit for fit in fits if not fit.head and not fit.tail],
        [fit for fit in fits if (fit.head.lower(), fit.tail.lower()) == common],
        [fit for fit in fits if scale is not None and of_scale.match(fit.tail)],
    )
    return next((few for few in kept if len(few) == 1), list(fits))


def _not_used(name: str, left_over: Sequence[Path]) -> str:
    """The files that are nobody's, those named much like it first."""
    if not left_over:
        return ""
    stems = {file.stem: file.name for file in left_over}
    near = get_close_matches(name, stems, n=3, cutoff=0.5)
    shown = [stems[stem] for stem in near] or [file.name for file in left_over[:3]]
    more = f" and {len(left_over) - len(shown)} more" if len(left_over) > len(shown) else ""
    return f"; not used: {', '.join(shown)}{more}"


def _with_ends(match: NameMatch, chosen: Sequence[Fit]) -> NameMatch:
    ends = {(fit.head, fit.tail) for fit in chosen}
    prefix, suffix = ends.pop() if len(ends) == 1 else ("", "")
    return NameMatch(match.files, match.problems, match.left_over, prefix, suffix)
