"""Which differ: the matrix and the table of methods, from three methods to 320."""

import numpy as np
import pandas as pd
import pytest

from analysis.opinion import method_scores
from analysis.page import write_report
from analysis.report import Options
from analysis.significance import pairwise_tests
from analysis.which import matrices, matrix_table, which_differ
from tests.analysis.panels import random_panel


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


def test_320_methods_have_their_table_and_a_page_under_2_mb(tmp_path):
    panel = random_panel(raters=3, sources=2, methods=320)
    write_report(panel, out=tmp_path, options=Options(draws=20))
    matrix = pd.read_csv(tmp_path / "tables" / "which_differ_matrix.csv")
    assert matrix.shape == (320, 322)
    assert matrix.iloc[0, 3:].str.contains("[", regex=False).all()
    assert len(pd.read_csv(tmp_path / "tables" / "which_differ.csv")) == 320
    page = tmp_path / "report.html"
    assert page.stat().st_size < 2_000_000
    assert page.read_text().count("<tr>") < 1500
    assert "which_differ" in {path.stem for path in (tmp_path / "figures").glob("*.svg")}
