"""Reference values: ITU panel NFLX public as computed by the peers named in the project's protocol notes."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.formula.api import ols

from analysis import intervals
from analysis.opinion import (
    average_ranks,
    differential_scores,
    dmos,
    mos,
    score_distribution,
    sos,
    sos_parameter,
)
from analysis.schema import STIMULUS, RatingsError, validate_ratings
from tests.analysis.panels import complete_vqeg, random_panel


def test_nflx_mos_agrees_with_its_reference_values(nflx):
    table = mos(nflx, by=STIMULUS, interval="normal")
    assert table["mos"].mean() == pytest.approx(3.544791, abs=1e-6)
    assert table["mos"].var(ddof=0) == pytest.approx(1.401222, abs=1e-6)
    assert ((table["ci_high"] - table["ci_low"]) / 2).mean() == pytest.approx(0.254533, abs=1e-6)
    assert (table["sd"] / np.sqrt(table["n"])).mean() == pytest.approx(0.129866, abs=1e-6)
    in_file_order = nflx.drop_duplicates(STIMULUS)[STIMULUS].merge(table, on=STIMULUS)
    assert in_file_order["mos"].iloc[[0, 10]].tolist() == pytest.approx([4.884615, 2.076923], abs=1e-6)


def test_nflx_sos_parameter_agrees_with_its_reference_value(nflx):
    assert sos_parameter(nflx) == pytest.approx(0.19799501, abs=1e-8)


def test_sos_is_the_sample_standard_deviation_of_a_stimulus(nflx):
    first = nflx[(nflx["source"] == "BigBuckBunny") & (nflx["method"] == "reference")]["score"]
    row = sos(nflx).query("source == 'BigBuckBunny' and method == 'reference'").iloc[0]
    assert row["sos"] == pytest.approx(np.std(first, ddof=1))


def test_student_intervals_are_those_of_scipy(vqeg):
    table = mos(vqeg)
    scores = vqeg[vqeg["method"] == "hrc07"]["score"]
    low, high = stats.t.interval(0.95, len(scores) - 1, loc=scores.mean(), scale=stats.sem(scores))
    row = table.set_index("method").loc["hrc07"]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))


def test_the_two_way_variance_is_that_of_a_random_effects_anova(vqeg):
    scores = complete_vqeg(vqeg)["hrc07"].rename("score").reset_index()
    anova = sm.stats.anova_lm(ols("score ~ C(rater) + C(source)", scores).fit())
    squares = anova["mean_sq"]
    n = len(scores)
    expected = (squares["C(rater)"] + squares["C(source)"] - squares["Residual"]) / n
    codes = [pd.factorize(scores[name])[0] for name in ("rater", "source")]
    spread = intervals.two_way_spread(intervals.cells(*codes, scores["score"].to_numpy(float)))
    assert spread.variance == pytest.approx(expected)
    terms = np.array([squares["C(rater)"], squares["C(source)"], -squares["Residual"]]) / n
    df = (terms.sum()) ** 2 / (terms**2 / anova["df"].to_numpy()).sum()
    assert spread.df == pytest.approx(df)


def test_one_source_leaves_the_raters_as_the_only_sample():
    panel = random_panel(raters=12, sources=1, methods=1, seed=3)
    row = mos(panel, interval="two_way").iloc[0]
    student = mos(panel, interval="student").iloc[0]
    assert row["ci_low"] == pytest.approx(student["ci_low"])


def test_the_two_way_interval_of_an_incomplete_design_is_close_to_that_of_the_complete_one():
    full = mos(random_panel(raters=40, sources=30, methods=1, seed=1), interval="two_way").iloc[0]
    holes = mos(random_panel(raters=40, sources=30, methods=1, seed=1, missing=0.2), interval="two_way").iloc[0]
    width, width_with_holes = (row["ci_high"] - row["ci_low"] for row in (full, holes))
    assert width < width_with_holes < 1.25 * width


def crossed_normal(rng, raters, sources, rater_sd, source_sd):
    noise = rng.standard_normal((raters, sources))
    effects = rater_sd * rng.standard_normal((raters, 1)) + source_sd * rng.standard_normal((1, sources))
    return 3 + effects + 0.7 * noise


def covers(interval):
    return interval.low <= 3 <= interval.high


@pytest.mark.parametrize("source_sd", [0.0, 0.3])
def test_intervals_cover_what_they_claim_and_a_bootstrap_of_rows_does_not(source_sd):
    rng = np.random.default_rng(11)
    hits = {"two_way": 0, "two_way_bootstrap": 0, "rows": 0}
    panels = 400
    for _ in range(panels):
        scores = crossed_normal(rng, 20, 8, 0.3, source_sd)
        group = intervals.Cells(scores, np.ones_like(scores))
        spread = intervals.two_way_spread(group)
        hits["two_way"] += covers(intervals.analytic_interval(group.mean, spread, confidence=0.95))
        hits["two_way_bootstrap"] += covers(
            intervals.bootstrap_interval(group, two_way=True, confidence=0.95, draws=200, seed=0)
        )
        rows = rng.choice(scores.ravel(), (200, scores.size)).mean(axis=1)
        hits["rows"] += covers(intervals.Interval(*np.quantile(rows, [0.025, 0.975])))
    share = {name: count / panels for name, count in hits.items()}
    assert 0.93 <= share["two_way"] <= 0.985
    assert 0.93 <= share["two_way_bootstrap"] <= 0.985
    assert share["rows"] < 0.86


def test_the_rater_bootstrap_covers_when_the_sources_are_fixed():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(400):
        scores = crossed_normal(rng, 15, 5, 0.4, 0.0)
        group = intervals.Cells(scores, np.ones_like(scores))
        inside += covers(intervals.bootstrap_interval(group, two_way=False, confidence=0.95, draws=200, seed=0))
    assert 0.93 <= inside / 400 <= 0.985


def test_the_same_seed_gives_the_same_bootstrap_and_another_does_not():
    panel = random_panel(seed=4)
    one, same, other = (mos(panel, interval="two_way_bootstrap", seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert (one["ci_low"] != other["ci_low"]).any()


def test_an_interval_may_be_cut_at_the_ends_of_the_scale():
    panel = validate_ratings(pd.DataFrame({"rater": list("abcd"), "source": "s", "method": "m", "score": [1, 1, 1, 3]}))
    assert mos(panel)["ci_low"].iloc[0] < 1
    assert mos(panel, clip=True)["ci_low"].iloc[0] == 1


def test_one_rating_has_a_mos_and_no_interval():
    panel = validate_ratings(pd.DataFrame({"rater": ["a"], "source": ["s"], "method": ["m"], "score": [4]}))
    for interval in ("student", "two_way", "rater_bootstrap"):
        row = mos(panel, interval=interval).iloc[0]
        assert row["mos"] == 4
        assert np.isnan([row["sd"], row["ci_low"], row["ci_high"]]).all()


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown interval 'tukey'; known: student"):
        mos(random_panel(), interval="tukey")
    with pytest.raises(RatingsError, match="cannot group by colour"):
        mos(random_panel(), by=["colour"])


def test_only_the_first_showing_counts():
    panel = validate_ratings(
        pd.DataFrame({"rater": ["a", "a"], "source": "s", "method": "m", "repeat": [0, 1], "score": [2, 5]})
    )
    assert mos(panel)[["n", "mos"]].iloc[0].tolist() == [1, 2]


def test_the_distribution_counts_every_score_of_the_scale(vqeg):
    table = score_distribution(vqeg)
    counts = table[table["method"] == "hrc14"].set_index("score")["count"]
    scores = vqeg[vqeg["method"] == "hrc14"]["score"]
    assert counts.to_dict() == {score: int((scores == score).sum()) for score in range(1, 6)}
    assert table.groupby("method")["share"].sum().tolist() == pytest.approx([1.0] * 16)


def test_average_ranks_give_ties_the_mean_rank():
    scores = {"a": [5, 4], "b": [3, 4], "c": [3, 1]}
    rows = [(f"r{i}", "s", m, v[i]) for m, v in scores.items() for i in range(2)]
    panel = validate_ratings(pd.DataFrame(rows, columns=["rater", "source", "method", "score"]))
    assert average_ranks(panel).set_index("method")["rank"].to_dict() == {"a": 1.25, "b": 2.0, "c": 2.75}


def test_differential_scores_follow_p910():
    rows = [("a", "s", "hr", 4), ("a", "s", "x", 5), ("b", "s", "hr", 5), ("b", "s", "x", 3), ("c", "s", "x", 1)]
    panel = validate_ratings(pd.DataFrame(rows, columns=["rater", "source", "method", "score"]))
    plain = differential_scores(panel)
    assert plain.set_index("rater")["dv"].to_dict() == {"a": 6.0, "b": 3.0}  # c never saw the reference
    crushed = differential_scores(panel, crushed=True)
    assert crushed.set_index("rater")["dv"].to_dict() == {"a": 7 * 6 / 8, "b": 3.0}
    assert dmos(panel)["dmos"].tolist() == [4.5]
    with pytest.raises(RatingsError, match="no row has the method 'reference'"):
        dmos(panel, reference="reference")


@settings(max_examples=25, deadline=None)
@example(seed=218, missing=0.0)  # the variance of sources equals that of cells but for rounding
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.3]))
def test_relabelling_the_raters_and_shuffling_the_rows_changes_nothing(seed, missing):
    panel = random_panel(seed=seed, missing=missing)
    names = panel["rater"].unique()
    shuffled = np.random.default_rng(seed).permutation(names)
    other = panel.assign(rater=panel["rater"].map(dict(zip(names, shuffled, strict=True))))
    other = validate_ratings(other.sample(frac=1, random_state=seed))
    for interval in ("student", "two_way"):
        pd.testing.assert_frame_equal(mos(panel, interval=interval), mos(other, interval=interval))
    assert sos_parameter(panel) == pytest.approx(sos_parameter(other))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_rater_equal_to_the_mos_everywhere_moves_no_mos(seed):
    """Scores are doubled up so that every stimulus has a whole MOS that a rater can give."""
    rng = np.random.default_rng(seed)
    centre = rng.integers(2, 5, 8)
    rows = [(f"r{k}", f"s{j}", "m", c + d) for j, c in enumerate(centre) for k, d in enumerate((-1, 0, 1))]
    rows += [("mean", f"s{j}", "m", c) for j, c in enumerate(centre)]
    panel = validate_ratings(pd.DataFrame(rows, columns=["rater", "source", "method", "score"]))
    without = panel[panel["rater"] != "mean"]
    by_stimulus = (mos(part, by=STIMULUS)["mos"].tolist() for part in (panel, without))
    assert next(by_stimulus) == next(by_stimulus) == centre.tolist()
    assert mos(panel)["mos"].tolist() == pytest.approx(mos(without)["mos"].tolist())


@pytest.mark.parametrize(
    ("hits", "trials", "method", "expected"),
    [
        (81, 263, "wilson", (0.2553, 0.3662)),  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, "exact", (0.2527, 0.3676)),  # the same table, method 5
        (0, 20, "wilson", (0.0, 0.1611)),
        (1, 29, "wilson", (0.0061, 0.1718)),
    ],
)
def test_proportion_intervals_are_those_of_newcombe(hits, trials, method, expected):
    assert intervals.proportion_interval(hits, trials, method=method) == pytest.approx(expected, abs=5e-5)
