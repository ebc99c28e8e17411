"""Strengths of methods from choices: with intervals, differences with Holm, goodness of fit, over all and by source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special, stats

from analysis.pairs import models, spread
from analysis.pairs.choices import NEITHER, Choices, Counts, choices
from analysis.pairs.schema import counted
from analysis.significance import holm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analysis.pairs.models import Fit, ModelName
    from analysis.pairs.spread import Covariance

MOST_GROUPS = 1_000  # raters, or sources, up to which each gets a fit of its own


@dataclass(frozen=True)
class Estimate:
    """A fitted model with what it was fitted to."""

    choices: Choices
    fit: Fit
    covariance: Covariance


def estimate(found: Choices, *, model: ModelName = "bradley_terry") -> Estimate:
    """Fit `model`; raises `models.Unfittable` where the choices do not determine the strengths."""
    fit = models.fit(found.table, found.methods, model=model)
    return Estimate(found, fit, spread.covariance(found, fit))


def strengths(pairs: pd.DataFrame, *, model: ModelName = "bradley_terry", confidence: float = 0.95) -> pd.DataFrame:
    """Strength of each method, the strongest first; their mean is 0.

    model "bradley_terry": log odds of being chosen, with Davidson's ties where the table has any; "thurstone": case V,
    in standard deviations of a difference. Columns: method, strength, low, high, se, n (choices it took part in),
    chosen, ties, share (chosen + ties / 2 of n), random (what the interval takes as a sample, `spread.sampled`).
    Raises `models.Unfittable`, naming the methods, where the table falls apart or is separated.
    """
    return strength_table(estimate(choices(counted(pairs)), model=model), confidence=confidence)


def strength_table(found: Estimate, *, confidence: float = 0.95) -> pd.DataFrame:
    """As `strengths`, of a model already fitted."""
    value, around = found.fit.strength, found.covariance.strengths()
    low, high = around.limits(value, confidence=confidence)
    columns = {"strength": value, "low": low, "high": high, "se": np.sqrt(around.variance)}
    table = pd.concat([pd.DataFrame({"method": found.choices.methods, **columns}), tally(found.choices)], axis=1)
    table = table.loc[:, ~table.columns.duplicated()].assign(random=found.covariance.random.text)
    return table.sort_values(["strength", "method"], ascending=[False, True], ignore_index=True)


def tally(found: Choices) -> pd.DataFrame:
    """Each method's choices: method, n, chosen, ties, share."""
    size = len(found.methods)
    left, right = (np.bincount(side, minlength=size) for side in (found.left, found.right))
    n = left + right
    winner = np.where(found.outcome == 0, found.left, found.right)[found.outcome != NEITHER]
    chosen = np.bincount(winner, minlength=size)
    tied = found.outcome == NEITHER
    ties = np.bincount(np.concatenate([found.left[tied], found.right[tied]]), minlength=size)
    share = (chosen + ties / 2) / np.maximum(n, 1)
    return pd.DataFrame({"method": found.methods, "n": n, "chosen": chosen, "ties": ties, "share": share})


def differences(pairs: pd.DataFrame, *, model: ModelName = "bradley_terry", confidence: float = 0.95) -> pd.DataFrame:
    """Difference of strength of every two methods, with interval, p and Holm's p over all of them.

    Columns: method_a, method_b (a the stronger), difference, low, high, se, df, p, p_holm, chance_a (that a is chosen
    over b by the model where one is chosen), random. Raises as `strengths`.
    """
    return difference_table(estimate(choices(counted(pairs)), model=model), model=model, confidence=confidence)


def difference_table(found: Estimate, *, model: ModelName = "bradley_terry", confidence: float = 0.95) -> pd.DataFrame:
    """As `differences`, of a model already fitted."""
    order = np.argsort(-found.fit.strength, kind="stable")
    a, b = np.triu_indices(len(order), 1)
    first, second = order[a], order[b]
    value = found.fit.strength[first] - found.fit.strength[second]
    around = found.covariance.differences(first, second)
    low, high = around.limits(value, confidence=confidence)
    p = around.p(value)
    chance, _, _ = models.chances(model, value, found.fit.tie)
    names = np.array(found.choices.methods, dtype=object)
    columns = {"difference": value, "low": low, "high": high, "se": np.sqrt(around.variance), "df": around.df}
    return pd.DataFrame({"method_a": names[first], "method_b": names[second], **columns}).assign(
        p=p, p_holm=holm(p), chance_a=chance[:, 0] / (chance[:, 0] + chance[:, 2]), random=found.covariance.random.text
    )


def by_source(pairs: pd.DataFrame, *, model: ModelName = "bradley_terry", confidence: float = 0.95) -> pd.DataFrame:
    """`strengths` of each source by itself: source first, then its columns and `reason`.

    A source that falls apart or is separated keeps its counts; its strengths are NaN and `reason` names the methods.
    """
    return _stack(pairs, lambda found: strength_table(found, confidence=confidence), model, tally)


def differences_by_source(
    pairs: pd.DataFrame, *, model: ModelName = "bradley_terry", confidence: float = 0.95
) -> pd.DataFrame:
    """`differences` within each source, Holm's p within the source; a source without a fit has no row."""
    return _stack(pairs, lambda found: difference_table(found, model=model, confidence=confidence), model, None)


def _stack(
    pairs: pd.DataFrame,
    of: Callable[[Estimate], pd.DataFrame],
    model: ModelName,
    otherwise: Callable[[Choices], pd.DataFrame] | None,
) -> pd.DataFrame:
    tables = []
    for source, part in each_source(choices(counted(pairs))):
        try:
            table = of(estimate(part, model=model)).assign(reason="")
        except models.Unfittable as error:
            if otherwise is None:
                continue
            table = otherwise(part).assign(reason=str(error))
        table.insert(0, "source", source)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def each_source(found: Choices) -> Iterator[tuple[str, Choices]]:
    """The choices of each source in its order."""
    order = np.argsort(found.source, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(found.source))[:-1]):
        yield found.sources[found.source[rows[0]]], found.take(rows)


def goodness_of_fit(pairs: pd.DataFrame, *, model: ModelName = "bradley_terry") -> pd.DataFrame:
    """Does one strength a method describe the choices? Likelihood ratio tests, every choice counted by itself.

    Rows (test): "pairs", the counts of every two methods against the model (saturated: each pair its own chances);
    "sides", whether the side matters; "sources" and "raters", one strength for all against one for each (only those
    whose own choices can be fitted; n says how many). Columns: model, test, n, statistic (G^2), pearson (X^2, only of
    "pairs"), df, p, smallest_expected. Repeated choices of one rater are not independent, which makes p too small.
    """
    found = choices(counted(pairs))
    fit = models.fit(found.table, found.methods, model=model)
    rows = [_saturated(found.table, fit), _sides(found, fit, model)]
    rows += [_groups(found, model, name) for name in ("source", "rater")]
    columns = ["model", "test", "n", "statistic", "pearson", "df", "p", "smallest_expected"]
    return pd.DataFrame([{"model": model} | row for row in rows if row], columns=columns)


def _row(test: str, n: int, statistic: float, df: int) -> dict[str, object]:
    p = float(stats.chi2.sf(max(statistic, 0.0), df)) if df > 0 else float("nan")
    return {"test": test, "n": n, "statistic": max(statistic, 0.0), "df": df, "p": p}


def _saturated(table: Counts, fit: Fit) -> dict[str, object]:
    both = table.without_sides()
    eta = fit.strength[both.left] - fit.strength[both.right]
    kept = [0, 1, 2] if table.ties else [0, 2]
    chance = models.chances(fit.model, eta, fit.tie)[0][:, kept]
    count = both.count[:, kept]
    expected = count.sum(axis=1, keepdims=True) * chance
    statistic = 2 * float((special.xlogy(count, count) - special.xlogy(count, expected)).sum())
    df = count.shape[0] * (count.shape[1] - 1) - fit.parameters
    pearson = float(((count - expected) ** 2 / expected).sum())
    row = _row("pairs", len(both.left), statistic, df)
    return row | {"pearson": pearson, "smallest_expected": float(expected.min())}


def _sides(found: Choices, fit: Fit, model: ModelName) -> dict[str, object] | None:
    try:
        sided = models.fit(found.table, found.methods, model=model, side=True)
    except models.Unfittable:
        return None
    return _row("sides", len(found), 2 * (sided.loglik - fit.loglik), 1)


def _groups(found: Choices, model: ModelName, name: str) -> dict[str, object] | None:
    """One fit for each source (or rater) against one for all of them."""
    code = getattr(found, name)
    if len(getattr(found, f"{name}s")) > MOST_GROUPS:
        return None
    each, loglik, parameters = [], 0.0, 0
    for index in range(len(getattr(found, f"{name}s"))):
        rows = np.flatnonzero(code == index)
        part = found.take(rows)
        try:
            own = models.fit(part.table, part.methods, model=model)
        except models.Unfittable:
            continue
        each.append(rows)
        loglik, parameters = loglik + own.loglik, parameters + own.parameters
    if len(each) < 2:
        return None
    together = found.take(np.concatenate(each))
    common = models.fit(together.table, together.methods, model=model)
    return _row(f"{name}s", len(each), 2 * (loglik - common.loglik), parameters - common.parameters)
