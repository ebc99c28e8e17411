"""Benchmarks as folders: finding HR and LR pictures, and scoring a method on them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from srcore.images import ImageError, Pixels, read_image
from srcore.methods import run
from srcore.methods.folder import PICTURE_SUFFIXES, Wanted, match_folder, read_result
from srcore.metrics import Measurement, Recipe, measure
from srcore.registry import MethodUnavailable, get_method, why_unavailable
from srcore.resize import crop_to_multiple, downscale

_HR, _LR = re.compile(r"(.+?)(_SRF_\d+)?_HR", re.IGNORECASE), re.compile(r"(.+?)(_SRF_\d+)?_LR", re.IGNORECASE)


class Source(NamedTuple):
    """One picture of a benchmark: its name and files; without an LR file the LR image is made from HR."""

    name: str
    hr: Path
    lr: Path | None


class Score(NamedTuple):
    """A method's score on one picture, with the seconds that making it took; `vgg54` if it was asked for."""

    name: str
    psnr: float
    ssim: float
    seconds: float
    vgg54: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """A method's scores on a benchmark."""

    method: str
    recipe: Recipe
    scores: list[Score]

    @property
    def mean(self) -> Measurement:
        """The mean of the pictures' scores; PSNR is inf as soon as one is."""
        return Measurement(fmean(s.psnr for s in self.scores), fmean(s.ssim for s in self.scores))

    @property
    def vgg54(self) -> float | None:
        """The mean distance in VGG-19's phi_5,4 (srcore.perceptual), if it was measured."""
        distances = [score.vgg54 for score in self.scores if score.vgg54 is not None]
        return fmean(distances) if distances else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: the PSNR of equal pictures is None."""
        mean = self.mean
        per_image = [s._asdict() | {"psnr": _finite(s.psnr)} for s in self.scores]
        if self.vgg54 is None:
            for row in per_image:
                del row["vgg54"]
        distance = {} if self.vgg54 is None else {"vgg54": self.vgg54}
        return {
            "method": self.method,
            "recipe": self.recipe,
            "images": len(self.scores),
            "psnr": _finite(mean.psnr),
            "ssim": mean.ssim,
            **distance,
            "per_image": per_image,
        }


def find_sources(folder: Path) -> list[Source]:
    """The pictures of a benchmark folder, by name.

    Where files named NAME_HR.* (or NAME_SRF_4_HR.*) are found, they are the benchmark, with NAME_LR.* if it is
    there, and other files are passed over; else every picture file is an HR picture of its own name.
    Raises ImageError for no folder, an empty one, two files of one name, and an LR without its HR.
    """
    if not folder.is_dir():
        raise ImageError(f"{folder} is not a folder")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    lr = _named(files, _LR)
    hr = _named(files, _HR)
    if orphans := sorted(lr.keys() - hr.keys()):
        raise ImageError(f"{lr[orphans[0]]}: there is no HR file for this LR file; add it or remove this one")
    hr = hr or _unique((file.stem, file) for file in files)
    if not hr:
        raise ImageError(f"{folder} holds no picture; expected *_HR.png or photographs")
    return [Source(name, file, lr.get(name)) for name, file in sorted(hr.items())]


def load_source(source: Source) -> tuple[Pixels, Pixels]:
    """HR cut to multiples of 4, and LR, read or made. Raises ImageError if a file cannot be read or they do not fit."""
    hr = crop_to_multiple(_read_hr(source.hr))
    if source.lr is None:
        return hr, downscale(hr)
    lr = read_image(source.lr)
    if (lr.shape[0] * 4, lr.shape[1] * 4) != hr.shape[:2] or lr.ndim != hr.ndim:
        raise ImageError(
            f"{source.lr}: {_form(lr)} does not fit {source.hr.name}, {_form(hr)} after the crop to multiples of 4; "
            "LR must have a quarter of its width and height and the same colours"
        )
    return hr, lr


def evaluate(
    folder: Path,
    method: str,
    *,
    recipe: Recipe = "paper",
    results: Path | None = None,
    device: str = "auto",
    distance: Callable[[Pixels, Pixels], float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a method on a benchmark folder; or, with `results`, a folder of somebody's result images called `method`.

    `distance` of HR and result is the score vgg54 (perceptual.FeatureDistance). `progress` is called with the pictures
    done and their number. Raises ImageError, UnknownMethod, MethodUnavailable.
    """
    sources = find_sources(folder)
    is_reference = results is None and get_method(method).kind == "reference"
    if results is None and (reason := why_unavailable(method)):
        raise MethodUnavailable(reason)
    scores = []
    for done, source in enumerate(sources):
        if progress:
            progress(done, len(sources))
        hr, lr = load_source(source)
        seconds = 0.0
        if is_reference:
            sr = hr
        elif results:
            sr = _result_of(results, source.name, hr)
        else:
            sr, seconds, _ = run(lr, method, device=device)
        further = distance(hr, sr) if distance else None
        scores.append(Score(source.name, *measure(hr, sr, recipe=recipe), seconds, further))
    return Evaluation(method, recipe, scores)


def _result_of(results: Path, name: str, hr: Pixels) -> Pixels:
    wanted = Wanted(name, hr.shape[1], hr.shape[0])
    match = match_folder(results, [wanted])
    if match.problems:
        raise ImageError(match.problems[0])
    return read_result(match.files[name], wanted)


def _named(files: list[Path], pattern: re.Pattern[str]) -> dict[str, Path]:
    matches = ((pattern.fullmatch(file.stem), file) for file in files)
    return _unique((match[1], file) for match, file in matches if match)


def _unique(named: Any) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, file in named:
        if name in found:
            raise ImageError(f"{found[name]} and {file.name} are both the picture {name!r}; remove or rename one")
        found[name] = file
    return found


def _read_hr(path: Path) -> Pixels:
    pixels = read_image(path)
    if min(pixels.shape[:2]) < 4:
        raise ImageError(f"{path}: {_form(pixels)} is too small; 4 x 4 pixels are the least")
    return pixels


def _form(pixels: Pixels) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} {'grey' if pixels.ndim == 2 else 'RGB'}"


def _finite(value: float) -> float | None:
    return value if value != float("inf") else None
