import json
import math

import numpy as np
import pytest

from analysis.scale import ACR, Scale, ScaleError

LINE = Scale(0, 100, None, labels=((90, "Excellent"), (10, "Bad")), anchors=("worst", "best"))


def test_the_five_categories_run_from_bad_to_excellent():
    assert [(level, ACR.label(level)) for level in ACR.levels] == [
        (1, "Bad"),
        (2, "Poor"),
        (3, "Fair"),
        (4, "Good"),
        (5, "Excellent"),
    ]
    assert ACR.text == "1 to 5 in steps of 1"


@pytest.mark.parametrize(
    ("scale", "inside", "outside"),
    [
        (Scale(0, 10), (0, 7, 10), (-1, 0.5, 11)),
        (Scale(-3, 3), (-3, 0), (-4, 0.2)),
        (Scale(0, 1, 0.1), (0.1 + 0.2, 1), (0.15, 1.1)),
        (LINE, (0, 33.4, 100), (-0.001, 100.001)),
    ],
)
def test_a_scale_knows_which_scores_can_be_given(scale, inside, outside):
    assert all(scale.contains(score) for score in inside)
    assert not any(scale.contains(score) for score in (*outside, math.nan, math.inf))


def test_levels_are_clean_numbers_and_a_line_has_none():
    assert Scale(0, 1, 0.1).levels == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    assert len(Scale(0, 10).levels) == 11
    assert LINE.levels == ()
    assert not LINE.is_categorical


def test_a_mask_keeps_the_arrays_shape():
    scores = np.array([[1.0, 1.5], [np.nan, 5.0]])
    np.testing.assert_array_equal(ACR.mask(scores), [[True, False], [False, True]])


def test_a_category_is_a_quarter_of_the_width_or_a_step_where_that_is_more():
    assert [s.category for s in (ACR, Scale(0, 10), LINE, Scale(0, 1))] == [1, 2.5, 25, 1]


@pytest.mark.parametrize("scale", [ACR, LINE, Scale(-1, 1, 0.25, labels=((0, "the same"),)), Scale(0, 10)])
def test_json_brings_the_same_scale_back(scale):
    assert Scale.from_json(scale.to_json()) == scale
    assert Scale.from_dict(json.loads(json.dumps(scale.to_dict()))) == scale


def test_whole_numbers_stay_whole_in_json():
    assert ACR.to_json().startswith('{"anchors": null, "high": 5, "labels": [[1, "Bad"]')


def test_labels_in_any_order_make_equal_scales():
    assert Scale(0.0, 100.0, None, ((10, "Bad"), (90, "Excellent")), ("worst", "best")) == LINE
    assert hash(Scale(1, 5)) == hash(Scale(1.0, 5.0, 1.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scale(5, 1), "low end 5 must lie below"),
        (lambda: Scale(0, 10, 3), "steps of 3 from 0 do not reach 10"),
        (lambda: Scale(0, 10, 0), "must be above 0"),
        (lambda: Scale(0, 1, 2), "levels"),
        (lambda: Scale(0, 1e9, 0.001), "step None"),
        (lambda: Scale(0, math.inf, None), "finite"),
        (lambda: Scale(0, True), "must be a number"),
        (lambda: Scale(1, 5, labels=((6, "Superb"),)), "'Superb' stands at 6"),
        (lambda: Scale(1, 5, labels=((1, "a"), (1, "b"))), "two labels"),
        (lambda: Scale(1, 5, labels=((1, " "),)), "label of 1 is empty"),
        (lambda: Scale(1, 5, anchors=("low",)), "two words"),
        (lambda: Scale.from_dict({"low": 1, "high": 5}), "lacks step"),
        (lambda: Scale.from_dict({"low": 1, "high": 5, "step": 1, "lables": []}), "no lables"),
        (lambda: Scale.from_dict({"low": 1, "high": 5, "step": 1, "labels": ["Bad"]}), "list of pairs"),
        (lambda: Scale.from_json("[1, 5]"), "object"),
        (lambda: Scale.from_json("{"), "not JSON"),
    ],
)
def test_what_is_no_scale_says_why(make, message):
    with pytest.raises(ScaleError, match=message):
        make()
