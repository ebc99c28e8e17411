"""What a number cannot tell, to stand beside it: by section of the report, for the page and for summary.json.

A limit of one row (a MOS, an ICC, a metric) stands in that row's column `limit`; here is what holds for a section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.schema import first_showings
from analysis.tables import uneven_means

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from analysis.objective import Objective
    from analysis.recovery import Recovery

FEW_STIMULI = 60  # of honest raters 2.6 % correlate under .75 with a panel on 60 stimuli, 6 % on 20, 11 % on 10
FEW_PAIRS = 30
BY = ["benchmark", "method"]


def section_limits(
    ratings: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    recovered: Recovery,
    objective: Objective | None,
    *,
    reference: str,
    sos_a: float,
) -> dict[str, list[str]]:
    """Limits by the name of a section: mos, sos, ranks, dmos, retest, screening, recovery, objective, agreement."""
    found = {
        "mos": _of_rows(tables["mos"], "methods"),
        "sos": _sos(tables["stimuli"], sos_a),
        "ranks": _ranks(ratings, tables["ranks"]),
        "dmos": _dmos(ratings, tables, reference),
        "retest": _retest(tables["retest"]),
        "screening": _screening(ratings),
        "recovery": [recovered.limit] if recovered.limit else [],
        "objective": [] if objective is None else _uneven(objective),
        "agreement": _of_rows(tables["agreement"], "metrics") if "agreement" in tables else [],
    }
    return {name: said for name, said in found.items() if said}


def _of_rows(table: pd.DataFrame, what: str) -> list[str]:
    """Each different limit of the rows, with how many rows have it."""
    counts = table.loc[table["limit"].fillna("") != "", "limit"].value_counts(sort=False)
    return [f"{count} of {len(table)} {what}: {text}" for text, count in counts.items()]


def _sos(stimuli: pd.DataFrame, a: float) -> list[str]:
    several = int((stimuli["n"] > 1).sum())
    if np.isnan(a):
        return ["no stimulus with two ratings has a MOS inside the scale: a cannot be had"]
    return [f"a rests on {several} of {len(stimuli)} stimuli, those with two ratings"] if several < len(stimuli) else []


def _ranks(ratings: pd.DataFrame, ranks: pd.DataFrame) -> list[str]:
    pairs = first_showings(ratings)[["benchmark", "rater", "source"]].drop_duplicates().groupby("benchmark").size()
    blocks = ranks.groupby("benchmark")["n"].max()
    return [
        f"{name}: {used} of {total} pairs of rater and image have every method and count"
        for name, used, total in zip(pairs.index, blocks.reindex(pairs.index), pairs, strict=True)
        if used < total
    ]


def _dmos(ratings: pd.DataFrame, tables: Mapping[str, pd.DataFrame], reference: str) -> list[str]:
    if "dmos" not in tables:
        return []
    total = int((first_showings(ratings)["method"] != reference).sum())
    used = int(tables["dmos"]["n"].sum())
    said = [] if used == total else [f"{total - used} of {total} ratings have no {reference} by the same rater"]
    return [*said, "the intervals are Student's and count ratings as independent"]


def _retest(retest: pd.DataFrame) -> list[str]:
    if retest.empty:
        return []
    row = retest.iloc[0]
    said = ["p counts pairs of one rater as independent"] if row["n_pairs"] > row["n_raters"] else []
    if row["n_pairs"] < FEW_PAIRS:
        said.append(f"only {row['n_pairs']} pairs: that p is large shows no agreement")
    return said


def _screening(ratings: pd.DataFrame) -> list[str]:
    rated = first_showings(ratings).groupby("rater").size()
    few = int((rated < FEW_STIMULI).sum())
    if not few:
        return []
    return [
        f"{few} of {len(rated)} raters rated fewer than {FEW_STIMULI} stimuli (the least {rated.min()}): on few, "
        "honest raters too fall under a correlation threshold"
    ]


def _uneven(objective: Objective) -> list[str]:
    return [
        f"{row.metric} of {row.method} on {row.benchmark} is the mean of {row.n} of {row.most} images: do not compare"
        for row in uneven_means(objective).itertuples()
    ]
