"""Objective metrics against MOS: correlation, error, prediction within a source, and which metric predicts better.

All metrics of a benchmark are compared on the same stimuli: those where every metric has a finite value. Sources and
raters are samples: intervals and tests come from leaving out one of each (`jackknife`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from analysis import correlation, jackknife
from analysis.comparable import Common, Sample, comparable, sample_of
from analysis.logistic import PARAMETERS, fit_logistic, is_flat, logistic
from analysis.objective import Metric, Objective, match_ratings, objective_of
from analysis.permutation import DRAWS, fewest_arrangements, permutation_p
from analysis.schema import filled
from analysis.significance import holm

MIN_METHODS = 3  # of a source, for a correlation within it
ALPHA = 0.05
LEAST_P = 1 / (DRAWS + 1)  # no draw predicts as well
WITH_LIMITS = ("plcc", "srocc", "krocc", "rmse", "within_srocc")
COLUMNS = [
    *("benchmark", "metric", "better", "n", "n_left_out", "n_sources"),
    *(f"{name}{limit}" for name in WITH_LIMITS for limit in ("", "_low", "_high")),
    *("rmse_star", "outlier_ratio", "n_within", "p_predicts", "limit"),
]
PAIR_COLUMNS = [
    *("benchmark", "statistic", "metric_a", "metric_b", "n", "value_a", "value_b", "difference"),
    *("ci_low", "ci_high", "p", "p_holm", "limit"),
]


def agreement(ratings: pd.DataFrame, objective: pd.DataFrame | Objective, *, seed: int = 0) -> pd.DataFrame:
    """How well each metric predicts the MOS of a stimulus, by benchmark; one row a metric, never none.

    plcc, Pearson's correlation after the four-parameter logistic of `logistic`, which rises where the metric is better
    higher and falls where it is better lower; without a stated direction the fit takes the data's. 0 where the best fit
    in that direction is flat. srocc and krocc (Spearman, Kendall's tau-b) on the raw metric, with its sign. rmse and
    rmse_star of the fit's error e: sqrt(sum e^2 / (n - 4)), four parameters being fitted, and the same of what of |e|
    exceeds the MOS's 95 % half width (ITU-T P.1401). outlier_ratio: the share of stimuli with |e| over that half width
    (divisor n). Both leave out stimuli with one rating. within_srocc: Spearman's correlation within a source, averaged
    over the n_within sources with three methods or more.

    Intervals are at 95 % for other sources and other raters (`jackknife`), less the optimism of a fit to few sources:
    their middle lies under plcc. Where p_predicts is above its least, those of plcc hold the straight line's too. One
    that would exclude 0 where p_predicts exceeds 5 % reaches 0. p_predicts asks whether the metric predicts at all
    (`permutation`). limit says what a row's numbers cannot tell, and which stimuli only one of the tables has. Raises
    RatingsError where they have none in common.

    >>> from analysis import example, agreement
    >>> agreement(example.ratings(), example.objective())[["metric", "srocc"]].round(2).head(1).to_numpy().tolist()
    [['psnr', 0.16]]
    """
    return _agreement(_panels(ratings, objective), seed)


def compare_metrics(ratings: pd.DataFrame, objective: pd.DataFrame | Objective) -> pd.DataFrame:
    """Does one metric predict MOS better than another? Every pair on the same stimuli, by benchmark.

    statistic: plcc, and srocc taken in the metric's direction. difference = value_a - value_b with its 95 % interval
    and a t test, both from leaving out one source and one rater at a time; p_holm over the pairs of a benchmark and
    statistic. NaN with fewer than three sources. limit and errors as of `agreement`.

    >>> from analysis import example, compare_metrics
    >>> found = compare_metrics(example.ratings(), example.objective())
    >>> found[["metric_a", "metric_b", "statistic"]].head(1).to_numpy().tolist()
    [['psnr', 'ssim', 'plcc']]
    """
    return _compare(_panels(ratings, objective))


def agreement_and_comparison(
    ratings: pd.DataFrame, objective: pd.DataFrame | Objective, *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`agreement` and `compare_metrics` of one panel, each metric fitted once for both."""
    panels = _panels(ratings, objective)
    return _agreement(panels, seed), _compare(panels)


@dataclass(frozen=True)
class _Panel:
    """A benchmark's common stimuli, and what its metrics' fits predict."""

    common: Common
    sample: Sample
    fits: tuple[Fit, ...]
    said: tuple[str, ...]  # of stimuli that only one of the tables has


def _panels(ratings: pd.DataFrame, objective: pd.DataFrame | Objective) -> list[_Panel]:
    panels = []
    given = objective_of(objective)
    matched = match_ratings(given, filled(ratings))
    said = tuple(note for note in matched.notes if note not in given.notes)  # a report has said its own
    for common in comparable(ratings, matched):
        sample = sample_of(common) if common.metrics else Sample(np.empty((0, 0)), np.empty((0, 0)), 0)
        fits = tuple(_fitted(common.values[:, index], sample, metric) for index, metric in enumerate(common.metrics))
        panels.append(_Panel(common, sample, fits, said))
    return panels


def _agreement(panels: list[_Panel], seed: int) -> pd.DataFrame:
    rows = []
    for panel in panels:
        rows += [_empty_row(panel, name, why) for name, why in panel.common.left_out.items()]
        rows += [_row(panel, index, seed) for index in range(len(panel.fits))]
    return pd.DataFrame(rows, columns=COLUMNS)


def _compare(panels: list[_Panel]) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for panel in panels:
        metrics = range(len(panel.fits))
        for statistic in ("plcc", "srocc") if len(metrics) > 1 else ():
            values = [_directed(panel, index, statistic) for index in metrics]
            tests = [_pair(panel.common, panel.sample, statistic, values, a, b) for a, b in combinations(metrics, 2)]
            adjusted = holm(np.array([test["p"] for test in tests], dtype=np.float64))
            rows += [
                test | {"p_holm": p, "limit": "; ".join(panel.said)} for test, p in zip(tests, adjusted, strict=True)
            ]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _sign(metric: Metric, value: np.ndarray, average: np.ndarray) -> int:
    if metric.better:
        return 1 if metric.better == "higher" else -1
    return 1 if (value - value.mean()) @ average >= 0 else -1


class Fit(NamedTuple):
    """A metric's direction, 1 or -1, its fit's prediction in every row of the sample, (rows, n), and PLCC, (rows,)."""

    sign: int
    predicted: np.ndarray
    plcc: np.ndarray


def _fitted(value: np.ndarray, sample: Sample, metric: Metric) -> Fit:
    """The fit to the whole panel, and one step from it those without a source or a rater.

    So is the jackknife of a nonlinear fit linear (Fox, Hinkley and Larntz, Technometrics 22, 1980). To go on from there
    ends in another minimum where the metric is weak, and the jackknife multiplies what is gained by the sources.
    """
    sign = _sign(metric, value, sample.average[0])
    whole = fit_logistic(value, sample.average[:1], sample.weight[:1], sign=sign)
    parameters = fit_logistic(value, sample.average, sample.weight, sign=sign, start=whole[0], steps=1)
    predicted = logistic(value, parameters, sign)
    plcc = correlation.pearson(predicted, sample.average, sample.weight)
    # Least squares in a given direction correlates no less than 0; where the data run against it the fit ends flat.
    plcc = np.where(is_flat(sample.average, predicted), 0.0, np.maximum(np.nan_to_num(plcc), 0.0))
    return Fit(sign, predicted, plcc)


def _row(panel: _Panel, index: int, seed: int) -> dict[str, object]:
    common, sample, (sign, predicted, plcc) = panel.common, panel.sample, panel.fits[index]
    metric, value = common.metrics[index], common.values[:, index]
    raw = np.broadcast_to(value, sample.average.shape)
    p = permutation_p(
        value, sample.average[0], common.source, common.method, sign=sign if metric.better else 0, seed=seed
    )
    within, n_within = _within(common, sample, value)
    ranks = {name: getattr(correlation, name)(raw, sample.average, sample.weight) for name in ("spearman", "kendall")}
    line = sign * correlation.pearson(raw, sample.average, sample.weight)
    weak = not p <= ALPHA
    row = _limits("plcc", sample, plcc, weak=weak, line=line if not p <= LEAST_P else None, least=0.0)
    row |= _limits("srocc", sample, ranks["spearman"], weak=weak)
    row |= _limits("krocc", sample, ranks["kendall"], weak=weak)
    row |= _limits("within_srocc", sample, within) | _errors(common, sample, predicted)
    return {
        "benchmark": common.benchmark,
        "metric": metric.name,
        "better": metric.better,
        "n": len(value),
        "n_left_out": common.n_all - len(value),
        "n_sources": int(common.source.max()) + 1,
        **row,
        "n_within": n_within,
        "p_predicts": p,
        "limit": _limit(panel, metric, plcc[0]),
    }


def _limits(
    name: str, sample: Sample, values: np.ndarray, *, weak: bool = False, line: np.ndarray | None = None,
    least: float = -1.0,
) -> dict[str, float]:  # fmt: skip
    """A correlation with its limits, on Fisher's scale; `least` is the lowest value that it can take.

    `weak`: nothing says that the metric predicts, and the limits hold 0. `line`: the correlation without a curve, whose
    limits they hold too. The less a metric predicts, the less its data tell middle and width of a logistic (Davies,
    Biometrika 64, 1977), and a fit that they press flat or steep knows no limits of its own.
    """
    low, high = _fisher_limits(sample, values)
    if line is not None:
        of_line = _fisher_limits(sample, line)
        low, high = np.fmin(low, of_line.low), np.fmax(high, of_line.high)
    low, high = np.clip((low, high), least, 1.0)
    if weak:
        low, high = min(low, 0.0), max(high, 0.0)
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def _fisher_limits(sample: Sample, values: np.ndarray) -> jackknife.Limits:
    return jackknife.transformed(*sample.split(values), to=jackknife.fisher, back=np.tanh, fitted=True)


def _errors(common: Common, sample: Sample, predicted: np.ndarray) -> dict[str, float]:
    """rmse with limits (on the scale of its logarithm), rmse_star and outlier_ratio."""
    error = sample.average - predicted
    free = np.maximum(sample.weight.sum(axis=1) - PARAMETERS, 1)
    rmse = np.sqrt((sample.weight * error**2).sum(axis=1) / free)
    tiny = np.finfo(np.float64).tiny
    found = jackknife.transformed(
        *sample.split(rmse), to=lambda x: np.log(np.maximum(x, tiny)), back=np.exp, fitted=True
    )
    n = np.bincount(common.stimulus)
    several = n > 1
    deviation = common.score - sample.average[0][common.stimulus]
    sd = np.sqrt(np.bincount(common.stimulus, deviation**2)[several] / (n[several] - 1))
    half = special.stdtrit(n[several] - 1, 0.975) * sd / np.sqrt(n[several])
    over = np.abs(error[0][several]) - half
    star = np.sqrt((np.maximum(over, 0) ** 2).sum() / max(several.sum() - PARAMETERS, 1)) if several.any() else np.nan
    return {
        "rmse": float(rmse[0]),
        "rmse_low": found.low,
        "rmse_high": found.high,
        "rmse_star": float(star),
        "outlier_ratio": float((over > 0).mean()) if several.any() else np.nan,
    }


def _within(common: Common, sample: Sample, value: np.ndarray) -> tuple[np.ndarray, int]:
    """Mean of Spearman's correlation within each source, for every row of the sample, and the number of sources."""
    total, count = np.zeros(len(sample.average)), np.zeros(len(sample.average))
    rows = np.split(np.argsort(common.source, kind="stable"), np.cumsum(np.bincount(common.source))[:-1])
    used = 0
    for here in rows:
        if len(here) < MIN_METHODS or np.ptp(value[here]) == 0:
            continue
        weight = sample.weight[:, here]
        raw = np.broadcast_to(value[here], weight.shape)
        r = correlation.spearman(raw, sample.average[:, here], np.maximum(weight, 1e-300))
        counts = (weight.sum(axis=1) >= MIN_METHODS) & ~np.isnan(r)
        used += int(counts[0])
        total, count = total + np.where(counts, r, 0.0), count + counts
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0), used


def _limit(panel: _Panel, metric: Metric, plcc: float) -> str:
    common, sample = panel.common, panel.sample
    said = [common.said] if common.said else []
    if not metric.better:
        said.append("the direction is not stated: the fit takes the data's")
    elif plcc == 0:
        said.append(f"MOS does not rise where it is {metric.better}: the fit is flat")
    if sample.sources < jackknife.FEWEST:
        said.append(f"{sample.sources} sources: no interval")
    if fewest_arrangements(common.source, common.method) * ALPHA < 1:
        said.append("too few sources and methods for p_predicts to reach 5 %")
    return "; ".join([*said, *panel.said])


def _empty_row(panel: _Panel, name: str, why: str) -> dict[str, object]:
    common, limit = panel.common, "; ".join([why, *panel.said])
    return {"benchmark": common.benchmark, "metric": name, "n": 0, "n_left_out": common.n_all, "limit": limit}


def _directed(panel: _Panel, index: int, statistic: str) -> np.ndarray:
    """The statistic in every row of the sample, positive where the metric predicts in its direction."""
    fit, sample = panel.fits[index], panel.sample
    if statistic == "plcc":
        return fit.plcc
    raw = np.broadcast_to(panel.common.values[:, index], sample.average.shape)
    return fit.sign * correlation.spearman(raw, sample.average, sample.weight)


def _pair(
    common: Common, sample: Sample, statistic: str, values: list[np.ndarray], a: int, b: int
) -> dict[str, object]:
    spread = jackknife.two_way(*sample.split(values[a] - values[b]), fitted=True)
    difference = float(values[a][0] - values[b][0])
    low, high = jackknife.limits(spread._replace(centre=difference))
    if np.isnan(spread.variance):
        p = np.nan
    elif spread.variance <= 1e-18:
        p = 1.0 if abs(difference) < 1e-9 else 0.0
    else:
        p = 2 * float(special.stdtr(spread.df, -abs(difference) / np.sqrt(spread.variance)))
    return {
        "benchmark": common.benchmark,
        "statistic": statistic,
        "metric_a": common.metrics[a].name,
        "metric_b": common.metrics[b].name,
        "n": len(common.source),
        "value_a": float(values[a][0]),
        "value_b": float(values[b][0]),
        "difference": difference,
        "ci_low": low,
        "ci_high": high,
        "p": p,
    }
