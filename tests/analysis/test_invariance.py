"""What must not change a result: the names of raters, the order of rows, the zero and the unit of the scale.

Scores here are real, negative and zero as well. Warnings are errors in these tests.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.objective import objective_of
from analysis.opinion import average_ranks, mos
from analysis.prediction import agreement, compare_metrics
from analysis.ranktests import friedman, friedman_posthoc
from analysis.recovery import recover, remove_bias
from analysis.reliability import alpha, icc, retest
from analysis.scale import ACR, Scale
from analysis.schema import STIMULUS, scale_columns, validate_ratings
from analysis.screening import bias, bt500, correlation, exclusion_effect
from analysis.significance import pairwise_tests
from tests.analysis.panels import random_panel

FACTORS = st.sampled_from([0.01, 0.1, 1 / 3, 7.0, 1000.0])
SHIFTS = st.sampled_from([-3.0, -0.1, 0.7, 12.5, -1e4])
UNITS = ("two_way", "rater_x_image", "rater", "image")


def panel_of(seed, *, twice=False):
    panel = random_panel(raters=7, sources=5, methods=4, seed=seed, missing=0.15)
    if twice:
        again = panel.iloc[::3].assign(repeat=1)
        again["score"] = np.clip(again["score"] + np.resize([0, 1, -1], len(again)), 1, 5)
        panel = pd.concat([panel, again], ignore_index=True)
    return panel


def moved(panel, factor, shift):
    """The panel on another scale: every score, and the scale's ends and step."""
    scale = Scale(factor * ACR.low + shift, factor * ACR.high + shift, factor)
    return panel.assign(score=factor * panel["score"] + shift, **scale_columns(scale))


def relabelled(panel, seed):
    """Other names for the raters, rows in another order."""
    names = panel["rater"].unique()
    other = dict(zip(names, np.random.default_rng(seed).permutation([f"x{i}" for i in range(len(names))]), strict=True))
    return panel.assign(rater=panel["rater"].map(other)).sample(frac=1, random_state=seed, ignore_index=True)


def metrics_of(panel, seed):
    table = panel[STIMULUS].drop_duplicates().sort_values(STIMULUS, ignore_index=True)
    rng = np.random.default_rng(seed)
    level = table["method"].str[1:].astype(float)
    values = table.assign(a=level + rng.normal(0, 1, len(table)), b=level + rng.normal(0, 2, len(table)))
    return objective_of(values, higher_is_better=["a", "b"])


def p_values(panel, objective, margin):
    """Every p of the library, one after the other."""
    parts = [pairwise_tests(panel, unit=unit)[["p", "p_holm"]] for unit in UNITS]
    equal = pairwise_tests(panel, margin=margin)
    parts.append(equal[[column for column in equal if column.startswith("p_equivalence")]])
    parts += [friedman(panel, unit=unit)["p"] for unit in ("rater", "image")]
    parts += [friedman_posthoc(panel, test=t, unit="rater")["p_adjusted"] for t in ("nemenyi", "conover")]
    parts += [retest(panel)["p"], agreement(panel, objective)["p_predicts"], compare_metrics(panel, objective)["p"]]
    return np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in parts])


@settings(max_examples=6, deadline=None)
@example(seed=0, factor=0.01, shift=-3.0)  # two stimuli with one MOS, which rounding told apart
@given(seed=st.integers(0, 10_000), factor=FACTORS, shift=SHIFTS)
def test_shifting_or_scaling_all_scores_with_their_margin_changes_no_p(seed, factor, shift):
    panel = panel_of(seed, twice=True)
    objective = metrics_of(panel, seed)
    plain = p_values(panel, objective, margin=0.5)
    other = p_values(moved(panel, factor, shift), objective, margin=0.5 * factor)
    np.testing.assert_allclose(other, plain, rtol=1e-6, atol=1e-9)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_relabelling_raters_and_reordering_rows_changes_no_p(seed):
    panel = panel_of(seed, twice=True)
    objective = metrics_of(panel, seed)
    plain = p_values(panel, objective, margin=0.5)
    np.testing.assert_allclose(p_values(relabelled(panel, seed), objective, margin=0.5), plain, rtol=1e-6, atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), factor=FACTORS, shift=SHIFTS)
def test_every_other_number_moves_with_the_scale_or_stays(seed, factor, shift):
    panel = panel_of(seed)
    other = validate_ratings(moved(panel, factor, shift))
    for interval in ("student", "two_way", "two_way_bootstrap"):
        ours, theirs = (mos(table, interval=interval, draws=50) for table in (panel, other))
        for column in ("mos", "ci_low", "ci_high"):
            np.testing.assert_allclose(theirs[column], factor * ours[column] + shift, rtol=1e-7, atol=1e-7 * factor)
    pd.testing.assert_frame_equal(average_ranks(other), average_ranks(panel))
    for statistic in (icc, alpha):
        ours, theirs = (statistic(table)[["value", "ci_low", "ci_high"]].to_numpy() for table in (panel, other))
        np.testing.assert_allclose(theirs, ours, rtol=1e-6)
    for screen in (bt500, correlation, bias):
        assert screen(other)["rejected"].tolist() == screen(panel)["rejected"].tolist()
    ours, theirs = recover(panel), recover(other)
    if ours.limit == "":
        np.testing.assert_allclose(theirs.stimuli["psi"], factor * ours.stimuli["psi"] + shift, atol=1e-5 * factor)
        np.testing.assert_allclose(theirs.raters["bias"], factor * ours.raters["bias"], atol=1e-5 * factor)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_raters_bias_taken_off_leaves_every_test_within_raters_as_it_is(seed):
    panel = panel_of(seed)
    for unit in ("rater_x_image", "rater"):
        plain, unbiased = (pairwise_tests(table, unit=unit)["p"] for table in (panel, remove_bias(panel)))
        np.testing.assert_allclose(unbiased, plain, rtol=1e-9)


def test_scores_around_zero_go_through_the_exclusion_and_its_effect():
    panel = moved(panel_of(3), 1.0, -3.0)
    effect = exclusion_effect(panel, ["r000"])
    assert (panel["score"] == 0).any()
    assert effect["change"].abs().max() > 0
    assert effect["mos"].min() == pytest.approx(exclusion_effect(panel_of(3), ["r000"])["mos"].min() - 3)
