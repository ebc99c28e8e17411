import numpy as np
import pandas as pd
import pytest

from analysis.columns import RatingsError
from analysis.pairs import PairsError, read_pairs, validate_pairs
from analysis.pairs.schema import counted


def table(**changes):
    base = {"rater": ["a", "b"], "source": ["s", "s"], "left": ["x", "y"], "right": ["y", "x"], "chosen": ["x", "x"]}
    return pd.DataFrame(base | changes)


def test_the_real_file_is_read_as_it_is(sr_pairs):
    assert len(sr_pairs) == 900
    assert sr_pairs["source"].iloc[0] == "0809"
    assert sr_pairs["session"].nunique() == 15
    assert sr_pairs["response_ms"].iloc[0] == 4000
    assert (sr_pairs["chosen"] == "ResShift").sum() == 309


def test_a_tie_a_side_and_a_name_are_all_answers():
    checked = validate_pairs(table(chosen=["No preference", "right"]))
    assert checked["chosen"].tolist() == ["tie", "x"]
    assert validate_pairs(table(chosen=["LEFT", "Tie"]))["chosen"].tolist() == ["x", "tie"]


def test_a_method_may_be_called_like_an_answer():
    named = table(left=["same", "x"], right=["x", "same"], chosen=["same", "x"])
    assert validate_pairs(named)["chosen"].tolist() == ["same", "x"]
    with pytest.raises(RatingsError, match="no method can be called tie"):
        validate_pairs(table(left=["tie", "y"], chosen=["tie", "x"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chosen": ["x", "z"]}, "row 2: chosen is 'z'; it must be y or x, left, right, or for a tie one of"),
        ({"right": ["y", "y"]}, "row 2: right is 'y'; left and right must be two methods"),
        ({"chosen": ["x", ""]}, "row 2: chosen is ''; it must not be empty"),
        ({"rater": [None, "b"]}, "row 1: rater is 'nan'; it must not be empty"),
        ({"seconds": [3, -1]}, "row 2: seconds is '-1'; it must be a number at least 0"),
        ({"response_ms": ["1200", "fast"]}, "row 2: response_ms is 'fast'; it must be a number"),
        ({"repeat": [0, 0.5]}, "row 2: repeat is '0.5'; it must be a whole number"),
        ({"looks": ["2", "-3"]}, "row 2: looks is '-3'"),
        ({"source": [1.5, 2]}, "row 1: source is '1.5'; a name must be text or a whole number"),
    ],
)
def test_it_names_the_row_what_was_seen_and_the_rule(changes, message):
    with pytest.raises(RatingsError) as error:
        validate_pairs(table(**changes))
    assert message in str(error.value)


def test_the_same_choice_twice_is_refused_but_not_with_the_sides_changed():
    with pytest.raises(RatingsError, match=r"row 2 repeats row 1 \(rater a, session , source s, left x, right y"):
        validate_pairs(table(rater=["a", "a"], left=["x", "x"], right=["y", "y"]))
    assert len(validate_pairs(table(rater=["a", "a"]))) == 2
    assert len(validate_pairs(table(rater=["a", "a"], left=["x", "x"], right=["y", "y"], session=[1, 2]))) == 2


def test_a_table_of_scores_is_told_apart():
    scores = pd.DataFrame({"rater": ["a"], "source": ["s"], "method": ["m"], "score": [1]})
    with pytest.raises(PairsError, match="this is a table of scores, not of pairs"):
        validate_pairs(scores)


def test_of_a_repeated_pair_the_first_showing_counts_whatever_the_sides():
    again = validate_pairs(table(rater=["a", "a"], repeat=[1, 0], chosen=["x", "y"]))
    assert counted(again)["repeat"].tolist() == [0]
    assert counted(again)["chosen"].tolist() == ["y"]


def test_csv_and_parquet_give_the_same_table(tmp_path, sr_pairs):
    sr_pairs.to_parquet(tmp_path / "pairs.parquet")
    again = read_pairs(tmp_path / "pairs.parquet")
    pd.testing.assert_frame_equal(again, sr_pairs, check_dtype=False)


def test_a_method_called_na_and_a_rater_007_stay_as_they_are(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("rater,source,left,right,chosen,looks\n007,0809,NA,x,NA,\n")
    read = read_pairs(path)
    assert read[["rater", "source", "chosen"]].iloc[0].tolist() == ["007", "0809", "NA"]
    assert np.isnan(read["looks"].iloc[0])
