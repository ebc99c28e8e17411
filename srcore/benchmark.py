"""Benchmarks as folders: finding HR and LR pictures, and scoring a method on them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import isfinite, nan
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from srcore.errors import SrcoreError
from srcore.files import is_folder
from srcore.images import LARGEST_PIXELS, MAX_PIXELS, ImageError, Pixels, read_image
from srcore.matching import match_names, picture_files
from srcore.methods.folder import FolderMatch, Wanted, read_result
from srcore.methods.method import MethodUnavailable
from srcore.methods.running import Output, run
from srcore.metrics import Measurement, Metric, MetricRecipe, Settings, measure, recipe_metrics
from srcore.metrics.metric import Comparison, MetricUnavailable, compared
from srcore.registry import get_method
from srcore.resize import crop_to_multiple, downscale
from srcore.scale import SCALE

_NAMED = re.compile(r"(?P<name>.+?)(_SRF_(?P<scale>\d+))?_(?P<role>HR|LR)", re.IGNORECASE)
_HR_FOLDERS = ("HR", "GT", "original", "GTmod12")
_LR_FOLDERS = ("LR_bicubic/X{}", "LR_bicubic/x{}", "LRbicx{}", "LR/X{}", "LR/x{}", "LR_bicubic_X{}", "X{}", "x{}")


class Source(NamedTuple):
    """One picture of a benchmark: its name and files; without an LR file the LR image is made from HR."""

    name: str
    hr: Path
    lr: Path | None


class Score(NamedTuple):
    """A method's scores on one picture by the metrics' names, the seconds that making it took, the device, and how a
    network of others saw it (`Method.sees`)."""

    name: str
    values: Mapping[str, float]
    seconds: float = 0.0
    device: str = ""
    sees: str = ""


@dataclass(frozen=True)
class Evaluation:
    """A method's scores on a benchmark; `problems` are the pictures without scores, and why."""

    method: str
    recipe: MetricRecipe
    metrics: tuple[Metric, ...]
    scores: list[Score] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)  # values that scored pictures lack, and why
    missing: list[str] = field(default_factory=list)  # metrics that were asked for, and what they lack
    pattern: str = ""  # how the result files were named

    @property
    def means(self) -> dict[str, float]:
        """The mean of the pictures' scores by each metric; PSNR is inf as soon as one is, and nan is of no picture."""
        found = {m.name: [s.values[m.name] for s in self.scores if m.name in s.values] for m in self.metrics}
        return {name: fmean(values) if values else nan for name, values in found.items()}

    @property
    def sees(self) -> str:
        """How a network of others saw the pictures; "" of all other methods."""
        return self.scores[0].sees if self.scores else ""

    @property
    def mean(self) -> Measurement:
        """The means of PSNR and SSIM by the recipe."""
        means = self.means
        return Measurement(*(means[metric.name] for metric in recipe_metrics(self.recipe)))

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: the PSNR of equal pictures is None. The recipe's two are psnr and ssim.

        A value that a picture lacks is left out, and named in `gaps`.
        """
        return {
            "method": self.method,
            "recipe": self.recipe,
            "sees": self.sees,
            "images": len(self.scores),
            **(self._plain(self.means) if self.scores else {}),
            "per_image": [{"name": s.name, **self._plain(s.values), "seconds": s.seconds} for s in self.scores],
            "problems": self.problems,
            "gaps": self.gaps,
            "missing": self.missing,
        }

    def rows(self, benchmark: str) -> Iterator[dict[str, Any]]:
        """The scores in the long form that analysis reads, a row for each picture and metric."""
        for score, metric in product(self.scores, self.metrics):
            if metric.name not in score.values:
                continue
            yield {
                "benchmark": benchmark,
                "source": score.name,
                "method": self.method,
                "metric": metric.name,
                "value": score.values[metric.name],
                "better": metric.better,
                "unit": metric.unit,
                "decimals": metric.decimals,
                "sees": score.sees,
            }

    def _plain(self, values: Mapping[str, float]) -> dict[str, float | None]:
        short = {metric.name: name for metric, name in zip(recipe_metrics(self.recipe), ("psnr", "ssim"), strict=True)}
        return {short.get(name, name): value if isfinite(value) else None for name, value in values.items()}


def find_sources(
    folder: Path | str, *, scale: int = SCALE, lr: Path | str | None = None, refused: list[str] | None = None
) -> list[Source]:
    """The pictures of a benchmark folder, by name.

    Where files named NAME_HR.* (or NAME_SRF_4_HR.*) are found, they are the benchmark, with NAME_LR.* if it is there
    (of NAME_SRF_4_LR.* the one of `scale`), and other files are passed over; else every picture file is an HR picture
    of its own name. A folder without pictures may have them in HR or GT, and LR in LR_bicubic/X4, LRbicx4 or their
    like; `lr` names another folder, whose files are matched as srcore.matching says (babyx4.png). Raises ImageError for
    no folder, an empty one, two files of one name, an LR without its HR, and an HR without its LR in a folder of them;
    with a list `refused` the last three are named there, a line a file, and the others are found.
    """
    folder, lr_folder = Path(folder), Path(lr) if lr else _lr_folder(Path(folder), scale)
    files = picture_files(folder) or _in_subfolder(folder)
    problems: list[str] = []
    named_hr, named_lr = (_named(files, role, scale) for role in ("hr", "lr"))
    for name, file in sorted(named_lr):
        if name not in dict(named_hr):
            problems.append(f"{file}: there is no HR file for this LR file; add it or remove this one")
    if not named_hr and not named_lr:
        named_hr = [(file.stem, file) for file in files]
    hr, own_lr = _unique(named_hr, problems), _unique(named_lr, problems)
    hr = {name: file for name, file in hr.items() if name in own_lr or name not in dict(named_lr)}
    if not hr and not problems:
        raise ImageError(f"{folder} holds no picture; expected *_HR.png or photographs, or a folder HR with them")
    if lr_folder:
        own_lr, lacking = _matched_lr(sorted(hr), lr_folder, scale)
        if lacking and refused is None:
            raise ImageError(f"not every HR picture has its LR picture in {lr_folder}: {'; '.join(lacking.values())}")
        problems += [f"{said} (LR, in {lr_folder})" for said in lacking.values()]
        hr = {name: file for name, file in hr.items() if name not in lacking}
    if problems and refused is None:
        raise ImageError(problems[0])
    if refused is not None:
        refused += problems
    return [Source(name, file, own_lr.get(name)) for name, file in sorted(hr.items())]


def load_source(source: Source, *, scale: int = SCALE, max_pixels: int = MAX_PIXELS) -> tuple[Pixels, Pixels]:
    """HR cut to multiples of `scale`, and LR, read or made.

    Raises ImageError if a file cannot be read, is larger than `max_pixels`, or they do not fit.
    """
    hr = crop_to_multiple(_read_hr(source.hr, scale, max_pixels), scale)
    if source.lr is None:
        return hr, downscale(hr, scale)
    lr = read_image(source.lr, max_pixels=max_pixels)
    if (lr.shape[0] * scale, lr.shape[1] * scale) != hr.shape[:2] or lr.ndim != hr.ndim:
        raise ImageError(
            f"{source.lr}: {_form(lr)} does not fit {Path(source.hr).name}, {_form(hr)} after the crop to multiples of "
            f"{scale}; LR must have its width and height divided by {scale} and the same colours; "
            "without an LR file it is made"
        )
    return hr, lr


def load_all(folder: Path | str, *, scale: int = SCALE) -> tuple[list[tuple[str, Pixels, Pixels]], list[str]]:
    """Every picture of a benchmark folder as (name, HR, LR), and what is wrong with those that cannot be measured."""
    problems: list[str] = []
    loaded = []
    for source in find_sources(folder, scale=scale, refused=problems):
        try:
            hr, lr = load_source(source, scale=scale)
            measure(hr, hr, crop=scale)
            loaded.append((source.name, hr, lr))
        except (SrcoreError, MemoryError) as error:
            problems.append(_about(source, error))
    return loaded, problems


def evaluate(
    folder: Path | str,
    method: str,
    *,
    recipe: MetricRecipe = "paper",
    metrics: Sequence[Metric] = (),
    settings: Settings | None = None,
    scale: int = SCALE,
    lr: Path | str | None = None,
    results: Path | str | None = None,
    suffix: str = "",
    mapping: Mapping[str, str] | None = None,
    device: str = "auto",
    keep_going: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a method on a benchmark folder; or, with `results`, a folder of somebody's result images called `method`.

    PSNR and SSIM by the recipe, and `metrics` beside them. `lr` is as in `find_sources`, `suffix` and `mapping` as in
    `match_folder`; `settings` by default cut `scale` pixels off each side. `progress` is called with the pictures done
    and their number. With `keep_going` a picture that fails is named in the result's `problems`, a further metric that
    cannot measure one in `gaps`, and one that lacks something in `missing`; the others go on. Raises ImageError,
    UnknownMethod, MethodUnavailable, MetricFailed and MetricUnavailable.
    """
    settings = settings or Settings(crop=scale, device=device)
    chosen = tuple(dict.fromkeys((*recipe_metrics(recipe), *metrics)))
    if results is None and get_method(method).kind != "reference" and (why := get_method(method).why_unavailable()):
        raise MethodUnavailable(why)
    if results is not None and Path(results).resolve() == Path(folder).resolve() and not suffix and not mapping:
        raise ImageError(f"{results} is the benchmark itself; name the folder of results, or a suffix")
    refused: list[str] = []
    sources = find_sources(folder, scale=scale, lr=lr, refused=refused if keep_going else None)
    comparisons, missing = _prepared(chosen, settings, keep_going=keep_going)
    chosen = tuple(metric for metric in chosen if metric.name in comparisons)
    match = _match(results, sources, suffix=suffix, mapping=mapping, scale=scale) if results is not None else None
    pattern = match.pattern if match else ""
    found = Evaluation(method, recipe, chosen, problems=refused, missing=missing, pattern=pattern)
    for done, source in enumerate(sources):
        if progress:
            progress(done, len(sources))
        try:
            hr, lr_pixels = load_source(source, scale=scale, max_pixels=LARGEST_PIXELS)
            made = _result(method, hr, lr_pixels, source.name, match, scale=scale, device=device)
            values, gaps = _measured(comparisons, chosen[:2], hr, made.pixels, keep_going=keep_going)
            found.gaps.extend(f"{source.name}: {said}" for said in gaps)
            found.scores.append(Score(source.name, values, made.seconds, made.device, made.sees))
        except (SrcoreError, MemoryError) as error:
            if not keep_going:
                raise
            found.problems.append(_about(source, error))
    if progress:
        progress(len(sources), len(sources))
    return found


def _about(source: Source, error: Exception) -> str:
    said = "too little memory" if isinstance(error, MemoryError) else str(error)
    return said if source.name in said else f"{source.name}: {said}"


def _prepared(
    metrics: Sequence[Metric], settings: Settings, *, keep_going: bool
) -> tuple[dict[str, Comparison], list[str]]:
    """The comparisons by metric; and with `keep_going` what the others lack, which raises MetricUnavailable without."""
    comparisons, missing = {}, []
    for metric in metrics:
        try:
            if reason := metric.needs(settings):
                raise MetricUnavailable(f"{metric.name} cannot be measured here: {reason}")
            comparisons[metric.name] = metric.prepare(settings)
        except SrcoreError as error:
            if not keep_going:
                raise
            missing.append(str(error))
    return comparisons, missing


def _measured(
    comparisons: Mapping[str, Comparison], always: Sequence[Metric], hr: Pixels, sr: Pixels, *, keep_going: bool
) -> tuple[dict[str, float], list[str]]:
    """The scores by metric; with `keep_going` those of further metrics that cannot be had are named instead."""
    values, gaps = {}, []
    for name, comparison in comparisons.items():
        try:
            values[name] = compared(name, comparison, hr, sr)
        except SrcoreError as error:
            if not keep_going or any(metric.name == name for metric in always):
                raise
            gaps.append(str(error) if name in str(error).lower() else f"{name}: {error}")
    return values, gaps


def _match(
    results: Path | str, sources: Sequence[Source], *, suffix: str, mapping: Mapping[str, str] | None, scale: int
) -> FolderMatch:
    """The result files by name alone: sizes are looked at one by one, so that a bad file costs itself only."""
    found = match_names(
        [source.name for source in sources], picture_files(Path(results)), suffix=suffix, mapping=mapping, scale=scale
    )
    problems = [f"{name}: {problem} (in {results})" for name, problem in found.problems.items()]
    return FolderMatch(found.files, problems, found.pattern, found.left_over)


def _result(
    method: str, hr: Pixels, lr: Pixels, name: str, match: FolderMatch | None, *, scale: int, device: str
) -> Output:
    if match is not None:
        if name not in match.files:
            raise ImageError(next(problem for problem in match.problems if problem.startswith(f"{name}:")))
        wanted = Wanted(name, hr.shape[1], hr.shape[0])
        return Output(read_result(match.files[name], wanted, max_pixels=LARGEST_PIXELS), 0.0, "")
    if get_method(method).kind == "reference":
        return Output(hr, 0.0, "")
    return run(lr, method, scale=scale, device=device)


def _in_subfolder(folder: Path) -> list[Path]:
    for name in _HR_FOLDERS:
        if is_folder(folder / name):
            return picture_files(folder / name)
    return []


def _lr_folder(folder: Path, scale: int) -> Path | None:
    """A usual place of LR pictures within the folder."""
    places = [folder / place.format(scale) for place in _LR_FOLDERS]
    return next((place for place in places if is_folder(place) and picture_files(place)), None)


def _matched_lr(names: Sequence[str], folder: Path, scale: int) -> tuple[dict[str, Path], dict[str, str]]:
    """The LR files by name, and by name what is wrong where there is none."""
    found = match_names(names, picture_files(folder), scale=scale, skip_own=False)
    return found.files, {name: f"{name}: {problem}" for name, problem in found.problems.items()}


def _named(files: Iterable[Path], role: str, scale: int) -> list[tuple[str, Path]]:
    """Of several scales' files those of `scale`; where HR has only others', it still is HR, but an LR is no LR."""
    matches = [(match, file) for file in files if (match := _NAMED.fullmatch(file.stem))]
    found = [(match, file) for match, file in matches if match["role"].lower() == role]
    fitting = {match["name"] for match, _ in found if match["scale"] in (None, str(scale))}
    return [
        (match["name"], file)
        for match, file in found
        if match["scale"] in (None, str(scale)) or (role == "hr" and match["name"] not in fitting)
    ]


def _unique(named: Sequence[tuple[str, Path]], problems: list[str]) -> dict[str, Path]:
    """The names that one file has. Of the others a line each, the file first, is put into `problems`."""
    found: dict[str, list[Path]] = defaultdict(list)
    for name, file in named:
        found[name].append(file)
    for name, files in found.items():
        for file, other in zip(files, [*files[1:], files[0]], strict=True) if len(files) > 1 else ():
            problems.append(f"{file} and {other.name} are both the picture {name!r}; remove or rename one")
    return {name: files[0] for name, files in found.items() if len(files) == 1}


def _read_hr(path: Path, scale: int, max_pixels: int) -> Pixels:
    pixels = read_image(path, max_pixels=max_pixels)
    if min(pixels.shape[:2]) < scale:
        raise ImageError(f"{path}: {_form(pixels)} is too small; {scale} x {scale} pixels are the least")
    return pixels


def _form(pixels: Pixels) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} {'grey' if pixels.ndim == 2 else 'RGB'}"
