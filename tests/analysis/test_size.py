"""Large panels of which each rater saw little: memory follows the ratings, and no number changes."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from analysis import crosstable, screening
from analysis.degenerate import causes
from analysis.opinion import method_scores, mos
from analysis.panel import panel_of
from analysis.prediction import agreement
from analysis.recovery import information_limits, recover
from analysis.reliability import alpha, icc
from analysis.schema import STIMULUS
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
