import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import curve_fit

from analysis import correlation
from analysis.agreement import agreement, fit_logistic, logistic
from analysis.mos import mos
from analysis.schema import STIMULUS
from tests.analysis.panels import random_panel


@pytest.fixture(scope="module")
def stimuli(vqeg):
    """VQEG-HD1's MOS with two metrics made from it, one rising and one falling with quality."""
    table = mos(vqeg, by=STIMULUS)
    rng = np.random.default_rng(0)
    psnr = 20 + 4 * table["mos"] + rng.normal(0, 3, len(table))
    return table.assign(psnr=psnr, distance=np.exp(-table["mos"] / 2) + rng.normal(0, 0.05, len(table)))


@pytest.fixture(scope="module")
def found(vqeg, stimuli):
    return agreement(vqeg, stimuli[[*STIMULUS, "psnr", "distance"]], draws=60).set_index("metric")


@pytest.mark.parametrize("metric", ["psnr", "distance"])
def test_the_logistic_fit_is_the_least_squares_fit_of_scipy(stimuli, found, metric):
    x, y = stimuli[metric].to_numpy(), stimuli["mos"].to_numpy()

    def curve(x, b1, b2, b3, b4):
        return b2 + (b1 - b2) / (1 + np.exp(-(x - b3) / b4))

    sign = 1 if metric == "psnr" else -1
    best, _ = curve_fit(curve, x, y, p0=[5, 1, x.mean(), sign * x.std()], maxfev=50_000)
    assert found.loc[metric, "plcc"] == pytest.approx(np.corrcoef(curve(x, *best), y)[0, 1], abs=1e-6)
    assert found.loc[metric, "rmse"] == pytest.approx(np.sqrt(np.mean((curve(x, *best) - y) ** 2)), abs=1e-6)


@pytest.mark.parametrize("metric", ["psnr", "distance"])
def test_rank_correlations_are_those_of_scipy(stimuli, found, metric):
    assert found.loc[metric, "srocc"] == pytest.approx(stats.spearmanr(stimuli[metric], stimuli["mos"]).statistic)
    assert found.loc[metric, "krocc"] == pytest.approx(stats.kendalltau(stimuli[metric], stimuli["mos"]).statistic)


def test_the_limits_hold_the_value_and_have_a_width(found):
    for name in ("plcc", "srocc", "krocc", "rmse"):
        assert (found[f"{name}_high"] - found[f"{name}_low"]).between(0.01, 0.5).all()
    assert ((found["plcc_low"] <= found["plcc"]) & (found["plcc"] <= found["plcc_high"])).all()


def test_a_weight_counts_like_a_repetition():
    rng = np.random.default_rng(1)
    x = np.sort(rng.normal(size=40))
    y = 3 + np.tanh(x) + rng.normal(0, 0.1, 40)
    weight = rng.integers(0, 3, 40).astype(float)
    weighted = fit_logistic(x, y[None], weight[None])[0]
    repeated_x, repeated_y = np.repeat(x, weight.astype(int)), np.repeat(y, weight.astype(int))
    repeated = fit_logistic(repeated_x, repeated_y[None], np.ones((1, len(repeated_x))))[0]
    np.testing.assert_allclose(logistic(x, weighted), logistic(x, repeated), atol=1e-4)


def test_the_reference_with_its_infinite_psnr_is_left_out_and_counted():
    panel = random_panel(raters=8, sources=6, methods=4, seed=2)
    table = panel[STIMULUS].drop_duplicates()
    level = table["method"].str[1:].astype(float)
    objective = table.assign(psnr=np.where(level == 3, np.inf, 20 + level + table["source"].str[1:].astype(float) / 9))
    row = agreement(panel, objective, draws=20).iloc[0]
    assert (row["n"], row["n_left_out"]) == (18, 6)


def test_too_few_stimuli_give_no_row():
    panel = random_panel(raters=4, sources=1, methods=4)
    objective = panel[STIMULUS].drop_duplicates().assign(psnr=[1.0, 2.0, 3.0, 4.0])
    assert agreement(panel, objective).empty
    assert isinstance(agreement(panel, objective), pd.DataFrame)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 40))
def test_weighted_correlations_are_those_of_scipy_on_the_repeated_values(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, (4, n)).astype(float), rng.integers(0, 6, (4, n)) / 3
    weight = rng.integers(0, 3, (4, n)).astype(float)
    for name, oracle in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
        found = getattr(correlation, name)(x, y, weight)
        for row in range(4):
            a, b = (np.repeat(values[row], weight[row].astype(int)) for values in (x, y))
            if len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0:
                assert found[row] == pytest.approx(oracle(a, b).statistic, abs=1e-9)
            else:
                assert np.isnan(found[row])
