import krippendorff
import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from analysis.reliability import alpha, icc, krippendorff_alpha, retest
from analysis.schema import validate_ratings
from tests.analysis.panels import random_panel


def from_matrix(matrix):
    """A panel from a table of raters (rows) x stimuli (columns), NaN where not rated."""
    rows = [(f"r{i}", f"s{j:02d}", "m", v) for i, row in enumerate(matrix) for j, v in enumerate(row) if v == v]
    return pd.DataFrame(rows, columns=["rater", "source", "method", "score"])


def test_icc_of_shrout_and_fleiss_is_reproduced():
    """Shrout and Fleiss (1979), table 2: six targets, four judges; ICC(2,1) = 0.29, ICC(2,4) = 0.62.

    Their scores run to 10, so the schema is left out: the formula does not know a scale. Their limits, 0.02 and 0.76,
    rest on normal theory; ours do not, and are near.
    """
    judges = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]])
    table = icc(from_matrix(judges).assign(benchmark="all", repeat=0))
    assert table["value"].round(2).tolist() == [0.29, 0.62]
    assert table["k"].tolist() == [4, 4]
    assert -0.3 < table["ci_low"].iloc[0] < 0.1
    assert 0.6 < table["ci_high"].iloc[0] < 0.85


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_icc_agrees_with_pingouin_on_nflx(nflx):
    long = nflx.assign(stimulus=nflx["source"] + "/" + nflx["method"])
    theirs = pingouin.intraclass_corr(long, targets="stimulus", raters="rater", ratings="score").set_index("Type")
    for row, name in zip(icc(nflx).itertuples(), ("ICC(A,1)", "ICC(A,k)"), strict=True):
        assert row.value == pytest.approx(theirs.loc[name, "ICC"])
        assert row.ci_low < row.value < row.ci_high


def test_variance_components_of_a_panel_with_holes_are_those_of_reml():
    """statsmodels' REML with crossed raters and stimuli is another estimator: near, not equal."""
    rng = np.random.default_rng(4)
    truth = rng.normal(0, 1, 40) + rng.normal(0, 0.4, (12, 1)) + rng.normal(0, 0.7, (12, 40))
    scores = np.where(rng.random(truth.shape) < 0.3, np.nan, truth)
    panel = from_matrix(scores).assign(benchmark="all", repeat=0)
    panel["all"] = 1
    formula = {"rater": "0 + C(rater)", "source": "0 + C(source)"}
    model = MixedLM.from_formula("score ~ 1", groups="all", vc_formula=formula, re_formula="0", data=panel)
    fitted = model.fit(reml=True)
    components = dict(zip(model.exog_vc.names, fitted.vcomp, strict=True))
    reml = components["source"] / (components["source"] + components["rater"] + fitted.scale)
    assert icc(panel)["value"].iloc[0] == pytest.approx(reml, abs=0.02)


def test_raters_who_stop_early_do_not_empty_the_icc():
    complete = random_panel(raters=8, sources=10, methods=4, seed=3)
    early = complete["rater"].isin(["r000", "r001", "r002"]) & (complete["source"] > "s002")
    found, whole = icc(complete[~early]), icc(complete)
    assert found["n_stimuli"].tolist() == [40, 40]
    assert found["value"].iloc[0] == pytest.approx(whole["value"].iloc[0], abs=0.05)
    assert found["ci_low"].notna().all()
    assert "26% of the ratings of a complete panel are missing" in found["limit"].iloc[0]
    assert found["k"].iloc[0] == pytest.approx(40 / (12 / 8 + 28 / 5))
    assert whole["limit"].iloc[0] == ""


def test_an_icc_that_cannot_be_had_says_what_it_needs():
    panel = random_panel(seed=3)
    alone = icc(panel[panel["rater"] == "r000"])
    assert alone["value"].isna().all()
    assert "needs two raters" in alone["limit"].iloc[0]
    two = icc(panel[panel["rater"].isin(["r000", "r001"])])
    assert two["value"].notna().all()
    assert two["ci_low"].isna().all()
    assert two["limit"].iloc[0] == "no interval: 2 raters"


def test_a_rater_entered_twice_narrows_no_interval_to_nothing():
    """A bootstrap that draws raters with replacement pairs them with themselves; leaving one out never does."""
    panel = random_panel(raters=5, sources=8, methods=3, seed=6)
    for table in (icc(panel), alpha(panel)):
        value, low, high = table.loc[0, ["value", "ci_low", "ci_high"]]
        assert low < value < high
        assert high - low > 0.1


def test_the_intervals_of_icc_and_alpha_hold_the_populations_value():
    """60 panels, 30 % missing; the population: 200 raters of 200 sources. `bench_coverage` has the whole table."""
    rng = np.random.default_rng(0)

    def draw(raters, sources):
        truth = np.linspace(1.6, 4.2, 4) + 0.5 * rng.normal(size=(sources, 1)) + 0.3 * rng.normal(size=(sources, 4))
        own = 0.35 * rng.normal(size=(raters, 1, 1)) + 0.7 * rng.normal(size=(raters, sources, 4))
        scores = np.clip(np.rint(truth + own), 1, 5).reshape(raters, -1)
        names = pd.MultiIndex.from_product([[f"r{i}" for i in range(raters)], range(sources), list("abcd")])
        table = pd.Series(scores.ravel(), index=names.set_names(["rater", "source", "method"])).rename("score")
        return table.reset_index().assign(benchmark="b", repeat=0)

    big = draw(200, 200)
    population = {icc: icc(big)["value"].iloc[0], alpha: alpha(big)["value"].iloc[0]}
    held = dict.fromkeys(population, 0)
    for _ in range(60):
        panel = draw(8, 6)
        panel = panel[rng.random(len(panel)) < 0.7]
        for statistic, true in population.items():
            row = statistic(panel).iloc[0]
            held[statistic] += row["ci_low"] <= true <= row["ci_high"]
    assert min(held.values()) >= 54


def test_krippendorffs_worked_example_has_its_ordinal_alpha():
    """Krippendorff (Computing Krippendorff's Alpha-Reliability, 2011), example C: four coders, ordinal alpha 0.815."""
    nan = np.nan
    coders = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    assert krippendorff_alpha(validate_ratings(from_matrix(coders))) == pytest.approx(0.815, abs=5e-4)


def test_alpha_is_undefined_where_all_scores_are_equal():
    assert np.isnan(krippendorff_alpha(validate_ratings(from_matrix([[3, 3], [3, 3]]))))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_relabelling_the_raters_changes_no_agreement(seed):
    panel = random_panel(seed=seed)
    turned = panel["rater"].map(lambda name: f"x{9 - int(name[1:])}")
    assert krippendorff_alpha(panel) == pytest.approx(krippendorff_alpha(panel.assign(rater=turned)))
    assert icc(panel)["value"].tolist() == pytest.approx(icc(panel.assign(rater=turned))["value"].tolist())


def test_test_retest_compares_the_two_showings_as_the_pilot_did():
    rng = np.random.default_rng(0)
    first = random_panel(raters=26, sources=10, methods=1, seed=1)
    second = first.assign(repeat=1, score=np.clip(first["score"] + rng.choice([-1, 0, 0, 1], len(first)), 1, 5))
    row = retest(validate_ratings(pd.concat([first, second]))).iloc[0]
    difference = (second["score"] - first["score"]).to_numpy()
    expected = stats.wilcoxon(difference, zero_method="pratt", method="asymptotic", correction=False)
    assert row["n_pairs"] == 260
    assert row["p"] == pytest.approx(expected.pvalue)
    assert row["within_rater_sd"] == pytest.approx(np.sqrt(np.mean(difference**2) / 2))
    assert row["spearman"] == pytest.approx(stats.spearmanr(first["score"], second["score"]).statistic)
    assert row["identical"] == pytest.approx((difference == 0).mean())


def test_without_a_second_showing_there_is_no_test_retest(vqeg):
    assert retest(vqeg).empty


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.3, 0.6]))
def test_alpha_is_that_of_the_krippendorff_package(seed, missing):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-2, 3, (6, 9)) / 4
    scores = np.where(rng.random(scores.shape) < missing, np.nan, scores)
    panel = from_matrix(scores).assign(benchmark="all", repeat=0)
    paired = scores[:, (~np.isnan(scores)).sum(axis=0) >= 2]
    if paired.size and len(np.unique(paired[~np.isnan(paired)])) > 1:
        theirs = krippendorff.alpha(paired, level_of_measurement="ordinal", value_domain=np.arange(-2, 3) / 4)
        assert krippendorff_alpha(panel) == pytest.approx(theirs, abs=1e-12)


def test_raters_who_contradict_each_other_leave_their_mean_without_a_reliability():
    table = icc(from_matrix([[2, 5], [2, 2], [1, 1], [5, 2]]).assign(benchmark="all", repeat=0))
    assert table["value"].iloc[0] == pytest.approx(-1 / 3)
    assert np.isnan(table["value"].iloc[1])
