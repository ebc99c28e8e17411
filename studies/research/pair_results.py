"""What a study of pairs shows while it runs and after: ranking, share against the original, sides, consistency."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.pairs import consistency, screening, shares
from analysis.pairs.choices import choices
from analysis.pairs.comparison import comparison_scores
from analysis.pairs.estimates import strengths, tally
from analysis.pairs.models import Unfittable
from analysis.pairs.schema import COMPARISON, TIE, TRAP, PairsError, counted, without_checks
from studies.models import Method, Study, Tally
from studies.protocol.slots import ORIGINAL as REFERENCE
from studies.research.pair_export import pairs_frame
from studies.research.tallies import read_again

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PairResults:
    """Rows as the page shows them, the strongest method first. `unfitted`: why there are no strengths, or empty.

    `compared`: of graded answers the mean of every two methods, the larger first. `sides` and `repeats` are of all
    raters together; None where there is nothing to count.
    """

    choices: int
    ties: int
    methods: Rows
    unfitted: str
    compared: Rows
    against: Rows
    sides: dict[str, Any] | None
    repeats: dict[str, Any] | None


def pair_results(study: Study) -> PairResults | None:
    """None before the first choice that counts; who is excluded is left out."""
    frame = pairs_frame(study)
    frame = without_checks(frame[frame["excluded"] == ""].reset_index(drop=True)) if len(frame) else frame
    if frame.empty:
        return None
    titles = dict(Method.objects.values_list("name", "display_name"))
    found, unfitted = _strengths(frame)
    decided = (frame["chosen"] != TIE).any()
    first = counted(frame)
    has_reference = REFERENCE in {*first["left"], *first["right"]}
    return PairResults(
        choices=len(first),
        ties=int((first["chosen"] == TIE).sum()),
        methods=_rows(found, titles),
        unfitted=unfitted,
        compared=_compared(frame, titles),
        against=_rows(shares.against(frame, REFERENCE), titles) if has_reference else [],
        sides=_of_all(shares.left_share(frame)) if decided else None,
        repeats=_of_all(consistency.repeats(frame)),
    )


def kept_pair_results(tally: Tally) -> PairResults | None:
    """`pair_results` as a large study's tally has it; None before that is made."""
    kept = tally.found.get("pairs")
    if not kept:
        return None
    lists = {name: [read_again(row) for row in kept[name]] for name in ("methods", "compared", "against")}
    ones = {name: kept[name] and read_again(kept[name]) for name in ("sides", "repeats")}
    return PairResults(**kept | lists | ones)


def half_widths(study: Study) -> tuple[NDArray[np.float64], int, int]:
    """Of the 95 % intervals that the study's rule looks at, strengths or shares; choices and raters they rest on.

    NaN where the choices do not determine the strengths yet.
    """
    frame = pairs_frame(study)
    frame = without_checks(frame[frame["excluded"] == ""].reset_index(drop=True)) if len(frame) else frame
    number, raters = len(frame), frame["rater"].nunique()
    try:
        if study.stop_rule == Study.StopRule.SHARE:
            table = shares.against(frame, study.against or REFERENCE)
        else:
            table = strengths(frame)
    except PairsError:
        return np.array([np.nan]), number, raters
    return ((table["high"] - table["low"]) / 2).to_numpy(np.float64), number, raters


def _strengths(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    try:
        return strengths(frame), ""
    except Unfittable as error:
        counts = tally(choices(counted(frame)))
        return counts.sort_values(["share", "method"], ascending=[False, True]), str(error)


def _compared(frame: pd.DataFrame, titles: dict[str, str]) -> Rows:
    if COMPARISON not in frame:
        return []
    table = comparison_scores(frame)
    better, worse = (table[name].map(lambda method: titles.get(method, method)) for name in ("method_a", "method_b"))
    rows = table.assign(better=better, worse=worse).to_dict("records")
    return [{str(column): value for column, value in row.items()} for row in rows]


def _rows(table: pd.DataFrame, titles: dict[str, str]) -> Rows:
    """With the titles, and shares in per cent."""
    found = table.assign(title=table["method"].map(lambda name: titles.get(name, name)))
    if "share" in found:
        found["percent"] = 100 * found["share"]
    if {"share", "low", "high"} <= set(found) and "strength" not in found:
        found = found.assign(low_percent=100 * found["low"], high_percent=100 * found["high"])
    return [{str(column): value for column, value in row.items()} for row in found.to_dict("records")]


def _of_all(table: pd.DataFrame) -> dict[str, Any] | None:
    everyone = table[table["rater"] == "all"]
    if everyone.empty:
        return None
    row = {str(column): value for column, value in everyone.iloc[0].items()}
    share = row["share" if "share" in row else "same"]
    return row | {"percent": 100 * share, "low_percent": 100 * row["low"], "high_percent": 100 * row["high"]}


def pair_quality(study: Study) -> pd.DataFrame:
    """Of each rater, by key as text: minutes, median_ms, doubtful, left_percent, tie_percent, same_percent,
    majority_percent, traps, traps_failed and `reason`, what `analysis.pairs.screening` says against them. Empty without
    a choice.
    """
    frame = pairs_frame(study)
    if frame.empty:
        return pd.DataFrame()
    keys = {label: str(pk) for label, pk in study.raters.values_list("label", "pk")}
    possible = frame["possible_ms"].fillna(frame["response_ms"])
    grouped = frame.assign(possible=possible, doubtful=frame["response_ms"] > possible + 1).groupby("rater")
    table = grouped.agg(minutes=("possible", "sum"), median_ms=("possible", "median"), doubtful=("doubtful", "mean"))
    table["minutes"] /= 60_000
    table["reason"] = _reasons(frame, table.index, study, table["median_ms"])
    missed = frame["chosen"] != frame["expected"]
    is_trap = frame["check"] == TRAP
    table["traps"] = is_trap.groupby(frame["rater"]).sum()
    table["traps_failed"] = (is_trap & missed).groupby(frame["rater"]).sum()
    frame = without_checks(frame)
    decided = frame[frame["chosen"] != TIE]
    is_left = (decided["chosen"] == decided["left"]).groupby(decided["rater"]).mean()
    table["left_percent"] = 100 * is_left.reindex(table.index)
    table["tie_percent"] = 100 * (frame["chosen"] == TIE).groupby(frame["rater"]).mean().reindex(table.index)
    table["same_percent"] = 100 * _column(consistency.repeats(frame), "same", table.index)
    table["majority_percent"] = 100 * _column(consistency.with_others(frame), "majority", table.index)
    return table.reset_index().assign(rater=lambda rows: rows["rater"].map(keys))


def _column(found: pd.DataFrame, name: str, raters: "pd.Index[Any]") -> "pd.Series[float]":
    if found.empty:
        return pd.Series(np.nan, index=raters)
    return found[found["rater"] != "all"].set_index("rater")[name].reindex(raters).astype(float)


def _reasons(
    frame: pd.DataFrame, raters: "pd.Index[Any]", study: Study, median: "pd.Series[float]"
) -> "pd.Series[str]":
    said: dict[str, list[str]] = {str(rater): [] for rater in raters}
    screens = screening.screens(frame)
    # At the study's own limits instead.
    screens.pop("too_fast", None)
    if "traps" in screens:
        screens["traps"] = screening.traps(frame, failed=study.failed_checks)
    for screen in screens.values():
        for rater, reason in screen.loc[screen["rejected"], ["rater", "reason"]].to_numpy():
            said[rater].append(str(reason))
    for rater, ms in median.items():
        if ms < study.least_median_ms:
            said[str(rater)].append(f"median {ms:.0f} ms")
    return pd.Series({rater: "; ".join(reasons) for rater, reasons in said.items()}, dtype=object)
