"""What simulated people think of an image.

Honest ones see, after the model of `analysis.recovery` with interactions: quality of the image + their bias + what they
make of its method + inconsistency x N(0, 1), and say the nearest score. Numbers are in categories
(`analysis.scale.Scale.category`), as in real panels (`analysis.simulate.NFLX_RATERS`, and the deviations of three
panels that `studies.research.planning` plans with).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from analysis.scale import ACR, Scale
from studies.models import LEFT, NEITHER, RIGHT

# The share of the scale that the methods span, from the one with the lowest PSNR to the one with the highest.
LOWEST, HIGHEST = 0.06, 0.92
CATEGORIES = ACR.width
# What two images must differ by, in categories, for a person to choose one where they need not.
NO_DIFFERENCE = 0.25


@dataclass(frozen=True)
class Model:
    """How honest people differ, in categories: standard deviations, but for the mean of the inconsistency."""

    bias: float = 0.3
    inconsistency: float = 0.53
    inconsistency_spread: float = 0.12
    rater_by_method: float = 0.28
    image_by_method: float = 0.44


@dataclass(frozen=True)
class Seen:
    """What an opinion is about: the method, and the score that a gold image or a trap asks for.

    Of a pair these are of the left image, and the others of the right one.
    """

    stimulus: int
    method: int
    expected: float | None = None
    right: int | None = None
    right_method: int | None = None


@dataclass(frozen=True)
class World:
    """The images as they are for everybody: the quality of each stimulus, in categories from the scale's low end."""

    scale: Scale
    model: Model
    quality: Mapping[int, float]


def world(scale: Scale, model: Model, stimuli: Mapping[int, tuple[int, float]], *, seed: int) -> World:
    """`stimuli`: key -> (method, PSNR in dB, inf for the original). Methods lie evenly, in the order of mean PSNR."""
    rng = np.random.default_rng([seed, 0])
    found: dict[int, list[float]] = {}
    for method, psnr in stimuli.values():
        found.setdefault(method, []).append(psnr)
    ordered = sorted(found, key=lambda method: (float(np.mean(found[method])), method))
    places = dict(zip(ordered, np.linspace(LOWEST, HIGHEST, len(ordered)) * CATEGORIES, strict=True))
    quality = {
        key: float(places[method] + model.image_by_method * rng.standard_normal())
        for key, (method, _) in sorted(stimuli.items())
    }
    return World(scale, model, quality)


@dataclass
class Person:
    """One person's way to answer. `kind` is honest, random, straight or gold; others think as the honest do."""

    world: World
    kind: str
    rng: np.random.Generator
    bias: float = field(init=False)
    inconsistency: float = field(init=False)
    _of_method: dict[int, float] = field(init=False, default_factory=dict)
    _always: float = field(init=False)

    def __post_init__(self) -> None:
        model = self.world.model
        self.bias = float(self.rng.normal(0, model.bias))
        self.inconsistency = max(float(self.rng.normal(model.inconsistency, model.inconsistency_spread)), 0.0)
        self._always = self._anything()

    def score(self, seen: Seen) -> float:
        """On the scale."""
        if self.kind == "random":
            return self._anything()
        if self.kind == "straight":
            return self._always
        if seen.expected is not None:
            return self._checked(seen.expected)
        if seen.right is not None and seen.right_method is not None:
            return self._beside(self._looks(seen.stimulus, seen.method) - self._looks(seen.right, seen.right_method))
        return self._nearest(self._looks(seen.stimulus, seen.method) + self.bias)

    def _looks(self, stimulus: int, method: int) -> float:
        """How good it looks at this moment, in categories, but for the person's bias."""
        mine = self._of_method.setdefault(method, float(self.rng.normal(0, self.world.model.rater_by_method)))
        return self.world.quality[stimulus] + mine + self.inconsistency * float(self.rng.standard_normal())

    def _beside(self, better: float) -> float:
        """What is answered where the left one looks better by so many categories: a side, or how far apart they are."""
        scale = self.world.scale
        if scale.high == RIGHT:
            return self._chosen(better)
        if scale.low < NEITHER:  # of a comparison
            return self._level(-better)
        return self._level(scale.high - better + self.bias)  # beside the original, which is the left one

    def _level(self, wanted: float) -> float:
        return min(self.world.scale.levels, key=lambda level: abs(level - wanted))

    def _chosen(self, better: float) -> float:
        """Of a pair: which, or none where the study has that and the left one looks better by too little."""
        if abs(better) < NO_DIFFERENCE and self.world.scale.contains(NEITHER):
            return NEITHER
        return LEFT if better > 0 else RIGHT

    def _checked(self, expected: float) -> float:
        scale = self.world.scale
        if scale.low < NEITHER:
            expected *= scale.high  # a trap says the side alone
        if self.kind == "gold":
            return scale.high if expected < scale.middle else scale.low
        slip = 0.3 * float(self.rng.standard_normal())
        return self._nearest((expected - scale.low) / scale.category + slip)

    def _nearest(self, categories: float) -> float:
        scale = self.world.scale
        wanted = min(max(scale.low + categories * scale.category, scale.low), scale.high)
        if scale.step is None:
            return round(wanted, 1) if scale.width > 20 else wanted
        return min(scale.levels, key=lambda level: abs(level - wanted))

    def _anything(self) -> float:
        scale = self.world.scale
        if scale.step is None:
            return float(self.rng.uniform(scale.low, scale.high))
        return float(self.rng.choice(scale.levels))
