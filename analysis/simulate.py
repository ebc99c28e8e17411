"""Simulated panels, always labelled so: latent quality, biased and inconsistent raters, thresholds, lapses.

A rater i sees stimulus j as quality_j + bias_i + inconsistency_i N(0, 1) (the model of `recovery`) and reports the
step of the scale it falls on; with probability `lapse` a score drawn evenly. Scores at the ends of the scale are
therefore skewed and less spread, as real ones are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from analysis.recovery import recover
from analysis.scale import ACR
from analysis.schema import STIMULUS

LEVELS = np.array(ACR.levels)  # the scale of the raters fitted below and of the published MOS
THRESHOLDS = (LEVELS[1:] + LEVELS[:-1]) / 2
QUANTILES = 200  # equal-probability slices of the raters' inconsistency in expectations
ROUNDING = 1 / 12  # variance that reporting whole steps adds to a latent value (Sheppard)


@dataclass(frozen=True)
class RaterPopulation:
    """Raters to draw: bias ~ N(0, bias_sd^2), inconsistency ~ gamma(mean, sd), lapse in [0, 1); score units."""

    bias_sd: float
    inconsistency_mean: float
    inconsistency_sd: float
    lapse: float = 0.0

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Bias and inconsistency of n raters, (n,) each."""
        return rng.normal(0, self.bias_sd, n), np.asarray(self._gamma().rvs(n, random_state=rng))

    def inconsistencies(self) -> np.ndarray:
        """Midpoints of QUANTILES equally likely slices of the inconsistency, (QUANTILES,)."""
        return np.asarray(self._gamma().ppf((np.arange(QUANTILES) + 0.5) / QUANTILES))

    def _gamma(self) -> stats.rv_frozen:
        shape = (self.inconsistency_mean / self.inconsistency_sd) ** 2
        return stats.gamma(shape, scale=self.inconsistency_mean / shape)


# Fitted by `fit_raters` on the 26 raters of the NFLX public dataset (Netflix, 2016).
NFLX_RATERS = RaterPopulation(bias_sd=0.2964, inconsistency_mean=0.5261, inconsistency_sd=0.1204)


def fit_raters(ratings: pd.DataFrame, *, lapse: float = 0.0) -> RaterPopulation:
    """The population of a real panel's raters, by moments of the P.910 recovery.

    From the spread of the estimates their own sampling variance is taken off: inconsistency^2 / n for a bias,
    inconsistency^2 / (2 n) for an inconsistency; and from the squared inconsistency the rounding, 1/12.
    """
    raters = recover(ratings).raters
    n, v = raters["n"].to_numpy(np.float64), raters["inconsistency"].to_numpy(np.float64)
    latent = np.sqrt(np.maximum(v**2 - ROUNDING, 1e-4))
    bias = raters["bias"].var(ddof=1) - (v**2 / n).mean()
    spread = latent.var(ddof=1) - (v**2 / (2 * n)).mean()
    return RaterPopulation(
        bias_sd=float(np.sqrt(max(bias, 0.0))),
        inconsistency_mean=float(latent.mean()),
        inconsistency_sd=float(np.sqrt(max(spread, 1e-4))),
        lapse=lapse,
    )


def expected_score(quality: np.ndarray, raters: RaterPopulation, *, deviation: float = 0.0) -> np.ndarray:
    """Mean score over raters and images of a latent `quality` (n,) with N(0, deviation^2) between images.

    E = 1 + sum_k P(latent > threshold_k), in closed form but for the average over the raters' inconsistency.
    """
    spread = np.sqrt(raters.inconsistencies() ** 2 + raters.bias_sd**2 + deviation**2)
    above = stats.norm.cdf((np.asarray(quality)[:, None, None] - THRESHOLDS[:, None]) / spread).mean(axis=2)
    return np.asarray((1 - raters.lapse) * (ACR.low + above.sum(axis=1)) + raters.lapse * ACR.middle)


def quality_for(mos: np.ndarray, raters: RaterPopulation, *, deviation: float = 0.0) -> np.ndarray:
    """The latent quality whose `expected_score` is `mos` (n,). Raises ValueError where no quality reaches it."""

    def miss(quality: float, target: float) -> float:
        return float(expected_score(np.array([quality]), raters, deviation=deviation)[0] - target)

    lowest, highest = -20.0, 26.0
    for target in np.asarray(mos, dtype=np.float64):
        if miss(lowest, target) * miss(highest, target) > 0:
            raise ValueError(f"no quality has a MOS of {target}: it must lie inside the scale and the lapses allow")
    return np.array([optimize.brentq(miss, lowest, highest, args=(target,), xtol=1e-10) for target in mos])


def image_qualities(
    methods: pd.DataFrame, images: dict[str, int], *, deviation: float, rng: np.random.Generator
) -> pd.DataFrame:
    """One quality a stimulus: that of benchmark and method plus N(0, deviation^2) for each method on each image.

    `methods` has benchmark, method, quality; `images` the number of sources of each benchmark. Columns: benchmark,
    source, method, quality.
    """
    tables = []
    for benchmark, count in images.items():
        part = methods[methods["benchmark"] == benchmark]
        quality = part["quality"].to_numpy()[None, :] + deviation * rng.standard_normal((count, len(part)))
        sources = np.array([f"{benchmark}-{number:03d}" for number in range(1, count + 1)])
        columns = {"source": np.repeat(sources, len(part)), "method": np.tile(part["method"], count)}
        tables.append(pd.DataFrame({"benchmark": benchmark, **columns, "quality": quality.ravel()}))
    return pd.concat(tables, ignore_index=True)


def simulate_panel(
    stimuli: pd.DataFrame,
    raters: RaterPopulation,
    *,
    n_raters: int,
    rng: np.random.Generator,
    deviation: float = 0.0,
) -> pd.DataFrame:
    """A complete panel: every rater scores every stimulus once, in a random order.

    `deviation` is that of a method by rater: each rater sees each method N(0, deviation^2) better than others do.
    `stimuli` has benchmark, source, method, quality. Columns: rater (simulated_01, ...), position, benchmark,
    source, method, score, simulated (always True, and so the report says).
    """
    bias, inconsistency = raters.draw(n_raters, rng)
    count = len(stimuli)
    noise = rng.standard_normal((n_raters, count)) * inconsistency[:, None]
    latent = stimuli["quality"].to_numpy()[None, :] + bias[:, None] + noise
    if deviation:
        method, methods = pd.factorize(stimuli["method"])
        latent = latent + deviation * rng.standard_normal((n_raters, len(methods)))[:, method]
    level = (latent[:, :, None] > THRESHOLDS).sum(axis=2)
    lapses = rng.random(level.shape) < raters.lapse
    score = LEVELS[np.where(lapses, rng.integers(0, len(LEVELS), level.shape), level)].astype(np.int64)
    position = rng.permuted(np.tile(np.arange(1, count + 1), (n_raters, 1)), axis=1)
    width = len(str(n_raters))
    names = np.array([f"simulated_{number:0{width}d}" for number in range(1, n_raters + 1)])
    table = pd.DataFrame({"rater": np.repeat(names, count), "position": position.ravel()})
    for column in (*STIMULUS, "repeat"):
        if column in stimuli:
            table[column] = np.tile(stimuli[column].to_numpy(), n_raters)
    return table.assign(score=score.ravel(), simulated=True)
