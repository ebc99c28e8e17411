"""An ordinal mixed model: cumulative logit with crossed random effects, fitted by the Laplace approximation.

A five-point scale is not metric: the step from 1 to 2 need not equal that from 4 to 5. The cumulative link model
estimates the thresholds between the scores instead of assuming them, and takes raters and sources as samples, each with
deviations of its own for every method:

    P(score <= k) = logistic(theta_k - x'beta - u_rater - v_source - s_method,rater - t_method,source),  all normal

Without the last two a difference between methods that holds for these raters and these sources alone looks certain.
Sources: McCullagh (1980) for the model; Christensen's R package `ordinal` (function clmm) for the parametrisation and
the Laplace approximation, against whose published `wine` example the tests check this one; Kristensen et al. (2016) for
the gradient of a Laplace approximation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg, optimize, sparse, special, stats

from analysis.opinion import group_codes
from analysis.schema import RatingsError, first_showings
from analysis.separation import separate
from analysis.significance import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_EFFECTS = 5000  # random effects: their full covariance takes 200 MB, several times over
NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-10
SMALL_SD = 1e-2  # a random effect this small is at its boundary: no standard error can be had for it
STEEPEST = 1e-2  # of the log-likelihood for a whole step of a parameter: more, and the top was not found


@dataclass(frozen=True)
class OrdinalModel:
    """A fitted model.

    fixed: term, estimate, se, z, p (Wald, by Student's t with `df`; the normal where that is infinite). thresholds:
    term (such as 1|2), estimate, se. random: group, n, sd. covariance: of the fixed effects, in their order. loglik:
    Laplace log-likelihood; aic = 2 k - 2 loglik. baseline: the method that the others are held against. problems: what
    makes numbers unusable, in words; a separated method has an infinite estimate, no se, and was left out of the fit.
    """

    fixed: pd.DataFrame
    thresholds: pd.DataFrame
    random: pd.DataFrame
    covariance: np.ndarray
    loglik: float
    aic: float
    converged: bool
    df: float = np.inf
    baseline: str = ""
    problems: tuple[str, ...] = ()


class _Data:
    """Responses 0..K-1 (n,), design (n, p), and the incidence of all random effects, sparse (n, effects)."""

    def __init__(self, response: np.ndarray, design: np.ndarray, groups: Sequence[np.ndarray]) -> None:
        self.response = response
        self.design = design
        self.levels = int(response.max()) + 1
        self.sizes = [int(codes.max()) + 1 for codes in groups]
        offsets = np.cumsum([0, *self.sizes[:-1]])
        self.columns = np.column_stack([codes + offset for codes, offset in zip(groups, offsets, strict=True)])
        self.effects = sum(self.sizes)
        rows = np.repeat(np.arange(len(response)), len(groups))
        ones = np.ones(self.columns.size)
        self.incidence = sparse.csr_matrix((ones, (rows, self.columns.ravel())), (len(response), self.effects))
        self.mode = np.zeros(self.effects)  # of the spherical effects: where the next Newton search starts

    def unpack(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """thresholds (K-1,), beta (p,), standard deviation of each effect (effects,)."""
        cuts = self.levels - 1
        theta = np.cumsum(np.r_[parameters[0], np.exp(parameters[1:cuts])])
        beta = parameters[cuts : cuts + self.design.shape[1]]
        sd = np.exp(parameters[cuts + self.design.shape[1] :])
        return theta, beta, np.repeat(sd, self.sizes)


class _Top(NamedTuple):
    """Where the penalised likelihood is highest: its mode, value, both limits less eta (n,), Cholesky factor of H."""

    mode: np.ndarray
    value: float
    above: np.ndarray
    below: np.ndarray
    factor: np.ndarray


def fit_ordinal(
    response: np.ndarray,
    design: np.ndarray,
    groups: dict[str, np.ndarray],
    *,
    terms: Sequence[str],
    labels: Sequence[object],
    df: float = np.inf,
) -> OrdinalModel:
    """Fit the model to responses coded 0..K-1 (n,), a design without intercept (n, p) and codes by group (n,).

    `terms` names the columns of the design, `labels` the K levels; `df` are the degrees of freedom of the Wald tests.
    Every level must occur. Raises ValueError if not.
    """
    if np.bincount(response, minlength=len(labels)).min() == 0:
        raise ValueError("every response level must occur: a threshold next to an empty level cannot be estimated")
    data = _Data(response, design, list(groups.values()))
    share = np.cumsum(np.bincount(response))[:-1] / len(response)
    theta = special.logit(share)
    start = np.r_[theta[0], np.log(np.diff(theta)), np.zeros(design.shape[1]), np.full(len(groups), np.log(0.5))]
    bounds = [(None, None)] * (len(start) - len(groups)) + [(np.log(1e-6), 10.0)] * len(groups)

    def falling(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _laplace(data, parameters)
        return -value, -gradient

    limits = {"maxiter": 500, "ftol": 1e-12, "gtol": 1e-4}
    found = optimize.minimize(falling, start, jac=True, method="L-BFGS-B", bounds=bounds, options=limits)
    return _summary(data, found.x, terms=terms, labels=labels, names=list(groups), df=df)


def _top(data: _Data, parameters: np.ndarray) -> _Top:
    """Newton's search for the mode of the spherical effects b ~ N(0, I), from where the last one ended."""
    theta, beta, sd = data.unpack(parameters)
    cuts = np.r_[-np.inf, theta, np.inf]
    fixed = data.design @ beta
    upper, lower = cuts[data.response + 1] - fixed, cuts[data.response] - fixed
    mode = data.mode
    for _ in range(NEWTON_STEPS):
        shift = data.incidence @ (sd * mode)
        value = _log_likelihood(upper - shift, lower - shift) - float(mode @ mode) / 2
        gradient, factor = _derivatives(data, upper - shift, lower - shift, sd, mode)
        step = linalg.cho_solve((factor, True), gradient)
        if np.abs(step).max() < NEWTON_TOLERANCE:
            break
        mode = mode + _damped(data, upper, lower, sd, mode, step, value)
    data.mode = mode
    return _Top(mode, value, upper - shift, lower - shift, factor)


def _log_likelihood(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of log(logistic(a) - logistic(b)), a > b, without cancellation."""
    return float((special.log_expit(a) + special.log_expit(-b) + np.log1p(-np.exp(b - a))).sum())


def _derivatives(
    data: _Data, a: np.ndarray, b: np.ndarray, sd: np.ndarray, mode: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (effects,) in the effects, and the lower Cholesky factor of the penalised likelihood's negative Hessian.

    For the logistic link, with F at both thresholds: dl/deta = F(a) + F(b) - 1 and -d2l/deta2 = f(a) + f(b).
    """
    at_a, at_b = special.expit(a), special.expit(b)
    weight = at_a * (1 - at_a) + at_b * (1 - at_b)
    gradient = data.incidence.T @ (at_a + at_b - 1) * sd - mode
    scaled = data.incidence.multiply(np.sqrt(weight)[:, None]).tocsr()
    hessian = (scaled.T @ scaled).toarray() * np.outer(sd, sd)
    hessian[np.diag_indices(data.effects)] += 1
    return gradient, linalg.cholesky(hessian, lower=True, overwrite_a=True, check_finite=False)


def _damped(
    data: _Data, upper: np.ndarray, lower: np.ndarray, sd: np.ndarray, mode: np.ndarray, step: np.ndarray, value: float
) -> np.ndarray:
    """The Newton step, halved until the penalised likelihood does not fall: far from the mode it may overshoot."""
    if np.abs(step).max() < 0.1:  # near the mode of a concave function a full step is safe
        return step
    for _ in range(20):
        new = mode + step
        shift = data.incidence @ (sd * new)
        if _log_likelihood(upper - shift, lower - shift) - new @ new / 2 >= value:
            break
        step = step / 2
    return step


def _laplace(data: _Data, parameters: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-likelihood with b integrated out, l(b^) - b^'b^/2 - log det(H)/2, and its gradient (parameters,).

    H depends on a parameter directly and through b^; the second way costs one solve for all of them (the adjoint).
    """
    theta, _, sd = data.unpack(parameters)
    top = _top(data, parameters)
    value = top.value - float(np.log(np.diag(top.factor)).sum())
    inverse = linalg.lapack.dpotri(top.factor, lower=True)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    at_a, at_b = special.expit(top.above), special.expit(top.below)
    density_a, density_b = at_a * (1 - at_a), at_b * (1 - at_b)
    change_a, change_b = density_a * (1 - 2 * at_a), density_b * (1 - 2 * at_b)
    spread = _posterior_variance(data, inverse, sd)
    adjoint = inverse @ (data.incidence.T @ (spread * (change_a + change_b)) * sd)
    pull = data.incidence @ (sd * adjoint)
    gap = 1 / np.expm1(top.above - top.below)
    by_a = 1 - at_a + gap - spread * change_a / 2 + pull * density_a / 2
    by_b = -at_b - gap - spread * change_b / 2 + pull * density_b / 2
    cuts = len(theta)
    by_theta = np.bincount(data.response, by_a, cuts + 1)[:-1] + np.bincount(data.response, by_b, cuts + 1)[1:]
    later = np.cumsum(by_theta[::-1])[::-1]  # a wider gap moves every later threshold
    by_effect = -(data.incidence.T @ (by_a + by_b)) * sd * top.mode + adjoint * top.mode / 2 - (1 - np.diag(inverse))
    ends = np.cumsum([0, *data.sizes])
    by_sd = [by_effect[start:end].sum() for start, end in pairwise(ends)]
    return value, np.r_[later[0], later[1:] * np.diff(theta), -(data.design.T @ (by_a + by_b)), by_sd]


def _posterior_variance(data: _Data, inverse: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Variance of each row's sum of effects given the data, (n,)."""
    columns, total = data.columns, np.zeros(len(data.response))
    for one in range(columns.shape[1]):
        for other in range(one, columns.shape[1]):
            i, j = columns[:, one], columns[:, other]
            total += (1 if one == other else 2) * inverse[i, j] * sd[i] * sd[j]
    return total


def _hessian(data: _Data, parameters: np.ndarray, *, step: float = 1e-4) -> np.ndarray:
    """Central differences of the gradient, (parameters, parameters), symmetrised."""
    shifts = np.eye(len(parameters)) * step
    rows = [_laplace(data, parameters + s)[1] - _laplace(data, parameters - s)[1] for s in shifts]
    matrix = np.array(rows) / (2 * step)
    return np.asarray((matrix + matrix.T) / 2)


def _summary(
    data: _Data, parameters: np.ndarray, *, terms: Sequence[str], labels: Sequence[object], names: list[str], df: float
) -> OrdinalModel:
    theta, beta, _ = data.unpack(parameters)
    cuts = len(theta)
    sd = np.exp(parameters[cuts + len(beta) :])
    free = np.r_[np.ones(cuts + len(beta), bool), sd > SMALL_SD]  # a boundary sd has no curvature: held fixed
    loglik, gradient = _laplace(data, parameters)
    information = -_hessian(data, parameters)[np.ix_(free, free)]
    problems = _problems(information, gradient[free], sd, names)
    # From (first threshold, log increments) to the thresholds themselves.
    jacobian = np.eye(int(free.sum()))
    jacobian[:cuts, :cuts] = np.tril(np.ones((cuts, cuts))) * np.r_[1.0, np.diff(theta)]
    covariance = jacobian @ linalg.pinvh(information) @ jacobian.T
    se = np.sqrt(np.maximum(np.diag(covariance), 0))
    of_fixed = slice(cuts, cuts + len(beta))
    z = np.divide(beta, se[of_fixed], out=np.full(len(beta), np.nan), where=se[of_fixed] > 0)
    columns = {"term": list(terms), "estimate": beta, "se": se[of_fixed], "z": z, "p": 2 * stats.t.sf(np.abs(z), df)}
    between = [f"{a}|{b}" for a, b in pairwise(list(labels))]
    return OrdinalModel(
        fixed=pd.DataFrame(columns),
        thresholds=pd.DataFrame({"term": between, "estimate": theta, "se": se[:cuts]}),
        random=pd.DataFrame({"group": names, "n": data.sizes, "sd": sd}),
        covariance=covariance[of_fixed, of_fixed],
        loglik=loglik,
        aic=2 * len(parameters) - 2 * loglik,
        converged=not problems,
        df=df,
        problems=problems,
    )


def _problems(information: np.ndarray, gradient: np.ndarray, sd: np.ndarray, names: list[str]) -> tuple[str, ...]:
    """Why the fit is no maximum that can be used."""
    said = []
    steepest = float(np.abs(gradient).max())
    if steepest > STEEPEST:
        said.append(f"the search stopped short of the maximum (slope {steepest:.2g}): not converged")
    if np.linalg.eigvalsh(information).min() <= 0:
        said.append("the likelihood has no peak there: not converged, and no standard error holds")
    huge = [name for name, value in zip(names, sd, strict=True) if value > 50]
    if huge:
        said.append(f"the standard deviation of {', '.join(huge)} grows without bound: not converged")
    return tuple(said)


def ordinal_mixed_model(
    ratings: pd.DataFrame, *, baseline: str | None = None, interactions: bool = True
) -> OrdinalModel:
    """The model of one benchmark: methods fixed against `baseline` (default: first by name), the rest random.

    Random are rater, source, method x rater and method x source; the last two not where `interactions` is False, as for
    a study of these raters and sources alone. Wald tests by Student's t with the smaller number of raters and of
    sources, less one, as degrees of freedom (containment): deviations of a method are known from no more. First
    showings only. Estimates are log odds ratios of a higher score. Scores that never occur are no level of the model.

    A method whose scores do not overlap with the others' (all of them 1, say) has no finite estimate: the model is
    separated. Such methods are left out of the fit, have an infinite estimate without se or p, and stand in `problems`;
    where the baseline is one of them, another takes its place. Raises RatingsError for a table of several benchmarks,
    one method, one rater or one source, for an unknown baseline, where no two methods' scores overlap, and for more
    than MOST_EFFECTS random effects.
    """
    table = first_showings(ratings)
    if table["benchmark"].nunique() > 1:
        raise RatingsError("the model is fitted to one benchmark: select its rows first")
    method, methods = group_codes(table, ["method"])
    names = methods["method"].tolist()
    baseline = names[0] if baseline is None else baseline
    if baseline not in names or len(names) < 2:
        raise RatingsError(f"the baseline {baseline!r} needs a second method; the table has {', '.join(names)}")
    response = np.unique(table["score"].to_numpy(), return_inverse=True)[1]
    direction = separate(method, response, prefer=names.index(baseline))
    inside = [names[index] for index in np.flatnonzero(direction == 0)]
    if len(inside) < 2:
        raise RatingsError(
            "no two methods' scores overlap, so the model is separated and none of its estimates is finite; "
            "the pairwise tests compare the methods"
        )
    if baseline not in inside:
        baseline = inside[0]
    rows = np.flatnonzero(direction[method] == 0)
    model = _fit_methods(table.iloc[rows], baseline, interactions=interactions)
    away = {names[index]: direction[index] for index in np.flatnonzero(direction)}
    return _with_separated(model, away, baseline)


def _fit_methods(table: pd.DataFrame, baseline: str, *, interactions: bool) -> OrdinalModel:
    method, methods = group_codes(table, ["method"])
    names = methods["method"].tolist()
    others = [index for index, name in enumerate(names) if name != baseline]
    rater, raters = group_codes(table, ["rater"])
    source, sources = group_codes(table, ["source"])
    if min(len(raters), len(sources)) < 2:
        raise RatingsError("raters and sources are samples to the model: it needs two of each")
    groups = {"rater": rater, "source": source}
    if interactions:
        for name in ("rater", "source"):
            groups[f"method x {name}"] = group_codes(table, ["method", name])[0]
    effects = sum(int(codes.max()) + 1 for codes in groups.values())
    if effects > MOST_EFFECTS:
        raise RatingsError(
            f"the model would have {effects} random effects and takes time with their cube: {MOST_EFFECTS} at most; "
            "the pairwise tests compare the methods"
        )
    levels, response = np.unique(table["score"].to_numpy(), return_inverse=True)
    return fit_ordinal(
        response,
        (method[:, None] == np.array(others)).astype(np.float64),
        groups,
        terms=[names[index] for index in others],
        labels=[f"{level:g}" for level in levels],
        df=max(min(len(raters), len(sources)) - 1, 1) if interactions else np.inf,
    )


def _with_separated(model: OrdinalModel, away: dict[str, int], baseline: str) -> OrdinalModel:
    """The model with its baseline's name and the separated methods (name: -1 below, 1 above) beside the others."""
    if not away:
        return replace(model, baseline=baseline)
    rows = [(name, side * np.inf, np.nan, np.nan, np.nan) for name, side in away.items()]
    fixed = pd.concat([model.fixed, pd.DataFrame(rows, columns=model.fixed.columns)], ignore_index=True)
    size = len(fixed)
    covariance = np.full((size, size), np.nan)
    covariance[: len(model.fixed), : len(model.fixed)] = model.covariance
    words = [f"{name} (all {'above' if side > 0 else 'below'})" for name, side in away.items()]
    said = (
        f"separated: the scores of {', '.join(words)} do not overlap with the other methods', so their log odds have "
        "no finite estimate and no test here; they are left out of the fit, and the pairwise tests compare them"
    )
    return replace(model, fixed=fixed, covariance=covariance, baseline=baseline, problems=(*model.problems, said))


def contrasts(model: OrdinalModel, *, baseline: str | None = None) -> pd.DataFrame:
    """Wald tests of every pair of methods: method_a, method_b, difference (a - b, log odds), se, z, p, p_holm.

    By Student's t with the model's degrees of freedom. A pair with a separated method has no se and no p.
    """
    if baseline is not None and model.baseline and baseline != model.baseline:
        raise ValueError(f"the model's baseline is {model.baseline!r}, not {baseline!r}")
    names = [baseline or model.baseline, *model.fixed["term"]]
    estimate = np.r_[0.0, model.fixed["estimate"]]
    covariance = np.zeros((len(names), len(names)))
    covariance[1:, 1:] = model.covariance
    separated = np.isinf(estimate)
    rows = []
    for a, b in combinations(range(len(names)), 2):
        if separated[a] and separated[b]:
            difference = np.nan if estimate[a] == estimate[b] else estimate[a]
        else:
            difference = estimate[a] - estimate[b]
        variance = covariance[a, a] + covariance[b, b] - 2 * covariance[a, b]
        se = np.nan if separated[a] or separated[b] or not variance > 0 else float(np.sqrt(variance))
        z = difference / se if se else np.nan
        rows.append((names[a], names[b], difference, se, z, 2 * stats.t.sf(abs(z), model.df)))
    table = pd.DataFrame(rows, columns=["method_a", "method_b", "difference", "se", "z", "p"])
    return table.assign(p_holm=holm(table["p"].to_numpy()))
