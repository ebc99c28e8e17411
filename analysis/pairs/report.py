"""One study of pairs, everything the library can say about it; `analysis.pairs.page` puts it in a folder.

The same table and options give the same bytes, as for ratings.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import analysis
from analysis.pairs import compare, consistency, power, screening, shares
from analysis.pairs.choices import choices
from analysis.pairs.comparison import comparison_scores
from analysis.pairs.estimates import (
    Estimate,
    by_source,
    difference_table,
    differences_by_source,
    estimate,
    goodness_of_fit,
    strength_table,
    tally,
)
from analysis.pairs.models import Unfittable
from analysis.pairs.notes import MOST_DIFFERENCES, MOST_SOURCES, notes
from analysis.pairs.schema import COMPARISON, TIE, PairsError, counted, pair_titles, validate_pairs, without_checks
from analysis.pairs.spread import Random, sampled
from analysis.report import _is_simulated
from analysis.schema import method_titles, validate_ratings
from analysis.summary import plain, records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.pairs.choices import Choices

REFERENCES = ("hr", "original", "reference", "ground truth", "gt")  # what the original is called where nobody says
ALPHA = 0.05


@dataclass(frozen=True)
class PairsOptions:
    """What a report of pairs was asked for. `reference`: the original; None takes the first of REFERENCES it finds."""

    reference: str | None = None
    exclude: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class PairsResults:
    """Every table by name, what to say, and `unfitted`: why there are no strengths, or empty."""

    options: PairsOptions
    reference: str | None
    random: Random
    counts: dict[str, int]
    tables: dict[str, pd.DataFrame]
    screens: dict[str, pd.DataFrame]
    effects: dict[str, pd.DataFrame]
    unfitted: str
    stretch: float
    tie: float
    notes: list[str]
    simulated: bool
    titles: Mapping[str, str] = field(default_factory=dict)
    provenance: dict[str, object] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether the table exists and has a row."""
        return name in self.tables and not self.tables[name].empty

    def order(self) -> list[str]:
        """The methods as figures and LaTeX have them: the strongest first, the original after all others."""
        found = self.tables["strengths"]["method"].tolist()
        return sorted(found, key=lambda method: method == self.reference)


def analyse_pairs(
    pairs: pd.DataFrame,
    ratings: pd.DataFrame | None = None,
    *,
    options: PairsOptions | None = None,
    digests: Mapping[str, str] | None = None,
) -> PairsResults:
    """All results of a pairs table and, if given, of scores of the same stimuli. Raises PairsError on a broken table.

    A table whose choices do not determine the strengths is reported without them, with the reason.
    """
    options = options or PairsOptions()
    checked = validate_pairs(pairs)
    everyone = without_checks(checked)
    kept = _exclude(everyone, options.exclude)
    found = choices(counted(kept))
    reference = _reference(found, options)
    tables, unfitted, fitted = _strengths(kept, found)
    tables |= _about_raters(kept)
    tables["pair_shares"] = shares.pair_shares(kept)
    if COMPARISON in kept:
        tables["comparison_scores"] = comparison_scores(kept)
    if reference is not None:
        tables["against"] = shares.against(kept, reference)
    if len(found.sources) <= MOST_SOURCES:
        tables["by_source"] = by_source(kept)
        if len(found.sources) * len(found.methods) ** 2 <= MOST_DIFFERENCES:
            tables["differences_by_source"] = differences_by_source(kept)
    tables["power"] = _power(found, tables)
    if ratings is not None:
        tables |= _scores(kept, validate_ratings(ratings), options)
    screens = screening.screens(checked)
    effects = {name: _effect(everyone, table) for name, table in screens.items()}
    if options.exclude:
        effects["exclude"] = screening.exclusion_effect(everyone, options.exclude) if not unfitted else pd.DataFrame()
    random = sampled(found)
    return PairsResults(
        options=options,
        reference=reference,
        random=random,
        counts=_counts(kept, found),
        tables=tables,
        screens=screens,
        effects=effects,
        unfitted=unfitted,
        stretch=fitted.covariance.stretch() if fitted else float("nan"),
        tie=float(np.exp(fitted.fit.tie)) if fitted else float("nan"),
        notes=notes(kept, found, random, reference, tables),
        simulated=_is_simulated(everyone),
        titles=({} if ratings is None else method_titles(ratings)) | pair_titles(everyone),
        provenance={
            "sha256": dict(digests or _digests(everyone, ratings)),
            "version": analysis.__version__,
            "options": asdict(options),
        },
    )


def _exclude(pairs: pd.DataFrame, raters: tuple[str, ...]) -> pd.DataFrame:
    unknown = sorted(set(raters) - set(pairs["rater"]))
    if unknown:
        raise PairsError(f"cannot exclude {', '.join(unknown)}: no such rater in the table")
    kept = pairs[~pairs["rater"].isin(list(raters))].reset_index(drop=True)
    if kept.empty:
        raise PairsError("every rater is excluded: nothing is left to analyse")
    return kept


def _reference(found: Choices, options: PairsOptions) -> str | None:
    if options.reference is not None:
        if options.reference not in found.methods:
            raise PairsError(f"no method is called {options.reference!r}; the table has {', '.join(found.methods)}")
        return options.reference
    named = {name.lower(): name for name in found.methods}
    return next((named[name] for name in REFERENCES if name in named), None)


def _digests(pairs: pd.DataFrame, ratings: pd.DataFrame | None) -> dict[str, str]:
    found = {"pairs": pairs, "ratings": ratings}
    return {
        name: sha256(table.to_csv(index=False).encode()).hexdigest()
        for name, table in found.items()
        if table is not None
    }


def _strengths(kept: pd.DataFrame, found: Choices) -> tuple[dict[str, pd.DataFrame], str, Estimate | None]:
    try:
        fitted = estimate(found)
    except Unfittable as error:
        return {"strengths": tally(found)}, str(error), None
    tests = difference_table(fitted)
    tables = {
        "strengths": strength_table(fitted),
        "differences": tests.assign(significant_holm=tests["p_holm"] < ALPHA),
        "goodness_of_fit": goodness_of_fit(kept),
        "side_effect": shares.side_effect(kept),
        "deviations": power.deviations(kept),
    }
    try:
        thurstone = estimate(found, model="thurstone")
    except Unfittable:
        return tables, "", fitted
    tables["thurstone"] = strength_table(thurstone)
    tables["thurstone_differences"] = difference_table(thurstone, model="thurstone")
    fit = goodness_of_fit(kept, model="thurstone")
    tables["goodness_of_fit"] = pd.concat([tables["goodness_of_fit"], fit], ignore_index=True)
    return tables, "", fitted


def _about_raters(kept: pd.DataFrame) -> dict[str, pd.DataFrame]:
    tables = {
        "repeats": consistency.repeats(kept),
        "triads": consistency.triads(kept),
        "agreement": consistency.agreement(kept),
        "with_others": consistency.with_others(kept),
    }
    if (kept["chosen"] != TIE).any():
        tables["sides"] = shares.left_share(kept)
    return tables


def _effect(pairs: pd.DataFrame, screen: pd.DataFrame) -> pd.DataFrame:
    rejected = screen.loc[screen["rejected"], "rater"].tolist()
    try:
        return screening.exclusion_effect(pairs, rejected)
    except Unfittable:
        return pd.DataFrame(columns=["method", "strength", "strength_without", "change"])


def _power(found: Choices, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Plans with this study's deviations; where it cannot show them, with the library's."""
    sds = {"rater_sd": power.DEVIATION, "source_sd": power.DEVIATION}
    tie = 0.0
    if "deviations" in tables:
        row = tables["deviations"].iloc[0]
        sds = {name: float(row[name]) if np.isfinite(row[name]) else value for name, value in sds.items()}
        tie = float(row["tie"])
    plan = power.plan(methods=len(found.methods), tie=tie, rater_sd=sds["rater_sd"], source_sd=sds["source_sd"])
    return plan.assign(**sds)


def _scores(kept: pd.DataFrame, ratings: pd.DataFrame, options: PairsOptions) -> dict[str, pd.DataFrame]:
    return {
        "beside_scores": compare.beside_scores(kept, ratings),
        "score_correlation": compare.score_correlation(kept, ratings, seed=options.seed),
        "disagreements": compare.disagreements(kept, ratings),
    }


def _counts(kept: pd.DataFrame, found: Choices) -> dict[str, int]:
    return {
        "choices": len(kept),
        "counted": len(found),
        "raters": len(found.raters),
        "sources": len(found.sources),
        "methods": len(found.methods),
        "ties": int((found.outcome == 1).sum()),
    }


def pairs_summary(results: PairsResults) -> dict[str, object]:
    """The results as plain numbers for a machine: NaN is None, infinity the text inf.

    "strengths" holds method, strength, low, high and more, the strongest first, their mean 0; empty where `unfitted`
    says why there are none.
    """
    tables = results.tables
    sides = records(tables["sides"]) if "sides" in tables else [{}]
    found: dict[str, object] = {
        "simulated": results.simulated,
        "counts": results.counts,
        "unfitted": results.unfitted,
        "strengths": [] if results.unfitted else records(tables["strengths"]),
        "random": {"raters": results.random.raters, "sources": results.random.sources},
        "stretch": plain(results.stretch),
        "tie": plain(results.tie),
        "left_share": sides[0].get("share"),
        "left_share_low": sides[0].get("low"),
        "left_share_high": sides[0].get("high"),
        "reference": results.reference,
    }
    found |= {name: records(table) for name, table in tables.items() if name != "strengths" and not table.empty}
    found["screening"] = {
        name: {
            "rejected": table.loc[table["rejected"], "rater"].tolist(),
            "raters": records(table),
            "effect": records(results.effects[name]) if table["rejected"].any() else [],
        }
        for name, table in results.screens.items()
    }
    return found | {"notes": results.notes, "provenance": results.provenance}
