import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.__main__ import main
from analysis.pairs import PairsError, strengths, validate_pairs
from analysis.pairs.compare import beside_scores, disagreements, score_correlation
from analysis.pairs.simulate import Design, simulate_pairs
from analysis.schema import validate_ratings

QUALITY = {"a": 1.0, "b": 0.4, "c": -0.4, "d": -1.0}


def choices(seed=0, **design):
    table = simulate_pairs(QUALITY, Design(**({"sources": 8, "raters": 12} | design)), rng=np.random.default_rng(seed))
    return validate_pairs(table)


def scores(order=("a", "b", "c", "d"), seed=0, raters=10):
    """Scores of 4, 3.3, 2.7 and 2 for the methods in `order`, on the same eight sources."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"r{rater}", f"source_{source}", method, level)
        for rater in range(raters)
        for source in range(1, 9)
        for method, level in zip(order, (4, 3.3, 2.7, 2), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["rater", "source", "method", "score"])
    table["score"] = np.clip(np.rint(table["score"] + rng.normal(0, 0.6, len(table))), 1, 5).astype(int)
    return validate_ratings(table)


def test_correlations_are_scipys_on_the_table_beside():
    pairs, ratings = choices(), scores()
    table = beside_scores(pairs, ratings)
    pooled = table[table["source"] == "all"]
    found = score_correlation(pairs, ratings).set_index("level")
    assert found.loc["methods", "pearson"] == pytest.approx(stats.pearsonr(pooled["mos"], pooled["strength"]).statistic)
    assert found.loc["methods", "spearman"] == pytest.approx(1)
    each = table[table["source"] != "all"]
    assert found.loc["stimuli", "n"] == len(each) == 32
    assert found.loc["stimuli", "pearson_low"] < found.loc["stimuli", "pearson"] < found.loc["stimuli", "pearson_high"]
    expected = strengths(pairs).set_index("method")["strength"].reindex(pooled["method"])
    assert pooled["strength"].tolist() == pytest.approx(expected.tolist())


def test_where_both_agree_nothing_is_opposite():
    table = disagreements(choices(), scores())
    assert set(table[table["source"] == "all"]["verdict"]) <= {"alike", "only scores", "only pairs"}
    far = table[(table["source"] == "all") & (table["method_a"] == "a") & (table["method_b"] == "d")]
    assert far["verdict"].tolist() == ["alike"]
    assert "opposite, both clear" not in set(table["verdict"])


def test_two_methods_that_scores_put_the_other_way_round_come_first():
    table = disagreements(choices(), scores(order=("d", "b", "c", "a")))
    assert table["verdict"].iloc[0] == "opposite, both clear"
    first = table[(table["source"] == "all") & (table["method_a"] == "a") & (table["method_b"] == "d")].iloc[0]
    assert first["verdict"] == "opposite, both clear"
    assert first["share_a"] > 0.6
    assert first["mos_difference"] == pytest.approx(-2, abs=0.15)


def test_only_what_both_tables_have_is_compared():
    ratings = scores()
    table = beside_scores(choices(), ratings[(ratings["method"] != "d") & (ratings["source"] != "source_1")])
    assert set(table["method"]) == {"a", "b", "c"}
    assert "source_1" not in set(table["source"])
    with pytest.raises(PairsError, match="no pair has both its stimuli in the ratings"):
        beside_scores(choices(), ratings.assign(source="other " + ratings["source"]))


def test_one_source_in_two_benchmarks_is_asked_about():
    ratings = scores()
    both = pd.concat([ratings.assign(benchmark="x"), ratings.assign(benchmark="y")])
    with pytest.raises(PairsError, match="source_1 is in two benchmarks"):
        beside_scores(choices(), both)


def test_the_report_sets_scores_beside_pairs(tmp_path):
    choices().to_csv(tmp_path / "pairs.csv", index=False)
    scores(order=("d", "b", "c", "a")).to_csv(tmp_path / "ratings.csv", index=False)
    given = ["pairs", str(tmp_path / "pairs.csv"), "--ratings", str(tmp_path / "ratings.csv")]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["score_correlation"][0]["level"] == "methods"
    assert found["disagreements"][0]["verdict"] == "opposite, both clear"
    assert "opposite, both clear" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "figures" / "beside.svg").exists()
    assert set(found["provenance"]["sha256"]) == {"pairs", "ratings"}


def test_choices_that_determine_no_strength_are_set_beside_scores_as_nothing():
    pairs, ratings = choices(), scores()
    separated = pairs.assign(chosen=pairs[["left", "right"]].min(axis=1))  # the first by name, each time
    assert list(beside_scores(separated, ratings).columns) == list(beside_scores(pairs, ratings).columns)
    assert score_correlation(separated, ratings)["n"].tolist() == [0, 0]
