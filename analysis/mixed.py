"""An ordinal mixed model: cumulative logit with crossed random effects, fitted by the Laplace approximation.

A five-point scale is not metric: the step from 1 to 2 need not equal that from 4 to 5. The cumulative link
model estimates the thresholds between the scores instead of assuming them, and takes raters and sources as
samples:

    P(score <= k) = logistic(theta_k - x'beta - u_rater - v_source),  u ~ N(0, sd_rater^2),  v ~ N(0,
    sd_source^2)

Sources: McCullagh (1980) for the model; Christensen's R package `ordinal` (function clmm) for the
parametrisation and the Laplace approximation, against whose published `wine` example the tests check this
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import linalg, optimize, special, stats

from analysis.mos import group_codes
from analysis.schema import RatingsError, first_showings
from analysis.significance import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-10
SMALL_SD = 1e-3  # a random effect this small is at its boundary: no standard error can be had for it


@dataclass(frozen=True)
class OrdinalModel:
    """A fitted model.

    fixed: term, estimate, se, z, p (Wald). thresholds: term (such as 1|2), estimate, se. random: group, n,
    sd. covariance: of the fixed effects, in their order. loglik: Laplace log-likelihood; aic = 2 k - 2
    loglik.
    """

    fixed: pd.DataFrame
    thresholds: pd.DataFrame
    random: pd.DataFrame
    covariance: np.ndarray
    loglik: float
    aic: float
    converged: bool


class _Data:
    """Responses 0..K-1 (n,), design (n, p), and integer codes of the groups of each random effect (g, n)."""

    def __init__(self, response: np.ndarray, design: np.ndarray, groups: Sequence[np.ndarray]) -> None:
        self.response = response
        self.design = design
        self.levels = int(response.max()) + 1
        self.sizes = [int(codes.max()) + 1 for codes in groups]
        offsets = np.cumsum([0, *self.sizes[:-1]])
        self.groups = [codes + offset for codes, offset in zip(groups, offsets, strict=True)]
        self.effects = sum(self.sizes)
        self.mode = np.zeros(self.effects)  # of the spherical effects: where the next Newton search starts

    def unpack(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """thresholds (K-1,), beta (p,), standard deviation of each effect (effects,)."""
        cuts = self.levels - 1
        theta = np.cumsum(np.r_[parameters[0], np.exp(parameters[1:cuts])])
        beta = parameters[cuts : cuts + self.design.shape[1]]
        sd = np.exp(parameters[cuts + self.design.shape[1] :])
        return theta, beta, np.repeat(sd, self.sizes)


def fit_ordinal(
    response: np.ndarray,
    design: np.ndarray,
    groups: dict[str, np.ndarray],
    *,
    terms: Sequence[str],
    labels: Sequence[object],
) -> OrdinalModel:
    """Fit the model to responses coded 0..K-1 (n,), a design without intercept (n, p) and codes by group (n,).

    `terms` names the columns of the design, `labels` the K levels. Every level must occur. Raises ValueError
    if not.
    """
    if np.bincount(response, minlength=len(labels)).min() == 0:
        raise ValueError("every response level must occur: a threshold next to an empty level cannot be estimated")
    data = _Data(response, design, list(groups.values()))
    share = np.cumsum(np.bincount(response))[:-1] / len(response)
    theta = special.logit(share)
    start = np.r_[theta[0], np.log(np.diff(theta)), np.zeros(design.shape[1]), np.full(len(groups), np.log(0.5))]
    bounds = [(None, None)] * (len(start) - len(groups)) + [(np.log(1e-6), 10.0)] * len(groups)
    found = optimize.minimize(
        lambda parameters: -_laplace(data, parameters),
        start,
        jac=lambda parameters: -_gradient(data, parameters),
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-5},
    )
    return _summary(data, found.x, bool(found.success), terms=terms, labels=labels, names=list(groups))


def _laplace(data: _Data, parameters: np.ndarray) -> float:
    """Log-likelihood with the spherical effects b ~ N(0, I) integrated out: l(b^) - b^'b^/2 - log det(H)/2."""
    theta, beta, sd = data.unpack(parameters)
    cuts = np.r_[-np.inf, theta, np.inf]
    upper, lower = cuts[data.response + 1], cuts[data.response]
    fixed = data.design @ beta
    mode, value = data.mode, 0.0
    hessian: np.ndarray = np.eye(data.effects)
    for _ in range(NEWTON_STEPS):
        eta = fixed + sum(sd[codes] * mode[codes] for codes in data.groups)
        value = _log_likelihood(upper - eta, lower - eta) - float(mode @ mode) / 2
        gradient, hessian = _derivatives(data, upper - eta, lower - eta, sd, mode)
        step = linalg.cho_solve(linalg.cho_factor(hessian), gradient)
        mode = mode + _damped(data, fixed, upper, lower, sd, mode, step, value)
        if np.abs(step).max() < NEWTON_TOLERANCE:
            break
    data.mode = mode
    return float(value - np.log(np.diag(linalg.cholesky(hessian))).sum())


def _log_likelihood(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of log(logistic(a) - logistic(b)), a > b, without cancellation."""
    return float((special.log_expit(a) + special.log_expit(-b) + np.log1p(-np.exp(b - a))).sum())


def _derivatives(
    data: _Data, a: np.ndarray, b: np.ndarray, sd: np.ndarray, mode: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (effects,) and negative Hessian (effects, effects) of the penalised likelihood in the effects.

    For the logistic link, with F at both thresholds: dl/deta = F(a) + F(b) - 1 and -d2l/deta2 = f(a) + f(b).
    """
    at_a, at_b = special.expit(a), special.expit(b)
    slope = at_a + at_b - 1
    weight = at_a * (1 - at_a) + at_b * (1 - at_b)
    gradient = sum(np.bincount(codes, weights=slope, minlength=data.effects) for codes in data.groups) * sd - mode
    hessian: np.ndarray = np.zeros(data.effects**2)
    for one in data.groups:
        for other in data.groups:
            hessian += np.bincount(one * data.effects + other, weights=weight, minlength=data.effects**2)
    return gradient, hessian.reshape(data.effects, -1) * np.outer(sd, sd) + np.eye(data.effects)


def _damped(
    data: _Data,
    fixed: np.ndarray,
    upper: np.ndarray,
    lower: np.ndarray,
    sd: np.ndarray,
    mode: np.ndarray,
    step: np.ndarray,
    value: float,
) -> np.ndarray:
    """The Newton step, halved until the penalised likelihood does not fall: far from the mode it may overshoot."""
    if np.abs(step).max() < 0.1:  # near the mode of a concave function a full step is safe
        return step
    for _ in range(20):
        new = mode + step
        eta = fixed + sum(sd[codes] * new[codes] for codes in data.groups)
        if _log_likelihood(upper - eta, lower - eta) - new @ new / 2 >= value:
            break
        step = step / 2
    return step


def _gradient(data: _Data, parameters: np.ndarray, *, step: float = 1e-5) -> np.ndarray:
    """Central differences of the Laplace log-likelihood, (parameters,)."""
    shifts = np.eye(len(parameters)) * step
    ends = [(_laplace(data, parameters + s), _laplace(data, parameters - s)) for s in shifts]
    return np.array([(high - low) / (2 * step) for high, low in ends])


def _hessian(data: _Data, parameters: np.ndarray, *, step: float = 1e-3) -> np.ndarray:
    """Second differences from central gradients, (parameters, parameters), symmetrised."""
    shifts = np.eye(len(parameters)) * step
    rows = [_gradient(data, parameters + s) - _gradient(data, parameters - s) for s in shifts]
    matrix = np.array(rows) / (2 * step)
    return np.asarray((matrix + matrix.T) / 2)


def _summary(
    data: _Data,
    parameters: np.ndarray,
    converged: bool,
    *,
    terms: Sequence[str],
    labels: Sequence[object],
    names: list[str],
) -> OrdinalModel:
    theta, beta, _ = data.unpack(parameters)
    cuts = len(theta)
    sd = np.exp(parameters[cuts + len(beta) :])
    free = np.r_[np.ones(cuts + len(beta), bool), sd > SMALL_SD]  # a boundary sd has no curvature: held fixed
    information = -_hessian(data, parameters)[np.ix_(free, free)]
    # From (first threshold, log increments) to the thresholds themselves.
    jacobian = np.eye(int(free.sum()))
    jacobian[:cuts, :cuts] = np.tril(np.ones((cuts, cuts))) * np.r_[1.0, np.diff(theta)]
    covariance = jacobian @ linalg.inv(information) @ jacobian.T
    se = np.sqrt(np.maximum(np.diag(covariance), 0))
    z = beta / se[cuts : cuts + len(beta)]
    loglik = _laplace(data, parameters)
    labels = list(labels)
    return OrdinalModel(
        fixed=pd.DataFrame(
            {
                "term": list(terms),
                "estimate": beta,
                "se": se[cuts : cuts + len(beta)],
                "z": z,
                "p": 2 * stats.norm.sf(np.abs(z)),
            }
        ),
        thresholds=pd.DataFrame(
            {
                "term": [f"{a}|{b}" for a, b in pairwise(labels)],
                "estimate": theta,
                "se": se[:cuts],
            }
        ),
        random=pd.DataFrame({"group": names, "n": data.sizes, "sd": sd}),
        covariance=covariance[cuts : cuts + len(beta), cuts : cuts + len(beta)],
        loglik=loglik,
        aic=2 * len(parameters) - 2 * loglik,
        converged=converged,
    )


def ordinal_mixed_model(ratings: pd.DataFrame, *, baseline: str | None = None) -> OrdinalModel:
    """The model of one benchmark: methods fixed against `baseline` (default: first by name), rater, source random.

    First showings only. Estimates are log odds ratios of a higher score. Raises RatingsError for a table of
    several benchmarks, one method, or an unknown baseline. Scores that never occur are no level of the model.
    """
    table = first_showings(ratings)
    if table["benchmark"].nunique() > 1:
        raise RatingsError("the model is fitted to one benchmark: select its rows first")
    method, methods = group_codes(table, ["method"])
    names = methods["method"].tolist()
    baseline = names[0] if baseline is None else baseline
    if baseline not in names or len(names) < 2:
        raise RatingsError(f"the baseline {baseline!r} needs a second method; the table has {', '.join(names)}")
    others = [index for index, name in enumerate(names) if name != baseline]
    rater, _ = group_codes(table, ["rater"])
    source, _ = group_codes(table, ["source"])
    labels, response = np.unique(table["score"].to_numpy(), return_inverse=True)
    return fit_ordinal(
        response,
        (method[:, None] == np.array(others)).astype(np.float64),
        {"rater": rater, "source": source},
        terms=[names[index] for index in others],
        labels=labels.tolist(),
    )


def contrasts(model: OrdinalModel, *, baseline: str) -> pd.DataFrame:
    """Wald tests of every pair of methods: method_a, method_b, difference (a - b, log odds), se, z, p, p_holm."""
    names = [baseline, *model.fixed["term"]]
    estimate = np.r_[0.0, model.fixed["estimate"]]
    covariance = np.zeros((len(names), len(names)))
    covariance[1:, 1:] = model.covariance
    rows = []
    for a, b in combinations(range(len(names)), 2):
        se = np.sqrt(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
        z = (estimate[a] - estimate[b]) / se
        rows.append((names[a], names[b], estimate[a] - estimate[b], se, z, 2 * stats.norm.sf(abs(z))))
    table = pd.DataFrame(rows, columns=["method_a", "method_b", "difference", "se", "z", "p"])
    return table.assign(p_holm=holm(table["p"].to_numpy()))
