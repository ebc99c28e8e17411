"""The monotonic four-parameter logistic between an objective metric and MOS, fitted to many weightings at once."""

from __future__ import annotations

import numpy as np
from scipy import special

PARAMETERS = 4
STEPS = 500  # of a fit to data that hardly tell its width
SETTLED = 1e-10  # relative change of the squared error at which a fit has ended
NARROWEST, WIDEST = 1e-3, 1e3  # width in standard deviations of the metric: no step, and a line at the other end


def logistic(x: np.ndarray, parameters: np.ndarray, sign: int) -> np.ndarray:
    """floor + rise / (1 + exp(-sign (x - middle) / width)), the mapping of the VQEG reports.

    x (n,), parameters (fits, 4) as floor, rise >= 0, middle, log width; sign 1 rises with x, -1 falls. (fits, n).
    """
    floor, rise, middle, width = (parameters[:, index, None] for index in range(PARAMETERS))
    return np.asarray(floor + rise * special.expit(sign * (x - middle) * np.exp(-width)))


def fit_logistic(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    *,
    sign: int,
    start: np.ndarray | None = None,
    steps: int = STEPS,
) -> np.ndarray:
    """Weighted least-squares parameters of `logistic`, (fits, 4), for x (n,), y and weight (fits, n).

    The direction is `sign` whatever the data say: where they run against it the best fit is flat (rise 0).
    Levenberg-Marquardt on all fits at once, at most `steps`, from `start` (4,) or from the extremes of y, the mean and
    the standard deviation of x. Neither the unit of x nor that of y matters. Raises ValueError where x is constant.
    """
    centre, spread = np.array([y.mean(), x.mean()]), np.array([y.std() or 1.0, x.std()])
    if spread[1] == 0:
        raise ValueError("the metric has one value everywhere: there is nothing to fit")
    shift = np.array([centre[0], 0.0, centre[1], np.log(spread[1])])
    factor = np.array([spread[0], spread[0], spread[1], 1.0])
    plain_y = (y - centre[0]) / spread[0]
    first = np.array([plain_y.min(), np.ptp(plain_y), 0.0, 0.0]) if start is None else (start - shift) / factor
    found = _fit((x - centre[1]) / spread[1], plain_y, weight, sign, first, steps)
    return np.asarray(found * factor + shift)


def _fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray, sign: int, start: np.ndarray, steps: int) -> np.ndarray:
    """`fit_logistic` where x and y have mean 0 and standard deviation 1."""
    parameters = np.tile(start, (len(y), 1)).astype(np.float64)
    damping = np.full(len(y), 1e-2)
    error = _errors(x, y, weight, parameters, sign)
    widths = np.log([NARROWEST, WIDEST])
    active = np.arange(len(y))
    for _ in range(steps):
        here, wanted, w = parameters[active], y[active], weight[active]
        trial = here + _step(x, wanted, w, here, damping[active], sign)
        trial[:, 1] = np.maximum(trial[:, 1], 0)
        trial[:, 3] = np.clip(trial[:, 3], *widths)
        trial_error = _errors(x, wanted, w, trial, sign)
        better = trial_error <= error[active]
        ended = np.abs(error[active] - trial_error) <= SETTLED * error[active] + 1e-15 * x.size
        parameters[active[better]] = trial[better]
        error[active[better]] = trial_error[better]
        damping[active] *= np.where(better, 0.2, 5.0)
        active = active[~(ended & better) & (damping[active] < 1e12)]
        if not len(active):
            break
    return parameters


def is_flat(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Fits (fits,) whose prediction (fits, n) does not vary beside y."""
    return np.asarray(np.ptp(predicted, axis=1) <= 1e-6 * np.ptp(y))


def _step(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, parameters: np.ndarray, damping: np.ndarray, sign: int
) -> np.ndarray:
    """Levenberg-Marquardt step of each fit, (fits, 4), with Marquardt's scaled damping."""
    floor, rise, middle, width = (parameters[:, index, None] for index in range(PARAMETERS))
    position = sign * (x - middle) * np.exp(-width)
    level = special.expit(position)
    slope = rise * level * (1 - level)
    columns = [np.ones_like(level), level, -slope * sign * np.exp(-width), -slope * position]
    jacobian = np.stack(columns, axis=1)  # (fits, 4, n)
    weighted = jacobian * weight[:, None, :]
    normal = weighted @ np.swapaxes(jacobian, 1, 2)
    gradient = weighted @ (y - (floor + rise * level))[:, :, None]
    scale = np.maximum(np.einsum("fii->fi", normal), 1e-9)  # keeps a flat direction solvable
    damped = normal + (np.maximum(damping, 1e-9)[:, None] * scale)[:, :, None] * np.eye(PARAMETERS)
    return np.asarray(np.linalg.solve(damped, gradient)[..., 0])


def _errors(x: np.ndarray, y: np.ndarray, weight: np.ndarray, parameters: np.ndarray, sign: int) -> np.ndarray:
    return np.asarray((weight * (y - logistic(x, parameters, sign)) ** 2).sum(axis=1))
