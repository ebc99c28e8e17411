import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.formula.api import ols
from statsmodels.stats.power import TTestPower

from analysis.__main__ import main
from analysis.crossed import estimate
from analysis.differences import p_value
from analysis.power import (
    MOST_IMAGES,
    Design,
    DifferenceVariance,
    difference_variance,
    expected_spread,
    images_and_raters_needed,
    least_difference,
    pairs_needed,
    plan,
    power_of,
    raters_needed,
    simulated_power,
    unit_reach,
)
from analysis.schema import validate_ratings
from analysis.simulate import NFLX_RATERS
from tests.analysis.panels import complete_vqeg, random_panel
from tests.bench import bench_differences


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
    given = {"difference": 0.2, "n_raters": 12, "images": 10, "panels": 60, "seed": 1}
    row = simulated_power(NFLX_RATERS, unit="rater_x_image", **given).iloc[0]
    noise = 2 * (NFLX_RATERS.inconsistency_mean**2 + NFLX_RATERS.inconsistency_sd**2 + 1 / 12)
    formula = TTestPower().power(0.2 / np.sqrt(noise), 120, 0.05)
    assert row["ci_low"] <= formula <= row["ci_high"]
    assert bool(row["simulated"])


def test_pairs_of_rater_and_image_raise_false_alarms_once_images_differ_and_the_two_way_test_does_not():
    given = {"difference": 0.0, "n_raters": 20, "images": 8, "deviation": 0.4, "rater_deviation": 0.2, "panels": 40}
    naive = simulated_power(NFLX_RATERS, unit="rater_x_image", **given)["power"].iloc[0]
    honest = simulated_power(NFLX_RATERS, **given)
    assert naive > 0.3
    assert honest["ci_low"].iloc[0] <= 0.05


def test_a_pilot_with_holes_still_gives_a_plan():
    assert np.isfinite(plan(random_panel(raters=10, sources=8, seed=1), images=500, comparisons=1)["pairs"]).all()


@pytest.mark.parametrize(
    "design", [Design(26, 40), Design(100, 30, methods=12, trials=60)], ids=["everybody rates all", "subsets"]
)
def test_the_formula_is_the_variance_and_the_power_of_simulated_panels(design):
    """Scores are latent values rounded to whole ones, which adds 1/12 to the residual variance (Sheppard)."""
    deviations = (0.3, 0.2)
    drawn = bench_differences.Design("plan", design.raters, design.images, trials=design.trials)
    rng = np.random.default_rng(0)
    panels = [bench_differences.draw(drawn, deviations, rng, levels=(3.0, 3.25)) for _ in range(250)]
    found = [estimate(bench_differences.pair_of(panel, 1, 0)) for panel in panels]
    variance = DifferenceVariance.given(
        method_x_rater=deviations[0], method_x_image=deviations[1], residual=np.sqrt(0.7**2 + 1 / 12)
    )
    assert np.var([one.difference for one in found]) == pytest.approx(
        expected_spread(variance, design).variance, rel=0.25
    )
    power = np.mean([p_value(one) < 0.05 for one in found])
    assert power == pytest.approx(power_of(0.25, variance, design), abs=0.08)
    assert 0.3 < power < 0.95


def test_components_of_subsets_are_those_the_panel_was_drawn_from():
    rng = np.random.default_rng(1)
    design = bench_differences.Design("pilot", 150, 60, trials=90)
    panel = bench_differences.draw(design, (0.4, 0.5), rng, levels=(3.0, 3.0, 3.0))
    rater, image, method = np.nonzero(~np.isnan(panel))
    columns = {"rater": rater, "source": image, "method": method, "score": panel[rater, image, method].astype(int)}
    found = difference_variance(validate_ratings(pd.DataFrame(columns).astype({"method": str})))
    assert found.rater == pytest.approx(2 * 0.4**2, rel=0.35)
    assert found.image == pytest.approx(2 * 0.5**2, rel=0.35)
    assert found.residual + found.unpaired == pytest.approx(2 * (0.7**2 + 1 / 12), rel=0.15)


def test_a_plan_names_raters_and_images_and_its_cheapest_design_has_the_power():
    variance = DifferenceVariance.given(method_x_rater=0.25, method_x_image=0.3, residual=0.7)
    row = plan(variance, images=14, comparisons=66, differences=[0.3]).iloc[0]
    assert np.isinf(row["raters_and_images"])  # 14 images cannot carry it
    least = int(row["images_least"])
    level = 0.05 / 66
    assert raters_needed(0.3, variance, images=least, alpha=level) < np.inf
    assert np.isinf(raters_needed(0.3, variance, images=least - 1, alpha=level))
    cheapest = Design(int(row["cheapest_raters"]), int(row["cheapest_images"]))
    assert power_of(0.3, variance, cheapest, alpha=level) >= 0.8
    assert cheapest.ratings == row["cheapest_ratings"]
    impossible = images_and_raters_needed(0.001, variance, alpha=level)
    assert np.isinf(impossible.images_least)


def test_subsets_need_more_raters_and_no_more_images():
    variance = DifferenceVariance.given(method_x_rater=0.2, method_x_image=0.2, residual=0.7)
    whole = raters_needed(0.2, variance, images=60)
    subsets = raters_needed(0.2, variance, images=60, methods=12, trials=60)
    assert whole < subsets < 12 * whole
    assert raters_needed(0.2, variance, images=60, methods=12, trials=720) == whole


def test_five_images_by_signs_cannot_reach_5_percent_and_the_plan_says_so():
    table = unit_reach(raters=26, images=5, comparisons=1).set_index("unit")
    assert table.loc["image", "p_least"] == 0.0625
    assert not table.loc["image", "reaches"]
    assert table.loc["image", "samples_least"] == 6
    assert table.loc["rater", "reaches"]
    assert table.loc["two_way", "reaches"]
    corrected = unit_reach(raters=None, images=11, comparisons=66).set_index("unit")
    assert not corrected.loc["image", "reaches"]  # 2^-10 is above .05 / 66
    assert corrected.loc["image", "samples_least"] == 12


def test_large_studies_have_a_power_and_no_hole_in_it():
    """The noncentral t of the library is NaN in the far tail: pairs needed once jumped from 575 to 1228."""
    asked = [pairs_needed(difference, 1.1336, alpha=0.05 / 66) for difference in (0.19, 0.2, 0.21)]
    assert asked == sorted(asked, reverse=True)
    expected = TTestPower().solve_power(0.2 / 1.1336, power=0.8, alpha=0.05 / 66)
    assert asked[1] == int(np.ceil(expected))


@pytest.mark.parametrize(("trials", "spread", "random"), [(60, 1.0, 0.94), (240, 9 / 11, 0.75), (960, 0.0, 0.0)])
def test_a_rater_who_spreads_sees_the_other_method_of_an_image_less_than_one_who_draws(trials, spread, random):
    design = Design(200, 80, 12, trials)
    assert design.alone == pytest.approx(random, abs=0.01)
    assert design._replace(allocation="spread").alone == pytest.approx(spread)
    assert design._replace(allocation="together").alone == 0


def test_together_has_the_spread_of_a_complete_panel_with_fewer_pairs():
    """Against 4000 draws of the components: 20 raters with both methods of 3 of 10 images each."""
    variance = DifferenceVariance(rater=0.1, image=0.2, residual=0.9, unpaired=0.3, bias=0.2, content=0.4)
    rng = np.random.default_rng(7)
    seen = np.array([(rater + step) % 10 for rater in range(20) for step in (0, 3, 7)])
    means = [
        np.mean(rng.normal(0, 0.1**0.5, 20).repeat(3) + rng.normal(0, 0.2**0.5, 10)[seen] + rng.normal(0, 0.9**0.5, 60))
        for _ in range(4000)
    ]
    expected = expected_spread(variance, Design(20, 10, 6, 18, "together")).variance
    assert expected == pytest.approx(np.var(means), rel=0.06)
    # Alone, a rater's view of an image and the levels come on top.
    assert expected < expected_spread(variance, Design(20, 10, 6, 18, "spread")).variance


def test_the_least_difference_is_the_one_that_is_found_with_the_power():
    variance = DifferenceVariance.given(method_x_rater=0.28, method_x_image=0.44, residual=0.7)
    for design in (Design(30, 16, 6), Design(200, 100, 9, 75, "spread")):
        least = least_difference(variance, design, alpha=0.003)
        assert (
            power_of(least, variance, design, alpha=0.003)
            >= 0.8
            > power_of(least - 0.01, variance, design, alpha=0.003)
        )
    assert least_difference(variance, Design(1, 16)) == np.inf
    assert least_difference(variance, Design(2, 2), alpha=0.001) == np.inf


def test_a_plan_of_parts_compares_spread_and_together():
    variance = DifferenceVariance.given(method_x_rater=0.25, method_x_image=0.3, residual=0.7)
    how = {"images": 119, "comparisons": 66, "differences": [0.3], "methods": 12, "trials": 60}
    table = plan(variance, allocations=("spread", "together"), **how).set_index("allocation")
    for allocation, row in table.iterrows():
        design = Design(int(row["raters_and_images"]), 119, 12, 60, allocation)
        assert power_of(0.3, variance, design, alpha=0.05 / 66) >= 0.8
        assert power_of(0.3, variance, design._replace(raters=design.raters - 1), alpha=0.05 / 66) < 0.8
    assert table.loc["together", "raters_and_images"] < table.loc["spread", "raters_and_images"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": 0}, "images is 0; it must be at least 1"),
        ({"comparisons": 0}, "comparisons is 0; it must be at least 1"),
        ({"methods": 1, "trials": 5}, "methods is 1; it must be at least 2"),
        ({"trials": 0}, "trials is 0; it must be at least 1"),
        ({"power": 1.0}, "power is 1; it must lie between 0 and 1"),
        ({"differences": [-0.1]}, "the difference and its standard deviation must be above 0"),
    ],
)
def test_a_study_that_cannot_be_is_not_planned(given, message):
    variance = DifferenceVariance.given(method_x_rater=0.25, method_x_image=0.3, residual=0.7)
    with pytest.raises(ValueError, match=message):
        plan(variance, **{"images": 14, "comparisons": 6, "differences": [0.3]} | given)


def test_no_standard_deviation_is_negative_and_the_command_line_says_so(capsys):
    with pytest.raises(ValueError, match="method_x_rater is -1; it must be a number from 0 on"):
        DifferenceVariance.given(method_x_rater=-1, method_x_image=0.3, residual=0.7)
    for given in (
        ["--components", "-1", ".3", ".7", "--images", "9"],
        ["--components", ".2", ".3", ".7", "--images", "0"],
    ):
        assert main(["plan", *given, "--comparisons", "6"]) == 2
        assert "it must be" in capsys.readouterr().err


def test_the_end_of_the_search_is_no_answer(capsys):
    variance = DifferenceVariance.given(method_x_rater=0.25, method_x_image=0.3, residual=0.7)
    endless = images_and_raters_needed(0.1, variance, alpha=0.05 / 66, trials=60, methods=12)
    assert endless.images_least < MOST_IMAGES
    assert np.isinf([endless.cheapest_raters, endless.cheapest_images, endless.cheapest_ratings]).all()
    assert images_and_raters_needed(0.2, variance, alpha=0.05 / 66, trials=60, methods=12).cheapest_images < MOST_IMAGES
    given = ["plan", "--components", ".25", ".3", ".7", "--images", "100", "--comparisons", "66", "--difference", ".1"]
    assert main([*given, "--trials", "60", "--methods", "12"]) == 0
    assert "inf in cheapest_...: the best of up to 2,000 images is the one with the most" in capsys.readouterr().out
