"""Reference values: the P.910 model on NFLX public, as the peers named in the protocol notes compute them."""

import contextlib
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sureal.dataset_reader import RawDatasetReader
from sureal.subjective_model import SubjectMLEModelProjectionSolver, SubjectMLEModelProjectionSolver2

from analysis.opinion import mos
from analysis.recovery import rater_bias, recover, remove_bias, solve
from analysis.scale import Scale
from analysis.schema import STIMULUS, validate_ratings
from tests.analysis.panels import random_panel


def test_nflx_recovery_agrees_with_its_reference_values(nflx):
    found = recover(nflx)
    psi = found.stimuli["psi"]
    assert found.iterations == 14
    assert found.converged
    assert psi.mean() == pytest.approx(3.544791, abs=1e-6)
    assert psi.var(ddof=0) == pytest.approx(1.435549, abs=1e-6)
    half = (found.stimuli["ci_high"] - found.stimuli["ci_low"]) / 2
    assert half.mean() == pytest.approx(0.228453, abs=1e-6)
    in_file_order = nflx.drop_duplicates(STIMULUS)[STIMULUS].merge(found.stimuli, on=STIMULUS)
    assert in_file_order["psi"].iloc[[0, 10]].tolist() == pytest.approx([4.918073, 2.058971], abs=1e-6)
    assert found.raters["bias"].sum() == pytest.approx(0, abs=1e-9)


def test_nflx_bias_removal_keeps_the_mean(nflx):
    assert mos(remove_bias(nflx), by=STIMULUS)["mos"].mean() == pytest.approx(3.544791, abs=1e-6)


def with_repeats(seed):
    """An incomplete panel in which every fifth row was shown twice."""
    panel = random_panel(raters=9, sources=6, methods=4, seed=seed, missing=0.25)
    again = panel.iloc[::5].assign(repeat=1)
    again["score"] = np.clip(again["score"] + np.tile([-1, 0, 1], len(again))[: len(again)], 1, 5)
    return validate_ratings(pd.concat([panel, again]))


def all_twice():
    """Every rater gave every stimulus two scores, so that all weights are 2."""
    panel = random_panel(raters=7, sources=5, methods=4, seed=2)
    again = panel.assign(repeat=1, score=np.clip(panel["score"] + np.resize([0, 1, -1, 0], len(panel)), 1, 5))
    return validate_ratings(pd.concat([panel, again]))


def sureal_array(panel):
    """Stimuli x raters x showings with NaN, sorted as our tables are."""
    stimuli = panel.groupby(STIMULUS).ngroup().to_numpy()
    raters = pd.factorize(panel["rater"], sort=True)[0]
    array = np.full((stimuli.max() + 1, raters.max() + 1, 2), np.nan)
    array[stimuli, raters, panel["repeat"]] = panel["score"]
    return array


class ArrayReader(RawDatasetReader):
    """sureal's reader of a dataset file, given the array that it would have read."""

    opinion_score_3darray = None

    def __init__(self, array):
        self.opinion_score_3darray = array


def run_sureal(solver, panel):
    with contextlib.redirect_stdout(io.StringIO()):
        return solver(ArrayReader(sureal_array(panel))).run_modeling()


@pytest.mark.parametrize(
    ("interval", "solver"),
    [("information", SubjectMLEModelProjectionSolver), ("residual", SubjectMLEModelProjectionSolver2)],
)
@pytest.mark.parametrize("panel", [with_repeats(0), with_repeats(1), all_twice()], ids=["holes", "others", "all twice"])
def test_missing_ratings_and_repeats_are_handled_as_sureal_does(interval, solver, panel):
    ours = recover(panel, interval=interval)
    theirs = run_sureal(solver, panel)
    assert ours.iterations == theirs["num_iter"]
    np.testing.assert_allclose(ours.stimuli["psi"], theirs["quality_scores"], atol=1e-7)
    np.testing.assert_allclose(ours.raters["bias"], theirs["observer_bias"], atol=1e-7)
    np.testing.assert_allclose(ours.raters["inconsistency"], theirs["observer_inconsistency"], atol=1e-6)
    np.testing.assert_allclose(
        ours.raters["bias_high"] - ours.raters["bias"], theirs["observer_bias_ci95"][0], atol=1e-5
    )
    if interval == "information":
        half = ours.stimuli["ci_high"] - ours.stimuli["psi"]
        np.testing.assert_allclose(half, theirs["quality_scores_ci95"][0], atol=1e-5)


def test_the_residual_interval_is_that_of_the_residuals(nflx):
    found = recover(nflx)
    merged = nflx.merge(found.stimuli[[*STIMULUS, "psi"]], on=STIMULUS).merge(
        found.raters[["rater", "bias"]], on="rater"
    )
    merged["residual"] = merged["score"] - merged["psi"] - merged["bias"]
    spread = merged.groupby(STIMULUS)["residual"].agg(lambda e: e.std(ddof=0) / np.sqrt(len(e)))
    half = (found.stimuli["ci_high"] - found.stimuli["psi"]).to_numpy()
    np.testing.assert_allclose(half, 1.959964 * spread.to_numpy(), atol=1e-6)


def test_inconsistency_has_chi_square_limits(nflx):
    row = recover(nflx).raters.iloc[0]
    low, high = (row["inconsistency"] * np.sqrt(79 / stats.chi2.ppf(q, 79)) for q in (0.975, 0.025))
    assert (row["inconsistency_low"], row["inconsistency_high"]) == pytest.approx((low, high))


def test_the_model_finds_what_it_was_drawn_from():
    rng = np.random.default_rng(0)
    bias, noise = rng.normal(0, 0.4, 30), rng.uniform(0.2, 0.8, 30)
    bias -= bias.mean()
    rows = [
        (f"r{i:02d}", f"s{j:03d}", "m", 3 + np.sin(j) + bias[i] + noise[i] * rng.standard_normal())
        for i in range(30)
        for j in range(200)
    ]
    panel = pd.DataFrame(rows, columns=["rater", "source", "method", "score"]).assign(benchmark="all", repeat=0)
    found = recover(panel, interval="information")
    assert np.abs(found.raters["bias"] - bias).max() < 0.15
    assert np.abs(found.raters["inconsistency"] / noise - 1).max() < 0.2
    truth = 3 + np.sin(np.arange(200))
    covered = (found.stimuli["ci_low"] <= truth) & (truth <= found.stimuli["ci_high"])
    assert 0.90 <= covered.mean() <= 0.99


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_relabelling_the_raters_changes_no_recovered_quality(seed):
    panel = random_panel(seed=seed, missing=0.2)
    names = sorted(panel["rater"].unique())
    turned = dict(zip(names, names[1:] + names[:1], strict=True))
    other = validate_ratings(panel.assign(rater=panel["rater"].map(turned)).sample(frac=1, random_state=seed))
    one, two = recover(panel), recover(other)
    np.testing.assert_allclose(one.stimuli["psi"], two.stimuli["psi"], atol=1e-6)
    back = one.raters.assign(rater=one.raters["rater"].map(turned)).sort_values("rater")
    np.testing.assert_allclose(back["bias"], two.raters["bias"], atol=1e-6)


def test_rater_bias_is_the_mean_distance_from_the_mos():
    rows = [("a", "s", 5), ("b", "s", 3), ("a", "t", 3), ("b", "t", 3), ("a", "u", 1)]
    panel = validate_ratings(pd.DataFrame(rows, columns=["rater", "source", "score"]).assign(method="m"))
    assert rater_bias(panel).set_index("rater")["bias"].to_dict() == pytest.approx({"a": 1 / 3, "b": -0.5})


def test_an_unknown_interval_is_refused():
    with pytest.raises(ValueError, match="unknown interval 'exact'; known: information, residual"):
        recover(random_panel(), interval="exact")


def test_an_array_gives_what_the_table_gives():
    panel = with_repeats(4)
    found, wanted = solve(np.swapaxes(sureal_array(panel), 0, 1)), recover(panel)
    np.testing.assert_allclose(found.psi, wanted.stimuli["psi"], atol=1e-12)
    np.testing.assert_allclose(found.bias, wanted.raters["bias"], atol=1e-12)
    with pytest.raises(ValueError, match="has no rating at all"):
        solve(np.array([[1.0, np.nan], [2.0, np.nan]]))


def raters_of(scores, prefix="r"):
    """A panel from scores (raters, stimuli)."""
    cells = np.ndenumerate(np.asarray(scores))
    rows = [(f"{prefix}{i:02d}", f"s{j:02d}", "m", value) for (i, j), value in cells]
    return validate_ratings(pd.DataFrame(rows, columns=["rater", "source", "method", "score"]))


def real_raters(raters, stimuli=60, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1.3, 4.7, stimuli) + 0.3 * rng.normal(size=(raters, 1))
    return raters_of(np.clip(np.rint(truth + 0.7 * rng.normal(size=(raters, stimuli))), 1, 5))


def test_straight_liners_beside_real_raters_make_no_result_and_the_answer_without_them_stands_beside_it():
    real = real_raters(10)
    liners = raters_of(np.full((5, 60), 3), prefix="liner")
    found = recover(pd.concat([real, liners], ignore_index=True))
    assert found.stimuli["psi"].std() < 1e-6
    assert "the maximum is degenerate, for 'liner00', 'liner01', 'liner02' and 2 more gave one score" in found.limit
    assert found.left_out == tuple(f"liner{i:02d}" for i in range(5))
    pd.testing.assert_frame_equal(found.without.stimuli, recover(real).stimuli)


def test_a_rater_entered_twice_makes_no_result_and_is_named():
    real = real_raters(5)
    twin = real[real["rater"] == "r00"].assign(rater="s00")
    found = recover(pd.concat([real, twin], ignore_index=True))
    assert (found.raters["inconsistency"] == 0).sum() == 2
    assert "'s00' gave the same scores as 'r00': entered twice?" in found.limit
    assert found.left_out == ("s00",)
    pd.testing.assert_frame_equal(found.without.raters, recover(real).raters)


def test_one_rater_taken_as_the_truth_among_three_is_no_result_and_the_mos_is_recommended():
    found = recover(real_raters(3))
    assert "are fitted exactly, as if they were the truth" in found.limit
    assert "use the MOS" in found.limit
    assert found.without is None


def test_a_rater_of_one_rating_is_left_out_of_the_answer_beside():
    real = real_raters(8)
    once = real.head(1).assign(rater="x")
    found = recover(pd.concat([real, once], ignore_index=True))
    assert "'x' gave fewer than 3 ratings" in found.limit
    pd.testing.assert_frame_equal(found.without.stimuli, recover(real).stimuli)


def test_a_real_panel_is_not_called_degenerate(nflx, vqeg):
    assert [recover(panel).limit for panel in (nflx, vqeg)] == ["", ""]


def test_psi_follows_the_scale():
    real = real_raters(8)
    line = Scale(0, 100, None)
    wide = recover(real.assign(score=25.0 * (real["score"] - 1)), scale=line)
    np.testing.assert_allclose(wide.stimuli["psi"], 25 * (recover(real).stimuli["psi"] - 1), atol=1e-6)
    assert wide.iterations == recover(real).iterations
