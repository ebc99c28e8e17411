import time

import numpy as np
import pandas as pd
import pytest

from analysis.quality import COMMON, Limits, rater_quality
from analysis.report import Options, analyse
from analysis.scale import Scale
from analysis.schema import read_ratings, scale_columns


def table(*, raters=6, images=50, **columns):
    """Raters who agree but for a step now and then, in an order of their own."""
    rng = np.random.default_rng(1)
    quality = rng.integers(1, 6, images)
    rows = [
        {
            "rater": f"r{r}",
            "source": f"s{i}",
            "method": "m",
            "score": int(np.clip(quality[i] + rng.integers(-1, 2), 1, 5)),
        }
        for r in range(raters)
        for i in range(images)
    ]
    found = pd.DataFrame(rows)
    found["position"] = found.groupby("rater")["score"].transform(lambda of: rng.permutation(len(of)) + 1)
    return found.assign(**columns)


def of(found, rater="r0"):
    return found.set_index("rater").loc[rater]


def test_correlation_with_the_others_is_pearson_with_the_mean_of_the_others(shared):
    ratings = read_ratings(shared / "ratings" / "nflx_public.csv", tell=lambda _: None)
    found = of(rater_quality(ratings), "rater_06")
    wide = ratings.pivot(index=["source", "method"], columns="rater", values="score")
    expected = np.corrcoef(wide["rater_06"], wide.drop(columns="rater_06").mean(axis=1))[0, 1]
    assert found["correlation"] == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(0.7429, abs=5e-5)
    assert (found["common"], found["flags"]) == (79, "correlation")
    assert found["reason"] == "correlation with the others 0.74 on 79 images, the limit is 0.75"
    assert found["spread"] == pytest.approx(wide["rater_06"].std(ddof=0))


def test_too_few_common_images_or_others_give_no_correlation():
    few = rater_quality(table(images=COMMON - 1))
    assert few["correlation"].isna().all()
    assert set(few["common"]) == {COMMON - 1}
    assert rater_quality(table(images=COMMON))["correlation"].notna().all()
    assert set(rater_quality(table(raters=3))["common"]) == {0}


def test_who_is_excluded_is_judged_and_is_nobodys_other():
    given = table()
    given.loc[given["rater"] == "r5", "score"] = np.random.default_rng(0).integers(1, 6, 50)
    marked = given.assign(excluded=np.where(given["rater"] == "r5", "at random", ""))
    without = rater_quality(given[given["rater"] != "r5"])
    found = rater_quality(marked)
    assert of(found)["correlation"] == pytest.approx(of(without)["correlation"])
    assert of(rater_quality(given))["correlation"] < of(without)["correlation"]
    assert of(found, "r5")["flags"] == "correlation"
    given.loc[given["rater"] == "r5", "score"] = 3
    marked = given.assign(excluded=marked["excluded"])
    assert of(rater_quality(marked))["run_limit"] == of(without)["run_limit"] < of(rater_quality(given))["run_limit"]


@pytest.mark.parametrize("scale", [Scale(1, 5), Scale(0, 100, None), Scale(-3, 3)])
def test_limits_follow_the_scale(scale):
    given = table()
    given["score"] = np.round(scale.low + (given["score"] - 1) * scale.category, 6)
    if scale.step:
        given["score"] = given["score"].round()
    given = given.assign(**scale_columns(scale))
    given.loc[given["rater"] == "r0", "score"] = scale.middle
    found = rater_quality(given)
    assert of(found, "r1")["spread"] == pytest.approx(of(rater_quality(table()), "r1")["spread"], rel=0.2)
    assert of(found)["flags"] == "straight_lining, spread"
    assert of(found)["reason"].startswith("50 equal scores in a row, the limit is ")
    assert set(found["flags"]) == {"", "straight_lining, spread"}


def checks(*rows, scale=None):
    """Rows of one rater beside a panel: (kind, expected, score)."""
    more = pd.DataFrame(
        {"rater": "r0", "source": f"c{n}", "method": "m", "score": s, "position": 100 + n, "check": kind, "expected": e}
        for n, (kind, e, s) in enumerate(rows)
    )
    given = pd.concat([table().assign(check="", expected=np.nan), more], ignore_index=True)
    return of(rater_quality(given.assign(**scale_columns(scale)) if scale else given))


def test_gold_may_miss_by_one_category_and_a_trap_by_nothing():
    found = checks(("gold", 5, 4), ("gold", 1, 3), ("trap", 2, 2), ("trap", 2, 3))
    assert tuple(found[["gold", "gold_failed", "traps", "traps_failed"]]) == (2, 1, 2, 1)
    assert found["flags"] == "checks"
    assert found["reason"] == "failed 1 of 2 gold images and 1 of 2 traps"


def test_a_flag_needs_two_failed_checks_and_more_than_one_in_five():
    assert checks(("trap", 2, 5))["flags"] == ""
    passed = [("gold", 5, 5), ("gold", 1, 1)] * 4
    assert checks(*passed, *[("gold", 5, 1)] * 2)["flags"] == ""
    assert checks(*passed[:7], *[("gold", 5, 1)] * 2)["flags"] == "checks"


def test_checks_count_in_no_other_number_but_the_run():
    found = checks(("gold", 5, 1), ("trap", 2, 5))
    plain = of(rater_quality(table()))
    assert (found["n"], found["spread"], found["correlation"]) == (50, plain["spread"], plain["correlation"])


def test_time_is_no_more_than_the_servers_clock_allows():
    given = table(response_ms=2000.0, possible_ms=2000.0, waited_ms=400.0)
    given.loc[given["rater"] == "r0", "possible_ms"] = 100.0
    given.loc[given["rater"] == "r1", "response_ms"] = 300.0
    given.loc[given["rater"] == "r1", "possible_ms"] = 300.0
    found = rater_quality(given)
    assert of(found, "r2")[["minutes", "median_ms", "doubtful", "flags"]].tolist() == [2.0, 2000, 0, ""]
    assert of(found)[["median_ms", "doubtful"]].tolist() == [100, 1]
    assert of(found)["flags"] == "fast, evidence"
    assert of(found, "r1")["flags"] == "fast"
    assert of(rater_quality(given, limits=Limits(median_ms=250)), "r1")["flags"] == ""


def test_ratings_without_an_order_or_a_time_are_not_judged_by_them():
    found = rater_quality(table().drop(columns="position"))
    assert found[["longest_run", "minutes", "median_ms", "doubtful"]].isna().all(axis=None)
    assert set(found["flags"]) == {""}


def test_a_stated_run_holds():
    assert set(rater_quality(table(), limits=Limits(run=2))["flags"]) == {"straight_lining"}


def test_a_run_is_judged_by_what_the_others_give_most_often_however_rare_it_is_in_the_whole():
    score = np.r_[np.repeat([1, 2, 3], 10), np.repeat(5, 6)]
    given = pd.DataFrame({"rater": ["r0"] * 30 + ["r1"] * 6, "source": [f"s{i}" for i in range(36)], "score": score})
    given["position"] = given.groupby("rater").cumcount() + 1
    found = rater_quality(given.assign(method="m"))
    assert of(found)["longest_run"] == 10
    assert of(found)["run_limit"] == np.inf  # all others gave one score
    assert of(found, "r1")["run_limit"] == np.ceil(np.log(6 * 2 / 3 / 0.001) / np.log(3))


def test_a_second_session_whose_positions_begin_again_comes_after_the_first():
    given = table().assign(session="a")
    again = given.assign(session="b", repeat=1)
    given["score"], again["score"] = 1, 5
    assert set(rater_quality(pd.concat([given, again]))["longest_run"]) == {50}


def test_one_rater_alone_and_a_row_alone():
    alone = table(raters=1)
    assert set(rater_quality(alone)["flags"]) == {""}
    assert set(rater_quality(alone.assign(score=3))["flags"]) == {"straight_lining, spread"}
    assert of(rater_quality(alone.head(1)))["n"] == 1


def test_ten_thousand_raters_take_seconds():
    rng, raters, each, images = np.random.default_rng(0), 10_000, 60, 600
    rater = np.repeat(np.arange(raters), each)
    image = np.concatenate([rng.permutation(images)[:each] for _ in range(raters)])
    given = pd.DataFrame(
        {
            "rater": [f"r{r}" for r in rater], "source": [f"s{i}" for i in image], "method": "m",
            "score": np.clip(image % 5 + 1 + rng.integers(-1, 2, len(image)), 1, 5),
            "position": np.tile(np.arange(each), raters), "response_ms": 2000.0, "possible_ms": 2000.0,
        }
    )  # fmt: skip
    began = time.process_time()
    found = rater_quality(given)
    assert time.process_time() - began < 15
    assert len(found) == raters


def test_the_reports_screen_has_the_studys_own_limit_of_failed_checks():
    rows = [{"rater": "r0", "source": f"c{n}", "method": "m", "score": 5, "position": 100 + n, "check": "trap",
             "expected": 2} for n in range(2)]  # fmt: skip
    given = pd.concat([table().assign(check="", expected=np.nan), pd.DataFrame(rows)], ignore_index=True)
    for failed_checks, rejected in ((2, True), (3, False)):
        screen = analyse(given, options=Options(draws=20, failed_checks=failed_checks)).screens["checks"]
        assert screen.set_index("rater")["rejected"].to_dict() == {"r0": rejected}
