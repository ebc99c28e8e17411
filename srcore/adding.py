"""Putting somebody's network or code among the methods, and taking it out again. Loads torch."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from srcore.errors import in_words
from srcore.images import Pixels
from srcore.methods import added
from srcore.methods.added import Added, AddedError, Part
from srcore.methods.method import Method, MethodNameError, Work, check_name
from srcore.metrics import psnr
from srcore.registry import METHODS
from srcore.resize import upscale_bicubic

TILE = 256  # LR pixels a side: study pictures are seen whole, and a large one fits into any GPU
_LIKELY = 12.0  # dB against the bicubic of a smooth picture: below, the range is not 0 to 1, or nothing was trained


class Addition(NamedTuple):
    """The method as it is from now on, and what its first picture looked wrong in; "" if nothing."""

    method: Added
    note: str


def add(
    name: str,
    file: Path | str,
    *,
    weights: Path | None = None,
    display_name: str | None = None,
    citation: str = "",
    scale: int | None = None,
    tile: int | None = None,
    multiple_of: int | None = None,
) -> Addition:
    """Keep a network file that spandrel opens, or code as "net.py:build", as the method `name`.

    `build()` returns an nn.Module, which gets `weights` and is run on float32 RGB (N, 3, H, W) in [0, 1], or a
    function of uint8 (H, W, 3). The code runs now and whenever the method does. A picture is made before anything is
    kept. An added method of that name is replaced. Raises AddedError, WeightsError or MethodFailed for what cannot be
    used and MethodNameError for the name; then nothing has changed.
    """
    check_name(name)
    if name in METHODS and not isinstance(METHODS[name], Added):
        raise MethodNameError(f"there is a method named {name!r} already; choose another name")
    path, entry = _code_and_entry(str(file))
    parts = {Part.CODE: path, Part.WEIGHTS: weights} if entry else {Part.WEIGHTS: path}
    if weights and not entry:
        raise AddedError("--weights belongs to code (net.py:build); a network file is named alone")
    with TemporaryDirectory() as place:
        files = tuple(_copied(part, Path(source), Path(place)) for part, source in parts.items() if source)
        method = Added(
            name=name,
            display_name=display_name or name,
            family="code" if entry else "spandrel",
            citation=citation or f"{path.name}, added by the user",
            folder=Path(place),
            files=files,
            entry=entry,
        )
        found = _described(method)
        method = replace(
            found,
            scales=(scale,) if scale else found.scales,
            tile=found.tile if tile is None else tile,
            multiple_of=multiple_of or found.multiple_of,
        )
        note = _tried(method)
        return Addition(added.keep(method), note)


def remove(name: str) -> None:
    """Take an added method out. Raises UnknownMethod, and MethodNameError for one that was not added."""
    if not isinstance(METHODS[name], Added):
        raise MethodNameError(f"{name} was not added, so it cannot be removed")
    added.forget(name)


def _code_and_entry(text: str) -> tuple[Path, str]:
    path, colon, entry = text.rpartition(":")
    if colon and path.endswith(".py"):
        if not entry.isidentifier():
            raise AddedError(f"{text}: after the colon stands the function's name, as in net.py:build")
        return Path(path), entry
    if text.endswith(".py"):
        raise AddedError(f"{text}: name the function that builds the network too, as in {text}:build")
    return Path(text), ""


def _copied(part: str, source: Path, place: Path) -> tuple[str, str, str]:
    """A copy under its own name, which errors then say."""
    target = place / part / source.name
    target.parent.mkdir()
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise AddedError(f"{source}: {in_words(error)}") from error
    with target.open("rb") as file:
        return part, f"{part}/{target.name}", hashlib.file_digest(file, "sha256").hexdigest()


def _described(method: Added) -> Added:
    """With what spandrel, or the first run of the code, says about it."""
    from srcore.networks import foreign

    if not method.entry:
        found = foreign.describe(method)
        citation = method.citation if "added by" not in method.citation else f"{found.architecture}, by spandrel"
        return replace(method, **found._asdict(), citation=citation)
    built = method.built()
    if foreign.is_module(built):
        return replace(method, architecture=type(built).__name__, tile=TILE)
    if not callable(built):
        raise AddedError(f"{method.entry}() returned {type(built).__name__}; it must return an nn.Module or a function")
    if method.path(Part.WEIGHTS):
        raise AddedError(f"{method.entry}() returned a function, which loads its weights itself; leave out --weights")
    return replace(method, makes="function", architecture=getattr(built, "__name__", type(built).__name__))


def _tried(method: Method) -> str:
    """Make a small picture. Raises MethodFailed; a note if it is far from what any enlargement looks like."""
    lr, scale = _smooth(), method.scales[0]
    made, _ = method.upscale(lr, Work(scale=scale, device="cpu"))
    nearness = psnr(upscale_bicubic(lr, scale), made)
    if nearness >= _LIKELY:
        return ""
    return (
        f"its picture of a smooth test pattern is {nearness:.1f} dB from the bicubic one: a trained network that takes "
        "or gives other values than 0 to 1, or BGR, must convert them in its forward"
    )


def _smooth() -> Pixels:
    rows, columns = np.mgrid[0:48, 0:40]
    waves: Any = [128 + 60 * np.sin(rows / 9 + shift) * np.cos(columns / 11 - shift) for shift in (0.0, 1.0, 2.0)]
    pattern: Pixels = np.stack(waves, axis=2).astype(np.uint8)
    return pattern
