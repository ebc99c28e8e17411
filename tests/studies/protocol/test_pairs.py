"""Which two images come together, and on which sides."""

import random
from collections import Counter
from itertools import combinations

import pytest

from studies.protocol.order import Item, plan_session
from studies.protocol.pairs import Shown, images_of, key, number_of_pairs, pairs, with_sides

# Stimulus 10 s + m is that of method m on source s.
SOURCES, METHODS = 6, 4
RATED = [(10 * source + method, source, method) for source in range(1, SOURCES + 1) for method in range(METHODS)]
METHOD = {stimulus: method for stimulus, _, method in RATED}


def sided(showings, *, had=(), counts=None, seed=1):
    return with_sides(showings, had=had, counts=counts or {}, method=METHOD, rng=random.Random(seed))


def left_more(shown):
    """(method, method) -> how often the first stood left more than right, of first showings."""
    found = Counter()
    for one in shown:
        left, right = METHOD[one.left], METHOD[one.right]
        found[min(left, right), max(left, right)] += (1 if left < right else -1) * (one.repeat == 0)
    return found


def test_a_pairs_key_is_the_same_whichever_stands_left_and_an_images_is_its_own():
    assert key(7, 3) == key(3, 7)
    assert images_of(key(7, 3)) == (3, 7)
    assert key(2**31 - 1, 2**31 - 2) < 2**63
    assert key(7, None) == 7


def test_every_two_methods_of_a_source_make_a_pair_and_never_images_of_two_sources():
    found = pairs(RATED)
    assert len(found) == SOURCES * 6 == number_of_pairs({s: range(METHODS) for s in range(SOURCES)})
    for number, source, _ in found:
        assert {image // 10 for image in images_of(number)} == {source}
    kinds = {}
    for number, _, kind in found:
        kinds.setdefault(kind, set()).add(tuple(METHOD[image] for image in images_of(number)))
    assert sorted(kinds.values(), key=min) == [{methods} for methods in combinations(range(METHODS), 2)]


def test_against_one_method_there_are_its_pairs_alone():
    found = pairs(RATED, against=2)
    assert len(found) == SOURCES * 3 == number_of_pairs({s: range(METHODS) for s in range(SOURCES)}, against=2)
    assert all(2 in {METHOD[image] for image in images_of(number)} for number, *_ in found)
    assert pairs(RATED, against=99) == []


def test_sides_are_balanced_for_each_two_methods_of_each_rater_at_every_moment():
    for seed in range(20):
        order = plan_session(
            [Item(number, source) for number, source, _ in pairs(RATED)],
            apart=True, repeats=5, rng=random.Random(seed),
        )  # fmt: skip
        shown = sided([(s.stimulus, s.repeat) for s in order], seed=seed)
        for end in range(1, len(shown) + 1):
            assert max(abs(more) for more in left_more(shown[:end]).values()) <= 1
        assert all(more == 0 for more in left_more(shown).values())  # 6 sources


def test_a_rater_s_balance_goes_on_from_what_they_had_before():
    first, second = (key(10 * s, 10 * s + 1) for s in (1, 2))
    had = sided([(first, 0)])
    (then,) = sided([(second, 0)], had=had, seed=2)
    assert (METHOD[had[0].left], METHOD[had[0].right]) == (METHOD[then.right], METHOD[then.left])


def test_among_all_raters_each_pair_stands_both_ways_as_often():
    counts = Counter()
    for seed in range(40):
        # Each sees one pair alone, which their own balance does not decide.
        (shown,) = sided([(key(10, 11), 0)], counts=counts, seed=seed)
        counts[shown.left, shown.right] += 1
    assert counts == {(10, 11): 20, (11, 10): 20}


def test_a_second_showing_has_the_sides_changed_also_where_the_first_was_in_a_run_before():
    number = key(10, 11)
    first, second = sided([(number, 0), (number, 1)])
    assert (second.left, second.right, second.repeat) == (first.right, first.left, 1)
    (later,) = sided([(number, 1)], had=[first])
    assert later == second


@pytest.mark.parametrize("seed", range(5))
def test_sides_follow_from_the_seed(seed):
    showings = [(number, 0) for number, *_ in pairs(RATED)]
    assert sided(showings, seed=seed) == sided(showings, seed=seed)
    assert any(sided(showings, seed=seed) != sided(showings, seed=other) for other in range(5, 10))


def test_an_image_that_the_design_has_no_more_does_not_disturb():
    assert len(sided([(key(10, 11), 0)], had=[Shown(998, 999)])) == 1
