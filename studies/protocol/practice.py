"""Practice images: which, and the score that is expected of each, as a study's field `practice` says line by line."""

import re
from dataclasses import dataclass

from analysis.scale import Scale
from studies.models import Method, SourceImage

# An image's name may hold spaces; a method's and an expectation do not.
_LINE = re.compile(r"(?P<benchmark>[^/]+)/(?P<source>.+?)\s+(?P<method>\S+)\s+(?P<low>[\d.]+)(?:-(?P<high>[\d.]+))?")


class PracticeError(ValueError):
    """A line that cannot be understood; the message says which and what to write."""


@dataclass(frozen=True)
class Practice:
    """The version of `benchmark`/`source` by `method`, of which a score from `low` to `high` is expected."""

    benchmark: str
    source: str
    method: str
    low: float
    high: float


@dataclass(frozen=True)
class Found:
    """A practice image as rows of the database."""

    source: SourceImage
    method: Method
    low: float
    high: float


def parse(text: str, scale: Scale) -> list[Practice]:
    """One practice image a line, empty lines aside. Raises PracticeError, also for scores that the scale lacks."""
    lines = enumerate(text.splitlines(), start=1)
    return [_parsed(number, line.strip(), scale) for number, line in lines if line.strip()]


def benchmarks(text: str) -> set[str]:
    """The names of the benchmarks in these lines, as far as they are written as such lines are."""
    return {found["benchmark"] for line in text.splitlines() if (found := _LINE.match(line.strip()))}


def find(text: str, scale: Scale, *, kind: str = "practice") -> list[Found]:
    """As `parse`, with the rows. Raises PracticeError for an image or a method that is not here too.

    `kind`: what the images are for, as the messages say it.
    """
    asked = parse(text, scale)
    methods = {m.name: m for m in Method.objects.filter(name__in={p.method for p in asked})}
    named = {"benchmark__name__in": {p.benchmark for p in asked}, "name__in": {p.source for p in asked}}
    rows = SourceImage.objects.filter(**named).select_related("benchmark")
    sources = {(row.benchmark.name, row.name): row for row in rows}
    found: list[Found] = []
    for practice in asked:
        source, method = sources.get((practice.benchmark, practice.source)), methods.get(practice.method)
        if source is None:
            raise PracticeError(f"There is no image {practice.benchmark}/{practice.source} for {kind}.")
        if method is None:
            raise PracticeError(
                f"There is no method {practice.method} for {kind}; nearest, bicubic and hr are there."
            )
        if any((f.source, f.method) == (source, method) for f in found):
            raise PracticeError(f"{practice.method} of {practice.benchmark}/{practice.source} is there twice.")
        found.append(Found(source, method, practice.low, practice.high))
    return found


def _parsed(number: int, line: str, scale: Scale) -> Practice:
    match = _LINE.fullmatch(line)
    try:
        low, high = (float(match[end] or match["low"]) for end in ("low", "high")) if match else (0.0, 0.0)
    except ValueError:
        match = None
    if match is None:
        raise PracticeError(
            f"Line {number}, {line!r}: write benchmark/image, method and the expected score or range, such as "
            f"Set5/baby bicubic {scale.score_text(scale.low)}-{scale.score_text(scale.high)}."
        )
    if low > high or not (scale.contains(low) and scale.contains(high)):
        raise PracticeError(f"Line {number}: expect a score or a range, the lower first, from {scale.text}.")
    return Practice(match["benchmark"], match["source"], match["method"], low, high)
