import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.optimize import curve_fit

from analysis import correlation
from analysis.columns import RatingsError
from analysis.logistic import fit_logistic, logistic
from analysis.objective import objective_of
from analysis.opinion import mos
from analysis.permutation import permutation_p
from analysis.prediction import agreement, compare_metrics
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
def scores(stimuli):
    wide = stimuli[[*STIMULUS, "psnr", "distance"]]
    return objective_of(wide, higher_is_better=["psnr"], lower_is_better=["distance"])


@pytest.fixture(scope="module")
def found(vqeg, scores):
    return agreement(vqeg, scores).set_index("metric")


@pytest.mark.parametrize("metric", ["psnr", "distance"])
def test_the_logistic_fit_is_the_least_squares_fit_of_scipy(stimuli, found, metric):
    x, y = stimuli[metric].to_numpy(), stimuli["mos"].to_numpy()

    def curve(x, b1, b2, b3, b4):
        return b2 + (b1 - b2) / (1 + np.exp(-(x - b3) / b4))

    sign = 1 if metric == "psnr" else -1
    best, _ = curve_fit(curve, x, y, p0=[5, 1, x.mean(), sign * x.std()], maxfev=50_000)
    error = y - curve(x, *best)
    assert found.loc[metric, "plcc"] == pytest.approx(np.corrcoef(curve(x, *best), y)[0, 1], abs=1e-6)
    assert found.loc[metric, "rmse"] == pytest.approx(np.sqrt((error**2).sum() / (len(x) - 4)), abs=1e-6)
    half = special.stdtrit(stimuli["n"] - 1, 0.975) * stimuli["sd"] / np.sqrt(stimuli["n"])
    over = np.maximum(np.abs(error) - half, 0)
    assert found.loc[metric, "rmse_star"] == pytest.approx(np.sqrt((over**2).sum() / (len(x) - 4)), abs=1e-5)
    assert found.loc[metric, "outlier_ratio"] == pytest.approx((over > 0).mean())


@pytest.mark.parametrize("metric", ["psnr", "distance"])
def test_rank_correlations_are_those_of_scipy(stimuli, found, metric):
    assert found.loc[metric, "srocc"] == pytest.approx(stats.spearmanr(stimuli[metric], stimuli["mos"]).statistic)
    assert found.loc[metric, "krocc"] == pytest.approx(stats.kendalltau(stimuli[metric], stimuli["mos"]).statistic)
    within = [
        stats.spearmanr(part[metric], part["mos"]).statistic for _, part in stimuli.groupby("source") if len(part) > 2
    ]
    assert found.loc[metric, "within_srocc"] == pytest.approx(np.mean(within))
    assert found.loc[metric, "n_within"] == len(within)


def test_the_limits_hold_the_value_and_have_a_width(found):
    for name in ("plcc", "srocc", "krocc", "rmse", "within_srocc"):
        assert (found[f"{name}_high"] - found[f"{name}_low"]).between(0.01, 0.6).all()
        assert ((found[f"{name}_low"] <= found[name]) & (found[name] <= found[f"{name}_high"])).all()
    assert (found["p_predicts"] == 0.001).all()


def test_a_weight_counts_like_a_repetition():
    rng = np.random.default_rng(1)
    x = np.sort(rng.normal(size=40))
    y = 3 + np.tanh(x) + rng.normal(0, 0.1, 40)
    weight = rng.integers(0, 3, 40).astype(float)
    weighted = fit_logistic(x, y[None], weight[None], sign=1)
    repeated_x, repeated_y = np.repeat(x, weight.astype(int)), np.repeat(y, weight.astype(int))
    repeated = fit_logistic(repeated_x, repeated_y[None], np.ones((1, len(repeated_x))), sign=1)
    np.testing.assert_allclose(logistic(x, weighted, 1), logistic(x, repeated, 1), atol=1e-4)


@pytest.mark.parametrize(("factor", "shift"), [(1e-6, 0.0), (1e7, -3e7)])
def test_neither_the_unit_of_the_metric_nor_that_of_the_scores_changes_a_fit(factor, shift):
    rng = np.random.default_rng(2)
    x = rng.normal(size=60)
    y = np.tanh(x) + rng.normal(0, 0.2, 60)
    one = np.ones((1, 60))
    plain = logistic(x, fit_logistic(x, y[None], one, sign=1), 1)
    other = factor * x + shift
    turned = logistic(other, fit_logistic(other, factor * y[None] + shift, one, sign=1), 1)
    np.testing.assert_allclose((turned - shift) / factor, plain, atol=1e-6)


def metric_panel(seed=2, **metrics):
    panel = random_panel(raters=8, sources=6, methods=4, seed=seed)
    table = panel[STIMULUS].drop_duplicates().reset_index(drop=True)
    level, content = table["method"].str[1:].astype(float), table["source"].str[1:].astype(float) / 9
    return panel, table.assign(**{name: make(level, content) for name, make in metrics.items()})


def test_the_direction_of_the_fit_is_the_metrics_and_not_the_datas():
    panel, table = metric_panel(x=lambda level, content: level + content)
    right = agreement(panel, objective_of(table, higher_is_better=["x"])).iloc[0]
    wrong = agreement(panel, objective_of(table, lower_is_better=["x"])).iloc[0]
    unsaid = agreement(panel, table).iloc[0]
    assert right["plcc"] > 0.8
    assert right["limit"] == ""
    assert (wrong["plcc"], wrong["plcc_low"]) == (0.0, 0.0)
    assert wrong["p_predicts"] > 0.9
    assert "does not rise where it is lower" in wrong["limit"]
    assert unsaid["plcc"] == pytest.approx(right["plcc"])
    assert "the direction is not stated" in unsaid["limit"]


def test_all_metrics_are_compared_on_the_same_stimuli():
    """The reference has an infinite PSNR: it counts for no metric, and each row says so."""
    panel, table = metric_panel(
        psnr=lambda level, content: np.where(level == 3, np.inf, 20 + level + content),
        ssim=lambda level, content: level**2 + content,
    )
    scores = objective_of(table, higher_is_better=["psnr", "ssim"])
    both = agreement(panel, scores).set_index("metric")
    assert both["n"].tolist() == [18, 18]
    assert both["n_left_out"].tolist() == [6, 6]
    assert (both["limit"] == "6 stimuli left out of every metric, for psnr has no finite value there").all()
    without = panel[panel["method"] != "m03"]
    alone = agreement(
        without, objective_of(table[["benchmark", "source", "method", "ssim"]], higher_is_better=["ssim"])
    )
    assert both.loc["ssim", "srocc"] == pytest.approx(alone["srocc"].iloc[0])


def test_a_metric_that_cannot_be_compared_keeps_its_row_and_says_why():
    panel, table = metric_panel(
        good=lambda level, content: level + content,
        few=lambda level, content: np.where((level == 1) & (content < 0.3), level, np.nan),
        half=lambda level, content: np.where(level == 1, content, np.nan),
        flat=lambda level, content: 0 * level,
    )
    rows = agreement(panel, table).set_index("metric")
    assert rows.loc["good", "n"] == 24
    assert rows.loc["few", "limit"] == "a value for 3 of 24 stimuli: at least 6 are needed"
    assert "fewer than half, not compared" in rows.loc["half", "limit"]
    assert "one value for every stimulus" in rows.loc["flat", "limit"]
    assert rows.loc[["few", "half", "flat"], "plcc"].isna().all()


def test_few_sources_have_no_interval_and_say_so():
    panel = random_panel(raters=6, sources=2, methods=4)
    objective = panel[STIMULUS].drop_duplicates().assign(psnr=np.arange(8.0))
    row = agreement(panel, objective).iloc[0]
    assert np.isnan(row["plcc_low"])
    assert "2 sources: no interval" in row["limit"]


def test_noise_with_contents_in_common_predicts_in_one_panel_of_twenty():
    """Both MOS and noise vary by source: a test that counted stimuli would find a prediction far more often."""
    rng = np.random.default_rng(1)
    sources, methods, hits, naive = 6, 5, 0, 0
    source, method = (index.ravel() for index in np.indices((sources, methods)))
    for seed in range(500):
        a, b = (rng.normal(size=(sources, 1)) + 0.5 * rng.normal(size=(sources, methods)) for _ in range(2))
        hits += permutation_p(a.ravel(), b.ravel(), source, method, sign=1, draws=99, seed=seed) <= 0.05
        naive += stats.spearmanr(a.ravel(), b.ravel(), alternative="greater").pvalue <= 0.05
    assert 0.03 <= hits / 500 <= 0.07
    assert naive / 500 > 0.15


def test_the_intervals_of_small_panels_hold_the_populations_value():
    """60 panels of 6 sources; the population: the same fit on 2000 sources. `bench_coverage` has the whole table."""
    rng = np.random.default_rng(8)
    quality = np.linspace(1.6, 4.2, 5)

    def draw(sources):
        truth = quality + 0.4 * rng.normal(size=(sources, 1)) + 0.3 * rng.normal(size=(sources, 5))
        noise = rng.normal(size=(sources, 1)) + 0.5 * rng.normal(size=(sources, 5))
        return truth.ravel(), (quality + noise).ravel()

    truth, x = draw(2000)
    population = agreement_of(truth[None], x).iloc[0]["plcc"]
    held = 0
    for _ in range(60):
        truth, x = draw(6)
        row = agreement_of(truth + 0.7 * rng.normal(size=(10, len(truth))), x).iloc[0]
        held += row["plcc_low"] <= population <= row["plcc_high"]
    assert held >= 53


@pytest.mark.parametrize("seed", [14, 19, 34, 58])
def test_the_limits_of_a_weak_metric_hold_its_own_value(seed):
    """Fits without a source that went on to a minimum of their own put all limits of these panels under the value."""
    rng = np.random.default_rng(seed)
    quality = np.tile(np.linspace(1.6, 4.2, 5), 40)
    x = quality + 4 * np.repeat(rng.normal(size=40), 5) + 4 * rng.normal(size=200)
    row = agreement_of((quality + 0.5 * rng.normal(size=200))[None], x).iloc[0]
    assert 0.001 < row["p_predicts"] < 0.05
    assert row["plcc_low"] < row["plcc"] < row["plcc_high"]


def agreement_of(scores, x):
    """Scores (raters, sources x 5 methods) and a metric that is better higher."""
    n = scores.shape[1]
    source, method = (np.char.add("k", index.ravel().astype(str)) for index in np.indices((n // 5, 5)))
    keys = pd.DataFrame({"benchmark": "b", "source": source, "method": method})
    ratings = pd.concat([keys.assign(rater=f"r{i}", score=row, repeat=0) for i, row in enumerate(scores)])
    return agreement(ratings, objective_of(keys.assign(x=x), higher_is_better=["x"]))


def test_a_better_metric_is_told_from_a_worse_one_and_equal_ones_are_not():
    panel, table = metric_panel(good=lambda level, content: level + content / 9)
    rng = np.random.default_rng(3)
    table["poor"] = rng.normal(size=len(table))
    table["same"] = table["good"]
    rows = compare_metrics(panel, objective_of(table, higher_is_better=["good", "poor", "same"]))
    rows = rows[rows["statistic"] == "srocc"].set_index(["metric_a", "metric_b"])
    assert rows.loc[("good", "poor"), "p_holm"] < 0.05
    assert rows.loc[("good", "poor"), "ci_low"] > 0
    assert rows.loc[("good", "same"), "p"] == 1
    assert rows.loc[("good", "same"), "difference"] == 0


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


def test_an_objective_table_of_other_stimuli_is_an_error_and_one_in_part_is_said(vqeg, scores):
    other = scores.values.assign(source=scores.values["source"] + ".png")
    for function in (agreement, compare_metrics):
        with pytest.raises(RatingsError, match=r"has no row of a rated stimulus.*\.png' stands beside"):
            function(vqeg, other)
        part = scores.values.copy()
        part.loc[0, "source"] += ".png"
        limits = set(function(vqeg, part)["limit"])
        said = f"1 of {len(part)} stimuli of the objective table were not rated and count nowhere: "
        assert all(said in text for text in limits)
        assert all(".png" in text for text in limits)
    assert "rated" not in agreement(vqeg, scores)["limit"].iloc[0]
