"""The wine data (Randall 1989) and the fits of R's package ordinal, from its clmm tutorial and manual (Christensen)."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from analysis.mixed import _Data, _laplace, contrasts, fit_ordinal, ordinal_mixed_model
from analysis.schema import RatingsError, validate_ratings
from analysis.separation import separate
from analysis.simulate import RaterPopulation, simulate_panel
from tests.analysis.panels import random_panel
from tests.bench import bench_differences

# Bitterness 1..5; a row a bottle (cold no, cold yes, warm no, warm yes, two bottles each), a column a judge.
WINE = np.array(
    [
        [2, 1, 2, 3, 2, 3, 1, 2, 1],
        [3, 2, 3, 2, 3, 2, 1, 2, 2],
        [3, 1, 3, 3, 4, 3, 2, 2, 3],
        [4, 3, 2, 2, 3, 2, 2, 3, 2],
        [4, 2, 5, 3, 3, 2, 2, 3, 3],
        [4, 3, 5, 2, 3, 4, 3, 3, 2],
        [5, 5, 4, 5, 3, 5, 2, 3, 4],
        [5, 4, 4, 3, 3, 4, 3, 4, 4],
    ]
)


def fit_wine(**groups):
    warm, contact = np.repeat([0, 0, 0, 0, 1, 1, 1, 1], 9), np.repeat([0, 0, 1, 1, 0, 0, 1, 1], 9)
    design = np.column_stack([warm, contact]).astype(float)
    return fit_ordinal(WINE.ravel() - 1, design, groups, terms=["warm", "contact"], labels=[1, 2, 3, 4, 5])


def test_the_wine_example_of_the_package_ordinal_is_reproduced():
    model = fit_wine(judge=np.tile(np.arange(9), 8))
    assert model.converged
    assert model.loglik == pytest.approx(-81.57, abs=0.005)
    assert model.aic == pytest.approx(177.13, abs=0.005)
    assert model.random["sd"].iloc[0] == pytest.approx(1.131, abs=0.001)
    assert model.fixed["estimate"].tolist() == pytest.approx([3.063, 1.8349], abs=1e-3)
    assert model.fixed["se"].tolist() == pytest.approx([0.5954, 0.5125], abs=5e-4)
    assert model.thresholds["term"].tolist() == ["1|2", "2|3", "3|4", "4|5"]
    assert model.thresholds["estimate"].tolist() == pytest.approx([-1.6237, 1.5134, 4.2285, 6.0888], abs=1e-3)
    assert model.thresholds["se"].tolist() == pytest.approx([0.6824, 0.6038, 0.8090, 0.9725], abs=5e-4)


def test_a_second_crossed_effect_without_variance_changes_nothing():
    model = fit_wine(judge=np.tile(np.arange(9), 8), bottle=np.repeat(np.arange(8), 9))
    assert model.loglik == pytest.approx(-81.57, abs=0.005)
    assert model.random["sd"].tolist() == pytest.approx([1.131, 0.0], abs=1e-3)


def test_known_effects_of_a_simulated_panel_are_found():
    """Logistic noise is close to normal noise of sd 1.7: a step of 1 with noise 0.6 is a log odds of about 2.8."""
    rng = np.random.default_rng(5)
    quality = {"a": 2.0, "b": 3.0, "c": 3.0}
    content = 0.3 * rng.standard_normal(30)
    base = random_panel(raters=1, sources=30, methods=3)[["benchmark", "source", "method"]]
    names = dict(zip(sorted(base["method"].unique()), quality, strict=True))
    stimuli = base.assign(method=base["method"].map(names))
    source = stimuli["source"].str[1:].astype(int)
    stimuli["quality"] = stimuli["method"].map(quality) + content[source]
    population = RaterPopulation(bias_sd=0.3, inconsistency_mean=0.6, inconsistency_sd=0.01)
    panel = validate_ratings(simulate_panel(stimuli, population, n_raters=25, rng=rng))
    model = ordinal_mixed_model(panel, baseline="a")
    estimates = model.fixed.set_index("term")
    scale = 1.7 / 0.6
    assert estimates.loc["b", "estimate"] == pytest.approx(scale, rel=0.12)
    assert model.random["group"].tolist() == ["rater", "source", "method x rater", "method x source"]
    assert model.random["sd"].tolist()[:2] == pytest.approx([0.3 * scale, 0.3 * scale], rel=0.35)
    assert model.random["sd"].max() == model.random["sd"].iloc[:2].max()
    pairs = contrasts(model, baseline="a").set_index(["method_a", "method_b"])
    assert pairs.loc[("a", "b"), "p_holm"] < 1e-10
    assert pairs.loc[("b", "c"), "p_holm"] > 0.05
    b_minus_c = estimates.loc["b", "estimate"] - estimates.loc["c", "estimate"]
    assert pairs.loc[("b", "c"), "difference"] == pytest.approx(b_minus_c)


def test_what_the_model_cannot_fit_is_refused():
    panel = random_panel()
    with pytest.raises(RatingsError, match="baseline 'zz' needs"):
        ordinal_mixed_model(panel, baseline="zz")
    with pytest.raises(RatingsError, match="fitted to one benchmark"):
        ordinal_mixed_model(panel.assign(benchmark=["a", "b"] * (len(panel) // 2)))
    with pytest.raises(ValueError, match="every response level must occur"):
        fit_ordinal(np.array([0, 2]), np.zeros((2, 1)), {"g": np.array([0, 1])}, terms=["x"], labels=[1, 2, 3])


def panel_of(scores):
    rater, source, method = np.nonzero(~np.isnan(scores))
    columns = {"rater": rater, "source": source, "method": method}
    table = pd.DataFrame({name: [f"{name[0]}{code:02d}" for code in codes] for name, codes in columns.items()})
    return validate_ratings(table.assign(score=scores[rater, source, method].astype(int)))


def test_the_gradient_of_the_laplace_likelihood_is_that_of_differences():
    rng = np.random.default_rng(0)
    method, rater, source = (codes.ravel() for codes in np.indices((3, 6, 5)))
    response = rng.integers(0, 4, len(method))
    design = (method[:, None] == [1, 2]).astype(float)
    data = _Data(response, design, [rater, source, method * 6 + rater])
    parameters = rng.normal(0, 0.5, 3 + 2 + 3)
    numeric = optimize.approx_fprime(parameters, lambda x: _laplace(data, x)[0], 1e-6)
    np.testing.assert_allclose(_laplace(data, parameters)[1], numeric, rtol=1e-4, atol=1e-4)


def test_deviations_of_methods_by_rater_and_source_are_found_and_widen_the_differences():
    rng = np.random.default_rng(3)
    design = bench_differences.Design("panel", 30, 30)
    panel = panel_of(bench_differences.draw(design, (0.4, 0.5), rng, levels=(3.0, 3.0, 3.4)))
    model, without = ordinal_mixed_model(panel), ordinal_mixed_model(panel, interactions=False)
    scale = np.pi / np.sqrt(3) / 0.7  # log odds a score step, residual .7
    sd = model.random.set_index("group")["sd"]
    assert sd["method x rater"] == pytest.approx(0.4 * scale, rel=0.25)
    assert sd["method x source"] == pytest.approx(0.5 * scale, rel=0.25)
    assert model.converged
    assert model.df == 29
    assert (contrasts(model)["se"] > 2 * contrasts(without)["se"]).all()


def test_a_method_that_everybody_scored_1_is_said_to_be_separated_and_the_others_are_fitted_without_it():
    """It used to give 37.3 with a standard error of 3451 and no word."""
    panel = random_panel(raters=10, sources=6, methods=3, seed=2)
    lowest = panel[panel["method"] == "m00"].assign(method="nearest", score=1)
    model = ordinal_mixed_model(validate_ratings(pd.concat([panel, lowest])), baseline="nearest")
    alone = ordinal_mixed_model(panel)
    assert model.baseline == "m00"
    assert any("separated: the scores of nearest (all below)" in problem for problem in model.problems)
    nearest = model.fixed.set_index("term").loc["nearest"]
    assert nearest["estimate"] == -np.inf
    assert np.isnan(nearest["p"])
    assert model.fixed["estimate"].tolist()[:2] == pytest.approx(alone.fixed["estimate"].tolist())
    pairs = contrasts(model).set_index(["method_a", "method_b"])
    assert np.isnan(pairs.loc[("m02", "nearest"), "p"])
    assert np.isfinite(pairs.loc[("m01", "m02"), "p"])


def test_methods_whose_scores_fall_apart_are_found():
    def directions(*scores):
        method = np.repeat(np.arange(len(scores)), [len(each) for each in scores])
        return separate(method, np.concatenate(scores), prefer=0).tolist()

    assert directions([0, 1], [0, 1, 2]) == [0, 0]
    assert directions([0, 1], [2, 3]) == [0, 1]
    assert directions([0, 1], [1, 2]) == [0, 1]  # touching is not overlapping: the upper threshold runs off
    assert directions([0, 1, 2], [1, 1]) == [0, 0]  # inside what the first one spans
    assert directions([1, 2], [0, 0], [3, 3]) == [0, -1, 1]


def test_methods_that_all_fall_apart_have_no_model():
    panel = random_panel(methods=2)
    apart = panel.assign(score=np.where(panel["method"] == "m00", 1, 5))
    with pytest.raises(RatingsError, match="no two methods' scores overlap"):
        ordinal_mixed_model(apart)


def test_equal_methods_are_not_called_different_too_often_by_the_model():
    """Deviations .3 by rater and source; without its interactions the model finds a difference in most panels."""
    rng = np.random.default_rng(7)
    design = bench_differences.Design("panel", 20, 12)
    hits = {True: 0, False: 0}
    for _ in range(20):
        panel = panel_of(bench_differences.draw(design, (0.3, 0.3), rng, levels=(3.0, 3.0)))
        for interactions in hits:
            hits[interactions] += ordinal_mixed_model(panel, interactions=interactions).fixed["p"].iloc[0] < 0.05
    assert hits[True] <= 4
    assert hits[False] >= 6
