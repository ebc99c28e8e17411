"""Which differ: the matrix and the table of methods, from three methods to 320."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from analysis import plots
from analysis.opinion import method_scores
from analysis.page import write_report
from analysis.significance import pairwise_tests
from analysis.which import matrices, matrix_table, which_differ
from tests.bench.bench_analysis import panel_of_methods


@pytest.fixture(scope="module")
def three():
    """Methods a and b alike, c two categories lower: 10 raters on 8 images."""
    rng = np.random.default_rng(1)
    rows = [
        (f"r{r}", f"s{s}", method, int(np.clip(round(mean + rng.normal(0, 0.5)), 1, 5)))
        for r in range(10)
        for s in range(8)
        for method, mean in (("a", 4.0), ("b", 4.05), ("c", 2.0))
    ]
    ratings = pd.DataFrame(rows, columns=["rater", "source", "method", "score"])
    return pairwise_tests(ratings), method_scores(ratings.assign(benchmark="all", repeat=0))


def test_a_row_says_what_a_method_is_told_apart_from(three):
    found = which_differ(*three).set_index("method")
    assert found.loc["c", ["better_than", "worse_than", "not_told_apart"]].tolist() == [0, 2, 0]
    for method in ("a", "b"):
        assert found.loc[method, ["better_than", "worse_than", "not_told_apart"]].tolist() == [1, 0, 1]
        assert found.loc[method, "first_below"] == "c"
        assert found.loc[method, "low"] < found.loc[method, "difference"] < found.loc[method, "high"]


def test_the_matrix_has_each_difference_both_ways_with_its_interval(three):
    tests, scores = three
    (matrix,) = matrices(tests, scores)
    row = tests[(tests["method_a"] == "a") & (tests["method_b"] == "c")].iloc[0]
    a, c = matrix.methods.index("a"), matrix.methods.index("c")
    assert (matrix.difference[a, c], matrix.low[a, c], matrix.high[a, c]) == tuple(
        row[["mean_difference", "low", "high"]]
    )
    assert (matrix.difference[c, a], matrix.low[c, a]) == (-row["mean_difference"], -row["high"])
    text = matrix_table(tests, scores).set_index("method")
    assert text.loc["a", "c"] == f"{row['mean_difference']:.2f} [{row['low']:.2f}, {row['high']:.2f}]*"
    assert "*" not in text.loc["a", "b"]


def test_320_methods_have_their_matrix_and_a_figure_that_fits_a_page():
    methods = [f"m{index:03d}" for index in range(320)]
    mos = np.linspace(1.2, 4.8, 320)
    scores = pd.DataFrame(
        {"benchmark": "all", "method": methods, "mos": mos, "ci_low": mos - 0.3, "ci_high": mos + 0.3}
    )
    a, b = np.triu_indices(320, 1)
    difference = mos[a] - mos[b]
    tests = pd.DataFrame({"benchmark": "all", "method_a": np.take(methods, a), "method_b": np.take(methods, b)})
    tests = tests.assign(mean_difference=difference, low=difference - 0.4, high=difference + 0.4)
    tests["p_holm"] = np.where(np.abs(difference) > 0.4, 0.01, 1.0)
    matrix = matrix_table(tests, scores)
    assert matrix.shape == (320, 322)
    assert matrix.loc[0, "m000"] == "3.60 [3.20, 4.00]*"
    found = which_differ(tests, scores)
    assert found["better_than"].tolist()[:2] == [284, 283]
    assert found["first_below"].iloc[0] == "m283"
    figure = plots.which_differ(matrices(tests, scores))
    assert len(plots.svg(figure)) < 500_000
    assert max(figure.get_size_inches()) < 15


def test_the_report_of_320_methods_is_written_small_and_in_seconds(tmp_path):
    """51,040 pairs: 12 s of processor time at the time of writing; one pair at a time it took minutes."""
    panel = panel_of_methods(8, 4, 320)
    begun = time.process_time()
    write_report(panel, out=tmp_path)
    assert time.process_time() - begun < 60
    assert (tmp_path / "report.html").stat().st_size < 2e6
    assert "<summary>All 320 rows</summary>" in (tmp_path / "report.html").read_text()
    assert len(pd.read_csv(tmp_path / "tables" / "which_differ.csv")) == 320
    assert len(pd.read_csv(tmp_path / "tables" / "significance.csv")) == 51_040
    found = json.loads((tmp_path / "summary.json").read_text())
    assert len(found["significance"]) == 51_040
    assert "posthoc" not in found


def test_the_papers_benchmarks_come_first_and_numbers_on_dark_cells_are_white(three):
    tests, scores = three
    names = ["mine", "Set14", "Set5"]
    tests, scores = (pd.concat([table.assign(benchmark=name) for name in names]) for table in (tests, scores))
    found = list(matrices(tests, scores))
    assert [matrix.benchmark for matrix in found] == ["Set5", "Set14", "mine"]
    axes = plots.which_differ(found).axes[0]
    colours = {text.get_text().split("\n")[0]: text.get_color() for text in axes.texts}
    large = found[0].difference[0, 2]
    assert colours[f"{large:+.2f}"] == "white"
    assert colours[f"{found[0].difference[0, 1]:+.2f}"] == plots.INK
