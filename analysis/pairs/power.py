"""Planning a study of pairs: raters, sources and choices needed to tell, say, 60 % from 50 %."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import optimize, special

from analysis.intervals import proportion_interval
from analysis.pairs.choices import choices
from analysis.pairs.estimates import estimate
from analysis.pairs.models import chances
from analysis.pairs.schema import counted
from analysis.pairs.simulate import Design, simulate_choices
from analysis.pairs.spread import ENOUGH
from analysis.power import _power_t
from analysis.significance import ALPHA

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARE = 0.6
POWER = 0.8
DEVIATION = 0.3  # of a method's log strength by rater, and by source, where no study says otherwise
SOURCES = (10, 20, 40, 80)
PAIRS = (20, 60, 120)
MOST_RATERS = 10_000
_LARGEST_SHARE = 0.95  # beyond it a difference needs no planning


def deviations(pairs: pd.DataFrame) -> pd.DataFrame:
    """How much methods' strengths differ between raters and between sources, in log odds, by moments from a study.

    One row: raters, sources, rater_sd, source_sd (of one method's strength; that of a difference is sqrt(2) larger; 0
    where the study shows nothing beyond chance, NaN where it has one rater or source), tie (nu).
    """
    found = estimate(choices(counted(pairs)))
    by_rater, by_source = found.covariance.components()
    row = {"raters": len(found.choices.raters), "sources": len(found.choices.sources)}
    sds = {"rater_sd": np.sqrt(by_rater / 2), "source_sd": np.sqrt(by_source / 2)}
    return pd.DataFrame([row | sds | {"tie": float(np.exp(found.fit.tie))}])


def plan(
    *,
    share: float = SHARE,
    methods: int = 2,
    sources: Sequence[int] = SOURCES,
    pairs_per_rater: Sequence[int] = PAIRS,
    rater_sd: float = DEVIATION,
    source_sd: float = DEVIATION,
    tie: float = 0.0,
    against: bool = False,
    comparisons: int = 1,
    power: float = POWER,
    alpha: float = ALPHA,
) -> pd.DataFrame:
    """Raters needed to tell that a method is chosen over another in `share` of the decided choices, and not in half.

    For each number of sources and of pairs that a rater judges, spread evenly over the pairs of `methods`. Columns:
    share, methods, sources, pairs_per_rater, random (as the analysis will take them), raters (inf: not with so few
    sources), choices (of all raters), power (reached). The difference of log strengths has the variance
    2 rater_sd^2 / R + 2 source_sd^2 / S + 2 / (methods n i), n choices of every two methods with information i each;
    noncentral t with the degrees of freedom that the analysis uses; alpha / `comparisons`. `against`: each method meets
    one alone, over which it is to be chosen; its n choices then tell 1 / (n i). At least 20 raters, and under 20
    sources for those sources alone. Raises ValueError on what no study can have.
    """
    if not 0.5 < share < 1 or methods < 2 or comparisons < 1 or min(*sources, *pairs_per_rater) < 1:
        raise ValueError("share must lie between 0.5 and 1, methods be at least 2, comparisons and the rest at least 1")
    rows = []
    for source in sources:
        for pairs in pairs_per_rater:
            spread = (2 * rater_sd**2, 2 * source_sd**2 if source >= ENOUGH else 0.0)
            noise = _noise(share, methods, pairs, tie, against=against)
            raters, reached = _search(share, spread, noise, source, alpha / comparisons, power)
            random = "raters and sources" if source >= ENOUGH else "raters"
            rows.append((share, methods, source, pairs, random, raters, raters * pairs, reached))
    columns = ["share", "methods", "sources", "pairs_per_rater", "random", "raters", "choices", "power"]
    return pd.DataFrame(rows, columns=columns)


def least_share(
    *,
    raters: int,
    methods: int,
    sources: int,
    pairs_per_rater: int,
    tie: float = 0.0,
    against: bool = False,
    comparisons: int = 1,
    power: float = POWER,
    alpha: float = ALPHA,
) -> float:
    """The least share above a half that so many raters tell from a half, by the formula of `plan`; inf where none is.

    Fewer than 20 raters are taken as a sample, too, which asks for more than the analysis will.
    """
    spread = (2 * DEVIATION**2, 2 * DEVIATION**2 if sources >= ENOUGH else 0.0)

    def missing(share: float) -> float:
        noise = _noise(share, methods, pairs_per_rater, tie, against=against) / raters
        variance, df = _variance(spread, noise, raters, sources)
        return power - _power_t(float(special.logit(share)) / np.sqrt(variance), df, alpha / comparisons)

    if raters < 2 or missing(_LARGEST_SHARE) > 0:
        return float("inf")
    return float(optimize.brentq(missing, 0.5 + 1e-6, _LARGEST_SHARE, xtol=1e-4))


def _noise(share: float, methods: int, pairs: int, tie: float, *, against: bool = False) -> float:
    """Variance of a difference from the choices of one rater, were all raters and sources alike."""
    with np.errstate(divide="ignore"):
        chance, by_eta, _ = chances("bradley_terry", np.array([special.logit(share)]), float(np.log(tie)))
    information = float((chance * by_eta**2).sum())
    if against:
        return (methods - 1) / (pairs * information)
    each = pairs / (methods * (methods - 1) / 2)
    return 2 / (methods * each * information)


def _search(
    share: float, spread: tuple[float, float], noise: float, sources: int, alpha: float, power: float
) -> tuple[float, float]:
    """The fewest raters from ENOUGH on with at least `power`, and the power they have; (inf, the most reachable)."""

    def reached(raters: int) -> float:
        variance, df = _variance(spread, noise / raters, raters, sources)
        return _power_t(float(special.logit(share)) / np.sqrt(variance), df, alpha)

    low, high = ENOUGH - 1, ENOUGH
    while reached(high) < power:
        low, high = high, 2 * high
        if low >= MOST_RATERS:
            return float("inf"), reached(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= power else (middle, high)
    return float(high), reached(high)


def _variance(spread: tuple[float, float], noise: float, raters: int, sources: int) -> tuple[float, float]:
    """Variance and degrees of freedom as `spread.combine` will estimate them."""
    by_rater = spread[0] / raters + noise
    if sources < ENOUGH:
        return by_rater, raters - 1.0
    by_source = spread[1] / sources + noise
    both = by_rater + by_source - noise
    return both, both**2 / (by_rater**2 / (raters - 1) + by_source**2 / (sources - 1))


def simulated_power(
    design: Design, *, share: float = SHARE, methods: int = 2, studies: int = 200, alpha: float = ALPHA, seed: int = 0
) -> pd.DataFrame:
    """Share of simulated studies of `design` that find the difference between the first method and the second.

    The first is chosen over every other in `share` of the decided choices of a typical rater on a typical source.
    One row: share, methods, raters, sources, pairs_per_rater, studies, power, low, high (Wilson), simulated.
    """
    strength = np.zeros(methods)
    strength[0] = special.logit(share)
    first, second = np.array([0]), np.array([1])
    hits = 0
    for study in range(studies):
        found = estimate(simulate_choices(strength, design, rng=np.random.default_rng([seed, study])))
        value = found.fit.strength[first] - found.fit.strength[second]
        hits += int(found.covariance.differences(first, second).p(value)[0] < alpha)
    low, high = proportion_interval(hits, studies)
    stated = {"share": share, "methods": methods, "raters": design.raters, "sources": design.sources}
    stated |= {"pairs_per_rater": design.pairs, "studies": studies}
    return pd.DataFrame([stated | {"power": hits / studies, "low": low, "high": high, "simulated": True}])
