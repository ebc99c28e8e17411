from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from statsmodels.stats.power import NormalIndPower

from analysis.pairs.estimates import estimate
from analysis.pairs.power import deviations, least_share, plan, simulated_power
from analysis.pairs.simulate import Design, simulate_choices, simulate_pairs


def needed(**given):
    return plan(sources=[given.pop("sources", 40)], pairs_per_rater=[given.pop("pairs", 60)], **given).iloc[0]


def test_without_deviations_it_is_the_sample_size_of_one_share():
    # H0 p = .5 against .6 on the log odds scale: n = (z / logit(.6))^2 / (p q), as many choices in all.
    row = needed(pairs=5, rater_sd=0.0, source_sd=0.0, sources=1000, share=0.6)
    n = NormalIndPower(ddof=0).solve_power(np.log(0.6 / 0.4) * np.sqrt(0.24), power=0.8, alpha=0.05, ratio=0)
    assert row["choices"] == pytest.approx(n, rel=0.06)


@pytest.mark.parametrize(
    ("design", "methods"),
    [(Design(raters=26, sources=40, pairs=60), 4), (Design(raters=24, sources=20, pairs=60), 2)],
)
def test_simulated_studies_have_the_power_that_the_plan_promises(design, methods):
    row = needed(sources=design.sources, pairs=design.pairs, methods=methods)
    assert row["raters"] == design.raters
    found = simulated_power(design, methods=methods, studies=300).iloc[0]
    assert found["low"] - 0.03 <= row["power"] <= found["high"] + 0.03
    assert found["simulated"]


def test_two_equal_methods_are_told_apart_in_about_five_per_cent():
    found = simulated_power(Design(), share=0.5 + 1e-9, methods=3, studies=300).iloc[0]
    assert found["power"] <= 0.08


def test_more_raters_cannot_make_up_for_too_few_sources():
    assert np.isinf(needed(sources=20, source_sd=0.8)["raters"])
    assert np.isfinite(needed(sources=200, source_sd=0.8)["raters"])


def test_under_twenty_sources_the_plan_speaks_of_those_alone():
    row = needed(sources=10, source_sd=0.8)
    assert row["random"] == "raters"
    assert np.isfinite(row["raters"])


def test_ties_and_comparisons_cost_choices():
    assert needed(tie=2.0, pairs=20)["raters"] > needed(pairs=20)["raters"]
    assert needed(comparisons=6, pairs=20)["raters"] > needed(pairs=20)["raters"]


@pytest.mark.parametrize("against", [False, True])
def test_the_least_share_of_so_many_raters_is_that_for_which_the_plan_asks_for_them(against):
    asked = {"methods": 4, "tie": 0.4, "against": against, "comparisons": 3}
    for share in (0.55, 0.6, 0.7):
        raters = plan(sources=[60], pairs_per_rater=[30], share=share, **asked)["raters"].iloc[0]
        found = least_share(raters=int(raters), sources=60, pairs_per_rater=30, **asked)
        one_less = least_share(raters=int(raters) - 1, sources=60, pairs_per_rater=30, **asked)
        assert found <= share + 1e-4 or raters == 20
        assert one_less > found
    assert least_share(raters=2, methods=2, sources=2, pairs_per_rater=1) == np.inf


def test_where_each_meets_one_alone_simulated_studies_have_the_power_of_the_plan():
    """Choices of three methods over the fourth, whose strength all are held against."""
    design = Design(raters=30, sources=40, pairs=60)
    share = least_share(raters=30, methods=4, sources=40, pairs_per_rater=60, against=True)
    rng, hits, studies = np.random.default_rng(1), 0, 300
    for _ in range(studies):
        # Each of the three kinds of pairs a study of its own, with a third of the choices.
        found = simulate_choices(np.array([special.logit(share), 0.0]), replace(design, pairs=20), rng=rng)
        fitted = estimate(found)
        around = fitted.covariance.differences(np.array([0]), np.array([1]))
        hits += int(around.p(fitted.fit.strength[:1] - fitted.fit.strength[1:])[0] < 0.05)
    assert hits / studies == pytest.approx(0.8, abs=0.07)


def test_a_pilots_deviations_are_its_own():
    design = Design(raters=80, sources=80, pairs=120, rater_sd=0.5, source_sd=0.2)
    pairs = simulate_pairs({"a": 0.2, "b": 0.0, "c": -0.2}, design, rng=np.random.default_rng(0))
    row = deviations(pairs.assign(session="")).iloc[0]
    assert row["rater_sd"] == pytest.approx(0.5, abs=0.1)
    assert row["source_sd"] == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("given", [{"share": 0.5}, {"methods": 1}, {"comparisons": 0}, {"sources": 0}])
def test_what_no_study_can_have_is_refused(given):
    with pytest.raises(ValueError, match="share must lie between"):
        needed(**given)
