from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.pairs.choices import choices
from analysis.pairs.estimates import difference_table, estimate
from analysis.pairs.shares import share_of
from analysis.pairs.simulate import Design, simulate_choices, simulate_pairs
from analysis.pairs.spread import Random, clusters, mean_spread
from tests.bench.bench_pairs import PROMISED, STRENGTHS, coverage


def test_difference_intervals_cover_and_equal_methods_rarely_differ():
    # The promise is .93 to .97 and .07 in 1,000 studies (python -m tests.bench.bench_pairs); here 250 of them.
    found = coverage(STRENGTHS, PROMISED, studies=250, seed=11)
    assert 0.93 <= found["coverage"] <= 0.97
    assert found["equal_differ"] <= 0.08


def test_intervals_that_count_choices_as_independent_would_not_cover():
    # What the simulation must be able to find: the model's own variance holds the truth far too seldom.
    first, second = np.triu_indices(4, 1)
    truth = STRENGTHS[first] - STRENGTHS[second]
    held = []
    for study in range(100):
        found = estimate(simulate_choices(STRENGTHS, PROMISED, rng=np.random.default_rng([5, study])))
        naive = replace(found.covariance, random=Random(False, False)).differences(first, second)
        low, high = naive.limits(found.fit.strength[first] - found.fit.strength[second])
        held.append((low <= truth) & (truth <= high))
    assert np.mean(held) < 0.85


@pytest.mark.parametrize(
    ("raters", "sources", "text"),
    [(20, 20, "raters and sources"), (19, 20, "sources"), (20, 19, "raters"), (19, 19, "neither"), (3, 30, "sources")],
)
def test_raters_and_sources_count_as_samples_from_twenty_on(raters, sources, text):
    design = Design(raters=raters, sources=sources, pairs=30)
    found = estimate(simulate_choices(np.array([0.3, 0.0, -0.3]), design, rng=np.random.default_rng(0)))
    assert set(difference_table(found)["random"]) == {text}
    assert np.isinf(found.covariance.strengths().df).all() == (text == "neither")


def test_the_deviations_between_raters_and_sources_are_recovered():
    design = Design(raters=60, sources=60, pairs=90, rater_sd=0.4, source_sd=0.2)
    each = [
        estimate(simulate_choices(np.array([0.3, 0.0, -0.3]), design, rng=np.random.default_rng([2, study])))
        for study in range(40)
    ]
    by_rater, by_source = np.mean([found.covariance.components() for found in each], axis=0)
    assert np.sqrt(by_rater / 2) == pytest.approx(0.4, abs=0.05)
    assert np.sqrt(by_source / 2) == pytest.approx(0.2, abs=0.05)


def test_one_rater_with_most_choices_leaves_few_effective_raters():
    n = np.array([600.0, 180.0, 120.0])
    found = clusters(n.sum(keepdims=True), (n**2).sum(keepdims=True), (n**3).sum(keepdims=True))
    assert found.size[0] == pytest.approx(900**2 / (600**2 + 180**2 + 120**2))
    even = clusters(np.array([300.0]), np.array([3 * 100.0**2]), np.array([3 * 100.0**3]))
    assert (even.size[0], even.correction[0]) == pytest.approx((3, 3 / 2))


def test_the_correction_undoes_what_unequal_clusters_hide():
    # Means of clusters with variance 1: the plain sandwich of their weighted mean, corrected, is unbiased.
    weight = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    u = np.random.default_rng(0).standard_normal((200_000, 6))
    plain = ((weight * (u - (u @ weight)[:, None])) ** 2).sum(axis=1).mean()
    found = clusters(np.ones(1), (weight**2).sum(keepdims=True), (weight**3).sum(keepdims=True))
    assert plain * found.correction[0] == pytest.approx((weight**2).sum(), rel=0.02)
    assert plain < 0.5 * (weight**2).sum()


def test_intervals_cover_where_one_rater_made_most_choices():
    first, second = np.triu_indices(4, 1)
    truth = STRENGTHS[first] - STRENGTHS[second]
    held, wide = [], []
    for study in range(100):
        found = simulate_choices(STRENGTHS, replace(PROMISED, pairs=120), rng=np.random.default_rng([9, study]))
        kept = np.flatnonzero((found.rater == 0) | (np.arange(len(found)) % 6 == 0))  # 120 of one, 20 of each other
        table = estimate(found.take(kept))
        spread = table.covariance.differences(first, second)
        low, high = spread.limits(table.fit.strength[first] - table.fit.strength[second])
        held.append((low <= truth) & (truth <= high))
        wide.append(spread.df.mean())
    assert np.mean(held) > 0.925
    assert np.mean(wide) < 25


def test_where_one_rater_made_nearly_all_choices_no_interval_is_claimed():
    pairs = simulate_pairs({"a": 0.3, "b": 0.0, "c": -0.3}, Design(sources=5, pairs=15), rng=np.random.default_rng(4))
    busy = pairs[pairs["rater"] == "simulated_01"]
    more = [busy.assign(session=str(index)) for index in range(2000)]
    table = difference_table(estimate(choices(pd.concat([pairs, *more], ignore_index=True))))
    assert table["random"].iloc[0] == "raters"
    assert table[["low", "high", "p", "p_holm"]].isna().all(axis=None)


def test_a_mean_with_both_as_samples_is_the_two_way_anova():
    # Complete 20 x 20 crossing: V_rater + V_source - V_cell with each cell once (Cameron, Gelbach and Miller 2011).
    rng = np.random.default_rng(0)
    found = simulate_choices(np.array([0.2, -0.2]), Design(raters=20, sources=20, pairs=20), rng=rng)
    value = (found.outcome == 0).astype(float)
    grid = np.full((20, 20), np.nan)
    grid[found.rater, found.source] = value
    centred = grid - grid.mean()
    by_rater, by_source = ((centred.sum(axis=axis) ** 2).sum() / 400**2 * 20 / 19 for axis in (1, 0))
    expected = max(by_rater + by_source - (centred**2).sum() / 400**2, by_rater, by_source)
    assert mean_spread(found, value).variance[0] == pytest.approx(expected)


def test_a_share_of_all_or_none_still_has_an_interval_as_wide_as_its_raters_allow():
    found = simulate_choices(np.zeros(2), Design(raters=25, sources=30, pairs=30), rng=np.random.default_rng(0))
    share = share_of(found, np.ones(len(found)))
    assert (share.share, share.high) == (1.0, 1.0)
    assert share.low == pytest.approx(25 / (25 + 1.959964**2))  # Wilson's lower limit of 25 of 25
