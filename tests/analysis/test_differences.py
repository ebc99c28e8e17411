"""The two-way test of a pair of methods: against the analysis of variance, dense algebra and simulated panels."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.formula.api import ols

from analysis.crossed import Pair, complete_panel, estimate, moments
from analysis.differences import effect_size, interval, p_value
from analysis.leastsquares import Pattern, contrast_weights
from analysis.schema import validate_ratings
from analysis.signedrank import least_p
from analysis.significance import pairwise_tests, unit_notes
from tests.analysis.panels import complete_vqeg, random_panel
from tests.bench.bench_differences import DESIGNS, draw, pair_of, shares

COMPLETE, SUBSETS = DESIGNS[1], DESIGNS[6]


def test_vqeg_hd1_has_34_pairs_that_differ_and_109_counted_as_independent(vqeg):
    assert (pairwise_tests(vqeg)["p_holm"] < 0.05).sum() == 34
    assert (pairwise_tests(vqeg, unit="rater_x_image")["p_holm"] < 0.05).sum() == 109


def test_a_complete_pair_has_the_mean_squares_of_an_anova_and_satterthwaites_df(vqeg):
    wide = complete_vqeg(vqeg)[["hrc07", "hrc10"]]
    long = (wide["hrc07"] - wide["hrc10"]).rename("d").reset_index()
    table = sm.stats.anova_lm(ols("d ~ C(rater) + C(source)", long).fit())
    rater, image, rest = (table.loc[name, "mean_sq"] for name in ("C(rater)", "C(source)", "Residual"))
    dfs = table["df"]
    spread = rater + image - rest
    pieces = zip((rater, image, rest), dfs, strict=True)
    df = spread**2 / sum(square**2 / degrees for square, degrees in pieces)
    error = np.sqrt(spread / len(long))
    row = pairwise_tests(validate_ratings(wide.stack().rename("score").reset_index())).iloc[0]
    assert row["mean_difference"] == pytest.approx(long["d"].mean())
    assert row["df"] == pytest.approx(df)
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(long["d"].mean()) / error, df))
    assert row["high"] - row["low"] == pytest.approx(2 * stats.t.ppf(0.975, df) * error)


def dense_moments(pair, weights, scores):
    """Covariances of raters, images and cells as plain means over all ordered pairs of ratings."""
    row, method = np.nonzero(~np.isnan(pair.scores))
    rater, image, value, weight = pair.rater[row], pair.image[row], scores[row, method], weights[row, method]
    same_r, same_i = rater[:, None] == rater, image[:, None] == image
    found = []
    for share in (same_r & ~same_i, same_i & ~same_r, same_r & same_i, ~same_r & ~same_i):
        mean = np.empty((2, 2))
        for a, b in np.ndindex(2, 2):
            chosen = share & (method[:, None] == a) & (method == b)
            product = np.outer(weight, weight)[chosen]
            mean[a, b] = (product * np.outer(value, value)[chosen]).sum() / product.sum()
        found.append(mean)
    rater_part, image_part, both = (mean - found[3] for mean in found[:3])
    return rater_part, image_part, both - rater_part - image_part


def test_the_moments_and_weights_of_an_incomplete_panel_are_those_of_dense_algebra():
    rng = np.random.default_rng(4)
    scores = draw(DESIGNS[4]._replace(raters=9, images=7), (0.3, 0.3), rng, levels=(3.0, 3.4))
    pair = pair_of(scores, 0, 1)
    rated = ~np.isnan(pair.scores)
    pattern = Pattern(pair.rater, pair.image, 9, 7, rated)
    centred = np.where(rated, pair.scores - np.nanmean(pair.scores, axis=0), 0)
    weights = rated * rng.uniform(0.5, 2, rated.shape)
    for ours, theirs in zip(moments(pattern, weights, centred), dense_moments(pair, weights, centred), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    rater, image = np.array([[0.3, 0.1], [0.1, 0.2]]), np.array([[0.5, 0.3], [0.3, 0.4]])
    cell = np.array([[0.6, 0.1], [0.1, 0.5]])
    row, method = np.nonzero(rated)
    chosen = np.ix_(method, method)
    same_r, same_i = pair.rater[row][:, None] == pair.rater[row], pair.image[row][:, None] == pair.image[row]
    covariance = same_r * rater[chosen] + same_i * image[chosen] + (same_r & same_i) * cell[chosen]
    design = (method[:, None] == np.arange(2)).astype(float)
    inverse = np.linalg.inv(covariance)
    of_means = np.linalg.inv(design.T @ inverse @ design)
    expected = inverse @ design @ of_means @ [1, -1]
    share, found = contrast_weights(pattern, rater, image, cell)
    np.testing.assert_allclose(share[row, method], expected, atol=1e-9)
    np.testing.assert_allclose(found, of_means, rtol=1e-9)


def test_one_missing_rating_hardly_changes_the_answer():
    scores = draw(COMPLETE, (0.3, 0.3), np.random.default_rng(8), levels=(3.0, 3.3))
    whole = estimate(pair_of(scores, 0, 1))
    scores[3, 5, 0] = np.nan
    part = estimate(pair_of(scores, 0, 1))
    assert part.difference == pytest.approx(whole.difference, abs=0.01)
    assert part.variance == pytest.approx(whole.variance, rel=0.05)
    assert part.df == pytest.approx(whole.df, rel=0.1)


def test_no_rater_need_have_seen_both_methods():
    """Half the raters see one method, half the other: the truth is found, and the raters' bias is in the interval."""
    rng = np.random.default_rng(2)
    scores = draw(COMPLETE._replace(raters=200, images=40), (0.2, 0.2), rng, levels=(2.6, 3.4))
    scores[:100, :, 0] = np.nan
    scores[100:, :, 1] = np.nan
    found = estimate(pair_of(scores, 1, 0))
    limits = interval(found, confidence=0.95)
    assert limits.low < 0.78 < limits.high  # what rounding to 1..5 leaves of .8
    between_raters = 2 * (0.35**2 + 0.2**2) / 100 + 2 * 0.2**2 / 40
    assert found.variance > between_raters


@pytest.mark.parametrize(
    ("design", "deviations"),
    [(COMPLETE, (0.2, 0.2)), (DESIGNS[4], (0.3, 0.3)), (DESIGNS[3], (0.0, 0.3)), (SUBSETS, (0.2, 0.2))],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_equal_methods_differ_in_about_5_percent_of_panels_and_intervals_hold_the_truth(design, deviations):
    """The short form of tests.bench.bench_differences; at 400 panels .05 has a standard error of .011."""
    found = shares(design, deviations, panels=400, seed=3)
    assert 0.02 <= found.share <= 0.075
    assert 0.925 <= found.truth <= 0.98
    assert 0.925 <= found.effect <= 0.985


def test_counted_as_independent_the_same_panels_are_called_different_far_more_often():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        scores = draw(COMPLETE, (0.2, 0.2), rng, levels=(3.0, 3.0))
        difference = scores[:, :, 0] - scores[:, :, 1]
        hits += stats.wilcoxon(difference.ravel(), zero_method="pratt").pvalue < 0.05
    assert hits > 15


def test_the_variance_never_falls_under_that_of_independent_residuals():
    rng = np.random.default_rng(1)
    floored = 0
    for _ in range(60):
        difference = rng.normal(size=(6, 5))
        _, variance, df = complete_panel(difference)
        rest = difference - difference.mean(axis=1)[:, None] - difference.mean(axis=0) + difference.mean()
        floor = (rest**2).sum() / 20 / 30
        assert variance >= floor * (1 - 1e-12)
        floored += df == 20
    assert 10 < floored < 50


def test_equivalence_is_two_one_sided_tests_at_the_margin(vqeg):
    tests = pairwise_tests(vqeg, margin=0.5)
    narrow = pairwise_tests(vqeg, confidence=0.9)
    inside = (narrow["low"] > -0.5) & (narrow["high"] < 0.5)
    np.testing.assert_array_equal(tests["p_equivalence"] < 0.05, inside)
    assert 0 < inside.sum() < 120
    assert (tests["p_equivalence_holm"] >= tests["p_equivalence"]).all()
    with pytest.raises(ValueError, match="the margin is -1; it must be a number of scores above 0"):
        pairwise_tests(vqeg, margin=-1)
    with pytest.raises(ValueError, match="the unit image has no test of equivalence"):
        pairwise_tests(vqeg, margin=0.2, unit="image")


def test_the_effect_is_the_difference_in_deviations_of_a_score_and_agrees_with_p(vqeg):
    tests = pairwise_tests(vqeg)
    hold_zero = (tests["effect_low"] <= 0) & (tests["effect_high"] >= 0)
    np.testing.assert_array_equal(hold_zero, tests["p"] >= 0.05)
    row = tests[(tests["method_a"] == "hrc07") & (tests["method_b"] == "hrc10")].iloc[0]
    wide = vqeg.pivot(index=["rater", "source"], columns="method", values="score")[["hrc07", "hrc10"]].dropna()
    sd = np.sqrt(wide.var().mean())  # rows counted as independent: somewhat under the deviation over raters and images
    assert row["effect"] == pytest.approx(row["mean_difference"] / sd, rel=0.1)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    missing=st.sampled_from([0.0, 0.3, 0.6]),
    shift=st.floats(-100, 100),
    factor=st.floats(0.01, 100),
)
def test_units_of_the_scores_names_and_order_of_rows_change_no_p(seed, missing, shift, factor):
    panel = random_panel(raters=6, sources=5, methods=3, seed=seed, missing=missing).sample(frac=1, random_state=seed)
    names = {rater: f"x{number}" for number, rater in enumerate(sorted(set(panel["rater"]), reverse=True))}
    other = panel.assign(score=panel["score"] * factor + shift, rater=panel["rater"].map(names))
    plain = pairwise_tests(panel.sort_index(), margin=0.5)
    moved = pairwise_tests(other, margin=0.5 * factor)
    for column in ("p", "p_equivalence", "df", "effect", "effect_low", "effect_high"):
        np.testing.assert_allclose(moved[column], plain[column], rtol=1e-5, atol=1e-9, err_msg=column)
    np.testing.assert_allclose(moved["low"], plain["low"] * factor, rtol=1e-5, atol=1e-6 * factor)


def test_what_cannot_be_tested_has_no_p_and_is_said():
    one_image = random_panel(sources=1, methods=2)
    assert pairwise_tests(one_image)["p"].isna().all()
    assert pairwise_tests(random_panel(raters=1, methods=2))["p"].isna().all()
    constant = random_panel(methods=2)
    constant["score"] = np.where(constant["method"] == "m00", 1, 5)
    row = pairwise_tests(constant).iloc[0]
    assert row["mean_difference"] == -4
    assert np.isnan(row["p"])
    assert np.isnan(row["low"])
    assert row["p_method"] == "none"
    assert "1 of 1 pairs of methods have no two-way test" in unit_notes(pairwise_tests(one_image))[0]


def test_images_of_which_only_one_method_was_rated_say_nothing_of_the_difference():
    panel = random_panel(raters=8, sources=6, methods=2, seed=3)
    easy = panel[panel["method"] == "m00"].assign(source="easy" + panel["source"], score=5)
    alone, both = pairwise_tests(panel), pairwise_tests(validate_ratings(pd.concat([panel, easy])))
    columns = ["mean_difference", "low", "high", "p", "df", "n_images"]
    pd.testing.assert_frame_equal(alone[columns], both[columns])


def test_five_images_by_signs_cannot_reach_5_percent_and_the_notes_say_so():
    assert least_p(5) == 0.0625
    panel = random_panel(raters=12, sources=5, methods=2, seed=1)
    tests = pairwise_tests(panel, unit="image")
    assert tests["p"].iloc[0] >= 0.0625
    assert "p is at least 0.0625" in unit_notes(tests)[0]
    assert "no difference can be significant" in unit_notes(tests)[0]
    assert unit_notes(pairwise_tests(panel)) == []


def test_half_a_million_ratings_of_200_million_cells_take_little_memory():
    """20,000 raters x 1,000 sources x 10 methods: a dense cube would take 1.6 GB."""
    rng = np.random.default_rng(0)
    stimulus = rng.integers(0, 2_000, 100_000)  # two of the ten methods
    rater = rng.integers(0, 20_000, 100_000)
    cells, index = np.unique(rater * 1_000 + stimulus % 1_000, return_inverse=True)
    scores = np.full((len(cells), 2), np.nan)
    scores[index, stimulus // 1_000] = rng.integers(1, 6, 100_000)
    codes = np.unique(cells // 1_000, return_inverse=True)[1]
    tracemalloc.start()
    found = estimate(Pair(codes, cells % 1_000, scores))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    assert abs(found.difference) < 4 * np.sqrt(found.variance)
    assert found.variance == pytest.approx(2 * 2 / 50_000, rel=0.15)  # even scores of 1 to 5 have the variance 2


def test_a_wide_interval_of_the_deviation_keeps_the_effects_limits_in_order():
    rng = np.random.default_rng(5)
    for _ in range(50):
        scores = draw(COMPLETE._replace(raters=3, images=2), (0.3, 0.3), rng, levels=(2.5, 3.5))
        found = estimate(pair_of(scores, 1, 0))
        if np.isnan(found.variance):
            continue
        effect, low, high = effect_size(found, interval(found, confidence=0.95), confidence=0.95)
        assert low <= effect <= high
        assert (low > 0 or high < 0) == (p_value(found) < 0.05)
