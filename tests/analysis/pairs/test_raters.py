"""Shares, sides, repeats, triads, agreement and screens."""

import itertools

import krippendorff
import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from analysis.pairs import PairsError, validate_pairs
from analysis.pairs.consistency import agreement, repeats, triads, with_others
from analysis.pairs.screening import circular, exclusion_effect, inconsistent, others, screens, too_fast
from analysis.pairs.shares import against, left_share, pair_shares, side_effect
from analysis.pairs.simulate import Design, simulate_pairs
from tests.analysis.pairs.tables import pudding, rows

METHODS = {"a": 2.0, "b": 0.7, "c": -0.7, "d": -2.0}


def panel(raters=12, *, seed=0, **design):
    rng = np.random.default_rng(seed)
    pairs = simulate_pairs(METHODS, Design(raters=raters, sources=10, pairs=60, **design), rng=rng)
    return validate_pairs(pairs)


def careless(seed=1, name="careless"):
    """A rater who answers by a coin, on the same design."""
    pairs = panel(1, seed=seed, lapse=1.0)
    return pairs.assign(rater=name)


def tournament(*wins, rater="r"):
    """One block: every win is (winner, loser)."""
    table = pd.DataFrame(wins, columns=["left", "right"])
    return table.assign(rater=rater, source="s", chosen=table["left"])


def test_left_was_chosen_in_4756_of_sr_pairs(sr_pairs):
    table = left_share(sr_pairs).set_index("rater")
    assert table.loc["all", "share"] == pytest.approx(0.4756, abs=5e-5)
    low, high = proportion_confint(428, 900, method="wilson")
    assert table.loc["all", ["low", "high"]].tolist() == pytest.approx([low, high], abs=2e-4)
    assert table.loc[["r1", "r2", "r3"], "n"].tolist() == [180, 600, 120]


def test_ties_do_not_count_as_a_side():
    table = left_share(rows([("a", "b", "a", 6), ("a", "b", "b", 3), ("a", "b", "tie", 11)])).set_index("rater")
    assert table.loc["all", ["n", "left", "ties"]].tolist() == [9, 6, 11]


def test_side_effect_moves_strengths_only_where_sides_are_unbalanced():
    balanced = [("a", "b", "a", 30), ("a", "b", "b", 10), ("b", "a", "b", 20), ("b", "a", "a", 20)]
    table = side_effect(rows(balanced))
    assert table["left_worth"].iloc[0] == pytest.approx((np.log(3) + np.log(1)) / 2, abs=1e-6)
    one_sided = side_effect(rows([*balanced, ("a", "b", "a", 300), ("a", "b", "b", 100)])).set_index("method")
    # a was on the left in most pairs, so its own worth is less than it looks
    assert one_sided.loc["a", "change"] < -0.05


def test_share_against_the_original_counts_a_tie_as_a_half():
    pairs = rows([("hr", "x", "x", 20), ("x", "hr", "hr", 60), ("hr", "x", "tie", 20), ("x", "y", "y", 5)])
    table = against(pairs, "hr")
    assert table["method"].tolist() == ["x"]
    assert table.loc[0, ["n", "chosen", "ties"]].tolist() == [100, 20, 20]
    assert table.loc[0, "share"] == pytest.approx(0.3)
    assert table.loc[0, "low"] < 0.3 < table.loc[0, "high"] < 0.5
    with pytest.raises(PairsError, match="no row has the method 'bicubic'"):
        against(pairs, "bicubic")


def test_pair_shares_hold_the_counts_and_the_models_share():
    table = pair_shares(pudding()).set_index(["method_a", "method_b"])
    row = table.loc[("p1", "p2")]
    assert row[["n", "a_chosen", "b_chosen", "ties"]].tolist() == [57, 19, 22, 16]
    worth = {"p1": 0.13880, "p2": 0.17300}  # Davidson 1970
    root = 0.7468 * np.sqrt(worth["p1"] * worth["p2"])
    expected = (worth["p1"] + root / 2) / (worth["p1"] + worth["p2"] + root)
    assert row["expected_a"] == pytest.approx(expected, abs=1e-3)
    assert table["residual"].abs().max() < 2


def test_repeats_of_sr_pairs_are_those_of_its_sessions(sr_pairs):
    table = repeats(sr_pairs).set_index("rater")
    assert table.loc[["r1", "r2", "r3"], "items"].tolist() == [60, 60, 60]
    assert table.loc[["r1", "r2", "r3"], "compared"].tolist() == [60 * 3, 60 * 45, 60]  # couples of 3, 10 and 2
    # r3 by hand: the same pair in both sessions
    r3 = sr_pairs[sr_pairs["rater"] == "r3"]
    key = r3.apply(lambda row: (row["source"], *sorted((row["left"], row["right"]))), axis=1)
    same = r3.groupby(key)["chosen"].nunique() == 1
    assert table.loc["r3", "same"] == pytest.approx(same.mean())


def test_a_rater_who_keeps_to_one_side_is_alike_only_where_the_sides_stay():
    stays = [("a", "b", "a", 2), ("b", "a", "b", 2)]
    table = repeats(rows(stays)).set_index("rater")
    assert table.loc["all", ["same_sides", "swapped"]].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("size", "most"), [(3, 1), (4, 2), (5, 5), (6, 8), (7, 14)])
def test_the_most_circular_tournament_has_kendalls_number_of_triads(size, most):
    # Kendall and Babington Smith 1940: (n^3 - n) / 24 for odd n, (n^3 - 4 n) / 24 for even n; zeta is then 0.
    wins = [
        (f"m{i}", f"m{j}") if (j - i) * 2 < size or ((j - i) * 2 == size and i % 2 == 0) else (f"m{j}", f"m{i}")
        for i, j in itertools.combinations(range(size), 2)
    ]
    row = triads(validate_pairs(tournament(*wins))).iloc[0]
    assert row["circular"] == most
    assert row["zeta"] == pytest.approx(0)


def test_triads_by_brute_force_on_a_tournament_with_holes():
    rng = np.random.default_rng(5)
    pairs = [(i, j) if rng.random() < 0.5 else (j, i) for i, j in itertools.combinations("abcdefg", 2)]
    pairs = [pair for pair in pairs if rng.random() < 0.8]
    beats = set(pairs)
    triples = [
        t
        for t in itertools.combinations("abcdefg", 3)
        if all({(x, y), (y, x)} & beats for x, y in itertools.combinations(t, 2))
    ]
    circles = [t for t in triples if len({x for x in t for y in t if (x, y) in beats}) == 3]
    row = triads(validate_pairs(tournament(*pairs))).iloc[0]
    assert (row["triads"], row["circular"]) == (len(triples), len(circles))
    assert 0 < len(circles) < len(triples)
    assert np.isnan(row["zeta"])


def test_a_coin_makes_a_quarter_of_the_triads_circular():
    coins = pd.concat([careless(seed, f"coin{seed}") for seed in range(30)], ignore_index=True)
    row = triads(coins).iloc[0]
    assert row["share"] == pytest.approx(0.25, abs=0.03)
    assert row["p"] > 0.001


def test_agreement_is_that_of_fleiss():
    # Kendall's u and Krippendorff's alpha from Fleiss' observed agreement, on a table without holes.
    pairs = panel(8, seed=3)
    low = pairs[["left", "right"]].min(axis=1)
    high = pairs[["left", "right"]].max(axis=1)
    wide = (pairs["chosen"] == low).astype(int).groupby([pairs["source"], low, high]).agg(["sum", "size"])
    counts = np.stack([wide["sum"], wide["size"] - wide["sum"]], axis=1)
    assert (counts.sum(axis=1) == 8).all()
    found = agreement(pairs).set_index("measure")["value"]
    share = ((counts**2).sum(axis=1) - 8).mean() / (8 * 7)
    assert found["agreement"] == pytest.approx(share)
    assert found["kendall_u"] == pytest.approx(2 * share - 1)
    kappa = fleiss_kappa(counts)
    n = counts.sum()
    assert found["krippendorff_alpha"] == pytest.approx(kappa + (1 - kappa) / n, abs=1e-3)


def test_alpha_is_that_of_krippendorffs_package_with_ties_and_holes():
    pairs = panel(6, seed=5, tie=0.5)
    pairs = pairs[np.random.default_rng(0).random(len(pairs)) < 0.7].reset_index(drop=True)
    low, high = pairs[["left", "right"]].min(axis=1), pairs[["left", "right"]].max(axis=1)
    code = np.where(pairs["chosen"] == "tie", 1, np.where(pairs["chosen"] == low, 0, 2))
    table = pd.DataFrame({"item": pairs["source"] + low + high, "rater": pairs["rater"], "code": code})
    wide = table.pivot(index="rater", columns="item", values="code").to_numpy()
    expected = krippendorff.alpha(wide, level_of_measurement="nominal")
    found = agreement(pairs).set_index("measure")["value"]
    assert found["krippendorff_alpha"] == pytest.approx(expected)


def test_the_first_answer_of_each_rater_counts_for_agreement(sr_pairs):
    assert agreement(sr_pairs)["items"].tolist() == [60, 60, 60]
    assert with_others(sr_pairs)["n"].tolist() == [60, 60, 60]


def test_a_table_without_rows_has_nobody_beside_the_others_and_no_verdict(sr_pairs):
    nothing = sr_pairs.iloc[:0]
    assert with_others(nothing).empty
    assert list(with_others(nothing)) == list(with_others(sr_pairs))
    assert all(screen.empty for screen in screens(nothing).values())


def test_the_screens_find_the_careless_rater_and_nobody_else():
    mixed = pd.concat([panel(11, seed=2), careless()], ignore_index=True)
    for screen in (circular(mixed), others(mixed)):
        assert screen.loc[screen["rejected"], "rater"].tolist() == ["careless"]
    assert "with the majority of the others in" in others(mixed)["reason"].max()


def test_the_screens_find_a_rater_of_one_side_and_one_of_ties():
    pairs = panel(11, seed=2)
    one = careless(name="lefty")
    one["chosen"] = one["left"]
    lazy = careless(name="tired").assign(chosen="tie")
    found = screens(pd.concat([pairs, one, lazy], ignore_index=True))
    assert found["sides"].loc[found["sides"]["rejected"], "rater"].tolist() == ["lefty"]
    assert found["ties"].loc[found["ties"]["rejected"], "rater"].tolist() == ["tired"]
    assert found["sides"]["reason"].max() == "chose the left in 100%"


def test_the_screen_of_repeats_finds_who_answers_anew_each_time():
    def twice(table):
        again = table.assign(session="2")
        return pd.concat([table.assign(session="1"), again], ignore_index=True)

    honest = twice(panel(11, seed=2))
    coin = pd.concat([careless(7, "coin").assign(session="1"), careless(7, "coin").assign(session="2")])
    coin["chosen"] = np.where(np.random.default_rng(0).random(len(coin)) < 0.5, coin["left"], coin["right"])
    screen = inconsistent(pd.concat([honest, coin], ignore_index=True))
    assert screen.loc[screen["rejected"], "rater"].tolist() == ["coin"]


@pytest.mark.parametrize("seed", range(5))
def test_honest_raters_are_hardly_ever_proposed(seed):
    found = screens(panel(26, seed=seed, rater_sd=0.3, source_sd=0.3, tie=0.3))
    assert sum(table["rejected"].sum() for table in found.values()) <= 1


def test_whole_seconds_are_judged_by_their_median_alone(sr_pairs):
    table = too_fast(sr_pairs)
    assert table["haste"].isna().all()
    assert not table["rejected"].any()
    quick = sr_pairs.assign(response_ms=sr_pairs["response_ms"].where(sr_pairs["rater"] != "r1", 350.5))
    assert too_fast(quick).set_index("rater")["rejected"].to_dict() == {"r1": True, "r2": False, "r3": False}


def test_nobody_of_sr_pairs_is_proposed(sr_pairs):
    assert not any(table["rejected"].any() for table in screens(sr_pairs).values())


def test_leaving_a_rater_out_is_shown_with_its_effect(sr_pairs):
    table = exclusion_effect(sr_pairs, ["r2"]).set_index("method")
    assert table.loc["ResShift", "strength"] == pytest.approx(0.5994, abs=1e-4)
    assert table.loc["ResShift", "change"] == pytest.approx(0.136, abs=1e-3)
    assert exclusion_effect(sr_pairs, ["r1", "r2", "r3"])["change"].isna().all()
