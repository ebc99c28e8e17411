"""Large panels of which each rater saw little: memory follows the ratings, and no number changes."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from analysis import crosstable, plots, screening
from analysis.degenerate import causes
from analysis.mixed import ordinal_mixed_model
from analysis.opinion import average_ranks, method_scores, mos
from analysis.page import write_report
from analysis.panel import panel_of
from analysis.prediction import agreement
from analysis.recovery import information_limits, recover
from analysis.reliability import alpha, icc
from analysis.report import analyse
from analysis.schema import STIMULUS, RatingsError
from analysis.significance import pairwise_tests
from tests.analysis.panels import random_panel


def crowd(*, raters=4000, sources=500, methods=10, each=10, seed=0):
    """Each rater rates `each` of the stimuli: an array of all raters and stimuli would be nearly empty."""
    rng = np.random.default_rng(seed)
    rater = np.repeat(np.arange(raters), each)
    first = rng.integers(0, sources * methods, raters)[:, None]
    stimulus = ((first + 7 * np.arange(each)) % (sources * methods)).ravel()
    source, method = np.divmod(stimulus, methods)
    score = np.clip(np.rint(2 + method / 5 + rng.normal(0, 1, rater.size)), 1, 5).astype(int)
    names = {
        "rater": np.char.mod("r%05d", rater),
        "source": np.char.mod("s%04d", source),
        "method": np.char.mod("m%02d", method),
    }
    return pd.DataFrame(names | {"benchmark": "b", "repeat": 0, "score": score})


def metric_of(ratings):
    keys = ratings[STIMULUS].drop_duplicates().reset_index(drop=True)
    return keys.assign(m=np.random.default_rng(1).normal(size=len(keys)))


STATISTICS = {
    "mos": lambda r: mos(r, interval="two_way"),
    "bootstrap": lambda r: mos(r, interval="rater_bootstrap", draws=50),
    "icc": icc,
    "alpha": alpha,
    "stimuli": lambda r: recover(r).stimuli,
    "raters": lambda r: recover(r).raters,
    "agreement": lambda r: agreement(r, metric_of(r)),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_a_sparse_table_gives_the_numbers_of_a_full_one(name, monkeypatch):
    panel = random_panel(raters=30, sources=12, methods=4, missing=0.6, seed=3)
    full = STATISTICS[name](panel)
    monkeypatch.setattr(crosstable, "FULL_UP_TO", 0)
    monkeypatch.setattr(crosstable, "FULL_SHARE", 2.0)
    assert not isinstance(panel_of(panel).table(None)[0], np.ndarray)
    pd.testing.assert_frame_equal(STATISTICS[name](panel), full, rtol=1e-7)


SMALL = [screening.bt500, screening.correlation, icc, alpha, recover, method_scores]


@pytest.mark.parametrize("function", SMALL)
def test_memory_follows_the_ratings_and_not_raters_times_stimuli(function):
    ratings = crowd(each=30)  # 120,000 ratings; one full array of numbers would take 160 MB
    tracemalloc.start()
    function(ratings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 90e6


def test_a_bootstrap_that_does_not_fit_gives_way_to_its_formula_and_says_so():
    ratings = crowd(raters=300, sources=40)
    many = {"interval": "two_way_bootstrap", "draws": 100_000}
    asked, formula = method_scores(ratings, **many), method_scores(ratings, interval="two_way")
    assert asked["ci_low"].tolist() == formula["ci_low"].tolist()
    raters = asked["n_raters"].iloc[0]
    assert raters > 100
    assert f"the interval is by formula: a bootstrap of {raters} does not fit in memory" in asked["limit"].iloc[0]
    assert not formula["limit"].str.contains("by formula").any()
    assert not method_scores(ratings, interval="two_way_bootstrap")["limit"].str.contains("by formula").any()


def test_both_intervals_of_psi_come_from_one_fit():
    panel = random_panel(raters=9, missing=0.2, seed=2)
    own = recover(panel, interval="information").stimuli[["ci_low", "ci_high"]]
    pd.testing.assert_frame_equal(information_limits(panel, recover(panel)), own)


def test_where_ever_more_raters_vanish_the_search_ends_and_says_so():
    found = recover(crowd(raters=300, sources=50, each=8))
    assert found.without is None
    assert "without them it is so again, for others: raters have too few ratings for this model" in found.limit


def test_of_many_raters_entered_twice_all_go_and_a_few_are_named():
    once = random_panel(raters=8, sources=6, methods=3, seed=5)
    again = once.assign(rater="twin of " + once["rater"])
    panel = panel_of(pd.concat([once, again], ignore_index=True))
    out, said = causes(np.ones(16, bool), panel)
    assert [name for name, gone in zip(panel.raters, out, strict=True) if gone] == sorted(set(again["rater"]))
    assert len(said) == 4
    assert said[-1] == "so did 5 more pairs of raters"


def test_many_stimuli_without_methods_have_no_pairs_and_no_ranks_but_a_note():
    ratings = crowd(raters=100, sources=4000, methods=1, each=40).assign(method=lambda table: "m" + table["source"])
    tracemalloc.start()  # 8 million pairs, or 4,000 columns of ranks, would not fit
    tests, ranks = pairwise_tests(ratings), average_ranks(ratings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    assert tests.empty
    assert (ranks["n"] == 0).all()
    assert len(ranks) == ratings["method"].nunique()
    few = ratings[ratings["method"].isin(sorted(set(ratings["method"]))[:30])]
    assert "b: no source has two methods, so no two methods are compared." in analyse(few).notes


def test_figures_of_many_raters_and_methods_stay_small_and_name_none():
    many = [f"r{index:05d}" for index in range(5000)]
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"rater": many, "bias": rng.normal(size=5000), "inconsistency": rng.uniform(0.5, 1, 5000)})
    screens = {
        "correlation": pd.DataFrame({"rater": many, "correlation": rng.uniform(0, 1, 5000), "threshold": 0.5}),
        "bt500": pd.DataFrame({"rater": many, "share": rng.uniform(0, 0.2, 5000), "balance": rng.uniform(0, 1, 5000)}),
    }
    screens = {name: one.assign(rejected=rng.random(5000) < 0.2) for name, one in screens.items()}
    methods = pd.DataFrame({"benchmark": "b", "method": many, "mos": 3.0, "ci_low": 2.5, "ci_high": 3.5})
    for figure in (plots.raters(table), plots.screening(screens), plots.mean_scores(methods)):
        assert len(plots.svg(figure)) < 300_000
        assert max(figure.get_size_inches()) < 20


def test_the_page_of_a_crowd_names_a_few_of_the_rejected_and_says_where_the_others_are(tmp_path):
    found = write_report(crowd(raters=400, sources=50, each=20), out=tmp_path)
    rejected = found.screens["correlation"]["rejected"].sum()
    assert rejected > 30
    page = (tmp_path / "report.html").read_text()
    assert f"and {rejected - 30} more, in <code>tables/screening.csv</code>" in page
    assert len(page) < 1_000_000


def test_an_ordinal_model_of_a_crowd_is_refused_before_it_takes_the_memory():
    with pytest.raises(RatingsError, match="random effects and takes time with their cube: 5000 at most"):
        ordinal_mixed_model(crowd(raters=1000, sources=50))
