import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.protocol.order import (
    ImpossibleOrder,
    Item,
    check_apart,
    check_stabilising,
    plan_session,
    plan_stabilising,
    session_seed,
)

PAPER = [Item(stimulus=source * 12 + method, source=source) for source in range(19) for method in range(12)] + [
    Item(stimulus=10_000 + source * 9 + method, source=source) for source in range(19, 119) for method in range(9)
]


def sources_of(items, order):
    source = {item.stimulus: item.source for item in items}
    return [source[showing.stimulus] for showing in order]


def test_the_papers_design_shows_1128_images_each_once():
    order = plan_session(PAPER, apart=False, repeats=0, rng=random.Random(1))
    assert len(order) == 1128
    assert sorted(showing.stimulus for showing in order) == sorted(item.stimulus for item in PAPER)
    assert {showing.repeat for showing in order} == {0}


def test_a_random_order_of_the_paper_has_8_or_9_adjacent_pairs_of_one_source_on_average():
    pairs = 0
    for seed in range(100):
        sources = sources_of(PAPER, plan_session(PAPER, apart=False, repeats=0, rng=random.Random(seed)))
        pairs += sum(a == b for a, b in pairwise(sources))
    # (19 * 12 * 11 + 100 * 9 * 8) / 1128 = 8.6; standard error over 100 orders about 0.29.
    assert 7.6 < pairs / 100 < 9.6


def test_sources_are_kept_apart_in_the_papers_design():
    for seed in range(10):
        sources = sources_of(PAPER, plan_session(PAPER, apart=True, repeats=40, rng=random.Random(seed)))
        assert len(sources) == 1168
        assert all(a != b for a, b in pairwise(sources))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 10), st.integers())
def test_any_design_that_passes_the_check_can_be_kept_apart_whatever_is_drawn(sources, repeats, seed):
    items = [Item(stimulus=number, source=source) for number, source in enumerate(sources)]
    repeats = min(repeats, len(items))
    try:
        check_apart(items, repeats=repeats)
    except ImpossibleOrder:
        return
    order = plan_session(items, apart=True, repeats=repeats, rng=random.Random(seed))
    shown = sources_of(items, order)
    assert all(a != b for a, b in pairwise(shown))
    assert len(order) == len(items) + repeats
    assert set(Counter(showing.stimulus for showing in order).values()) <= {1, 2}


@given(st.lists(st.integers(0, 4), min_size=2, max_size=12))
def test_the_check_refuses_exactly_what_no_order_can_do(sources):
    items = [Item(stimulus=number, source=source) for number, source in enumerate(sources)]
    possible = max(Counter(sources).values()) <= (len(sources) + 1) // 2
    try:
        check_apart(items, repeats=0)
        passed = True
    except ImpossibleOrder:
        passed = False
    assert passed == possible


def test_the_refusal_says_what_to_change():
    items = [Item(stimulus=number, source=1) for number in range(3)]
    with pytest.raises(ImpossibleOrder, match="add images of other sources"):
        check_apart(items, repeats=0)


def test_a_repeated_image_is_numbered_by_its_showing():
    items = [Item(stimulus=number, source=number) for number in range(20)]
    order = plan_session(items, apart=True, repeats=5, rng=random.Random(3))
    showings = Counter(showing.stimulus for showing in order)
    assert sorted(showings.values()) == [1] * 15 + [2] * 5
    for stimulus, times in showings.items():
        assert [s.repeat for s in order if s.stimulus == stimulus] == list(range(times))


def test_more_repeats_than_images_are_refused():
    with pytest.raises(ImpossibleOrder, match="3 repeats are asked for, but there are only 2 images; ask for fewer"):
        plan_session([Item(1, 1), Item(2, 2)], apart=False, repeats=3, rng=random.Random(1))


def test_the_same_seed_gives_the_same_order_and_another_rater_another():
    assert session_seed(study_seed=7, rater="r001") == session_seed(study_seed=7, rater="r001")
    seeds = {session_seed(study_seed=study, rater=f"r{number:03d}") for study in range(5) for number in range(200)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("apart", [False, True])
def test_every_image_comes_first_about_equally_often(apart):
    items = [Item(stimulus=source * 3 + method, source=source) for source in range(4) for method in range(3)]
    first = Counter(
        plan_session(items, apart=apart, repeats=0, rng=random.Random(seed))[0].stimulus for seed in range(3000)
    )
    # Binomial, 3000 draws of 1/12: 250 with a standard deviation of 15.
    assert min(first.values()) > 190
    assert max(first.values()) < 310


def design(sources, versions):
    return [Item(source * 100 + v, source, quality=v) for source in range(sources) for v in range(versions)]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 36), st.booleans(), st.integers())
def test_any_number_of_stabilising_trials_that_passes_the_check_can_be_planned(sources, versions, number, apart, seed):
    items = design(sources, versions)
    try:
        check_stabilising(items, number=number, apart=apart)
    except ImpossibleOrder:
        assert number > len(items) or (apart and sources == 1)
        return
    chosen = plan_stabilising(items, number=number, before=0, apart=apart, rng=random.Random(seed))
    assert len(set(chosen)) == len(chosen) == number
    of = [stimulus // 100 for stimulus in chosen]
    assert max(Counter(of).values()) - min(of.count(source) for source in range(sources)) <= 1
    if apart:
        assert all(a != b for a, b in pairwise([*of, 0]))


def test_stabilising_trials_spread_over_the_range_of_quality_and_their_order_does_not():
    items = design(10, 12)
    places = Counter()
    for seed in range(200):
        chosen = plan_stabilising(items, number=5, before=3, apart=True, rng=random.Random(seed))
        # Twelve versions in five steps.
        assert sorted(stimulus % 100 for stimulus in chosen) == [1, 3, 6, 8, 10]
        places[[stimulus % 100 for stimulus in chosen].index(1)] += 1
    # The lowest quality comes at each of the five places: binomial, 40 with a standard deviation of 5.7.
    assert set(places) == set(range(5))
    assert min(places.values()) > 15


def test_sources_with_unequal_numbers_of_versions_allow_as_many_stabilising_trials_as_the_least_has():
    items = [*design(2, 5), Item(900, 9)]
    check_stabilising(items, number=3, apart=True)
    with pytest.raises(ImpossibleOrder, match="4 stabilising trials are asked for, but these images allow 3"):
        check_stabilising(items, number=4, apart=True)
