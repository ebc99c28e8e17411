"""The paragraphs "Methods" say what the table and the protocol show, in the right number, and claim nothing else."""

import json

import pandas as pd
import pytest

from analysis.checklist import checklist
from analysis.methodology import methodology
from analysis.page import write_report
from analysis.report import Options, analyse
from analysis.schema import validate_ratings
from tests.analysis.panels import random_panel

PROTOCOL = {
    "task": "rating",
    "order": "apart",
    "calibration": ["Cal/a"],
    "practice": "Set5/baby bicubic 2-3\n",
    "stabilising": 5,
    "gap_ms": 500,
    "least_view_ms": 300,
    "undo": True,
    "sitting_trials": 100,
    "sitting_minutes": 1,
    "rest_minutes": 10,
    "scale": {"low": 1, "high": 5, "step": 1, "labels": [[1, "Bad"], [5, "Excellent"]]},
    "instructions": "Rate each image.",
    "payment": "10 euro an hour",
}


def said(panel, protocol=None, **options):
    table = validate_ratings(panel)
    return methodology(analyse(table, options=Options(draws=20, **options)), table, protocol)


def test_of_a_table_alone_only_what_it_shows_is_said():
    found = said(random_panel(raters=6, sources=4, methods=3))
    assert set(found) == {"Design", "Raters", "Statistics"}
    assert found["Design"].startswith("In all, 6 raters scored 12 stimuli: 4 source images")
    assert "by 3 methods (m00, m01 and m02)." in found["Design"]
    assert "Every rater scored every stimulus." in found["Design"]
    text = " ".join(found.values())
    for word in ("one at a time", "CSS pixels", "drawn at random", "ayment", "instructions", "practis"):
        assert word not in text


def test_one_of_each_is_said_in_the_singular():
    found = said(random_panel(raters=1, sources=1, methods=2))
    assert "In all, 1 rater scored 2 stimuli: 1 source image" in found["Design"]
    assert "1 raters" not in str(found)
    assert "1 source images" not in str(found)


def test_an_incomplete_design_says_how_much_each_rater_and_stimulus_has():
    panel = random_panel(raters=6, sources=4, methods=3, missing=0.4, seed=1)
    by_rater, by_stimulus = panel.groupby("rater").size(), panel.groupby(["source", "method"]).size()
    text = said(panel)["Design"]
    assert f"Each rater scored {by_rater.min()} to {by_rater.max()} stimuli" in text
    assert f"each stimulus has {by_stimulus.min()} to {by_stimulus.max()} scores." in text
    assert "Every rater" not in text


def test_scores_of_second_showings_are_counted_in_the_right_number():
    panel = random_panel(raters=4, sources=3, methods=2)
    again = pd.concat([panel, panel.head(1).assign(repeat=1)])
    assert "shown again to the same rater the first score counts (1 score left out)." in said(again)["Design"]
    assert "shown again" not in said(panel)["Design"]


def test_the_protocol_fills_in_procedure_scale_and_payment():
    found = said(random_panel(raters=6, sources=4, methods=3), PROTOCOL)
    for sentence in (
        "in which no source came twice in a row",
        "examples of the two ends of the scale",
        "practised on 1 image, with feedback",
        "The first 5 trials of each rater",
        "mid-grey for 500 ms",
        "within 300 ms",
        "could be taken back",
        "After at most 100 images or 1 minute a rest of at least 10 minutes followed.",
    ):
        assert sentence in found["Procedure"]
    assert "one at a time" in found["Design"]
    assert "labelled 1 Bad and 5 Excellent" in found["Design"]
    assert "Payment: 10 euro an hour." in found["Raters"]


def test_languages_and_parts_of_a_study_are_said():
    panel = random_panel(raters=4, sources=3, methods=2)
    found = said(panel.assign(language="en"), {"allocation": "together", "trials": 24})
    assert "The pages were in English." in found["Raters"]
    assert "Each rater's part was 24 images, all versions of few sources, drawn in short runs" in found["Procedure"]
    two = panel.assign(language=panel["rater"].map(lambda rater: "de" if rater == "r000" else "en"))
    assert "The pages were in English (3 raters) and German (1 rater)." in said(two)["Raters"]
    assert "part" not in said(panel, {"allocation": "all", "trials": 0, "undo": True})["Procedure"]


def test_dates_display_and_times_come_from_the_table():
    panel = random_panel(raters=4, sources=3, methods=2)
    moments = pd.date_range("2026-03-01", periods=len(panel), freq="3h", tz="UTC")
    exact = {"canvas_width": 1500, "canvas_css_width": 1000, "device_pixel_ratio": 1.5, "visual_viewport_scale": 1}
    panel = panel.assign(**exact, rated_at=moments.strftime("%Y-%m-%dT%H:%M:%SZ"), response_ms=2500)
    panel["screen_width"], panel["screen_height"] = 1920, 1080
    found = said(panel)
    assert "In all of the 24 scores that state it, one pixel of the image area was one pixel of the screen." in str(
        found
    )
    assert "Screens measured 1920 x 1080 CSS pixels." in found["Display"]
    assert "The device pixel ratio was 1.5." in found["Display"]
    assert "Scores were given from 2026-03-01 to 2026-03-03." in found["Raters"]
    assert "The median time to a score was 2.5 s." in found["Raters"]
    panel.loc[:5, "canvas_width"] = 1000
    assert "In 75.0 % of the 24 scores" in said(panel)["Display"]


@pytest.mark.parametrize(("left", "text"), [((), "Nobody was left out."), (("r001",), "Left out: 1 rater.")])
def test_exclusions_are_said(left, text):
    assert text in said(random_panel(raters=6, sources=4, methods=3), exclude=left)["Raters"]


def test_the_statistics_are_those_asked_for():
    panel = random_panel(raters=6, sources=4, methods=3)
    assert "raters and sources both random" in said(panel)["Statistics"]
    assert "Wilcoxon's signed-rank test over images" in said(panel, unit="image")["Statistics"]
    assert "within ±0.2" in said(panel, margin=0.2)["Statistics"]
    assert "count scores as independent" in said(panel, interval="student")["Statistics"]


def test_page_text_file_and_latex_have_the_paragraphs_and_the_checklists_answers(tmp_path):
    panel = random_panel(raters=6, sources=4, methods=3).replace({"method": {"m00": "50%_漢"}})
    write_report(panel, out=tmp_path, protocol=PROTOCOL, pictures={"rating.png": b"PNG"})
    page = (tmp_path / "report.html").read_text()
    assert "<dd>Rate each image.</dd>" in page
    assert "<dd>10 euro an hour</dd>" in page
    assert "raters/rating.png" in page
    assert "In all, 6 raters scored" in (tmp_path / "methods.txt").read_text()
    tex = (tmp_path / "methods.tex").read_text()
    assert r"\paragraph{Design.} In all, 6 raters" in tex
    assert r"50\%\_\anyscript{漢}{" in tex
    assert json.loads((tmp_path / "data" / "protocol.json").read_text()) == PROTOCOL


def test_what_a_checklist_asks_and_nobody_stated_is_said_to_be_unstated():
    answers = dict(checklist(None))
    assert all(answer.startswith(("Not stated", "None in this archive")) for answer in answers.values())
    assert dict(checklist({"payment": ""}))["Compensation"].startswith("Not stated: the study's field")
