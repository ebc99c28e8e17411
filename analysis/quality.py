"""How each rater works, while a study runs or after it: a row a rater, with flags at limits that the study states.

A flag proposes and a person decides; nothing is dropped here. Where a number would say little, on few images or beside
few others, it is not given. All is sums over one sorted table, so that ten thousand raters take a second or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.panel import rounding_of
from analysis.schema import CHECKS, STIMULUS, scale_of, sound
from analysis.screening import (
    GOLD_SHARE,
    GOLD_TOLERANCE,
    MEDIAN_MS,
    gold_items_of,
    run_limit,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analysis.scale import Scale

COMMON = 40  # of honest raters 6 % fall under .75 on 20 images and 2.6 % on 60 (nflx_public)
OTHERS = 3  # ours: of how many others an image's mean says something
ENOUGH = 10  # ours: ratings before their spread, time and evidence are judged
RUN_CHANCE = 0.001  # ours; 0.01, as in `screening`, flags 2 % of the honest in nflx_public: some love a score
DOUBTFUL_SHARE = 0.1  # ours: of the ratings, before their evidence is doubted
FLAGS = ("straight_lining", "spread", "correlation", "checks", "fast", "evidence")


@dataclass(frozen=True)
class Limits:
    """Where a rater is flagged. `spread` in categories (`Scale.category`); `run` 0: by chance, see `rater_quality`.

    The defaults are those of a widely used toolkit for ITU-T P.910 in crowds (correlation, spread) and ours.

    >>> from analysis import Limits
    >>> Limits().correlation
    0.75
    """

    correlation: float = 0.75
    spread: float = 0.15
    median_ms: float = MEDIAN_MS
    run: int = 0
    failed_checks: int = 2
    failed_share: float = GOLD_SHARE


def rater_quality(
    ratings: pd.DataFrame,
    *,
    limits: Limits | None = None,
    gold_items: pd.DataFrame | None = None,
    scale: Scale | None = None,
) -> pd.DataFrame:
    """One row a rater of a ratings table, in the order of their names.

    Columns: rater; n, ratings that count; minutes at the images and median_ms, by response_ms and no more of it than
    possible_ms, what the server's clock allows; longest_run of one score in the order shown, and run_limit; spread,
    the standard deviation (ddof 0) in categories; common, images that OTHERS others rated, and correlation (Pearson)
    with the mean of the others on them, NaN under COMMON or where either does not vary; gold, gold_failed, traps,
    traps_failed; doubtful, the share of ratings for which more was claimed than possible_ms; flags, names of FLAGS
    joined by ", ", and reason. What the table has no column for is NaN.

    A row is a check where its column `check` says gold or trap; `expected` has the score that it asks for. `gold_items`
    (source, method, expected and, where needed, benchmark) name rated images that are checks too. A gold image is
    failed by more than one category, a trap by any other score (half a category on a line). Flagged: at least
    `limits.failed_checks` failed, and more than `failed_share` of them.

    Of who scores at random, with the commonest score of the others at its share p, n (1 - p) p^L runs are L or longer
    in n ratings: run_limit, where `limits.run` is 0, is the L at which that is 0.001, at least 5. Raters marked in the
    column `excluded` are judged too, and are nobody's others. Raises RatingsError as `scale_of` and `gold_items_of`.

    >>> from analysis import example, rater_quality
    >>> found = rater_quality(example.ratings())
    >>> found.loc[found["flags"] != "", ["rater", "flags"]].values.tolist()
    [['simulated_01', 'correlation'], ['simulated_10', 'correlation, fast']]
    """
    limits = limits or Limits()
    table = sound(ratings)
    known = scale_of(table, scale)
    names, rater = np.unique(table["rater"].to_numpy(dtype=str), return_inverse=True)
    found = pd.DataFrame({"rater": names})
    checked = _text(table, "check")
    counts = (table["stabilising"].to_numpy() == 0) if "stabilising" in table else np.ones(len(table), dtype=bool)
    rated = counts & (checked == "")
    found["n"] = np.bincount(rater[rated], minlength=len(names))
    found = found.join(_times(table, rater, len(names)))
    found["longest_run"], found["run_limit"] = _runs(table, rater, len(names), limits)
    found["spread"] = _spread(table["score"].to_numpy(np.float64)[rated], rater[rated], len(names)) / known.category
    found["common"], found["correlation"] = _agreement(table[rated], rater[rated], len(names))
    found = found.join(_checks(table, rater, len(names), checked, gold_items, known))
    return _judged(found, limits)


def _text(table: pd.DataFrame, column: str) -> NDArray[np.str_]:
    if column not in table:
        return np.full(len(table), "", dtype="U1")
    return table[column].fillna("").to_numpy(dtype=str)


def _times(table: pd.DataFrame, rater: NDArray[np.intp], raters: int) -> pd.DataFrame:
    if "response_ms" not in table:
        return pd.DataFrame(np.nan, index=range(raters), columns=["minutes", "median_ms", "doubtful"])
    claimed = table["response_ms"].to_numpy(np.float64)
    allowed = table["possible_ms"].to_numpy(np.float64) if "possible_ms" in table else np.full(len(table), np.nan)
    believed = np.fmin(claimed, allowed)
    waited = np.nan_to_num(table["waited_ms"].to_numpy(np.float64)) if "waited_ms" in table else 0.0
    minutes = np.bincount(rater, np.nan_to_num(believed) + waited, raters) / 60_000
    told = ~np.isnan(allowed)
    with np.errstate(invalid="ignore", divide="ignore"):
        doubt = np.bincount(rater[told], allowed[told] < claimed[told] - 1, raters) / np.bincount(
            rater[told], None, raters
        )
    median = pd.Series(believed).groupby(rater).median().reindex(range(raters))
    return pd.DataFrame({"minutes": minutes, "median_ms": median.to_numpy(), "doubtful": doubt})


def _runs(
    table: pd.DataFrame, rater: NDArray[np.intp], raters: int, limits: Limits
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The longest run of each rater in the order shown, stabilising trials and checks included, and its limit."""
    score = table["score"].to_numpy(np.float64)
    if "position" not in table or table["position"].isna().any():
        return np.full(raters, np.nan), np.full(raters, np.nan)
    session = pd.factorize(_text(table, "session"), sort=True)[0]
    order = np.lexsort((table["position"].to_numpy(), session, rater))
    mine, scores = rater[order], score[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(mine) != 0) | (np.diff(scores) != 0)])
    lengths = np.diff(np.r_[starts, len(scores)])
    longest = np.zeros(raters)
    np.maximum.at(longest, mine[starts], lengths)
    if limits.run:
        return longest, np.full(raters, float(limits.run))
    counts = _text(table, "excluded") == ""
    p = _commonest_of_others(score[counts], rater[counts], raters)
    return longest, run_limit(np.bincount(rater, minlength=raters), p, chance=RUN_CHANCE)


def _commonest_of_others(score: NDArray[np.float64], rater: NDArray[np.intp], raters: int) -> NDArray[np.float64]:
    """For each rater the share of the score that the others gave most often; a half where there are no others."""
    values, counts = np.unique(score, return_counts=True)
    others = len(score) - np.bincount(rater, minlength=raters)
    most = np.zeros(raters)
    for value, count in sorted(zip(values, counts, strict=True), key=lambda found: -found[1]):
        if count <= most.min():  # no rarer score is commoner among anybody's others
            break
        most = np.maximum(most, count - np.bincount(rater[score == value], minlength=raters))
    return np.where(others > 0, most / np.maximum(others, 1), 0.5)


def _spread(score: NDArray[np.float64], rater: NDArray[np.intp], raters: int) -> NDArray[np.float64]:
    n = np.bincount(rater, minlength=raters)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = score - (np.bincount(rater, score, raters) / n)[rater]
        return np.asarray(np.sqrt(np.bincount(rater, deviation**2, raters) / n))


def _agreement(
    rated: pd.DataFrame, rater: NDArray[np.intp], raters: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """How many images each rater has in common with OTHERS others, and the correlation with the others' mean there."""
    first = rated["repeat"].to_numpy() == 0 if len(rated) else np.zeros(0, dtype=bool)
    rated, rater = rated[first], rater[first]
    stimulus = rated.groupby(STIMULUS, sort=False, observed=True).ngroup().to_numpy()
    score, counts = rated["score"].to_numpy(np.float64), _text(rated, "excluded") == ""
    images = int(stimulus.max(initial=-1)) + 1
    total = np.bincount(stimulus[counts], score[counts], images)[stimulus] - np.where(counts, score, 0)
    others = np.bincount(stimulus[counts], None, images)[stimulus] - counts
    enough = others >= OTHERS
    common = np.bincount(rater[enough], minlength=raters)
    mine, mean, who = score[enough], total[enough] / others[enough], rater[enough]
    rounding = rounding_of(score) if len(score) else 0.0

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(who, values, raters))

    with np.errstate(invalid="ignore", divide="ignore"):
        mine, mean = mine - (sums(mine) / common)[who], mean - (sums(mean) / common)[who]
        x, y = sums(mine**2), sums(mean**2)
        r = sums(mine * mean) / np.sqrt(x * y)
    varies = (x > common * rounding**2) & (y > common * rounding**2)
    return common, np.where((common >= COMMON) & varies, r, np.nan)


def _checks(
    table: pd.DataFrame,
    rater: NDArray[np.intp],
    raters: int,
    checked: NDArray[np.str_],
    gold_items: pd.DataFrame | None,
    scale: Scale,
) -> pd.DataFrame:
    expected = table["expected"].to_numpy(np.float64) if "expected" in table else np.full(len(table), np.nan)
    if gold_items is not None:
        items = gold_items_of(gold_items, table, scale=scale)[0]
        keys = [key for key in STIMULUS if key in items]
        known = table[keys].merge(items[[*keys, "expected"]], on=keys, how="left")["expected"].to_numpy(np.float64)
        checked, expected = np.where((checked == "") & ~np.isnan(known), "gold", checked), np.fmax(expected, known)
    off = np.abs(table["score"].to_numpy(np.float64) - expected)
    # A trap says the score itself; on a line nobody hits it exactly.
    allowed = np.where(checked == "gold", GOLD_TOLERANCE, 0.5 if scale.step is None else 0.0) * scale.category
    failed = off > allowed + 1e-9 * scale.width
    columns = {}
    for kind, name in zip(CHECKS, ("gold", "traps"), strict=True):
        of = checked == kind
        columns[name] = np.bincount(rater[of], minlength=raters)
        columns[f"{name}_failed"] = np.bincount(rater[of & failed], minlength=raters)
    return pd.DataFrame(columns)


def _judged(found: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """With `flags` and `reason`. A number that is NaN flags nobody."""
    enough, failed = found["n"] >= ENOUGH, found["gold_failed"] + found["traps_failed"]
    shown = found["gold"] + found["traps"]
    flagged = {
        "straight_lining": found["longest_run"] >= found["run_limit"],
        "spread": enough & (found["spread"] < limits.spread),
        "correlation": found["correlation"] < limits.correlation,
        "checks": (failed >= max(limits.failed_checks, 1)) & (failed > limits.failed_share * shown),
        "fast": enough & (found["median_ms"] < limits.median_ms),
        "evidence": enough & (found["doubtful"] > DOUBTFUL_SHARE),
    }
    said = {
        "straight_lining": lambda row: f"{row.longest_run:.0f} equal scores in a row, the limit is {row.run_limit:.0f}",
        "spread": lambda row: f"scores spread by {row.spread:.2f} categories, the limit is {limits.spread:g}",
        "correlation": lambda row: (
            f"correlation with the others {row.correlation:.2f} on {row.common} images, the limit is "
            f"{limits.correlation:g}"
        ),
        "checks": lambda row: _said_of_checks(row),
        "fast": lambda row: f"half of the answers took under {row.median_ms:.0f} ms, the limit is {limits.median_ms:g}",
        "evidence": lambda row: (
            f"for {row.doubtful:.0%} of the ratings more viewing was claimed than the server's clock allows"
        ),
    }
    flags, reasons = [""] * len(found), [""] * len(found)
    marks = {name: flagged[name].to_numpy(dtype=bool) for name in FLAGS}
    for place in np.flatnonzero(np.any(list(marks.values()), axis=0)):
        mine = [name for name in FLAGS if marks[name][place]]
        row = next(found.iloc[[int(place)]].itertuples())
        flags[place], reasons[place] = ", ".join(mine), "; ".join(said[name](row) for name in mine)
    return found.assign(flags=flags, reason=reasons)


def _said_of_checks(row: object) -> str:
    kinds = (("gold images", "gold"), ("traps", "traps"))
    parts = [f"{getattr(row, f'{k}_failed')} of {getattr(row, k)} {noun}" for noun, k in kinds if getattr(row, k)]
    return f"failed {' and '.join(parts)}"


def checks(ratings: pd.DataFrame, *, limits: Limits | None = None, scale: Scale | None = None) -> pd.DataFrame:
    """The gold images and traps of a table's column `check` as a screen: rater, n, failed, rejected, reason."""
    found = rater_quality(ratings, limits=limits, scale=scale)
    flagged = found["flags"].str.split(", ").map(lambda names: "checks" in names)
    rows = list(found.itertuples())
    return pd.DataFrame(
        {
            "rater": found["rater"],
            "n": found["gold"] + found["traps"],
            "failed": found["gold_failed"] + found["traps_failed"],
            "rejected": flagged,
            "reason": [_said_of_checks(row) if no else "" for row, no in zip(rows, flagged, strict=True)],
        }
    )
