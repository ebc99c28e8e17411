import krippendorff
import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.reliability import icc, krippendorff_alpha, retest
from analysis.schema import validate_ratings
from tests.analysis.panels import random_panel


def from_matrix(matrix):
    """A panel from a table of raters (rows) x stimuli (columns), NaN where not rated."""
    rows = [(f"r{i}", f"s{j:02d}", "m", v) for i, row in enumerate(matrix) for j, v in enumerate(row) if v == v]
    return pd.DataFrame(rows, columns=["rater", "source", "method", "score"])


def test_icc_of_shrout_and_fleiss_is_reproduced():
    """Shrout and Fleiss (1979), table 2: six targets, four judges; ICC(2,1) = 0.29, ICC(2,4) = 0.62.

    Their scores run to 10, so the schema is left out: the formula does not know a scale.
    """
    judges = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]])
    table = icc(from_matrix(judges).assign(benchmark="all", repeat=0))
    assert table["value"].round(2).tolist() == [0.29, 0.62]
    assert table[["ci_low", "ci_high"]].iloc[0].round(2).tolist() == [0.02, 0.76]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_icc_agrees_with_pingouin_on_nflx(nflx):
    long = nflx.assign(stimulus=nflx["source"] + "/" + nflx["method"])
    theirs = pingouin.intraclass_corr(long, targets="stimulus", raters="rater", ratings="score").set_index("Type")
    ours = icc(nflx)
    for row, name in zip(ours.itertuples(), ("ICC(A,1)", "ICC(A,k)"), strict=True):
        assert row.value == pytest.approx(theirs.loc[name, "ICC"])
        assert [row.ci_low, row.ci_high] == pytest.approx(list(theirs.loc[name, "CI95"]), abs=0.0051)


def test_icc_uses_the_stimuli_that_all_rated():
    panel = random_panel(missing=0.1, seed=3)
    wide = panel.pivot(index="rater", columns=["source", "method"], values="score").dropna(axis=1)
    assert icc(panel)["n_stimuli"].tolist() == [wide.shape[1]] * 2
    assert icc(panel[panel["rater"] == "r000"])["value"].isna().all()


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
