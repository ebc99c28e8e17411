"""Graded answers: the mean of every two methods, held to the crossed analysis of variance; the column and its rules."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.opinion import mos
from analysis.pairs.comparison import COLUMNS, comparison_scores
from analysis.pairs.latex import tables
from analysis.pairs.methodology import pairs_methodology
from analysis.pairs.page import write_pairs_report
from analysis.pairs.report import analyse_pairs
from analysis.pairs.schema import PairsError, read_pairs, validate_pairs
from analysis.reproduce import main
from analysis.schema import RatingsError

TRUTH = {"a": 0.0, "b": 0.8, "c": 1.5}
PROTOCOL = {"task": "comparison", "scale": {"low": -3, "high": 3, "step": 1, "labels": [[-3, "Much worse"], [3, "x"]]}}


def panel(raters=8, sources=9, *, seed=0, spread=0.5, drop=0.0):
    """Every two methods by each rater on each source, sides by lot; answers as the truth says, rounded."""
    rng = np.random.default_rng(seed)
    taste = {(r, m): spread * rng.standard_normal() for r in range(raters) for m in TRUTH}
    content = {(s, m): spread * rng.standard_normal() for s in range(sources) for m in TRUTH}
    rows = []
    for r in range(raters):
        for s in range(sources):
            for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
                left, right = (one, other) if rng.random() < 0.5 else (other, one)
                gap = TRUTH[right] - TRUTH[left] + taste[r, right] - taste[r, left]
                gap += content[s, right] - content[s, left] + 0.6 * rng.standard_normal()
                rows.append((f"r{r}", f"s{s}", left, right, float(np.clip(np.rint(gap), -3, 3))))
    table = pd.DataFrame(rows, columns=["rater", "source", "left", "right", "comparison"])
    return validate_pairs(table.sample(frac=1 - drop, random_state=seed).reset_index(drop=True))


def turned(pairs, a, b):
    """The answers of these two methods, above 0 for a, as a ratings table of one method."""
    rows = pairs[(pairs[["left", "right"]].isin([a, b])).all(axis=1)]
    score = np.where(rows["right"] == a, 1, -1) * rows["comparison"]
    return pd.DataFrame({"rater": rows["rater"], "source": rows["source"], "method": "m", "score": score,
                         "benchmark": "all", "repeat": 0})  # fmt: skip


def test_the_mean_of_two_methods_and_its_interval_are_those_of_the_crossed_analysis_of_variance():
    pairs = panel()
    found = comparison_scores(pairs)
    assert list(found) == COLUMNS
    assert {*found["method_a"] + found["method_b"]} == {"ca", "ba", "cb"}
    for row in found.itertuples():
        d = turned(pairs, row.method_a, row.method_b).pivot(index="rater", columns="source", values="score").to_numpy()
        r, i = d.shape
        rest = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0) + d.mean()
        ms_r, ms_i = i * d.mean(axis=1).var(ddof=1), r * d.mean(axis=0).var(ddof=1)
        ms_e = (rest**2).sum() / ((r - 1) * (i - 1))
        variance = (ms_r + ms_i - ms_e) / (r * i)
        df = (ms_r + ms_i - ms_e) ** 2 / (ms_r**2 / (r - 1) + ms_i**2 / (i - 1) + ms_e**2 / ((r - 1) * (i - 1)))
        assert row.cmos == pytest.approx(d.mean())
        assert row.se == pytest.approx(np.sqrt(variance))
        assert row.df == pytest.approx(df)
        half = stats.t.ppf(0.975, df) * row.se
        assert (row.low, row.high) == pytest.approx((d.mean() - half, d.mean() + half))
        assert row.p == pytest.approx(2 * stats.t.sf(d.mean() / row.se, df))
        assert row.sd == pytest.approx(d.std(ddof=1))


def test_an_incomplete_table_has_the_interval_that_a_mean_of_scores_has_there():
    pairs = panel(drop=0.4)
    for row in comparison_scores(pairs).itertuples():
        [same] = mos(turned(pairs, row.method_a, row.method_b), interval="two_way").itertuples()
        assert (row.cmos, row.low, row.high) == pytest.approx((same.mos, same.ci_low, same.ci_high))


def test_which_side_a_method_stood_on_changes_nothing():
    pairs = panel()
    other = pairs.rename(columns={"left": "right", "right": "left"}).assign(comparison=-pairs["comparison"])
    pd.testing.assert_frame_equal(comparison_scores(pairs), comparison_scores(validate_pairs(other)))


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = []
    for seed in range(60):
        found = comparison_scores(panel(12, 12, seed=seed, spread=0.3)).set_index(["method_a", "method_b"])
        for a, b in (("b", "a"), ("c", "a"), ("c", "b")):
            sign, key = (1, (a, b)) if (a, b) in found.index else (-1, (b, a))
            low, high = sorted(sign * found.loc[key, ["low", "high"]].to_numpy(float))
            covered.append(low <= TRUTH[a] - TRUTH[b] <= high)
    assert 0.88 < np.mean(covered) <= 1


def test_repeats_and_traps_are_no_part_of_it():
    pairs = panel()
    again = pairs.head(5).assign(repeat=1, comparison=-pairs.head(5)["comparison"]).drop(columns="chosen")
    trap = pairs.head(3).assign(check="trap", expected="a", comparison=3.0, repeat=0).drop(columns="chosen")
    shown = pd.concat([pairs.drop(columns="chosen"), again]).assign(check="", expected="")
    more = validate_pairs(pd.concat([shown, trap], ignore_index=True))
    pd.testing.assert_frame_equal(comparison_scores(more), comparison_scores(pairs))


def test_one_rater_on_one_source_has_a_mean_and_no_interval():
    pairs = validate_pairs(pd.DataFrame([{"rater": "r", "source": "s", "left": "a", "right": "b", "comparison": 2}]))
    [row] = comparison_scores(pairs).itertuples()
    assert (row.method_a, row.cmos, row.n) == ("b", 2, 1)
    assert np.isnan([row.low, row.high, row.p, row.p_holm]).all()


def test_answers_that_are_all_alike_show_no_spread_and_are_no_proof(tmp_path):
    alike = panel(3, 3).drop(columns="chosen").assign(comparison=lambda t: np.where(t["right"] > t["left"], 2.0, -2.0))
    pairs = validate_pairs(alike)
    for row in comparison_scores(pairs).itertuples():
        assert (row.cmos, row.sd, row.n) == (2, 0, 9)
        assert np.isnan([row.low, row.high, row.se, row.p, row.p_holm]).all()
    assert "nan" not in tables(analyse_pairs(pairs))["comparison_scores"].lower()
    write_pairs_report(pairs, out=tmp_path)


def test_who_is_chosen_follows_from_the_graded_answer_and_must_not_say_otherwise(tmp_path):
    pairs = panel()
    right = pairs["comparison"] > 0
    assert (pairs.loc[right, "chosen"] == pairs.loc[right, "right"]).all()
    assert set(pairs.loc[pairs["comparison"] == 0, "chosen"]) == {"tie"}
    pairs.drop(columns="chosen").to_csv(tmp_path / "pairs.csv", index=False)
    pd.testing.assert_frame_equal(read_pairs(tmp_path / "pairs.csv")[list(pairs)], pairs)
    wrong = pairs.assign(chosen=pairs["left"], comparison=2.0)
    with pytest.raises(RatingsError, match="above 0 the right one is chosen"):
        validate_pairs(wrong)
    with pytest.raises(RatingsError, match="comparison"):
        validate_pairs(pairs.drop(columns="chosen").assign(comparison="much"))
    with pytest.raises(PairsError):
        validate_pairs(pairs.drop(columns=["chosen", "comparison"]))


def test_the_report_has_them_in_page_tables_latex_summary_and_methods_and_comes_again(tmp_path, capsys):
    pairs = panel()
    results = write_pairs_report(pairs, out=tmp_path / "r", protocol=PROTOCOL)
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Comparison scores" in page
    table = pd.read_csv(io.StringIO((tmp_path / "r" / "tables" / "comparison_scores.csv").read_text()))
    assert table["cmos"].to_numpy() == pytest.approx(comparison_scores(pairs)["cmos"].to_numpy())
    assert "CMOS" in tables(results)["comparison_scores"]
    said = pairs_methodology(results, pairs, PROTOCOL)
    assert "(comparison category rating, ITU-T P.800), in seven steps from -3 to 3, labelled -3 Much" in said["Design"]
    assert "Comparison mean opinion scores (CMOS)" in said["Statistics"]
    assert main(tmp_path / "r", []) == 0
    plain = analyse_pairs(pairs.drop(columns="comparison"))
    assert not plain.has("comparison_scores")
    assert "CMOS" not in " ".join(pairs_methodology(plain, pairs.drop(columns="comparison")).values())
