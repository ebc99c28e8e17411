import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests

from analysis import paper
from analysis.ranktests import friedman, friedman_posthoc, studentized_range_sf
from analysis.recovery import remove_bias
from analysis.schema import validate_ratings
from analysis.signedrank import signed_rank
from analysis.significance import family_asterisks, holm, pairwise_tests
from analysis.tally import cliffs_delta
from tests.analysis.panels import complete_vqeg, random_panel


@pytest.mark.parametrize("zero_method", ["pratt", "wilcox"])
def test_every_p_value_on_vqeg_is_that_of_scipy(vqeg, zero_method):
    wide = vqeg.pivot(index=["rater", "source"], columns="method", values="score")
    tests = pairwise_tests(vqeg, unit="rater_x_image", zero_method=zero_method)
    assert len(tests) == 120
    expected = [
        stats.wilcoxon(
            *wide[[a, b]].dropna().to_numpy().T, zero_method=zero_method, method="asymptotic", correction=False
        ).pvalue
        for a, b in zip(tests["method_a"], tests["method_b"], strict=True)
    ]
    np.testing.assert_allclose(tests["p"], expected, rtol=1e-9, atol=1e-300)


def test_holm_adjusts_within_a_benchmark_as_statsmodels_does(vqeg):
    both = pd.concat([vqeg.assign(benchmark="one"), vqeg.sample(500, random_state=0).assign(benchmark="two")])
    tests = pairwise_tests(validate_ratings(both))
    for _, table in tests.dropna(subset=["p"]).groupby("benchmark"):
        np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])


def test_the_worked_example_of_wilcoxon_1945_has_its_exact_p():
    """Darwin's maize, 15 pairs, as in Wilcoxon's note and in R: W+ = 96, W- = 24, two-sided p = 0.04126."""
    differences = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
    test = signed_rank(*np.unique(differences, return_counts=True))
    assert (test.w_plus, test.w_minus, test.p_method) == (96, 24, "exact")
    assert test.p == pytest.approx(0.04126, abs=5e-6)
    assert test.rank_biserial == pytest.approx((96 - 24) / 120)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=11))
def test_small_samples_with_ties_and_zeros_have_the_exact_sign_change_p(differences):
    differences = np.array(differences)
    if not differences.any():
        assert signed_rank(np.array([0]), np.array([len(differences)])).p == 1
        return
    ranks = stats.rankdata(np.abs(differences))[differences != 0]
    observed = abs((ranks * np.sign(differences[differences != 0])).sum())
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(ranks))).reshape(len(ranks), -1)
    expected = (np.abs(ranks @ signs) >= observed - 1e-9).mean()
    assert signed_rank(*np.unique(differences, return_counts=True)).p == pytest.approx(expected)


@pytest.mark.parametrize(("unit", "axis"), [("rater", "rater"), ("image", "source")])
def test_pairs_of_raters_and_of_images_average_first(vqeg, unit, axis):
    wide = complete_vqeg(vqeg)
    part = wide.stack().rename("score").reset_index()
    tests = pairwise_tests(validate_ratings(part), unit=unit).set_index(["method_a", "method_b"])
    difference = (wide["hrc07"] - wide["hrc10"]).groupby(axis).mean().round(9)
    row = tests.loc["hrc07", "hrc10"]
    assert row["n_pairs"] == len(difference)
    assert row["mean_difference"] == pytest.approx(difference.mean())
    sizes, counts = np.unique(np.abs(difference), return_counts=True)
    if len(sizes) == len(difference) and 0 not in sizes:
        assert row["p"] == pytest.approx(stats.wilcoxon(difference, method="exact").pvalue)
    assert counts.sum() == row["n_pairs"]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_effect_sizes_agree_with_pingouin_and_with_all_pairs(vqeg):
    wide = complete_vqeg(vqeg)
    a, b = wide["hrc10"].to_numpy(), wide["hrc11"].to_numpy()
    panel = validate_ratings(wide.stack().rename("score").reset_index())
    tests = pairwise_tests(panel, unit="rater_x_image", zero_method="wilcox")
    row = tests.set_index(["method_a", "method_b"]).loc["hrc10", "hrc11"]
    assert row["rank_biserial"] == pytest.approx(pingouin.wilcoxon(a, b)["RBC"].iloc[0])
    every_pair = np.sign(a[:, None] - b[None, :]).mean()
    assert row["cliffs_delta"] == pytest.approx(every_pair)


def test_cliffs_delta_is_one_for_separated_scores():
    assert cliffs_delta(np.array([4, 5], np.int8), np.array([1, 0], np.int8)) == 1.0  # 0 is a missing rating


def test_pairs_of_an_incomplete_design_are_those_both_rated():
    panel = random_panel(missing=0.4, seed=2)
    wide = panel.pivot(index=["rater", "source"], columns="method", values="score")
    tests = pairwise_tests(panel)
    expected = [len(wide[[a, b]].dropna()) for a, b in zip(tests["method_a"], tests["method_b"], strict=True)]
    assert tests["n_pairs"].tolist() == expected


def test_methods_that_share_no_rated_image_are_not_tested_and_do_not_count_for_holm(nflx):
    tests = pairwise_tests(nflx, unit="rater_x_image")
    none, some = tests[tests["n_pairs"] == 0], tests[tests["n_pairs"] > 0]
    assert len(none) > 1000
    assert none[["p", "p_holm", "mean_difference"]].isna().all(axis=None)
    np.testing.assert_allclose(some["p_holm"], multipletests(some["p"], method="holm")[1])


def test_the_asterisk_needs_every_other_loss_of_the_family_beaten():
    tests = pd.DataFrame(
        [("Set14", "srgan-mse", "srgan-vgg22", -0.2, 0.01), ("Set14", "srgan-mse", "srgan-vgg54", -0.3, 0.001)],
        columns=["benchmark", "method_a", "method_b", "mean_difference", "p"],
    )
    last = pd.DataFrame([("Set14", "srgan-vgg22", "srgan-vgg54", -0.1, 0.2)], columns=tests.columns)
    undecided = family_asterisks(pd.concat([tests, last]), families=paper.FAMILIES)
    assert not undecided["asterisk"].any()
    decided = family_asterisks(pd.concat([tests, last.assign(p=0.04)]), families=paper.FAMILIES)
    assert decided.loc[decided["asterisk"], "method"].tolist() == ["srgan-vgg54"]
    worse = family_asterisks(pd.concat([tests, last.assign(p=0.04, mean_difference=0.1)]), families=paper.FAMILIES)
    assert worse.loc[worse["asterisk"], "method"].tolist() == ["srgan-vgg22"]


def test_friedman_agrees_with_scipy(vqeg):
    wide = complete_vqeg(vqeg)
    panel = validate_ratings(wide.stack().rename("score").reset_index())
    row = friedman(panel, unit="rater_x_image").iloc[0]
    expected = stats.friedmanchisquare(*wide.to_numpy().T)
    assert (row["statistic"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert row["n_blocks"] == len(wide)
    assert row["kendalls_w"] == pytest.approx(expected.statistic / (len(wide) * 4))


@pytest.mark.parametrize(("methods", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_nemenyi_has_the_critical_values_of_demsar(methods, q):
    """Demsar (JMLR 7, 2006), table 5a, alpha 0.05: a mean rank difference of q sqrt(k (k + 1) / 6 N) has p = 0.05."""
    panel = random_panel(raters=8, sources=6, methods=methods, seed=1)
    table = friedman_posthoc(panel, test="nemenyi", unit="rater_x_image")
    blocks = table["n_blocks"].iloc[0]
    statistic = np.abs(table["rank_a"] - table["rank_b"]) / np.sqrt(methods * (methods + 1) / (6 * blocks))
    np.testing.assert_allclose(table["statistic"], statistic)
    assert ((table["p"] < 0.05) == (table["statistic"] > q)).all()
    assert studentized_range_sf(np.array([q * np.sqrt(2)]), methods) == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize("methods", [3, 12, 320])
def test_the_studentized_range_is_scipys(methods):
    q = np.array([0.0, 0.5, 2.0, 3.5, 5.0, 7.0])
    expected = stats.studentized_range.sf(q, methods, np.inf)
    np.testing.assert_allclose(studentized_range_sf(q, methods), expected, atol=1e-9)


@pytest.mark.parametrize("unit", ["two_way", "rater_x_image", "rater", "image"])
@pytest.mark.parametrize("missing", [0, 0.4])
@pytest.mark.parametrize("levels", [5, 41])
def test_each_pair_among_many_has_the_numbers_that_it_has_alone(unit, missing, levels):
    """Of all pairs at once (complete, or of few levels) as of one pair at a time."""
    panel = random_panel(raters=8, sources=5, methods=5, missing=missing, seed=1)
    finer = np.random.default_rng(0).integers(0, (levels - 1) // 4, len(panel)) if levels > 5 else 0
    panel = panel.assign(score=panel["score"] + finer * 4 / (levels - 1))
    together = pairwise_tests(panel, unit=unit).drop(columns="p_holm")
    for row in together.itertuples():
        two = panel[panel["method"].isin([row.method_a, row.method_b])]
        alone = pairwise_tests(two, unit=unit).drop(columns="p_holm")
        pd.testing.assert_frame_equal(together.loc[[row.Index]].reset_index(drop=True), alone, rtol=1e-10)


def test_conover_is_the_t_test_of_a_two_way_anova_on_ranks(vqeg):
    wide = complete_vqeg(vqeg).groupby("source").mean()
    ranks = wide.rank(axis=1, ascending=False).stack().rename("rank").rename_axis(["source", "method"]).reset_index()
    fit = ols("rank ~ C(method) + C(source)", ranks).fit()
    panel = validate_ratings(complete_vqeg(vqeg).stack().rename("score").reset_index())
    table = friedman_posthoc(panel, test="conover", unit="image").set_index(["method_a", "method_b"])
    found = table.loc["hrc00", "hrc07"]
    assert found["statistic"] == pytest.approx(abs(fit.tvalues["C(method)[T.hrc07]"]))
    assert found["p"] == pytest.approx(fit.pvalues["C(method)[T.hrc07]"])
    np.testing.assert_allclose(table["p_adjusted"], multipletests(table["p"], method="holm")[1])


def test_a_study_without_complete_blocks_has_no_friedman_test(nflx):
    assert friedman(nflx).empty
    assert friedman_posthoc(nflx).empty


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown unit 'pixel'; known: two_way, rater_x_image"):
        pairwise_tests(random_panel(), unit="pixel")
    with pytest.raises(ValueError, match="unknown zero_method"):
        pairwise_tests(random_panel(), zero_method="zsplit")
    with pytest.raises(ValueError, match="unknown post-hoc test"):
        friedman_posthoc(random_panel(), test="tukey")


@settings(max_examples=20, deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p):
    p = np.array(p)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_a_raters_bias_taken_off_changes_no_paired_test(vqeg):
    plain, unbiased = pairwise_tests(vqeg), pairwise_tests(remove_bias(vqeg))
    assert ((plain["p"] > 0.05) & (plain["p"] < 0.9)).any()
    np.testing.assert_allclose(unbiased["p"], plain["p"], rtol=1e-12)
    np.testing.assert_allclose(unbiased["mean_difference"], plain["mean_difference"], atol=1e-12)
    np.testing.assert_array_equal(unbiased["n_zero"], plain["n_zero"])


def test_a_score_of_zero_is_a_score():
    ratings = random_panel(raters=5, sources=4, methods=2, seed=1)
    shifted = ratings.assign(score=ratings["score"] - 3)
    assert (shifted["score"] == 0).any()
    pd.testing.assert_frame_equal(pairwise_tests(shifted), pairwise_tests(ratings))
