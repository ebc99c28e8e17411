import numpy as np
import pandas as pd
import pytest

from analysis.scale import ACR, Scale
from analysis.schema import (
    RATINGS_COLUMNS,
    RatingsError,
    counted,
    first_showings,
    read_ratings,
    scale_columns,
    scale_of,
    validate_ratings,
)


def table(**changes):
    base = {"rater": ["a", "b"], "source": ["s", "s"], "method": ["m", "m"], "score": [1, 5]}
    return pd.DataFrame(base | changes)


def full_table():
    """Every column that the site exports, two rows."""
    return pd.DataFrame(
        {
            "study": ["x", "x"],
            "rater": ["a", "b"],
            "session": ["1", "2"],
            "language": ["de", "zh-hans"],
            "position": [1, 1],
            "benchmark": ["Set5", "Set5"],
            "source": ["baby", "baby"],
            "method": ["hr", "hr"],
            "method_title": ["HR", "HR"],
            "region_left": [8, None],
            "region_top": [4, None],
            "region_width": [64, None],
            "region_height": [48, None],
            "repeat": [0, 0],
            "stabilising": [0, 1],
            "check": ["", "gold"],
            "expected": [None, 5],
            "excluded": ["", "one score"],
            "run": [1, None],
            "planned_trials": [60, 60],
            "score": [4, 5],
            "attempt": [1, 2],
            "response_ms": [1200.5, None],
            "rated_at": ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00.250+01:00"],
            "served_at": ["2026-03-01T11:59:58Z", None],
            "possible_ms": [1200.5, None],
            "hidden_ms": [0, 0],
            "waited_ms": [0, None],
            "device_pixel_ratio": [1.0, 1.5],
            "visual_viewport_scale": [1.0, 1.0],
            "viewport_width": [1920, 1280],
            "viewport_height": [1080, 720],
            "screen_width": [1920, 1280],
            "screen_height": [1080, 720],
            "canvas_width": [1920, None],
            "canvas_height": [960, None],
            "canvas_css_width": [1920, None],
            "canvas_css_height": [960, None],
            "device_failed": ["none", None],
            "phone": [0, None],
            "filled_screen": [1, None],
            "pixel_mm": [0.25, None],
            "grey_step": [2, None],
            "colour_vision": ["pass", None],
        }
    )


def test_the_exported_columns_are_accepted_in_the_promised_order():
    assert tuple(full_table().columns) == RATINGS_COLUMNS
    checked = validate_ratings(full_table())
    assert checked["rated_at"].tolist() == [
        pd.Timestamp("2026-03-01T12:00:00Z"),
        pd.Timestamp("2026-03-01T12:00:00.250Z"),
    ]


def test_an_image_of_a_stabilising_trial_is_shown_again_and_counted_once_by_every_function():
    twice = table(rater=["a", "a"], source="s", method="hr", score=[1, 4]).assign(stabilising=[1, 0])
    checked = validate_ratings(twice)
    assert checked["score"].tolist() == [1, 4]
    assert counted(checked)["score"].tolist() == first_showings(checked)["score"].tolist() == [4]
    with pytest.raises(RatingsError, match="stabilising"):
        validate_ratings(twice.assign(stabilising=[2, 0]))
    with pytest.raises(RatingsError):
        validate_ratings(twice.assign(stabilising=0))


def test_four_columns_are_enough_and_the_others_are_filled():
    checked = validate_ratings(table(score=[1.0, 5.0]))
    assert checked["benchmark"].tolist() == ["all", "all"]
    assert checked["repeat"].tolist() == [0, 0]
    assert checked["score"].dtype == np.int64


def test_unknown_columns_and_the_row_order_are_kept():
    checked = validate_ratings(table(rater=["z", "a"], mood=["good", "bad"]))
    assert checked["rater"].tolist() == ["z", "a"]
    assert checked["mood"].tolist() == ["good", "bad"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": [1, 6]}, "row 2: score is '6'; it must be a whole number from 1 to 5"),
        ({"score": [0, 3]}, "row 1: score is '0'"),
        ({"score": [1, 2.5]}, "row 2: score is '2.5'; it must be a whole number"),
        ({"score": ["1", "good"]}, "row 2: score is 'good'; it must be a number"),
        ({"score": [3, None]}, "row 2: score is 'nan'; it must not be empty"),
        ({"score": [True, False]}, "the column score has type bool"),
        ({"score": [1 + 0j, 2 + 1j]}, "the column score has type complex128; it must be a number"),
        ({"response_ms": pd.to_timedelta([1, 2], unit="s")}, "the column response_ms has type timedelta"),
        ({"rater": ["a", None]}, "row 2: rater is 'nan'; it must not be empty"),
        ({"rater": ["a", " "]}, "row 2: rater is ' '; it must not be empty"),
        ({"rater": [1.5, 2.0]}, "row 1: rater is '1.5'; a name must be text or a whole number"),
        ({"method": [True, False]}, "the column method has type bool"),
        ({"method": [["m"], ["n"]]}, "the column method has type object"),
        ({"rater": ["a", "a"]}, "row 2 repeats row 1 .*repeat 0.*second showing needs a column repeat"),
        ({"repeat": [0, -1]}, "row 2: repeat is '-1'"),
        ({"response_ms": [10, -1]}, "row 2: response_ms is '-1'; it must be a number at least 0"),
        ({"rated_at": ["2026-03-01T12:00:00Z", "yesterday"]}, "row 2: rated_at is 'yesterday'"),
        ({"device_pixel_ratio": [1, 0]}, "row 2: device_pixel_ratio is '0'"),
    ],
)
def test_it_names_the_row_and_the_rule_that_is_broken(changes, message):
    with pytest.raises(RatingsError, match=message):
        validate_ratings(table(**changes))


def test_a_missing_column_is_named_beside_those_there_are():
    with pytest.raises(RatingsError, match="lacks the column score; it has: rater, source, method"):
        validate_ratings(table().drop(columns="score"))


def test_an_empty_table_and_a_column_given_twice_are_refused():
    with pytest.raises(RatingsError, match="no rows"):
        validate_ratings(table().iloc[:0])
    with pytest.raises(RatingsError, match="the column score twice"):
        validate_ratings(pd.concat([table(), table()[["score"]]], axis=1))


def test_a_second_showing_is_no_duplicate_and_the_first_one_counts():
    checked = validate_ratings(table(rater=["a", "a"], repeat=[1, 0]))
    assert first_showings(checked)["score"].tolist() == [5]


def test_a_csv_keeps_leading_zeros_and_a_method_called_na(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("rater,source,method,score\n007,1,NA,4\n008,1,None,2\n")
    checked = read_ratings(path)
    assert checked["rater"].tolist() == ["007", "008"]
    assert checked["method"].tolist() == ["NA", "None"]


def test_csv_and_parquet_give_the_same_table(tmp_path):
    full_table().to_csv(tmp_path / "r.csv", index=False)
    full_table().to_parquet(tmp_path / "r.parquet")
    pd.testing.assert_frame_equal(read_ratings(tmp_path / "r.csv"), read_ratings(tmp_path / "r.parquet"))


@pytest.mark.parametrize(("name", "text"), [("r.txt", "rater"), ("r.csv", ""), ("r.csv", 'a,b\n"1')])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(RatingsError):
        read_ratings(tmp_path / name)


LINE = Scale(0, 100, None)


def test_a_table_without_a_scale_is_on_the_five_categories():
    assert scale_of(validate_ratings(table())) == ACR


def test_a_table_carries_its_scale_and_its_scores_are_held_to_it():
    line = table(score=[0, 99.25], scale_low=0, scale_high=100, scale_step=None)
    checked = validate_ratings(line)
    assert scale_of(checked) == LINE
    assert checked["score"].tolist() == [0.0, 99.25]
    with pytest.raises(RatingsError, match="row 2: score is '101.0'; it must be a score from 0 to 100 continuous$"):
        validate_ratings(line.assign(score=[0.0, 101.0]))


def test_a_scale_that_is_given_is_written_into_the_table_and_survives_a_file(tmp_path):
    checked = validate_ratings(table(score=[-3, 0]), scale=Scale(-3, 3))
    assert checked["score"].dtype == np.int64
    for name in ("r.csv", "r.parquet"):
        checked.to_csv(tmp_path / name, index=False) if name == "r.csv" else checked.to_parquet(tmp_path / name)
        assert scale_of(read_ratings(tmp_path / name)) == Scale(-3, 3)


def test_scores_stand_exactly_on_their_levels():
    checked = validate_ratings(table(score=[0.1 + 0.2, 1]), scale=Scale(0, 1, 0.1))
    assert checked["score"].tolist() == [0.3, 1.0]


def test_a_score_off_the_default_scale_says_how_to_state_another():
    with pytest.raises(RatingsError, match="whole number from 1 to 5; for another scale than 1 to 5 state it"):
        validate_ratings(table(score=[0, 10]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"scale_low": 1, "scale_high": 5}, "a scale is stated by all of scale_low, scale_high, scale_step"),
        ({"scale_low": [1, 0], "scale_high": 5, "scale_step": 1}, "row 2 has another scale than row 1"),
        ({"scale_low": 5, "scale_high": 1, "scale_step": 1}, "state no scale: .*low end 5"),
        ({"scale_low": ["one", "1"], "scale_high": 5, "scale_step": 1}, "row 1: scale_low is 'one'"),
    ],
)
def test_a_table_that_states_no_scale_is_refused(columns, message):
    with pytest.raises(RatingsError, match=message):
        validate_ratings(table(**columns))


def test_the_columns_of_a_scale_name_its_ends_and_step():
    assert scale_columns(ACR) == {"scale_low": 1, "scale_high": 5, "scale_step": 1}
    assert np.isnan(scale_columns(LINE)["scale_step"])
