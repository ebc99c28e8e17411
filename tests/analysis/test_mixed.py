"""The wine data (Randall 1989) and the fits of R's package ordinal, from its clmm tutorial and manual (Christensen)."""

import numpy as np
import pytest

from analysis.mixed import contrasts, fit_ordinal, ordinal_mixed_model
from analysis.schema import RatingsError, validate_ratings
from analysis.simulate import RaterPopulation, simulate_panel
from tests.analysis.panels import random_panel

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
    assert model.random["sd"].tolist() == pytest.approx([0.3 * scale, 0.3 * scale], rel=0.35)
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
