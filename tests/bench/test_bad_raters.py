"""The short form of bench_bad_raters, which has the whole table."""

import pytest

from tests.bench import bench_bad_raters as bench


@pytest.mark.parametrize("name", bench.PANELS)
@pytest.mark.parametrize("images", [None, 60, 20])
def test_planted_bad_raters_are_found_for_the_right_reason_and_honest_ones_are_left_alone(shared, name, images):
    of = bench.shares(bench.panel(name, shared), images=images, gold=None, seeds=3)
    assert of["straight"] == of["gold"] == 1
    assert of["random"] == 1 or images == 20
    assert of["honest"] <= 0.08  # of 20 seeds 6 % at most


def test_a_panel_without_gold_shows_the_random_rater_by_correlation_alone(shared):
    found = bench.panel("vqeg_hd1", shared)
    of = bench.shares(bench.Panel(found.ratings, found.gold.head(1)), images=None, gold=None, seeds=2)
    assert (of["random"], of["straight"], of["gold"]) == (1, 1, 0)
