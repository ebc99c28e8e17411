import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.formula.api import ols
from statsmodels.stats.power import TTestPower

from analysis.power import (
    DifferenceVariance,
    difference_variance,
    pairs_needed,
    plan,
    raters_needed,
    simulated_power,
)
from analysis.schema import validate_ratings
from analysis.simulate import NFLX_RATERS
from tests.analysis.panels import complete_vqeg, random_panel


@pytest.mark.parametrize("difference", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 36])
def test_the_paired_formula_is_that_of_statsmodels(difference, alpha):
    expected = TTestPower().solve_power(difference / 0.9, power=0.8, alpha=alpha)
    assert pairs_needed(difference, 0.9, alpha=alpha) == int(np.ceil(expected))


def test_a_difference_must_be_above_zero():
    with pytest.raises(ValueError, match="must be above 0"):
        pairs_needed(0.0, 1.0)


def test_variance_components_are_those_of_an_anova_of_the_differences(vqeg):
    wide = complete_vqeg(vqeg)[["hrc07", "hrc10"]]
    long = (wide["hrc07"] - wide["hrc10"]).rename("d").reset_index()
    squares = sm.stats.anova_lm(ols("d ~ C(rater) + C(source)", long).fit())["mean_sq"]
    raters, images = long["rater"].nunique(), long["source"].nunique()
    found = difference_variance(validate_ratings(wide.stack().rename("score").reset_index()))
    assert found.residual == pytest.approx(squares["Residual"])
    assert found.image == pytest.approx((squares["C(source)"] - squares["Residual"]) / raters)
    assert found.rater == pytest.approx(max((squares["C(rater)"] - squares["Residual"]) / images, 0))


def test_more_raters_cannot_make_up_for_too_few_images():
    variance = DifferenceVariance(rater=0.05, image=0.2, residual=0.5)
    assert raters_needed(0.2, variance, images=5) == float("inf")
    assert raters_needed(0.2, variance, images=200) < 100
    assert raters_needed(0.2, variance, images=5, images_sampled=False) < 100


def test_the_plan_asks_more_raters_for_smaller_differences(nflx, vqeg):
    table = plan(vqeg, images=100, comparisons=36)
    assert table["difference"].tolist() == [0.1, 0.2, 0.3]
    assert table["alpha"].tolist() == pytest.approx([0.05 / 36] * 3)
    assert table["pairs"].is_monotonic_decreasing
    assert table["raters"].is_monotonic_decreasing
    one_rater = nflx[nflx["rater"] == "rater_00"]
    with pytest.raises(ValueError, match="too small to plan from"):
        plan(one_rater, images=10, comparisons=1)


def test_simulated_power_agrees_with_the_formula_where_that_applies():
    """No deviation between images: pairs are independent, and Wilcoxon's test is close to the t test."""
    row = simulated_power(NFLX_RATERS, difference=0.2, n_raters=12, images=10, panels=60, seed=1).iloc[0]
    noise = 2 * (NFLX_RATERS.inconsistency_mean**2 + NFLX_RATERS.inconsistency_sd**2 + 1 / 12)
    formula = TTestPower().power(0.2 / np.sqrt(noise), 120, 0.05)
    assert row["ci_low"] <= formula <= row["ci_high"]
    assert bool(row["simulated"])


def test_pairs_of_rater_and_image_raise_false_alarms_once_images_differ_and_pairs_of_images_do_not():
    given = {"difference": 0.0, "n_raters": 20, "images": 8, "deviation": 0.4, "panels": 40}
    naive = simulated_power(NFLX_RATERS, unit="rater_x_image", **given)["power"].iloc[0]
    honest = simulated_power(NFLX_RATERS, unit="image", **given)
    assert naive > 0.3
    assert honest["ci_low"].iloc[0] <= 0.05


def test_a_pilot_with_holes_still_gives_a_plan():
    assert np.isfinite(plan(random_panel(raters=10, sources=8, seed=1), images=500, comparisons=1)["pairs"]).all()
