"""Variance of a statistic of a panel by leaving out one rater, and one source, at a time.

Nothing is drawn twice, so no rater ever agrees with itself and no fit meets a picture a second time: a bootstrap of
raters feigns agreement, and one of sources flatters a fit. Raters and sources are both samples. Their variances add;
what both share (the residual of a cell) is counted in each, which errs on the wide side.

Sources: Efron and Stein (1981) for the variance, Quenouille (1956) for the bias; the inflation of few sources and the
coverage are shown by `tests/bench/bench_coverage.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_GROUPS = 200  # more raters or sources are left out in random groups of equal size
FEWEST = 3  # sources or raters of which a variance says anything


class Limits(NamedTuple):
    """Lower and upper limit; NaN where nothing can be said."""

    low: float
    high: float


NONE = Limits(np.nan, np.nan)


class Spread(NamedTuple):
    """The statistic less its bias, its variance, and the variance's degrees of freedom."""

    centre: float
    variance: float
    df: float


def leave_out(size: int, *, seed: int = 0) -> np.ndarray:
    """Weights of `size` units, float64 (groups, size): 0 for those left out, 1 for the rest."""
    groups = min(size, MOST_GROUPS)
    group = np.arange(size) * groups // size
    if groups < size:
        group = np.random.default_rng([seed, size]).permutation(group)
    return np.asarray(np.arange(groups)[:, None] != group[None, :], dtype=np.float64)


def two_way(full: float, by_source: np.ndarray, by_rater: np.ndarray, *, fitted: bool) -> Spread:
    """Bias and variance of the statistic `full` from its values without each source (S,) and each rater (R,).

    The bias is that of few sources, as a fit to few has; with fewer raters the quantity itself is another. `fitted`: a
    curve is fitted to the sources, and their variance is inflated by S / (S - 2), for leaving out one of few changes it
    too little. NaN with fewer than
    FEWEST sources; the raters' part is 0 with fewer raters than that. Degrees of freedom after Satterthwaite (1946).
    """
    sources, raters = len(by_source), len(by_rater)
    if sources < FEWEST or not np.isfinite([full, *by_source]).all():
        return Spread(full, np.nan, np.nan)
    pseudo = sources * full - (sources - 1) * by_source
    source = pseudo.var(ddof=1) / (sources - 2 if fitted else sources)
    rater = 0.0
    if raters >= FEWEST and np.isfinite(by_rater).all():
        rater = (raters - 1) / raters * float(((by_rater - by_rater.mean()) ** 2).sum())
    variance = source + rater
    pieces = source**2 / (sources - 1) + (rater**2 / (raters - 1) if raters > 1 else 0.0)
    return Spread(float(pseudo.mean()), float(variance), float(variance**2 / pieces) if pieces > 0 else np.inf)


def limits(spread: Spread, *, confidence: float = 0.95) -> Limits:
    """centre -+ t(df) sqrt(variance)."""
    if np.isnan(spread.variance):
        return NONE
    half = float(special.stdtrit(min(spread.df, 1e9), 0.5 + confidence / 2) * np.sqrt(spread.variance))
    return Limits(spread.centre - half, spread.centre + half)


def transformed(
    full: float,
    by_source: np.ndarray,
    by_rater: np.ndarray,
    *,
    to: Callable[[np.ndarray], np.ndarray],
    back: Callable[[np.ndarray], np.ndarray],
    fitted: bool,
    confidence: float = 0.95,
) -> Limits:
    """`limits` on a scale where the statistic is closer to normal: `to` it and `back`, both rising."""
    spread = two_way(float(to(np.array(full))), to(by_source), to(by_rater), fitted=fitted)
    return Limits(*(float(back(np.array(limit))) for limit in limits(spread, confidence=confidence)))


def fisher(r: np.ndarray) -> np.ndarray:
    """Fisher's z of a correlation; 1 and -1 are finite."""
    return np.asarray(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)))
