"""An objective metric as an object: what it is called, which direction is better, and how it is measured. No torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from srcore.errors import SrcoreError
from srcore.images import ImageError, Pixels
from srcore.scale import SCALE

Better = Literal["higher", "lower"]
Comparison = Callable[[Pixels, Pixels], float]
"""HR and result, uint8 of one size -> the score."""


class MetricUnavailable(SrcoreError, RuntimeError):
    """The metric is known but lacks something here; the message says what to fetch."""


class MetricFailed(SrcoreError, RuntimeError):
    """A metric, or the package that it is from, cannot measure these pictures; the message says what it said."""


class UnknownMetric(SrcoreError, KeyError):
    """No metric of that name; the message lists the known ones."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How pictures are compared: pixels cut off each side, the device of networks, VGG-19's and others' weights.

    A path may be a str.
    """

    crop: int = SCALE
    device: str = "auto"
    vgg: Path | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vgg", Path(self.vgg) if self.vgg else None)
        object.__setattr__(self, "weights", {name: Path(path) for name, path in self.weights.items()})


def compared(name: str, comparison: Comparison, hr: Pixels, sr: Pixels) -> float:
    """The score; what a package raises in its own words comes as MetricFailed, with the metric's name."""
    try:
        return comparison(hr, sr)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise MetricFailed(f"{name} cannot measure this picture: {said}") from error


def _nothing(settings: Settings) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """`better` says which direction is, `decimals` how many a printed mean has.

    `needs` says what is missing here ("" for nothing); `prepare` loads what is needed once and returns the comparison;
    `note` says where its figure may differ from other tools'. Without a reference (`no_reference`) HR is not looked at.
    """

    name: str
    title: str
    better: Better
    decimals: int
    prepare: Callable[[Settings], Comparison]
    unit: str = ""
    note: str = ""
    needs: Callable[[Settings], str] = _nothing
    no_reference: bool = False
