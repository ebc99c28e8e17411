import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import screening
from analysis.opinion import mos
from analysis.scale import Scale
from analysis.schema import RatingsError, read_ratings, validate_ratings
from tests.analysis.panels import random_panel


def rejected(table):
    return table.loc[table["rejected"], "rater"].tolist()


def rater_rows(rater, scores, **columns):
    sources = [f"s{j:03d}" for j in range(len(scores))]
    return pd.DataFrame({"rater": rater, "source": sources, "method": "m", "score": scores} | columns)


def agreeing_panel(raters=20, stimuli=60, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, stimuli)
    careful = [
        rater_rows(f"r{i:02d}", np.clip(truth + rng.choice([-1, 0, 0, 0, 1], stimuli), 1, 5)) for i in range(raters)
    ]
    return truth, careful


def literal_bt500(panel, *, skip_unanimous):
    """BT.500-15 section 2.3.1 word by word, with loops; without the skip this is the trap."""
    wide = panel.pivot(index="rater", columns=["source", "method"], values="score")
    above, below = (dict.fromkeys(wide.index, 0) for _ in range(2))
    for column in wide:
        scores = wide[column].dropna()
        mean, s = scores.mean(), scores.std(ddof=1)
        if s == 0 and skip_unanimous:
            continue
        kurtosis = stats.kurtosis(scores, fisher=False) if s > 0 else 0.0
        eps = 2 if 2 <= kurtosis <= 4 else np.sqrt(20)
        for rater, score in scores.items():
            above[rater] += score >= mean + eps * s - 1e-9
            below[rater] += score <= mean - eps * s + 1e-9
    found = []
    for rater in wide.index:
        p, q = above[rater], below[rater]
        if p + q and (p + q) / wide.loc[rater].notna().sum() > 0.05 and abs(p - q) / (p + q) < 0.3:
            found.append(rater)
    return found


def test_bt500_rejects_nobody_on_nflx_where_the_literal_rule_falls_into_the_trap(nflx):
    assert rejected(screening.bt500(nflx)) == []
    assert literal_bt500(nflx, skip_unanimous=False) == ["rater_02"]


def test_bt500_finds_an_erratic_rater_as_the_rule_read_word_by_word_does():
    truth, careful = agreeing_panel()
    wild = np.where(np.arange(60) % 2, 5, 1)
    panel = validate_ratings(pd.concat([*careful, rater_rows("wild", wild)]))
    assert rejected(screening.bt500(panel)) == literal_bt500(panel, skip_unanimous=True) == ["wild"]
    row = screening.bt500(panel).set_index("rater").loc["wild"]
    assert "on both sides" in row["reason"]
    assert truth.size == row["n"]


def test_bt500_keeps_a_panel_that_agrees_on_everything():
    panel = validate_ratings(pd.concat([rater_rows(f"r{i}", [1, 1, 5, 3]) for i in range(5)]))
    assert rejected(screening.bt500(panel)) == []
    assert literal_bt500(panel, skip_unanimous=False) == [f"r{i}" for i in range(5)]


def test_correlation_is_that_of_scipy_and_its_threshold_that_of_p910(vqeg):
    table = screening.correlation(vqeg, kind="spearman").set_index("rater")
    average = mos(vqeg, by=["source", "method"]).rename(columns={"mos": "average"})
    joined = vqeg.merge(average[["source", "method", "average"]], on=["source", "method"])
    for rater, part in joined.groupby("rater"):
        assert table.loc[rater, "correlation"] == pytest.approx(
            stats.spearmanr(part["score"], part["average"]).statistic
        )
    r = table["correlation"]
    assert table["threshold"].iloc[0] == pytest.approx(min(0.7, r.mean() - r.std(ddof=0)))


def test_correlation_rejects_a_rater_who_guesses_and_one_who_gives_one_score():
    _, careful = agreeing_panel(seed=1)
    guess = np.random.default_rng(9).integers(1, 6, 60)
    panel = validate_ratings(pd.concat([*careful, rater_rows("guess", guess), rater_rows("three", [3] * 60)]))
    table = screening.correlation(panel).set_index("rater")
    assert rejected(table.reset_index()) == ["guess", "three"]
    assert table.loc["three", "reason"] == "gave one score to everything"


def test_a_panel_of_equal_raters_is_kept_by_the_correlation():
    panel = validate_ratings(pd.concat([rater_rows(f"r{i}", [1, 4, 2, 5]) for i in range(4)]))
    assert rejected(screening.correlation(panel)) == []


def test_bias_rejects_beyond_its_limit_only():
    panel = validate_ratings(
        pd.concat([rater_rows("low", [1, 1, 1]), *(rater_rows(f"r{i}", [3, 3, 3]) for i in range(5))])
    )
    assert rejected(screening.bias(panel)) == ["low"]
    assert rejected(screening.bias(panel, limit=2.0)) == []


def test_a_long_run_of_one_score_in_the_order_shown_is_straight_lining():
    truth, careful = agreeing_panel()
    ordered = [part.assign(position=range(1, 61)) for part in careful]
    lazy = rater_rows("lazy", np.where(np.arange(60) < 30, truth, 3), position=range(1, 61))
    panel = validate_ratings(pd.concat([*ordered, lazy]).sample(frac=1, random_state=0))
    table = screening.straight_lining(panel).set_index("rater")
    assert rejected(table.reset_index()) == ["lazy"]
    assert table.loc["lazy", "longest_run"] >= 30
    with pytest.raises(RatingsError, match="needs the column position"):
        screening.straight_lining(random_panel())


def test_where_all_give_one_score_no_run_of_it_is_straight_lining():
    table = screening.straight_lining(
        random_panel().assign(score=3, position=lambda of: of.groupby("rater").cumcount())
    )
    assert not table["rejected"].any()
    assert set(table["limit"]) == {np.inf}


def test_raters_faster_than_anyone_can_look_are_named():
    slow = rater_rows("slow", [3] * 20, response_ms=2500.0)
    fast = rater_rows("fast", [3] * 20, response_ms=400.0)
    hasty = rater_rows("hasty", [3] * 20, response_ms=[100.0] * 3 + [3000.0] * 17)
    table = screening.too_fast(validate_ratings(pd.concat([slow, fast, hasty])))
    assert rejected(table) == ["fast", "hasty"]
    assert table.set_index("rater").loc["hasty", "hasty_share"] == pytest.approx(0.15)


def test_gold_items_allow_one_step_and_a_share_of_misses():
    good, poor = rater_rows("good", [4, 2, 3, 1, 5]), rater_rows("poor", [1, 5, 3, 1, 5])
    panel = validate_ratings(pd.concat([good, poor]))
    items = pd.DataFrame({"source": [f"s{j:03d}" for j in range(5)], "method": "m", "expected": [5, 1, 3, 1, 5]})
    table = screening.gold(panel, items)
    assert table.set_index("rater")["missed"].to_dict() == {"good": 0, "poor": 2}
    assert rejected(table) == ["poor"]
    with pytest.raises(RatingsError, match="table of gold items lacks the column expected"):
        screening.gold(panel, items.drop(columns="expected"))
    with pytest.raises(RatingsError, match="no row of a rated stimulus"):
        screening.gold(panel, items.assign(method="other"))


def test_the_effect_of_an_exclusion_is_shown_for_every_mos():
    panel = validate_ratings(pd.concat([rater_rows("low", [1, 1]), rater_rows("a", [3, 3]), rater_rows("b", [5, 3])]))
    row = screening.exclusion_effect(panel, ["low"]).iloc[0]
    assert row[["n", "n_kept"]].tolist() == [6, 4]
    assert (row["mos"], row["mos_kept"], row["change"]) == pytest.approx((16 / 6, 3.5, 3.5 - 16 / 6))
    assert screening.exclusion_effect(panel, ["low", "a", "b"])["mos_kept"].isna().all()


def test_the_screens_of_four_columns_leave_the_table_as_it_was(vqeg):
    before = vqeg.copy()
    assert sorted(screening.screens(vqeg)) == ["bias", "bt500", "correlation"]
    pd.testing.assert_frame_equal(vqeg, before)


def test_gold_items_with_numeric_sources_merge_as_text(shared):
    ratings = read_ratings(shared / "cases" / "numeric_sources.csv")
    items = pd.read_csv(shared / "cases" / "gold_numeric_sources.csv")
    assert pd.api.types.is_integer_dtype(items["source"])
    table = screening.gold(ratings, items)
    assert table["n"].tolist() == [2] * ratings["rater"].nunique()
    assert table["missed"].sum() == (
        (ratings.query("source == '1' and method == 'a'")["score"] < 4).sum()
        + (ratings.query("source == '2' and method == 'b'")["score"] > 2).sum()
    )


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"source": ["s000.png"], "expected": [5]}, "no row of a rated stimulus.*'s000.png' stands beside 's000'"),
        ({"source": ["s000"], "expected": ["five"]}, "row 1: expected is 'five'; it must be a number"),
        ({"source": ["s000"], "expected": [6]}, "row 1: expected is '6'; it must be a number from 1 to 5"),
        ({"source": ["s000", "s000"], "expected": [5, 4]}, "row 2 repeats row 1 .*one expected score"),
    ],
)
def test_a_gold_table_gets_the_care_of_the_ratings_table(items, message):
    panel = random_panel()
    with pytest.raises(RatingsError, match=message):
        screening.gold(panel, pd.DataFrame(items).assign(method="m00"))


def test_gold_items_that_nobody_rated_are_a_note_with_an_example():
    items = pd.DataFrame({"source": ["s000", "S001.png"], "method": "m00", "expected": 1})
    rated, notes = screening.gold_items_of(items, random_panel())
    assert rated["source"].tolist() == ["s000"]
    assert "1 of 2 stimuli of the table of gold items were not rated" in notes[0]
    assert "the source 'S001.png' stands beside 's001'" in notes[0]


def test_gold_on_a_line_allows_a_quarter_of_it():
    line = Scale(0, 100, None)
    panel = validate_ratings(
        pd.DataFrame({"rater": ["near", "far"], "source": "s", "method": "m", "score": [76.0, 74.0]}), scale=line
    )
    table = screening.gold(panel, pd.DataFrame({"source": ["s"], "method": "m", "expected": 100}))
    assert table.set_index("rater")["missed"].to_dict() == {"far": 1, "near": 0}


def test_a_rater_who_is_not_there_cannot_be_left_out():
    panel = random_panel()
    with pytest.raises(RatingsError, match="cannot exclude 'R001': .*did you mean 'r001'"):
        screening.exclusion_effect(panel, ["R001"])
    numbered = panel.assign(rater=panel["rater"].str[3:])
    assert screening.exclusion_effect(numbered, [1])["n_kept"].tolist() == [25] * 4
