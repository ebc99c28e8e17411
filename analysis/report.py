"""One study, everything the library can say about it: `analyse` computes, `write_report` puts it in a folder.

The same tables and options give the same bytes: no clock, no random state but the stated seed, no path of the machine.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pandas as pd

import analysis
from analysis import paper, quality, recovery, screening
from analysis.limits import section_limits
from analysis.mixed import contrasts, ordinal_mixed_model
from analysis.naming import DEGRADATION, task_of
from analysis.objective import Objective, match_ratings, objective_of
from analysis.opinion import (
    STANDARD,
    IntervalName,
    average_ranks,
    dmos,
    method_scores,
    mos,
    score_distribution,
    sos_parameter,
)
from analysis.prediction import agreement_and_comparison
from analysis.ranktests import Blocks, friedman, friedman_posthoc
from analysis.regions import region_notes, shown_regions
from analysis.reliability import alpha, icc, retest
from analysis.scale import Scale
from analysis.schema import RatingsError, counted, excluded_raters, method_titles, scale_of, validate_ratings
from analysis.signedrank import ZeroMethod
from analysis.significance import (
    ALPHA,
    AS_PUBLISHED,
    GENERALISES,
    Unit,
    family_asterisks,
    pairwise_tests,
    unit_notes,
)
from analysis.tables import stimulus_table
from analysis.which import which_differ

if TYPE_CHECKING:
    from collections.abc import Mapping

STIMULUS = ["benchmark", "source", "method"]
BY = ["benchmark", "method"]


@dataclass(frozen=True)
class Options:
    """What a report was asked for; printed in it. `exclude` names raters to leave out, stated with the effect.

    >>> from analysis import Options
    >>> Options(exclude=("r1",)).unit
    'two_way'
    """

    reference: str = "hr"
    interval: IntervalName = STANDARD
    unit: Unit = "two_way"
    zero_method: ZeroMethod = "pratt"
    margin: float | None = None  # scores; within it two methods count as equivalent
    exclude: tuple[str, ...] = ()
    scale: Scale | None = None  # None: as the table says
    mixed: bool = False
    draws: int = 1000
    seed: int = 0
    failed_checks: int = quality.Limits.failed_checks  # gold images and traps, from which on the screen proposes


@dataclass(frozen=True)
class Results:
    """Every table of a report by name (DataFrames as the functions of the library return them) and what to say."""

    options: Options
    scale: Scale
    titles: Mapping[str, str]
    objective: Objective | None
    tables: dict[str, pd.DataFrame]
    screens: dict[str, pd.DataFrame]
    effects: dict[str, pd.DataFrame]
    sos_a: float
    recovered: recovery.Recovery
    notes: list[str]
    limits: dict[str, list[str]]
    simulated: bool
    task: str = ""  # what raters were asked, where that was no score of one image alone (`analysis.naming`)
    because: Mapping[str, str] = field(default_factory=dict)  # of who is left out: the reason, where one is stated
    provenance: dict[str, object] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether the table exists and has a row."""
        return name in self.tables and not self.tables[name].empty


def analyse(
    ratings: pd.DataFrame,
    objective: pd.DataFrame | Objective | None = None,
    *,
    options: Options | None = None,
    gold_items: pd.DataFrame | None = None,
    digests: Mapping[str, str] | None = None,
) -> Results:
    """All results of a ratings table and, if given, an objective table. Raises RatingsError on what breaks the schema.

    `digests` are the sha256 of the files the tables came from; without them those of the tables as CSV are stated.

    >>> from analysis import example, analyse
    >>> analyse(example.ratings()).tables["icc"]["icc"].to_list()
    ['ICC(2,1)', 'ICC(2,k)']
    """
    options = options or Options()
    table = validate_ratings(ratings, scale=options.scale)
    because = excluded_raters(table)
    options = replace(options, exclude=tuple(dict.fromkeys([*options.exclude, *because])))
    everyone = counted(table.drop(columns="excluded", errors="ignore"))
    if everyone.empty:
        raise RatingsError("every rating is of a stabilising trial or a check: nothing is left to analyse")
    metrics = None if objective is None else match_ratings(objective_of(objective), everyone)
    kept = _exclude(everyone, options.exclude)
    notes = [] if metrics is None else list(metrics.notes)
    notes += _not_counted(table)
    notes += _languages(everyone)
    notes += region_notes(everyone, has_metrics=metrics is not None)
    if gold_items is not None:
        notes += screening.gold_items_of(gold_items, everyone)[1]
    screens = screening.screens(everyone, gold_items=gold_items)
    if "check" in table and (table["check"] != "").any():
        judged = quality.checks(
            table[table["rater"].isin(everyone["rater"])],
            limits=quality.Limits(failed_checks=options.failed_checks),
            scale=options.scale,
        )
        screens["checks"] = judged[judged["n"] > 0].reset_index(drop=True)
    rejected = {name: _rejected(table) for name, table in screens.items()}
    effects = {name: screening.exclusion_effect(everyone, raters) for name, raters in rejected.items()}
    if options.exclude:
        effects["exclude"] = screening.exclusion_effect(everyone, options.exclude)
    recovered = recovery.recover(kept)
    tables = _scores(kept, options, notes) | _tests(kept, options, notes) | _reliability(kept)
    tables["which_differ"] = which_differ(tables["significance"], tables["mos"])
    tables |= _recovery(kept, recovered, metrics)
    if metrics is not None:
        tables["objective"] = metrics.values
        tables["agreement"], tables["metric_comparison"] = agreement_and_comparison(kept, metrics, seed=options.seed)
    if len(regions := shown_regions(everyone)):
        tables["regions"] = regions
    comparison = paper.compare(tables["mos"])
    if not comparison.empty and task_of(everyone) != DEGRADATION:
        tables["comparison"] = comparison
    if options.mixed:
        tables |= _mixed(kept, options, notes)
    sos_a = sos_parameter(kept)
    found = dict(digests or _digests(table, None if metrics is None else metrics.values))
    return Results(
        options=options,
        scale=scale_of(everyone, options.scale),
        titles=method_titles(everyone),
        objective=metrics,
        tables=tables,
        screens=screens,
        effects=effects,
        sos_a=sos_a,
        recovered=recovered,
        notes=notes,
        limits=section_limits(kept, tables, recovered, metrics, reference=options.reference, sos_a=sos_a),
        simulated=_is_simulated(everyone),
        task=task_of(everyone),
        because=because,
        provenance={"sha256": found, "version": analysis.__version__, "options": _stated(options)},
    )


def _not_counted(table: pd.DataFrame) -> list[str]:
    """How many ratings are in the table and in no result, and which."""
    notes = []
    if number := int((table["stabilising"] != 0).sum()) if "stabilising" in table else 0:
        notes.append(f"{number} ratings of stabilising trials (ITU-R BT.500) are left out of everything here.")
    if number := int((table["check"] != "").sum()) if "check" in table else 0:
        notes.append(f"{number} ratings of gold images and traps count in the screen checks, and nowhere else here.")
    return notes


def _stated(options: Options) -> dict[str, object]:
    return asdict(options) | {"scale": "" if options.scale is None else options.scale.text}


def _languages(ratings: pd.DataFrame) -> list[str]:
    """A sentence that names the languages that raters read, where the table says which; categories are words."""
    if "language" not in ratings or ratings["language"].isna().all():
        return []
    raters = ratings.groupby("language")["rater"].nunique().sort_values(ascending=False, kind="stable")
    named = ", ".join(f"{language} ({number})" for language, number in raters.items())
    return [f"Languages that raters read, with how many of them: {named}."]


def _exclude(ratings: pd.DataFrame, raters: tuple[str, ...]) -> pd.DataFrame:
    kept = ratings[~ratings["rater"].isin(screening.named_raters(ratings, raters))]
    if kept.empty:
        raise RatingsError("every rater is excluded: nothing is left to analyse")
    return kept.reset_index(drop=True)


def _rejected(table: pd.DataFrame) -> list[str]:
    return list(table.loc[table["rejected"], "rater"])


def _is_simulated(ratings: pd.DataFrame) -> bool:
    return "simulated" in ratings and bool(ratings["simulated"].astype(str).str.lower().isin(["true", "1"]).any())


def _digests(ratings: pd.DataFrame, objective: pd.DataFrame | None) -> dict[str, str]:
    found = {"ratings": ratings, "objective": objective}
    return {
        name: sha256(table.to_csv(index=False).encode()).hexdigest()
        for name, table in found.items()
        if table is not None
    }


def _scores(ratings: pd.DataFrame, options: Options, notes: list[str]) -> dict[str, pd.DataFrame]:
    main = method_scores(ratings, interval=options.interval, draws=options.draws, seed=options.seed)
    student = method_scores(ratings, interval="student")
    main = main.assign(student_low=student["ci_low"], student_high=student["ci_high"])
    if (ratings["source"] == ratings["method"]).all():
        notes.append(
            "The table has no methods beside its stimuli: each stimulus stands for both, so what compares methods on "
            "one source (tests, ranks, differential scores) has nothing to compare."
        )
    ranks = average_ranks(ratings).assign(generalises_to="none: describes these raters on these images")
    tables = {"mos": main, "score_distribution": score_distribution(ratings), "ranks": ranks}
    if (ranks["n"] == 0).all():
        notes.append("No rater scored every method on one source, so there are no average ranks and no Friedman test.")
    if options.reference in set(ratings["method"]):
        plain = dmos(ratings, reference=options.reference)
        crushed = dmos(ratings, reference=options.reference, crushed=True)
        limits = {f"crushed_{name}": crushed[column] for name, column in _CRUSHED.items()}
        tables["dmos"] = plain.assign(**limits)
    elif task_of(ratings) == DEGRADATION:
        notes.append(
            "Each image was scored beside its original (degradation category rating, ITU-T P.910): these means are not "
            "those of images that are shown alone."
        )
    else:
        notes.append(
            f"No method is called {options.reference}, so there are no differential scores: name the reference."
        )
    return tables


_CRUSHED = {"dmos": "dmos", "low": "ci_low", "high": "ci_high"}


def _tests(ratings: pd.DataFrame, options: Options, notes: list[str]) -> dict[str, pd.DataFrame]:
    tests = pairwise_tests(ratings, unit=options.unit, zero_method=options.zero_method, margin=options.margin)
    published = pairwise_tests(ratings, unit=AS_PUBLISHED, zero_method=options.zero_method)
    notes += unit_notes(tests)
    for benchmark, table in ratings.groupby("benchmark"):
        if table["method"].nunique() > 1 and benchmark not in set(tests["benchmark"]):
            notes.append(f"{benchmark}: no source has two methods, so no two methods are compared.")
    stars, theirs = (family_asterisks(table, families=paper.FAMILIES) for table in (tests, published))
    return {
        "significance": _judged(tests),
        "significance_as_published": _judged(published),
        "asterisks": stars.assign(as_published=theirs["asterisk"], p_max_as_published=theirs["p_max"]),
        "friedman": pd.concat([friedman(ratings, unit=unit) for unit in BLOCKS], ignore_index=True),
        "posthoc": pd.concat(
            [friedman_posthoc(ratings, test=test, unit=unit) for unit in BLOCKS for test in ("nemenyi", "conover")],
            ignore_index=True,
        ),
    }


BLOCKS: tuple[Blocks, ...] = ("rater", "image")  # each answers its own question


def _judged(tests: pd.DataFrame) -> pd.DataFrame:
    found = tests.assign(significant=tests["p"] < ALPHA, significant_holm=tests["p_holm"] < ALPHA)
    if "p_equivalence_holm" in found:
        found["equivalent_holm"] = found["p_equivalence_holm"] < ALPHA
    return found.assign(generalises_to=found["unit"].map(GENERALISES))


def _reliability(ratings: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"icc": icc(ratings), "alpha": alpha(ratings), "retest": retest(ratings)}


def _recovery(
    ratings: pd.DataFrame, recovered: recovery.Recovery, objective: Objective | None
) -> dict[str, pd.DataFrame]:
    published = recovery.information_limits(ratings, recovered)
    limits = {"information_low": published["ci_low"], "information_high": published["ci_high"]}
    stimuli = recovered.stimuli.assign(**limits)
    if recovered.without is not None:  # beside a psi that is no result, the one without the cause
        other = recovered.without.stimuli.rename(columns=_WITHOUT)[[*STIMULUS, *_WITHOUT.values()]]
        stimuli = stimuli.merge(other, on=STIMULUS, how="left")
    more = {} if recovered.without is None else {"raters_without": recovered.without.raters}
    return more | {
        "stimuli": stimulus_table(mos(ratings, by=STIMULUS), stimuli, objective),
        "raters": recovered.raters,
        "bias_removed": mos(recovery.remove_bias(ratings), by=BY),
        "bias": recovery.rater_bias(ratings),
    }


_WITHOUT = {"psi": "psi_without", "ci_low": "psi_without_low", "ci_high": "psi_without_high"}


def _mixed(ratings: pd.DataFrame, options: Options, notes: list[str]) -> dict[str, pd.DataFrame]:
    fixed, random, pairs = [], [], []
    for benchmark, table in ratings.groupby("benchmark"):
        methods = sorted(set(table["method"]))
        if len(methods) < 2 or table["score"].nunique() < 2:
            notes.append(f"{benchmark} has one method or one score: no ordinal model.")
            continue
        try:
            asked = options.reference if options.reference in methods else methods[0]
            model = ordinal_mixed_model(table, baseline=asked)
        except RatingsError as error:
            notes.append(f"{benchmark} has no ordinal model: {error}.")
            continue
        notes += [f"The ordinal model of {benchmark}: {problem}." for problem in model.problems]
        named = {"benchmark": benchmark, "baseline": model.baseline, "converged": model.converged}
        fixed.append(pd.concat([model.fixed, model.thresholds]).assign(**named, df=model.df))
        random.append(model.random.assign(**named, loglik=model.loglik, aic=model.aic))
        pairs.append(contrasts(model).assign(**named, df=model.df))
    names = ("mixed_effects", "mixed_random", "mixed_contrasts")
    return {
        name: pd.concat(parts, ignore_index=True)
        for name, parts in zip(names, (fixed, random, pairs), strict=True)
        if parts
    }
