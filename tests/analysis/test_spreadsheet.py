import numpy as np
import pandas as pd
import pytest

from analysis.spreadsheet import defused


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "=A1"])
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert defused(pd.DataFrame({"rater": [text]}))["rater"].to_list() == [f"'{text}"]


@pytest.mark.parametrize("value", ["-1", "+2.5e3", "-inf", "plain", "a=b", "", None, np.nan, -3, -0.5, True])
def test_numbers_and_harmless_texts_stay_as_they_are(value):
    table = pd.DataFrame({"rater": [value, "x"]}, dtype=object)
    pd.testing.assert_frame_equal(defused(table), table)


def test_columns_of_numbers_and_times_keep_their_types_and_the_table_is_not_changed():
    times = pd.to_datetime(["2026-01-01", None])
    table = pd.DataFrame({"a": [-1, 2], "b": [-0.5, np.inf], "=c": times, "d": ["=1", "x"]})
    before = table.copy()
    harmless = defused(table)
    pd.testing.assert_frame_equal(table, before)
    assert list(harmless.columns) == ["a", "b", "'=c", "d"]
    assert harmless.dtypes.to_list()[:3] == table.dtypes.to_list()[:3]
    assert defused(pd.DataFrame({"d": ["=1"]})).to_csv(index=False) == "d\n'=1\n"


def test_two_columns_of_one_name_are_both_defused():
    table = pd.DataFrame([["=1", "=2"]], columns=["x", "x"])
    assert defused(table).iloc[0].to_list() == ["'=1", "'=2"]
