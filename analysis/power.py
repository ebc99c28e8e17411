"""Planning a study: how many raters and images a difference needs, whole or in subsets, and what a unit cannot reach.

By formula from the variance components of a difference, given or estimated from a pilot, and by simulation. The formula
is that of the default test, `significance.pairwise_tests` with the unit two_way.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from analysis.crossed import moments
from analysis.differences import benchmarks, comparisons
from analysis.intervals import proportion_interval
from analysis.leastsquares import Pattern
from analysis.signedrank import least_p
from analysis.significance import ALPHA, Unit, pairwise_tests
from analysis.simulate import RaterPopulation, image_qualities, quality_for, simulate_panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIFFERENCES = (0.1, 0.2, 0.3)
POWER = 0.8
MOST_RATERS = 10_000  # a study that needs more is reported as impossible
MOST_IMAGES = 2_000


@dataclass(frozen=True)
class DifferenceVariance:
    """Variance components of the difference of two methods, in squared scores.

    rater, image: of one rater's and of one image's own difference (method x rater, method x image). residual: of one
    rater's difference on one image beyond those. What cancels only where a rater sees both methods of an image:
    unpaired (a rater's view of an image, twice its variance), bias (a rater's level) and content (an image's level).
    """

    rater: float
    image: float
    residual: float
    unpaired: float = 0.0
    bias: float = 0.0
    content: float = 0.0

    @property
    def one_pair(self) -> float:
        """Variance of a single difference of one rater on one image."""
        return self.rater + self.image + self.residual

    @classmethod
    def given(
        cls, *, method_x_rater: float, method_x_image: float, residual: float, rater: float = 0.35, image: float = 0.6
    ) -> DifferenceVariance:
        """From standard deviations of scores: each method's own by rater and by image, and what every method shares.

        On five categories real panels have .14 to .43 by rater, .17 to .71 by image and about .7 for the residual.
        Raises ValueError on one that is no number from 0 on.
        """
        stated = {"method_x_rater": method_x_rater, "method_x_image": method_x_image, "residual": residual}
        for name, sd in (stated | {"rater": rater, "image": image}).items():
            if not 0 <= sd < np.inf:
                raise ValueError(f"the standard deviation {name} is {sd:g}; it must be a number from 0 on")
        return cls(
            rater=2 * method_x_rater**2,
            image=2 * method_x_image**2,
            residual=2 * residual**2,
            bias=rater**2,
            content=image**2,
        )


Allocation = Literal["random", "spread", "together"]


class Design(NamedTuple):
    """raters x images; trials of a rater among `methods` x images stimuli, None where everybody rates all.

    allocation: which stimuli a rater's trials are: drawn at random, as few methods of an image as possible (spread), or
    all methods of an image (together).
    """

    raters: int
    images: int
    methods: int = 2
    trials: int | None = None
    allocation: Allocation = "random"

    @property
    def share(self) -> float:
        """Of all stimuli, those that a rater rates."""
        return 1.0 if self.trials is None else min(self.trials / (self.methods * self.images), 1.0)

    @property
    def alone(self) -> float:
        """Chance that who rated one method of an image did not rate a certain other one of it."""
        if self.allocation == "together":
            return 0.0
        if self.allocation == "spread" and self.methods > 1:
            return 1 - max(self.share * self.methods - 1, 0) / (self.methods - 1)
        return 1 - self.share

    @property
    def ratings(self) -> float:
        """Ratings in all."""
        return self.raters * self.images * self.methods * self.share


def difference_variance(ratings: pd.DataFrame) -> DifferenceVariance:
    """Components of the difference between two methods, averaged over all pairs of methods of a pilot, cut at 0.

    By moments (`crossed.moments`; on complete pairs the two-way analysis of variance of the differences): the pilot may
    be incomplete, and no rater need have seen both methods of an image. Raises ValueError where no pair has two raters
    and two images.
    """
    found = []
    for benchmark in benchmarks(ratings):
        for comparison in comparisons(benchmark):
            parts = _components(comparison.pair.rater, comparison.pair.image, comparison.pair.scores)
            found += [parts] if parts is not None else []
    if not found:
        raise ValueError(
            "no two methods were both rated by two raters on two images: the pilot is too small to plan from"
        )
    return DifferenceVariance(*(max(float(value), 0.0) for value in np.mean(found, axis=0)))


def _components(rater: np.ndarray, image: np.ndarray, scores: np.ndarray) -> tuple[float, ...] | None:
    if not len(rater) or rater.max() < 1 or image.max() < 1:
        return None
    rated = ~np.isnan(scores)
    pattern = Pattern(rater, image, int(rater.max()) + 1, int(image.max()) + 1, rated)
    parts = moments(pattern, rated.astype(np.float64), np.where(rated, scores - np.nanmean(scores, axis=0), 0.0))
    if np.isnan(parts.rater).any() or np.isnan(parts.image).any() or np.isnan(parts.cell).any():
        return None
    own = [float(np.trace(part)) - 2 * float(part[0, 1]) for part in parts]
    return (*own, 2 * float(parts.cell[0, 1]), float(parts.rater[0, 1]), float(parts.image[0, 1]))


class Spread(NamedTuple):
    """Variance of a mean difference, and Satterthwaite's degrees of freedom of its estimate."""

    variance: float
    df: float


def expected_spread(variance: DifferenceVariance, design: Design) -> Spread:
    """What the two-way test of a pair can expect of a design.

    Complete: rater / R + image / I + residual / (R I). In subsets each of the last part's ratings is alone with the
    chance `alone`; levels of raters and images then have to be estimated from so many ratings fewer.
    """
    raters, images, share = design.raters, design.images, design.share
    ratings, alone = raters * images * share, design.alone
    residual = variance.residual + alone * variance.unpaired
    lost = 0.0
    for level, number in ((variance.bias, 2 * images * share), (variance.content, 2 * raters * share)):
        weight = level / (level + residual / 2 / number) if level > 0 else 0.0
        lost += alone * weight / number
    rest = residual / ratings / max(1 - lost, 0.1)
    by_rater, by_image = variance.rater / raters, variance.image / images
    total = by_rater + by_image + rest
    pieces = (
        (by_rater + rest + 2 * alone * variance.content / ratings, raters - 1),
        (by_image + rest + 2 * alone * variance.bias / ratings, images - 1),
        (rest, max((raters - 1) * (images - 1) * share, 1)),
    )
    return Spread(total, total**2 / sum(piece**2 / df for piece, df in pieces))


def pairs_needed(difference: float, sd: float, *, alpha: float = ALPHA, power: float = POWER) -> int:
    """Pairs for a two-sided paired t test to find `difference` (noncentral t; Cohen 1988), at least 2.

    `sd` is that of one paired difference. The Wilcoxon test needs about pi / 3 times as many where differences are
    normal (Pitman efficiency), fewer where their tails are heavy. Counts pairs as independent.
    """
    if difference <= 0 or sd <= 0:
        raise ValueError("the difference and its standard deviation must be above 0")
    needed = _least(lambda n: _power_t(difference / sd * np.sqrt(n), n - 1, alpha) >= power, most=10**9)
    return int(needed)


def _least(enough: Callable[[int], bool], *, most: int) -> float:
    """The least whole number from 2 to `most` that is enough, inf where none is; more is never less than enough."""
    low, high = 1, 2
    while not enough(high):
        if high >= most:
            return float("inf")
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)


def _power_t(shift: float, df: float, alpha: float) -> float:
    limit = float(special.stdtrit(df, 1 - alpha / 2))
    right, wrong = 1 - special.nctdtr(df, shift, limit), special.nctdtr(df, shift, -limit)
    if np.isnan(right):  # the library's series gives up far out
        right = special.ndtr(shift - limit)
    return float(right + np.nan_to_num(wrong))  # and in the far tail of the wrong sign, which is 0 there


def power_of(difference: float, variance: DifferenceVariance, design: Design, *, alpha: float = ALPHA) -> float:
    """Chance that the two-way test finds `difference` at `alpha`, by the noncentral t."""
    spread = expected_spread(variance, design)
    return _power_t(difference / np.sqrt(spread.variance), spread.df, alpha)


def least_difference(
    variance: DifferenceVariance, design: Design, *, alpha: float = ALPHA, power: float = POWER, most: float = 4.0
) -> float:
    """The least difference that the two-way test finds with `power`, to .01; inf where it is over `most`."""
    steps = np.arange(1, round(100 * most) + 1)
    if design.raters < 2 or design.images < 2:
        return float("inf")
    enough = lambda step: power_of(step / 100, variance, design, alpha=alpha) >= power  # noqa: E731
    found = bisect_left(steps, True, key=enough)
    return float(steps[found]) / 100 if found < len(steps) else float("inf")


def raters_needed(
    difference: float,
    variance: DifferenceVariance,
    *,
    images: int,
    alpha: float = ALPHA,
    power: float = POWER,
    methods: int = 2,
    trials: int | None = None,
    allocation: Allocation = "random",
    images_sampled: bool = True,
) -> float:
    """Raters for the two-way test on so many images, whole or in subsets; inf where no number does.

    More raters cannot lower the images' share of the variance: that is when the answer is inf, and more images are
    needed. Without `images_sampled` the test takes the images as given: rater / R + residual / (R I), R - 1 degrees of
    freedom.
    """

    def enough(raters: int) -> bool:
        if images_sampled:
            design = Design(raters, images, methods, trials, allocation)
            return power_of(difference, variance, design, alpha=alpha) >= power
        spread = variance.rater / raters + variance.residual / (raters * images)
        return _power_t(difference / np.sqrt(spread), raters - 1, alpha) >= power

    return float("inf") if images_sampled and images < 2 else _least(enough, most=MOST_RATERS)


class Needed(NamedTuple):
    """images_least: fewest images with which some number of raters is enough; the design of fewest ratings in all.

    inf in cheapest_...: the best of up to MOST_IMAGES images is the one with the most, so that no cheapest is found.
    """

    images_least: float
    cheapest_raters: float
    cheapest_images: float
    cheapest_ratings: float


def images_and_raters_needed(
    difference: float,
    variance: DifferenceVariance,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
    methods: int = 2,
    trials: int | None = None,
    allocation: Allocation = "random",
) -> Needed:
    """How many images a difference needs at least, and the design with the fewest ratings; inf as `Needed` says.

    All are inf where no number of images up to MOST_IMAGES is enough.
    """

    raters = partial(
        raters_needed,
        difference,
        variance,
        alpha=alpha,
        power=power,
        methods=methods,
        trials=trials,
        allocation=allocation,
    )
    least = _least(lambda images: raters(images=images) < np.inf, most=MOST_IMAGES)
    if np.isinf(least):
        return Needed(*[float("inf")] * 4)
    steps = np.unique(np.rint(np.geomspace(least, max(MOST_IMAGES, least), 60)).astype(int))
    found = [(raters(images=int(images)), int(images)) for images in steps]
    designs = [Design(int(r), images, methods, trials, allocation) for r, images in found if r < np.inf]
    best = min(designs, key=lambda design: (design.ratings, design.images))
    if best.images >= MOST_IMAGES:  # the end of the search, not of the saving
        return Needed(least, *[float("inf")] * 3)
    return Needed(least, float(best.raters), float(best.images), float(np.ceil(best.ratings)))


def plan(
    pilot: pd.DataFrame | DifferenceVariance,
    *,
    images: int,
    comparisons: int,
    differences: Sequence[float] = DIFFERENCES,
    methods: int = 2,
    trials: int | None = None,
    allocations: Sequence[Allocation] = ("random",),
    alpha: float = ALPHA,
    power: float = POWER,
) -> pd.DataFrame:
    """Raters and images for each difference of MOS at `alpha` / `comparisons` (Bonferroni), from a pilot or components.

    `trials` of a rater among `methods` x images stimuli, in each of `allocations` (`Design`); None where everybody
    rates all. Columns: difference, allocation, alpha, power, images, trials, raters_and_images (raters on these images
    for the two-way test; inf: more images are needed, not raters), images_least, cheapest_raters, cheapest_images,
    cheapest_ratings (`Needed`); and what other readings ask, each of which claims less: raters (these images as given),
    pairs and raters_pairs (ratings as independent, as published). Raises ValueError on a study that cannot be.
    """
    _check_plan(images=images, comparisons=comparisons, methods=methods, trials=trials)
    for name, share in (("alpha", alpha), ("power", power)):
        if not 0 < share < 1:
            raise ValueError(f"{name} is {share:g}; it must lie between 0 and 1")
    variance = pilot if isinstance(pilot, DifferenceVariance) else difference_variance(pilot)
    level = alpha / comparisons
    rows = []
    for difference in differences:
        pairs = pairs_needed(difference, np.sqrt(variance.one_pair), alpha=level, power=power)
        on_these = partial(raters_needed, difference, variance, images=images, alpha=level, power=power)
        others = (on_these(images_sampled=False), pairs, int(np.ceil(pairs / images)))
        for allocation in ("all",) if trials is None else allocations:
            shown: dict[str, Any] = {}
            if trials is not None:
                shown = {"methods": methods, "trials": trials, "allocation": allocation}
            needed = images_and_raters_needed(difference, variance, alpha=level, power=power, **shown)
            size = np.nan if trials is None else trials
            rows.append((difference, allocation, level, power, images, size, on_these(**shown), *needed, *others))
    names = ["difference", "allocation", "alpha", "power", "images", "trials", "raters_and_images", *Needed._fields]
    return pd.DataFrame(rows, columns=[*names, "raters", "pairs", "raters_pairs"])


def _check_plan(**counts: int | None) -> None:
    """Raise ValueError on a number of images, raters, ... that no study has."""
    least = {"images": 1, "comparisons": 1, "methods": 2, "trials": 1, "raters": 1}
    for name, count in counts.items():
        if count is not None and count < least[name]:
            raise ValueError(f"{name} is {count}; it must be at least {least[name]}")


def unit_reach(*, raters: int | None, images: int, comparisons: int, alpha: float = ALPHA) -> pd.DataFrame:
    """Whether a unit can give a p under `alpha` / `comparisons` (Holm's first step) at all.

    Columns: unit, samples (its pairs in a complete panel), p_least, level, reaches, samples_least (fewest that can). By
    signs five images give p of at least .0625. The two-way test has no least p, but needs two raters and two images.
    `raters` may be None while they are still to be planned. Raises ValueError on a number under 1.
    """
    _check_plan(raters=raters, images=images, comparisons=comparisons)
    level = alpha / comparisons
    least = float(np.floor(1 + np.log2(1 / level)) + 1)  # 2^(1 - n) < level
    rows: list[tuple[str, float, float, float, bool | None, float]] = []
    for unit, samples in (("image", images), ("rater", raters)):
        if samples is not None:
            rows.append((unit, samples, least_p(samples), level, least_p(samples) < level, least))
        else:
            rows.append((unit, np.nan, np.nan, level, None, least))
    enough = images >= 2 and (raters is None or raters >= 2)
    rows.insert(0, ("two_way", min(images, raters or images), 0.0 if enough else 1.0, level, enough, 2.0))
    return pd.DataFrame(rows, columns=["unit", "samples", "p_least", "level", "reaches", "samples_least"])


def simulated_power(
    raters: RaterPopulation,
    *,
    difference: float,
    n_raters: int,
    images: int,
    deviation: float = 0.0,
    rater_deviation: float = 0.0,
    methods: int = 2,
    trials: int | None = None,
    level: float = 3.0,
    alpha: float = ALPHA,
    unit: Unit = "two_way",
    panels: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of simulated panels in which the test of `unit` finds `difference` between two methods around MOS `level`.

    Raters come from a pilot by `simulate.fit_raters`; `deviation` is that of a method by image, `rater_deviation` by
    rater; `trials` of a rater are drawn from `methods` x images stimuli. One row: difference, n_raters, images,
    deviation, rater_deviation, trials, unit, alpha, panels, power, ci_low, ci_high (Wilson), simulated (True). A
    difference of 0 gives the false alarm rate.
    """
    targets = np.array([level + difference / 2, level - difference / 2])
    quality = quality_for(targets, raters, deviation=float(np.hypot(deviation, rater_deviation)))
    pair = pd.DataFrame({"benchmark": "plan", "method": ["a", "b"], "quality": quality})
    hits = 0
    for panel in range(panels):
        rng = np.random.default_rng([seed, panel])
        stimuli = image_qualities(pair, {"plan": images}, deviation=deviation, rng=rng)
        ratings = simulate_panel(stimuli, raters, n_raters=n_raters, rng=rng, deviation=rater_deviation)
        if trials is not None:
            ratings = _subset(ratings, Design(n_raters, images, methods, trials), rng)
        hits += int(pairwise_tests(ratings.assign(repeat=0), unit=unit)["p"].iloc[0] < alpha)
    low, high = proportion_interval(hits, panels)
    planned = {"difference": difference, "n_raters": n_raters, "images": images, "deviation": deviation}
    shown = np.nan if trials is None else trials
    stated = {**planned, "rater_deviation": rater_deviation, "trials": shown, "unit": unit}
    share = {"power": hits / panels, "ci_low": low, "ci_high": high, "simulated": True}
    return pd.DataFrame([{**stated, "alpha": alpha, "panels": panels, **share}])


def _subset(ratings: pd.DataFrame, design: Design, rng: np.random.Generator) -> pd.DataFrame:
    """The rows of these two methods that lie among each rater's trials, the position in the random order deciding."""
    mine, trials = 2 * design.images, min(design.trials or 0, design.methods * design.images)
    counts = rng.hypergeometric(mine, (design.methods - 2) * design.images, trials, design.raters)
    limit = pd.Series(counts, index=ratings["rater"].unique())
    return ratings[ratings["position"] <= ratings["rater"].map(limit)]
