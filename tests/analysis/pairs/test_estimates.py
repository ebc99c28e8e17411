import choix
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.pairs import by_source, differences, goodness_of_fit, strengths
from analysis.pairs.choices import choices
from analysis.pairs.estimates import differences_by_source, estimate
from analysis.pairs.models import Unfittable, fit
from analysis.pairs.simulate import Design, simulate_choices, simulate_pairs
from analysis.pairs.spread import clusters
from tests.analysis.pairs.tables import baseball, pudding, rows


def by_method(table, column="strength"):
    return table.set_index("method")[column]


def test_the_pooled_strengths_of_sr_pairs_are_the_protocols(sr_pairs):
    found = by_method(strengths(sr_pairs))
    expected = {"ResShift": 0.5994, "RealESRGAN": 0.0206, "SwinIR": -0.0351, "BSRGAN": -0.5848}
    assert found.index.tolist() == list(expected)
    assert found.to_dict() == pytest.approx(expected, abs=1e-4)


def test_bradley_terry_is_choix_maximum_likelihood(sr_pairs):
    found = choices(sr_pairs)
    winner, loser = (np.where(found.outcome == side, found.left, found.right) for side in (0, 2))
    theirs = choix.ilsr_pairwise(len(found.methods), list(zip(winner, loser, strict=True)))
    ours = by_method(strengths(sr_pairs)).reindex(found.methods)
    assert ours.to_numpy() == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_baseball_gives_the_abilities_and_standard_errors_of_agresti():
    # Agresti 2002, section 10.6.1; the standard errors as BradleyTerry2's vignette prints them, against Baltimore.
    found = by_method(strengths(baseball()))
    against = (found - found["Baltimore"]).round(2).to_dict()
    expected = {"Milwaukee": 1.58, "Detroit": 1.44, "Toronto": 1.29, "New York": 1.25, "Boston": 1.11}
    assert against == expected | {"Cleveland": 0.68, "Baltimore": 0.0}
    table = differences(baseball()).set_index(["method_a", "method_b"])
    assert table.loc[("Boston", "Baltimore"), "se"] == pytest.approx(0.3339, abs=1e-4)
    assert table.loc[("Milwaukee", "Baltimore"), "se"] == pytest.approx(0.3433, abs=1e-4)


def test_pudding_gives_davidsons_worths_and_tie_parameter():
    # Davidson 1970, table 3: worths that sum to 1 and nu; to the digits of the R package PlackettLuce.
    found = estimate(choices(pudding()))
    worth = np.exp(found.fit.strength)
    expected = [0.1388, 0.1730, 0.1617, 0.1654, 0.1587, 0.2024]
    assert worth / worth.sum() == pytest.approx(expected, abs=1e-4)
    assert np.exp(found.fit.tie) == pytest.approx(0.7468, abs=1e-4)


def test_thurstone_without_ties_is_a_probit_regression(sr_pairs):
    found = choices(sr_pairs)
    design = np.eye(4)[found.left] - np.eye(4)[found.right]
    probit = sm.Probit((found.outcome == 0).astype(float), design[:, 1:]).fit(disp=0)
    theirs = np.r_[0, probit.params]
    ours = by_method(strengths(sr_pairs, model="thurstone")).reindex(found.methods)
    assert ours.to_numpy() == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_thurstone_with_ties_of_two_methods_has_its_closed_form():
    # Glenn and David 1960 for one pair: eta - tau and -eta - tau are the quantiles of the two shares.
    pairs = rows([("a", "b", "a", 50), ("a", "b", "b", 20), ("b", "a", "tie", 30)])
    found = estimate(choices(pairs), model="thurstone")
    won, lost = stats.norm.ppf([0.5, 0.2])
    assert found.fit.strength[0] - found.fit.strength[1] == pytest.approx((won - lost) / 2, abs=1e-8)
    assert np.exp(found.fit.tie) == pytest.approx(-(won + lost) / 2, abs=1e-8)


def test_the_sandwich_is_that_of_statsmodels_when_only_raters_are_a_sample():
    rng = np.random.default_rng(3)
    found = simulate_choices(np.array([0.5, 0.0, -0.5]), Design(raters=30, sources=5, pairs=15), rng=rng)
    table = estimate(found)
    assert table.covariance.random.text == "raters"
    design = (np.eye(3)[found.left] - np.eye(3)[found.right])[:, 1:]
    logit = sm.GLM((found.outcome == 0).astype(float), design, family=sm.families.Binomial())
    plain = logit.fit(cov_type="cluster", cov_kwds={"groups": found.rater, "use_correction": False})
    spread = table.covariance.differences(np.array([1]), np.array([0]))
    n = np.stack([np.bincount(found.rater[(found.left == m) | (found.right == m)], minlength=30) for m in (0, 1)]).sum(
        0
    )
    correction = clusters(*(np.array([float((n**power).sum())]) for power in (1, 2, 3)))
    assert spread.variance[0] == pytest.approx(plain.cov_params()[0, 0] * correction.correction[0], rel=1e-6)
    assert spread.df[0] == pytest.approx(correction.size[0] - 1)


def test_holm_is_over_all_pairs_and_the_stronger_comes_first(sr_pairs):
    table = differences(sr_pairs)
    assert len(table) == 6
    assert (table["difference"] > 0).all()
    smallest = table.sort_values("p").iloc[0]
    assert (smallest["method_a"], smallest["method_b"]) == ("ResShift", "BSRGAN")
    assert smallest["p_holm"] == pytest.approx(6 * smallest["p"])
    middle = table[(table["method_a"] == "RealESRGAN") & (table["method_b"] == "SwinIR")].iloc[0]
    assert middle["p"] == pytest.approx(0.637, abs=1e-3)
    assert middle["chance_a"] == pytest.approx(1 / (1 + np.exp(-middle["difference"])))


def test_at_three_raters_nothing_claims_raters_as_random(sr_pairs):
    for table in (strengths(sr_pairs), differences(sr_pairs), by_source(sr_pairs)):
        assert set(table["random"]) == {"neither"}


def test_goodness_of_fit_of_pudding_is_davidsons():
    # G^2 against the saturated table: 15 pairs x 2 - 5 - 1 = 24 degrees of freedom.
    table = goodness_of_fit(pudding()).set_index("test")
    assert table.loc["pairs", "df"] == 24
    assert table.loc["pairs", "p"] > 0.5
    assert table.loc["pairs", "pearson"] == pytest.approx(table.loc["pairs", "statistic"], rel=0.05)


def test_goodness_of_fit_of_baseball_is_agrestis():
    table = goodness_of_fit(baseball()).set_index("test")
    assert table.loc["pairs", "statistic"] == pytest.approx(15.7, abs=0.05)  # Agresti 2002, section 10.6.1
    assert table.loc["pairs", "df"] == 15


def test_goodness_of_fit_sees_a_circle_and_sources_that_differ(sr_pairs):
    circle = rows([(a, b, chosen, n) for a, b in ("ab", "bc", "ca") for chosen, n in ((a, 40), (b, 10))])
    assert goodness_of_fit(circle).set_index("test").loc["pairs", "p"] < 1e-10
    assert goodness_of_fit(sr_pairs).set_index("test").loc["sources", "p"] < 1e-4


def test_each_source_is_fitted_by_itself(sr_pairs):
    table = by_source(sr_pairs)
    one = strengths(sr_pairs[sr_pairs["source"] == "0825"].reset_index(drop=True))
    part = table[table["source"] == "0825"].drop(columns=["source", "reason"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(part, one)
    assert len(differences_by_source(sr_pairs)) == 60


def test_a_table_that_falls_apart_is_named():
    pairs = rows([("a", "b", "a", 3), ("a", "b", "b", 2), ("c", "d", "c", 3), ("c", "d", "d", 1)])
    with pytest.raises(Unfittable, match=r"no choice was ever made between \{a, b\} and \{c, d\}"):
        strengths(pairs)


def test_a_separated_table_is_named_and_not_fitted_to_infinity():
    always = [("a", "b", "a", 3), ("c", "a", "a", 2), ("b", "c", "b", 3), ("b", "c", "c", 1)]
    with pytest.raises(Unfittable, match="every choice between a and another method went to it"):
        strengths(rows(always))
    never = [("a", "b", "b", 3), ("c", "a", "c", 2), ("b", "c", "b", 3), ("b", "c", "c", 1)]
    with pytest.raises(Unfittable, match="a was never chosen over another method"):
        strengths(rows(never))
    blocks = [("a", "b", "a", 2), ("a", "b", "b", 2), ("c", "d", "c", 2), ("c", "d", "d", 2), ("a", "c", "a", 5)]
    with pytest.raises(Unfittable, match="every choice between a, b and another method went to them"):
        strengths(rows([*blocks, ("b", "d", "b", 1)]))
    with pytest.raises(Unfittable, match="every choice is a tie"):
        strengths(rows([("a", "b", "tie", 5)]))


def test_ties_hold_a_table_together_only_where_the_choices_contradict_an_order():
    chain = [("a", "b", "a", 9), ("a", "b", "tie", 1)]
    with pytest.raises(Unfittable, match="follow one order of the methods without any exception"):
        strengths(rows(chain))  # (9, 1, 0) is matched by ever larger strengths and ties: no finite maximum
    against = strengths(rows([*chain, ("b", "a", "b", 1)]))
    assert against["strength"].iloc[0] - against["strength"].iloc[1] == pytest.approx(np.log(9), abs=1e-6)
    circle = [("a", "b", "a", 4), ("b", "c", "b", 4), ("a", "c", "tie", 1), ("b", "a", "b", 1)]
    assert np.isfinite(strengths(rows([*circle, ("c", "b", "tie", 1)]))["strength"]).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(2, 6))
def test_renaming_swapping_sides_and_shuffling_change_no_strength(seed, tie, size):
    rng = np.random.default_rng(seed)
    names = {f"m{i}": 0.3 * i for i in range(size)}
    pairs = simulate_pairs(names, Design(raters=6, sources=4, pairs=6 * size, tie=tie), rng=rng)
    pairs["session"] = ""
    try:
        whole = by_method(strengths(pairs))
    except Unfittable:
        return
    assert whole.mean() == pytest.approx(0, abs=1e-9)
    mixed = pairs.sample(frac=1, random_state=seed).reset_index(drop=True)
    mixed[["left", "right"]] = mixed[["right", "left"]].to_numpy()
    swap = {name: f"z{9 - index}" for index, name in enumerate(names)}
    for column in ("left", "right", "chosen"):
        mixed[column] = mixed[column].map(swap | {"tie": "tie"})
    again = by_method(strengths(mixed))
    for name in names:
        assert again[swap[name]] == pytest.approx(whole[name], abs=1e-6)


def test_a_side_in_the_model_is_found_and_taken_out():
    design = Design(raters=40, sources=25, pairs=60, side=0.8, rater_sd=0, source_sd=0)
    found = simulate_choices(np.array([0.6, 0.0, -0.6]), design, rng=np.random.default_rng(1))
    sided = fit(found.table, found.methods, side=True)
    assert sided.side == pytest.approx(0.8, abs=0.15)
    assert sided.strength == pytest.approx([0.6, 0.0, -0.6], abs=0.12)
