"""Would the paper's asterisks come out again? Panels simulated from its MOS table and run through the analysis.

Each simulated panel has 26 raters drawn from the population fitted on NFLX public, the paper's 1128 stimuli, and a
method x image deviation that is a stated parameter. Method by method its expected score is the published MOS, which
is therefore the truth that an interval should cover. The tests are the paper's own, Wilcoxon over pairs of rater x
image, as published; they count ratings as independent, which the deviation shows to be wrong. Everything here is
simulated, and its output says so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis import paper
from analysis.intervals import proportion_interval
from analysis.opinion import IntervalName, mos
from analysis.schema import validate_ratings
from analysis.significance import ALPHA, AS_PUBLISHED, family_asterisks, pairwise_tests
from analysis.simulate import NFLX_RATERS, RaterPopulation, image_qualities, quality_for, simulate_panel

DEVIATIONS = (0.0, 0.2, 0.4)
PANELS = 200
EVENTS = {
    "Set14: * on SRResNet-VGG22": "star_srresnet_vgg22",
    "Set14: * on SRGAN-VGG54": "star_srgan_vgg54",
    "Set5: no * at all": "none_set5",
    "BSD100: SRCNN-SelfExSR the only pair not significant": "only_srcnn_selfexsr",
    "Table 1's asterisks exactly": "table_1_exactly",
}
COVERED: tuple[IntervalName, ...] = ("student", "rater_bootstrap", "two_way_bootstrap", "two_way")


class Replication(NamedTuple):
    """events: a row a panel; coverage: a row a panel, benchmark, method and interval."""

    events: pd.DataFrame
    coverage: pd.DataFrame


@lru_cache(maxsize=8)
def paper_qualities(deviation: float, raters: RaterPopulation = NFLX_RATERS) -> pd.DataFrame:
    """benchmark, method, mos, quality: the latent qualities whose expected scores are the published MOS."""
    table = paper.published()[["benchmark", "method", "mos"]]
    return table.assign(quality=quality_for(table["mos"].to_numpy(), raters, deviation=deviation))


def paper_panel(
    *, deviation: float, seed: int, raters: RaterPopulation = NFLX_RATERS, n_raters: int = paper.RATERS
) -> pd.DataFrame:
    """One simulated panel of the paper's study, a validated ratings table of n_raters x 1128 rows."""
    rng = np.random.default_rng([seed, round(deviation * 1000)])
    stimuli = image_qualities(paper_qualities(deviation, raters), paper.BENCHMARKS, deviation=deviation, rng=rng)
    return validate_ratings(simulate_panel(stimuli, raters, n_raters=n_raters, rng=rng))


def replicate(*, panels: int = PANELS, deviations: tuple[float, ...] = DEVIATIONS, first_seed: int = 0) -> Replication:
    """Simulate and analyse `panels` panels for each deviation, seeds first_seed, first_seed + 1, ..."""
    events, coverage = [], []
    for deviation in deviations:
        for seed in range(first_seed, first_seed + panels):
            panel = paper_panel(deviation=deviation, seed=seed)
            where = {"deviation": deviation, "seed": seed}
            events.append(where | panel_events(pairwise_tests(panel, unit=AS_PUBLISHED)))
            coverage.append(interval_coverage(panel, seed=seed).assign(**where))
    return Replication(pd.DataFrame(events), pd.concat(coverage, ignore_index=True))


def panel_events(tests: pd.DataFrame) -> dict[str, bool]:
    """Which of the paper's findings hold in the tests of one panel, by the unit as published: raw p < 0.05."""
    stars = family_asterisks(tests, families=paper.FAMILIES)
    found = set(map(tuple, stars.loc[stars["asterisk"], ["benchmark", "method"]].to_numpy()))
    first, second = ("Set14", "srresnet-vgg22"), ("Set14", "srgan-vgg54")
    bsd = tests[tests["benchmark"] == "BSD100"]
    quiet = bsd[bsd["p"] >= ALPHA]
    return {
        "star_srresnet_vgg22": first in found,
        "star_srgan_vgg54": second in found,
        "none_set5": not any(benchmark == "Set5" for benchmark, _ in found),
        "only_srcnn_selfexsr": len(quiet) == 1
        and {quiet["method_a"].iloc[0], quiet["method_b"].iloc[0]} == {"srcnn", "selfexsr"},
        "table_1_exactly": found == {first, second},
    }


def interval_coverage(panel: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Does each interval hold the published MOS? benchmark, method, interval, covered, width."""
    truth = paper.published().set_index(["benchmark", "method"])["mos"]
    tables = []
    for interval in COVERED:
        table = mos(panel, interval=interval, seed=seed)
        true = truth.loc[pd.MultiIndex.from_frame(table[["benchmark", "method"]])].to_numpy()
        covered = (table["ci_low"] <= true) & (true <= table["ci_high"])
        width = table["ci_high"] - table["ci_low"]
        tables.append(table[["benchmark", "method"]].assign(interval=interval, covered=covered, width=width))
    return pd.concat(tables, ignore_index=True)


def event_shares(events: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """deviation, event, panels, share, ci_low, ci_high (Wilson) and the share that the closed formula expects."""
    rows = []
    for deviation, table in events.groupby("deviation"):
        formula = expected[expected["deviation"] == deviation].set_index("event")["share"]
        for name, column in EVENTS.items():
            hits = int(table[column].sum())
            low, high = proportion_interval(hits, len(table))
            rows.append((deviation, name, len(table), hits / len(table), low, high, formula[column]))
    return pd.DataFrame(rows, columns=["deviation", "event", "panels", "share", "ci_low", "ci_high", "formula"])


def coverage_shares(coverage: pd.DataFrame, *, by: tuple[str, ...] = ("deviation", "interval")) -> pd.DataFrame:
    """`by`, rows, share of rows whose interval holds the published MOS, Wilson limits, shortfall from 0.95, width."""
    rows = []
    for key, table in coverage.groupby(list(by)):
        hits = int(table["covered"].sum())
        low, high = proportion_interval(hits, len(table))
        share = hits / len(table)
        rows.append((*key, len(table), share, low, high, max(0.95 - share, 0.0), table["width"].mean()))
    return pd.DataFrame(rows, columns=[*by, "rows", "share", "ci_low", "ci_high", "shortfall", "mean_width"])
