"""The paragraphs "Methods" of a report of pairs say what the table and the protocol show, and claim nothing else."""

import json

import pandas as pd
import pytest

from analysis import reproduce
from analysis.__main__ import main
from analysis.pairs import read_pairs
from analysis.pairs.methodology import pairs_methodology
from analysis.pairs.report import PairsOptions, analyse_pairs
from analysis.pairs.schema import validate_pairs
from tests.analysis.pairs.tables import pudding, rows

PROTOCOL = {
    "task": "pair", "scale": {"low": -1, "high": 1, "step": 2}, "against": "hr", "order": "apart", "undo": True,
    "practice": "Set5/baby bicubic hr", "gap_ms": 500, "least_view_ms": 300, "sitting_trials": 100, "rest_minutes": 10,
    "traps_a_run": 1, "instructions": "Choose the better one.", "payment": "10 euro an hour", "ethics": "",
    "consent": "They agreed.", "allocation": "spread", "trials": 24, "ratings_each": 15,
}  # fmt: skip


def said(table, protocol=None, **options):
    checked = validate_pairs(table)
    return pairs_methodology(analyse_pairs(checked, options=PairsOptions(**options)), checked, protocol)


def test_of_a_table_alone_only_what_it_shows_is_said(sr_pairs):
    found = said(sr_pairs)
    assert list(found) == ["Design", "Raters", "Statistics"]
    assert found["Design"] == (
        "In all, 3 raters made 900 choices between two images of one source, by 4 methods (BSRGAN, RealESRGAN, "
        "ResShift and SwinIR) on 10 source images. Every two methods met in 150 choices. "
        "Each rater made 120 to 600 choices."
    )
    assert "speak of these raters and sources alone" in found["Statistics"]
    assert "The left image was chosen in 47.6 %" in found["Statistics"]
    text = " ".join(found.values())
    for word in ("score", "Davidson", "drawn at random", "ayment", "side by side", "practis", "language"):
        assert word not in text


def test_ties_and_what_was_left_out_are_counted(sr_pairs):
    found = said(pudding())
    assert "Davidson's parameter for ties (1970)" in found["Statistics"]
    assert "neither was preferred" in found["Design"]
    found = said(sr_pairs, exclude=("r2",))
    assert "2 raters made 300 choices" in found["Design"]
    assert found["Raters"].endswith("Left out: 1 rater.")


def test_a_table_without_strengths_says_why():
    table = rows([("a", "b", "a", 30), ("b", "c", "b", 10), ("c", "b", "c", 12), ("a", "c", "a", 4)])
    found = said(table)["Statistics"]
    assert "No strengths were estimated: the table is separated" in found
    assert "Bradley" not in found


def test_the_protocol_and_the_sites_columns_fill_in_the_rest(sr_pairs):
    table = sr_pairs.assign(
        language="de", rated_at="2026-03-01T12:00:00Z", screen_width=1920, screen_height=1080, device_pixel_ratio=1
    )
    found = said(table, PROTOCOL)
    assert list(found) == ["Design", "Procedure", "Raters", "Display", "Statistics"]
    for sentence in (
        "Raters had to choose the one that looked better.",
        "Each method was shown against HR.",
        "Each rater saw 24 pairs, so that all got as many choices, 15 of each pair were wanted.",
        "The order was random, with no source twice in a row.",
        "practised on 1 pair",
        "Trap pairs, the original beside nearest-neighbour enlargement, came among them and were not counted.",
        "An answer counted once each image had been seen for 300 ms.",
        "mid-grey for 500 ms",
        "The last choice could be taken back until the next was made.",
        "After at most 100 pairs a rest of at least 10 minutes followed.",
        "The pages were in German.",
        "Choices were made on 2026-03-01.",
        "Payment: 10 euro an hour.",
        "Screens measured 1920 x 1080 CSS pixels.",
    ):
        assert sentence in " ".join(found.values())


def test_the_report_has_methods_and_checklist_and_comes_out_again(tmp_path, shared):
    (tmp_path / "p.json").write_text(json.dumps(PROTOCOL))
    (tmp_path / "seen.png").write_bytes(b"x")
    out = tmp_path / "out"
    table = read_pairs(shared / "ratings" / "sr_pairs.csv").assign(language="de", rated_at="2026-03-01T12:00:00Z")
    table.to_csv(tmp_path / "pairs.csv", index=False)
    given = ["--protocol", str(tmp_path / "p.json"), "--picture", str(tmp_path / "seen.png"), "--out", str(out)]
    assert main(["pairs", str(tmp_path / "pairs.csv"), *given]) == 0
    page = (out / "report.html").read_text()
    for text in (
        "Methods, ready to paste",
        "Choose the better one.",
        "10 euro an hour",
        "In the archive: raters/seen.png.",
    ):
        assert text in page
    assert "Not stated: the study&#39;s field for approval and risks is empty." in page
    assert (out / "methods.txt").read_text().startswith("In all, 3 raters made 900 choices")
    assert r"\paragraph" in (out / "methods.tex").read_text()
    assert reproduce.different(out, tmp_path / "again") == []
    for name in ("report.html", "methods.txt", "raters/seen.png", "data/protocol.json", "data/options.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes(), name


@pytest.mark.parametrize("wrong", ["nothing", "2026-99-99"])
def test_a_column_that_holds_something_else_is_not_described(sr_pairs, wrong):
    found = said(sr_pairs.assign(rated_at=wrong, screen_width=wrong, screen_height=pd.NA))
    assert "Display" not in found
    assert "Choices were made on" not in found["Raters"]
