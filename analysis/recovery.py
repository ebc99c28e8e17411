"""Quality recovered from biased and inconsistent raters: ITU-T P.913 12.4 and 12.6, ITU-T P.910 Annex E."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import stats

from analysis.crosstable import crosstable, times_rows
from analysis.degenerate import FEWEST_RATERS, causes, vanished
from analysis.opinion import group_codes
from analysis.panel import panel_of
from analysis.scale import ACR
from analysis.schema import STIMULUS, filled, scale_of

if TYPE_CHECKING:
    from analysis.crosstable import Matrix
    from analysis.scale import Scale

IntervalKind = Literal["information", "residual"]
TOLERANCE = 1e-8  # of the step of psi, and the term added to each variance: both from the P.910 reference
MAX_ITERATIONS = 1000
MOST_ROUNDS = 5  # of leaving out raters; where each round makes others vanish, raters have too few ratings
Z95 = 1.959964


@dataclass(frozen=True)
class Recovery:
    """stimuli: benchmark, source, method, n, psi, ci_low, ci_high; raters: rater, n, bias, inconsistency.

    Beside bias and inconsistency stand their 95 % limits, as _low and _high. `limit` says what is wrong with the
    numbers, "" where nothing is: psi of a degenerate maximum (`degenerate`) is no result, and then `without` is the
    recovery without the raters `left_out`, None where too few would stay.
    """

    stimuli: pd.DataFrame
    raters: pd.DataFrame
    iterations: int
    converged: bool
    interval: str
    limit: str = ""
    left_out: tuple[str, ...] = ()
    without: Recovery | None = None


class _Sums(NamedTuple):
    """Scores less `centre`, summed over the showings of a rater and stimulus, (raters, stimuli), of one kind all."""

    weight: Matrix  # number of showings
    total: Matrix
    square: Matrix
    centre: float


class Solution(NamedTuple):
    """What `solve` finds; residual is the standard deviation of the residuals of a stimulus, step the last of psi."""

    psi: np.ndarray
    bias: np.ndarray
    inconsistency: np.ndarray
    residual: np.ndarray
    iterations: int
    step: float


def recover(ratings: pd.DataFrame, *, interval: IntervalKind = "residual", scale: Scale | None = None) -> Recovery:
    """Maximum likelihood of u = psi_j + bias_i + inconsistency_i N(0, 1) by alternating projection.

    Li, Bampis, Janowski, Katsavounidis (arXiv 2004.02067), standardised in ITU-T P.910 Annex E and P.913
    12.6. Every showing counts; missing ratings are normal. Biases sum to zero. Intervals of psi at 95 %, by
    name: `information` is z / sqrt(sum_i inconsistency_i^-2) as published; `residual` is z times the residual
    standard deviation of the stimulus over sqrt(n), as in common software. Of bias: z inconsistency /
    sqrt(n). Of inconsistency: chi-square. A rater or stimulus with a single rating has no residual of its
    own: read its limits with care. The constants of the iteration are those of a scale of width 4; another scale's
    scores are stretched onto it and back.

    A maximum at which a rater's inconsistency vanishes is no result: `Recovery.limit` says so and why, and
    `Recovery.without` is the answer without the cause, None where that takes more than MOST_ROUNDS.

    >>> from analysis import example, recover
    >>> recover(example.ratings()).converged
    True
    """
    return _without_cause(ratings, interval, scale, MOST_ROUNDS)


def _without_cause(ratings: pd.DataFrame, interval: IntervalKind, scale: Scale | None, rounds: int) -> Recovery:
    """`recover`, with so many rounds of leaving out raters."""
    found = _recover(ratings, interval, scale)
    panel = panel_of(ratings)
    bad = vanished(found.raters["inconsistency"].to_numpy(), panel)
    if not bad.any():
        said = "" if found.converged else f"not converged after {found.iterations} iterations"
        return replace(found, limit=said)
    out, why = causes(bad, panel)
    left_out = tuple(name for name, gone in zip(panel.raters, out, strict=True) if gone)
    said = f"no result: the maximum is degenerate, for {'; '.join(why)}"
    rest = ratings[~ratings["rater"].isin(left_out)]
    without = None
    if rounds and rest["rater"].nunique() >= FEWEST_RATERS:
        without = _without_cause(rest, interval, scale_of(ratings, scale), rounds - 1)
        left_out, without = left_out + without.left_out, without.without if without.left_out else without
    if without is None:
        few = len(panel.raters) - len(left_out) < FEWEST_RATERS
        again = "without them it is so again, for others: raters have too few ratings for this model"
        said += f"; {'too few other raters are there for this model' if few else again}: use the MOS"
    return replace(found, limit=said, left_out=left_out, without=without)


def _recover(ratings: pd.DataFrame, interval: IntervalKind, scale: Scale | None) -> Recovery:
    """The maximum that the iteration finds, whatever it is worth."""
    if interval not in get_args(IntervalKind):
        raise ValueError(f"unknown interval {interval!r}; known: {', '.join(get_args(IntervalKind))}")
    ratings = filled(ratings)
    rater, raters = group_codes(ratings, ["rater"])
    stimulus, stimuli = group_codes(ratings, STIMULUS)
    stretch = ACR.width / scale_of(ratings, scale).width
    sums = _sums(rater, stimulus, stretch * ratings["score"].to_numpy(np.float64), (len(raters), len(stimuli)))
    state = _alternate(sums)
    return Recovery(
        stimuli=_unstretched(_stimulus_table(stimuli, sums, state, interval), stretch, but=[*STIMULUS, "n"]),
        raters=_unstretched(_rater_table(raters, sums, state), stretch, but=["rater", "n"]),
        iterations=state.iterations,
        converged=state.step < TOLERANCE,
        interval=interval,
    )


def _unstretched(table: pd.DataFrame, stretch: float, *, but: list[str]) -> pd.DataFrame:
    numbers = [column for column in table.columns if column not in but]
    return table.assign(**{name: table[name] / stretch for name in numbers})


def solve(scores: np.ndarray) -> Solution:
    """The same model on an array of scores (raters, stimuli) or (raters, stimuli, showings), NaN where not rated.

    Every rater and every stimulus needs a rating: ValueError if not.
    """
    scores = scores[:, :, None] if scores.ndim == 2 else scores
    rated = ~np.isnan(scores)
    weight = rated.sum(axis=2).astype(np.float64)
    if not (weight.any(axis=0).all() and weight.any(axis=1).all()):
        raise ValueError("a rater or a stimulus has no rating at all: leave out its row or column")
    centre = float(scores[rated].mean())
    value = np.where(rated, scores - centre, 0.0)
    return _alternate(_Sums(weight, value.sum(axis=2), (value**2).sum(axis=2), centre))


def _sums(rater: np.ndarray, stimulus: np.ndarray, score: np.ndarray, shape: tuple[int, int]) -> _Sums:
    centre = float(score.mean())  # keeps the sums of squares small
    value = score - centre
    weight, total, square = crosstable(rater, stimulus, shape, None, value, value**2)
    return _Sums(weight, total, square, centre)


def _alternate(sums: _Sums) -> Solution:
    """Alternate between inconsistency, psi and bias until psi moves by less than TOLERANCE.

    A rater's bias is the mean score less `expected`, the mean psi of what was rated. On scores less the rater's mean
    it drops out of the sums of squares: sum e^2 = sum c^2 - 2 sum c psi + sum psi^2 - n expected^2.
    """
    weight, total, square, centre = sums
    n = weight.sum(axis=1)
    means = total.sum(axis=1) / n
    centred = total - times_rows(weight, means)
    share = times_rows(weight, 1 / n)
    equal = isinstance(weight, np.ndarray) and bool((weight == weight[0, 0]).all())  # all rated by all, equally often
    column = weight[:, 0] if equal else n
    to_psi, turned = centred.T, weight.T
    constant, cross = square.sum(axis=1) / n - means**2 + TOLERANCE, times_rows(centred, 2 / n)
    floor = np.full(len(n), TOLERANCE)
    before = psi = total.sum(axis=0) / weight.sum(axis=0)
    variance, step2, iterations = floor, np.inf, 0
    while step2 >= TOLERANCE**2 and iterations < MAX_ITERATIONS:
        variance = constant - cross @ psi
        if equal:  # psi keeps its mean of 0, which is `expected` of every rater
            variance = np.maximum(variance + psi.dot(psi) / len(psi), floor)
            pull = np.reciprocal(variance)
            before, psi = psi, pull.dot(centred) / pull.dot(column)
        else:
            expected = share @ psi
            variance = np.maximum(variance + share @ (psi * psi) - expected * expected, floor)
            pull = np.reciprocal(variance)
            before, psi = psi, (to_psi @ pull + turned @ (pull * expected)) / (turned @ pull)
        moved = psi - before
        step2, iterations = float(moved.dot(moved)), iterations + 1
    residual = _residual_sd(sums, before, means - share @ before)
    bias = means - share @ psi
    shift, inconsistency = bias.mean(), np.sqrt(variance - TOLERANCE)
    return Solution(psi + shift + centre, bias - shift, inconsistency, residual, iterations, float(np.sqrt(step2)))


def _residual_sd(sums: _Sums, psi: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Population standard deviation of the residuals of each stimulus, (stimuli,)."""
    weight, total, square, _ = sums
    n, totals, expected = weight.sum(axis=0), total.sum(axis=0), bias @ weight
    first = totals - expected - n * psi
    second = square.sum(axis=0) - 2 * (bias @ total + psi * totals) + bias**2 @ weight + 2 * psi * expected + n * psi**2
    return np.asarray(np.sqrt(np.maximum(second / n - (first / n) ** 2, 0)))


def _stimulus_table(stimuli: pd.DataFrame, sums: _Sums, state: Solution, interval: IntervalKind) -> pd.DataFrame:
    n = sums.weight.sum(axis=0)
    if interval == "information":
        half = Z95 / np.sqrt((state.inconsistency**2 + TOLERANCE) ** -1 @ sums.weight)
    else:
        half = Z95 * state.residual / np.sqrt(n)
    return stimuli.assign(n=n.astype(int), psi=state.psi, ci_low=state.psi - half, ci_high=state.psi + half)


def information_limits(ratings: pd.DataFrame, found: Recovery, *, scale: Scale | None = None) -> pd.DataFrame:
    """The limits ci_low and ci_high of the kind `information` for the psi of a recovery of the ratings by either."""
    ratings = filled(ratings)
    rater, _ = group_codes(ratings, ["rater"])
    stimulus, stimuli = group_codes(ratings, STIMULUS)
    stretch = ACR.width / scale_of(ratings, scale).width
    precision = 1 / ((stretch * found.raters["inconsistency"].to_numpy()) ** 2 + TOLERANCE)
    half = Z95 / np.sqrt(np.bincount(stimulus, precision[rater], len(stimuli))) / stretch
    psi = found.stimuli["psi"]
    return pd.DataFrame({"ci_low": psi - half, "ci_high": psi + half})


def _rater_table(raters: pd.DataFrame, sums: _Sums, state: Solution) -> pd.DataFrame:
    n = sums.weight.sum(axis=1)
    half = Z95 * state.inconsistency / np.sqrt(n)
    return raters.assign(
        n=n.astype(int),
        bias=state.bias,
        bias_low=state.bias - half,
        bias_high=state.bias + half,
        inconsistency=state.inconsistency,
        inconsistency_low=state.inconsistency * np.sqrt(n / stats.chi2.ppf(0.975, n)),
        inconsistency_high=state.inconsistency * np.sqrt(n / stats.chi2.ppf(0.025, n)),
    )


def rater_bias(ratings: pd.DataFrame) -> pd.DataFrame:
    """Mean deviation of each rater from the MOS of what was rated, ITU-T P.913 12.4: rater, n, bias.

    >>> from analysis import example, rater_bias
    >>> rater_bias(example.ratings()).round(2).head(1).to_numpy().tolist()
    [['simulated_01', 117, 0.52]]
    """
    ratings = filled(ratings)
    rater, raters = group_codes(ratings, ["rater"])
    stimulus, _ = group_codes(ratings, STIMULUS)
    score = ratings["score"].to_numpy(np.float64)
    deviation = score - (np.bincount(stimulus, weights=score) / np.bincount(stimulus))[stimulus]
    n = np.bincount(rater)
    return raters.assign(n=n, bias=np.bincount(rater, weights=deviation) / n)


def remove_bias(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings less each rater's `rater_bias`: scores become real numbers, for `mos` to average.

    >>> from analysis import example, remove_bias
    >>> remove_bias(example.ratings())["score"].round(2).head(3).to_list()
    [3.48, 2.48, 4.48]
    """
    bias = rater_bias(ratings).set_index("rater")["bias"]
    return ratings.assign(score=ratings["score"] - ratings["rater"].map(bias).astype(float))
