import numpy as np
import pandas as pd
import pytest

from analysis.objective import LONG_COLUMNS, long_table, match_ratings, objective_of, read_objective
from analysis.schema import RatingsError, read_ratings, validate_ratings
from analysis.tables import measures


def wide(**changes):
    base = {"source": ["baby", "baby"], "method": ["hr", "drcn"], "psnr": [np.inf, 31.5], "lpips": [0.0, 0.2]}
    return pd.DataFrame(base | changes)


def long(**changes):
    base = {
        "source": ["baby", "bird"] * 2,
        "method": "drcn",
        "metric": ["psnr", "psnr", "lpips", "lpips"],
        "value": [31.5, 33.25, 0.2, 0.1],
        "better": ["higher", "higher", "lower", "lower"],
        "unit": ["dB", "dB", "", ""],
        "decimals": [2, 2, 3, 3],
    }
    return pd.DataFrame(base | changes)


def ratings(*sources, benchmark="all", method="drcn"):
    rows = {"rater": "a", "benchmark": benchmark, "source": list(sources), "method": method, "score": 3}
    return validate_ratings(pd.DataFrame(rows))


def test_a_long_table_says_what_its_metrics_are(tmp_path):
    long().to_csv(tmp_path / "o.csv", index=False)
    found = read_objective(tmp_path / "o.csv")
    assert [(m.name, m.better, m.unit, m.decimals, m.title) for m in found.metrics] == [
        ("psnr", "higher", "dB", 2, "PSNR (dB)"),
        ("lpips", "lower", "", 3, "LPIPS"),
    ]
    assert found.values["lpips"].tolist() == [0.2, 0.1]
    assert found.notes == ()
    pd.testing.assert_frame_equal(objective_of(long_table(found)).values, found.values)
    assert tuple(long_table(found).columns) == LONG_COLUMNS


def test_a_wide_table_has_no_directions_until_the_caller_states_them(tmp_path):
    wide().to_csv(tmp_path / "o.csv", index=False)
    silent = read_objective(tmp_path / "o.csv")
    assert [metric.better for metric in silent.metrics] == ["", ""]
    assert "say --higher-is-better psnr or --lower-is-better psnr" in silent.notes[0]
    told = read_objective(tmp_path / "o.csv", lower_is_better=["lpips"], higher_is_better=["psnr"])
    assert [metric.better for metric in told.metrics] == ["higher", "lower"]
    assert told.notes == ()


def test_decimals_of_a_wide_table_show_four_digits():
    table = wide(psnr=[28.426, 25.9], lpips=[0.08211, 0.07], niqe=[5.1, 4.2])
    assert [metric.decimals for metric in objective_of(table).metrics] == [2, 5, 3]


def test_the_run_time_is_no_metric_in_either_form():
    for table in (wide(seconds=[0.1, 0.2]), long(metric=["psnr", "psnr", "seconds", "seconds"], better="higher")):
        found = objective_of(table)
        assert "seconds" not in found.names
        assert any("seconds is a run time" in note for note in found.notes)


def test_a_cell_of_na_does_not_make_its_column_vanish(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("source,method,psnr,lpips\nbaby,hr,inf,n/a\nbaby,drcn,31.5,0.2\n")
    found = read_objective(path)
    assert found.names == ["psnr", "lpips"]
    assert found.values["lpips"].tolist()[1] == 0.2
    assert "lpips has no value in 1 of 2 rows; in row 1 it is 'n/a'." in found.notes


def test_a_column_of_words_is_named_and_left_out():
    found = objective_of(wide(remark=["sharp", "soft"], simulated=[True, True]))
    assert found.names == ["psnr", "lpips"]
    assert any("remark" in note and "no metric" in note for note in found.notes)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (wide(lpips=["0.1", "low"]), "row 2: lpips is 'low'; it must be a number"),
        (wide(source=["baby", "baby"], method="hr"), "row 2 repeats row 1"),
        (wide()[["source", "method"]], "no numeric column"),
        (long(source="baby"), "row 2 repeats row 1 .*metric psnr"),
        (long(better="up"), "better is 'up' for the metric psnr"),
        (long(better=["higher", "lower", "lower", "lower"]), "psnr has the better 'higher', 'lower'"),
        (long(decimals=2.5), "decimals is '2.5'"),
        (long(value="x"), "holds no numbers"),
        (long(metric="seconds", source=list("abcd")), "no metric of quality"),
    ],
)
def test_an_objective_table_that_breaks_a_rule_is_refused(table, message):
    with pytest.raises(RatingsError, match=message):
        objective_of(table)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"lower_is_better": ["psnr"]}, "psnr is better higher by the objective table, lower by the caller"),
        ({"lower_is_better": ["dists"]}, "no metric is called 'dists'"),
        ({"lower_is_better": ["x"], "higher_is_better": ["x"]}, "no metric|state one"),
    ],
)
def test_a_direction_that_cannot_be_is_refused(told, message):
    with pytest.raises(RatingsError, match=message):
        objective_of(long(), **told)


def test_numeric_sources_merge_as_text(shared):
    rated = read_ratings(shared / "cases" / "numeric_sources.csv")
    table = pd.DataFrame({"source": [1, 2, 3], "method": "a", "psnr": [20.0, 21.0, 22.0]})
    matched = match_ratings(objective_of(table), rated)
    assert matched.values["source"].tolist() == ["1", "2", "3"]


def test_a_table_that_matches_nothing_is_an_error_with_examples():
    table = objective_of(pd.DataFrame({"source": ["photo.png"], "method": "drcn", "psnr": [30.0]}))
    with pytest.raises(RatingsError, match="no row of a rated stimulus.*source 'photo.png' stands beside 'photo'"):
        match_ratings(table, ratings("photo"))
    with pytest.raises(RatingsError, match="the benchmark is 'all' there and 'Set5' in the ratings"):
        match_ratings(table, ratings("photo.png", benchmark="Set5"))


def test_a_match_in_part_is_a_note_with_examples_and_the_rest_counts_nowhere():
    table = objective_of(pd.DataFrame({"source": ["a.png", "b", "c"], "method": "drcn", "psnr": [30.0, 31.0, 32.0]}))
    matched = match_ratings(table, ratings("a", "b"))
    assert matched.values["source"].tolist() == ["b"]
    notes = " ".join(matched.notes)
    assert "2 of 3 stimuli of the objective table were not rated" in notes
    assert "1 of 2 rated stimuli are not in the objective table: 'all / a / drcn'" in notes
    assert "the source 'a.png' stands beside 'a' in the ratings" in notes


def means(**metric):
    table = pd.DataFrame({"source": ["s", "s", "t", "t"], "method": ["a", "b"] * 2} | metric)
    mos = pd.DataFrame({"benchmark": "all", "method": ["a", "b"], "mos": [3.0, 2.0]})
    return table, mos


def test_the_lowest_value_is_best_where_lower_is_better():
    table, mos = means(lpips=[0.3, 0.1, 0.3, 0.1], psnr=[30.0, 20.0, 30.0, 20.0])
    found = measures(mos, objective_of(table, lower_is_better=["lpips"], higher_is_better=["psnr"]))
    best = found[found["best"]].set_index("measure")["method"]
    assert best.to_dict() == {"lpips": "b", "psnr": "a", "mos": "a"}


def test_a_metric_without_a_direction_or_with_uneven_images_has_no_best():
    table, mos = means(lpips=[0.3, 0.1, 0.3, 0.1], psnr=[30.0, 20.0, np.nan, 20.0])
    found = measures(mos, objective_of(table, higher_is_better=["psnr"]))
    assert found.loc[found["best"], "measure"].tolist() == ["mos"]
