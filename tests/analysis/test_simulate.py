import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import example, paper
from analysis.expectation import expected_shares
from analysis.objective import read_objective
from analysis.recovery import recover
from analysis.replication import (
    coverage_shares,
    event_shares,
    panel_events,
    paper_panel,
    paper_qualities,
    replicate,
)
from analysis.schema import read_ratings, validate_ratings
from analysis.significance import pairwise_tests
from analysis.simulate import (
    NFLX_RATERS,
    RaterPopulation,
    expected_score,
    fit_raters,
    image_qualities,
    quality_for,
    simulate_panel,
)


def test_the_stated_population_is_the_one_fitted_on_nflx(nflx):
    fitted = fit_raters(nflx)
    assert fitted.bias_sd == pytest.approx(NFLX_RATERS.bias_sd, abs=5e-5)
    assert fitted.inconsistency_mean == pytest.approx(NFLX_RATERS.inconsistency_mean, abs=5e-5)
    assert fitted.inconsistency_sd == pytest.approx(NFLX_RATERS.inconsistency_sd, abs=5e-5)


@pytest.mark.parametrize("lapse", [0.0, 0.1])
def test_the_expected_score_is_the_mean_of_many_simulated_ones(lapse):
    population = RaterPopulation(bias_sd=0.3, inconsistency_mean=0.5, inconsistency_sd=0.1, lapse=lapse)
    methods = pd.DataFrame({"benchmark": "b", "method": ["low", "high"], "quality": [1.2, 4.1]})
    rng = np.random.default_rng(0)
    stimuli = image_qualities(methods, {"b": 400}, deviation=0.4, rng=rng)
    scores = simulate_panel(stimuli, population, n_raters=400, rng=rng).groupby("method")["score"].mean()
    expected = expected_score(np.array([4.1, 1.2]), population, deviation=0.4)
    assert scores[["high", "low"]].tolist() == pytest.approx(expected.tolist(), abs=0.04)


def test_a_quality_is_found_for_every_published_mos():
    for deviation in (0.0, 0.4):
        table = paper_qualities(deviation)
        found = expected_score(table["quality"].to_numpy(), NFLX_RATERS, deviation=deviation)
        np.testing.assert_allclose(found, paper.published()["mos"], atol=1e-8)
    with pytest.raises(ValueError, match=r"no quality has a MOS of 5\.2"):
        quality_for(np.array([5.2]), NFLX_RATERS)


def test_recovery_finds_the_raters_a_panel_was_drawn_from():
    population = RaterPopulation(bias_sd=0.3, inconsistency_mean=0.7, inconsistency_sd=0.15)
    quality = np.linspace(2.7, 3.3, 150)  # the middle of the scale, where scores are least cut
    stimuli = pd.DataFrame(
        {"benchmark": "b", "source": [f"s{j:03d}" for j in range(150)], "method": "m", "quality": quality}
    )
    panel = simulate_panel(stimuli, population, n_raters=150, rng=np.random.default_rng(1))
    fitted = fit_raters(validate_ratings(panel))
    assert fitted.bias_sd == pytest.approx(0.3, abs=0.05)
    assert fitted.inconsistency_mean == pytest.approx(0.7, abs=0.03)
    assert np.abs(recover(validate_ratings(panel)).stimuli["psi"] - quality).max() < 0.25


def test_a_simulated_panel_says_so_and_has_the_papers_size():
    panel = paper_panel(deviation=0.2, seed=0)
    assert len(panel) == 29_328
    assert panel["simulated"].all()
    assert panel["rater"].str.startswith("simulated").all()
    assert panel.groupby("rater")["position"].apply(lambda p: sorted(p) == list(range(1, 1129))).all()
    pd.testing.assert_frame_equal(panel, paper_panel(deviation=0.2, seed=0))
    assert (panel["score"] != paper_panel(deviation=0.2, seed=1)["score"]).any()


@pytest.fixture(scope="module")
def replication():
    return replicate(panels=6, deviations=(0.2,), first_seed=500)


def test_two_way_intervals_cover_the_published_mos_and_naive_ones_fall_short(replication):
    shares = coverage_shares(replication.coverage).set_index("interval")
    assert shares["rows"].unique().tolist() == [6 * 33]
    assert shares.loc["two_way_bootstrap", "share"] >= 0.93
    assert shares.loc["two_way", "share"] >= 0.93
    assert shares.loc["student", "share"] < 0.75
    assert shares.loc["student", "shortfall"] == pytest.approx(0.95 - shares.loc["student", "share"])


def test_findings_are_counted_with_their_interval_and_the_formula_beside(replication):
    formula = pd.DataFrame([(0.2, column, 0.5) for column in replication.events.columns[2:]])
    table = event_shares(replication.events, formula.set_axis(["deviation", "event", "share"], axis=1))
    hits = replication.events["star_srgan_vgg54"].sum()
    row = table.set_index("event").loc["Set14: * on SRGAN-VGG54"]
    assert row["share"] == pytest.approx(hits / 6)
    assert row["ci_low"] <= hits / 6 <= row["ci_high"]
    assert row["formula"] == 0.5


def test_the_findings_of_one_panel_are_read_off_its_tests():
    tests = pairwise_tests(paper_panel(deviation=0.0, seed=3), unit="rater_x_image")
    found = panel_events(tests)
    bsd = tests[tests["benchmark"] == "BSD100"].set_index(["method_a", "method_b"])["p"]
    quiet = {frozenset(pair) for pair, p in bsd.items() if p >= 0.05}
    assert found["only_srcnn_selfexsr"] == (quiet == {frozenset({"srcnn", "selfexsr"})})
    pair = tests[(tests["benchmark"] == "Set14") & (tests["method_a"] == "srresnet-mse")].set_index("method_b")
    row = pair.loc["srresnet-vgg22"]
    assert found["star_srresnet_vgg22"] == (row["p"] < 0.05 and row["mean_difference"] < 0)


def test_the_closed_formula_gives_the_power_of_a_single_test():
    """SRResNet-VGG22 against -MSE on Set14 without deviation: a t test of 364 pairs with the pair's own variance."""
    expected = expected_shares(deviations=(0.0,)).set_index("event")["share"]
    panel = pd.concat([paper_panel(deviation=0.0, seed=seed) for seed in range(3)])
    set14 = panel[panel["benchmark"] == "Set14"].reset_index(drop=True)
    set14["showing"] = set14.groupby(["rater", "source", "method"]).cumcount()
    wide = set14.pivot(index=["rater", "source", "showing"], columns="method", values="score")
    spread = (wide["srresnet-vgg22"] - wide["srresnet-mse"]).std()
    t_test = stats.norm.cdf(0.17 / spread * np.sqrt(364) - 1.96)
    assert expected["star_srresnet_vgg22"] == pytest.approx(t_test, abs=0.03)
    assert expected["table_1_exactly"] < expected["star_srgan_vgg54"]


def test_the_example_that_ships_is_what_its_recipe_makes(tmp_path):
    ratings, objective = example.make()
    ratings.to_csv(tmp_path / "r.csv", index=False)
    objective.to_csv(tmp_path / "o.csv", index=False)
    pd.testing.assert_frame_equal(read_ratings(tmp_path / "r.csv"), example.ratings())
    pd.testing.assert_frame_equal(read_objective(tmp_path / "o.csv").values, example.objective().values)
    assert example.ratings()["simulated"].all()
