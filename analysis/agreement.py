"""Objective metrics against MOS: correlations and error after a logistic fit, with bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from analysis import correlation
from analysis.intervals import resample_counts
from analysis.mos import group_codes
from analysis.objective import Objective, objective_of
from analysis.panel import matrix
from analysis.schema import STIMULUS

DRAWS = 200
MIN_STIMULI = 6  # four parameters and something left over
LEVENBERG_STEPS = 60
SETTLED = 1e-10  # relative change of the squared error at which a fit has ended
SETTLED_DRAW = 1e-6  # of a bootstrap draw, whose own scatter is far larger
STATISTICS = ("plcc", "srocc", "krocc", "rmse")


def agreement(
    ratings: pd.DataFrame, objective: pd.DataFrame | Objective, *, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """How well each numeric column of `objective` predicts the MOS of a stimulus, by benchmark.

    PLCC (Pearson) and RMSE after the four-parameter logistic of `fit_logistic`, SROCC (Spearman) and KROCC (Kendall
    tau-b) on the raw metric. A stimulus without a finite value, such as the reference with its infinite PSNR, is
    left out and counted. The 95 % intervals are percentiles of draws that resample raters and sources. Columns:
    benchmark, metric, n, n_left_out, then each statistic with _low and _high. Fewer than 6 stimuli give no row.
    """
    panel = matrix(ratings)
    scores = objective_of(objective)
    joined = panel.stimuli.merge(scores.values, on=STIMULUS, how="left")
    rows = []
    for benchmark in joined["benchmark"].unique():
        for metric in scores.names:
            here = (joined["benchmark"] == benchmark).to_numpy()
            value = joined[metric].to_numpy(np.float64)
            used = here & np.isfinite(value)
            if used.sum() >= MIN_STIMULI and np.ptp(value[used]) > 0:
                source, _ = group_codes(panel.stimuli[used], ["source"])
                row = _agree(value[used], panel.scores[:, used], source, draws=draws, seed=seed)
                rows.append(
                    {"benchmark": benchmark, "metric": metric, "n_left_out": int(here.sum() - used.sum()), **row}
                )
    columns = ["benchmark", "metric", "n", "n_left_out"]
    columns += [f"{name}{limit}" for name in STATISTICS for limit in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=columns)


def _agree(value: np.ndarray, scores: np.ndarray, source: np.ndarray, *, draws: int, seed: int) -> dict[str, float]:
    """All statistics of one metric (stimuli,) against the scores (raters, stimuli), with percentile limits."""
    average = np.nanmean(scores, axis=0)[None, :]
    whole = np.ones_like(average)
    parameters = fit_logistic(value, average, whole)
    found = _statistics(value, average, whole, parameters)
    by_rater = resample_counts(len(scores), draws=draws, seed=seed, stream=2)
    by_source = resample_counts(int(source.max()) + 1, draws=draws, seed=seed, stream=3)
    rated = ~np.isnan(scores)
    n = by_rater @ rated
    drawn = np.divide(by_rater @ np.where(rated, scores, 0.0), n, out=np.zeros(n.shape), where=n > 0)
    weight = np.where(n > 0, by_source[:, source], 0.0)
    fits = fit_logistic(value, drawn, weight, start=parameters[0], settled=SETTLED_DRAW)
    sample = _statistics(value, drawn, weight, fits)
    row: dict[str, float] = {"n": len(value)}
    for name in STATISTICS:
        kept = sample[name][~np.isnan(sample[name])]
        low, high = np.percentile(kept, [2.5, 97.5]) if len(kept) else (np.nan, np.nan)
        row |= {name: float(found[name][0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return row


def _statistics(
    value: np.ndarray, average: np.ndarray, weight: np.ndarray, parameters: np.ndarray
) -> dict[str, np.ndarray]:
    """Each of STATISTICS for every draw, (draws,), of average and weight (draws, n)."""
    predicted = logistic(value, parameters)
    metric = np.broadcast_to(value, average.shape)
    total = np.maximum(weight.sum(axis=1), 1)
    return {
        "plcc": correlation.pearson(predicted, average, weight),
        "srocc": correlation.spearman(metric, average, weight),
        "krocc": correlation.kendall(metric, average, weight),
        "rmse": np.sqrt((weight * (predicted - average) ** 2).sum(axis=1) / total),
    }


def logistic(x: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4)), parameters (..., 4): the monotonic mapping of the VQEG reports."""
    b1, b2, b3, b4 = (parameters[..., index, None] for index in range(4))
    return np.asarray(b2 + (b1 - b2) * special.expit((x - b3) / b4)).reshape(*parameters.shape[:-1], len(x))


def fit_logistic(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, *, start: np.ndarray | None = None, settled: float = SETTLED
) -> np.ndarray:
    """Weighted least-squares parameters of `logistic`, (fits, 4), for x (n,), y and weight (fits, n).

    Levenberg-Marquardt on all fits at once. Without `start`: b1, b2 the extremes of y, b3 and b4 mean and standard
    deviation of x, the sign by the covariance.
    """
    spread = x.std()
    if start is None:
        sign = 1.0 if (x - x.mean()) @ y[0] >= 0 else -1.0
        start = np.array([y.max(), y.min(), x.mean(), sign * spread])
    parameters = np.tile(start, (len(y), 1)).astype(np.float64)
    damping = np.full(len(y), 1e-2)
    error = _errors(x, y, weight, parameters)
    active = np.arange(len(y))
    for _ in range(LEVENBERG_STEPS):
        here, wanted, w = parameters[active], y[active], weight[active]
        trial = here + _step(x, wanted, w, here, damping[active])
        trial[:, 3] = np.where(np.abs(trial[:, 3]) < 1e-3 * spread, here[:, 3], trial[:, 3])  # no step function
        trial_error = _errors(x, wanted, w, trial)
        better = trial_error <= error[active]
        ended = np.abs(error[active] - trial_error) <= settled * error[active] + 1e-12
        parameters[active[better]] = trial[better]
        error[active[better]] = trial_error[better]
        damping[active] *= np.where(better, 0.2, 5.0)
        active = active[~(ended & better) & (damping[active] < 1e12)]
        if not len(active):
            break
    return parameters


def _step(x: np.ndarray, y: np.ndarray, weight: np.ndarray, parameters: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Levenberg-Marquardt step of each fit, (fits, 4), with Marquardt's scaled damping."""
    b1, b2, b3, b4 = (parameters[:, index, None] for index in range(4))
    level = special.expit((x - b3) / b4)
    slope = (b1 - b2) * level * (1 - level) / b4
    jacobian = np.stack([level, 1 - level, -slope, -slope * (x - b3) / b4], axis=1)  # (fits, 4, n)
    weighted = jacobian * weight[:, None, :]
    normal = weighted @ np.swapaxes(jacobian, 1, 2)
    gradient = weighted @ (y - (b2 + (b1 - b2) * level))[:, :, None]
    scale = np.maximum(np.einsum("fii->fi", normal), 1e-9)  # keeps a flat direction solvable
    damped = normal + (np.maximum(damping, 1e-9)[:, None] * scale)[:, :, None] * np.eye(4)
    return np.asarray(np.linalg.solve(damped, gradient)[..., 0])


def _errors(x: np.ndarray, y: np.ndarray, weight: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    return np.asarray((weight * (y - logistic(x, parameters)) ** 2).sum(axis=1))
