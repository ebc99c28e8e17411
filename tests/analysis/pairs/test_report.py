import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from analysis.__main__ import main
from analysis.pairs import read_pairs, strengths, validate_pairs
from analysis.pairs.page import figures, write_pairs_report
from analysis.pairs.report import PairsOptions, analyse_pairs, pairs_summary
from analysis.pairs.simulate import Design, simulate_pairs
from tests.analysis.pairs.tables import pudding, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shared):
    out = tmp_path_factory.mktemp("pairs")
    assert main(["pairs", str(shared / "ratings" / "sr_pairs.csv"), "--out", str(out / "one")]) == 0
    return out / "one"


@pytest.fixture(scope="module")
def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def page(folder):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", (folder / "report.html").read_text()))


def study(seed=0, **design):
    strength = {"hr": 0.9, "a": 0.4, "b": 0.0, "c": -0.5}
    return simulate_pairs(strength, Design(**({"tie": 0.3} | design)), rng=np.random.default_rng(seed))


def test_the_summary_holds_the_protocols_strengths_and_left_share(summary):
    found = {row["method"]: row["strength"] for row in summary["strengths"]}
    expected = {"ResShift": 0.5994, "RealESRGAN": 0.0206, "SwinIR": -0.0351, "BSRGAN": -0.5848}
    assert found == pytest.approx(expected, abs=1e-4)
    assert sum(found.values()) == pytest.approx(0, abs=1e-9)
    assert all(row["low"] < row["strength"] < row["high"] for row in summary["strengths"])
    assert summary["left_share"] == pytest.approx(0.4756, abs=5e-5)
    assert summary["counts"] == {"choices": 900, "counted": 900, "raters": 3, "sources": 10, "methods": 4, "ties": 0}
    assert len(summary["differences"]) == 6
    assert len(summary["by_source"]) == 40


def test_the_page_says_what_three_raters_do_not_cover_and_who_made_most_choices(folder, summary):
    text = page(folder)
    assert "They do not cover other raters, nor other sources." in text
    assert "r2 made 600 of the 900 choices" in text
    assert summary["random"] == {"raters": False, "sources": False}
    assert "speak of other raters" not in text
    for name in ("strengths", "differences", "sides", "by_source"):
        assert set(pd.read_csv(folder / "tables" / f"{name}.csv")["random"]) == {"neither"}


def test_the_page_of_a_full_study_says_that_both_count_as_samples(tmp_path):
    results = write_pairs_report(study(), out=tmp_path)
    assert results.random.text == "raters and sources"
    assert "so they speak of other raters and other sources too" in page(tmp_path)
    assert "These choices were drawn by a computer" in page(tmp_path)
    assert (tmp_path / "figures" / "against.svg").exists()  # hr is found without being named
    assert results.stretch > 1


def test_everything_promised_is_written(folder):
    for name in ("strengths", "matrix", "sources", "raters"):
        assert (folder / "figures" / f"{name}.svg").read_text().startswith("<?xml")
        with Image.open(folder / "figures" / f"{name}.png") as image:
            assert np.ptp(np.asarray(image.convert("L"))) > 200
    for name in ("strengths.csv", "strengths.tex", "differences.csv", "differences.tex", "pair_shares.tex"):
        assert (folder / "tables" / name).stat().st_size > 100
    text = (folder / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', text) == []
    assert "<script" not in text
    assert text.count("data:image/svg+xml;base64,") == 4


def test_the_same_input_gives_the_same_bytes_in_another_process(folder, tmp_path, shared):
    command = [sys.executable, "-m", "analysis", "pairs", str(shared / "ratings" / "sr_pairs.csv")]
    command += ["--out", str(tmp_path / "two")]
    root = Path(__file__).parents[3]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": "7"}, cwd=root)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(names) > 25
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_provenance_is_the_files_sha256(summary, shared):
    digest = sha256((shared / "ratings" / "sr_pairs.csv").read_bytes()).hexdigest()
    assert summary["provenance"]["sha256"] == {"pairs": digest}


def test_a_separated_table_gets_a_report_with_its_reason_and_without_strengths(tmp_path, capsys):
    table = rows([("a", "b", "a", 30), ("b", "c", "b", 10), ("c", "b", "c", 12), ("a", "c", "a", 4)])
    table.to_csv(tmp_path / "pairs.csv", index=False)
    assert main(["pairs", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["strengths"] == []
    assert "every choice between a and another method went to it" in found["unfitted"]
    assert "no strengths: the table is separated" in capsys.readouterr().out
    assert "No strengths. The table is separated" in page(tmp_path / "out")
    assert [row["share_a"] for row in found["pair_shares"]][:2] == [1.0, 1.0]
    assert not (tmp_path / "out" / "figures" / "strengths.svg").exists()


def test_raters_to_leave_out_are_stated_with_their_effect(tmp_path, shared):
    path = shared / "ratings" / "sr_pairs.csv"
    assert main(["pairs", str(path), "--exclude", "r2", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["counts"]["choices"] == 300
    assert found["strengths"][0]["strength"] == pytest.approx(0.7357, abs=1e-4)
    assert "Raters left out on request: r2" in page(tmp_path)
    effect = pd.read_csv(tmp_path / "tables" / "screening_effect.csv").query("screen == 'exclude'")
    assert effect["change"].abs().max() == pytest.approx(0.216, abs=1e-3)


def test_another_original_is_named_on_the_command_line(tmp_path, shared, capsys):
    path = str(shared / "ratings" / "sr_pairs.csv")
    assert main(["pairs", path, "--reference", "SwinIR", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "summary.json").read_text())
    assert [row["method"] for row in found["against"]] == ["ResShift", "RealESRGAN", "BSRGAN"]
    assert found["against"][0]["share"] == pytest.approx(103 / 150)
    assert main(["pairs", path, "--reference", "hr", "--out", str(tmp_path)]) == 2
    assert "no method is called 'hr'; the table has BSRGAN" in capsys.readouterr().err


def test_names_are_text_on_the_page_and_in_latex_whatever_they_hold(tmp_path):
    evil = study().replace({"a": "<script>alert(1)</script>", "b": r"50%_&\frac{$x$}#"})
    write_pairs_report(evil, out=tmp_path)
    assert "<script" not in (tmp_path / "report.html").read_text()
    latex = (tmp_path / "tables" / "strengths.tex").read_text().replace(r"\allowbreak{}", "")
    assert r"50\%\_\&\textbackslash{}frac\{\$x\$\}\#" in latex


def test_many_methods_are_written_and_the_page_stays_small(tmp_path):
    strength = {f"method {index:03d}": 0.02 * index for index in range(60)}
    table = simulate_pairs(strength, Design(raters=25, sources=2, pairs=600, tie=0.2), rng=np.random.default_rng(0))
    write_pairs_report(table, out=tmp_path)
    assert len(pd.read_csv(tmp_path / "tables" / "differences.csv")) == 60 * 59 / 2
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    assert r"\begin{longtable}" in (tmp_path / "tables" / "differences.tex").read_text()


def test_an_earlier_reports_tables_do_not_stay_behind(tmp_path):
    write_pairs_report(study(), out=tmp_path)
    assert (tmp_path / "tables" / "against.csv").exists()
    write_pairs_report(study().replace("hr", "other"), out=tmp_path)
    assert not (tmp_path / "tables" / "against.csv").exists()
    assert not (tmp_path / "figures" / "against.png").exists()


def test_repeated_showings_count_for_consistency_and_not_for_strengths(tmp_path):
    first = study(raters=5).assign(session="")
    again = first.assign(repeat=first["repeat"] + 1)
    results = write_pairs_report(pd.concat([first, again], ignore_index=True), out=tmp_path)
    pd.testing.assert_frame_equal(results.tables["strengths"], strengths(validate_pairs(first)))
    assert results.tables["repeats"]["same"].iloc[0] == 1
    assert "300 choices repeat an earlier one" in page(tmp_path)


def test_pudding_makes_a_report_with_its_ties(tmp_path):
    found = pairs_summary(write_pairs_report(pudding(), out=tmp_path))
    assert found["tie"] == pytest.approx(0.7468, abs=1e-4)
    assert "nu = 0.747" in page(tmp_path)


def test_the_plan_is_printed_and_a_pilot_gives_its_own_deviations(capsys, shared):
    assert main(["plan-pairs", "--sources", "40", "--pairs", "60", "--methods", "4"]) == 0
    assert re.search(r"0\.6 +4 +40 +60 +raters and sources +26", capsys.readouterr().out)
    assert main(["plan-pairs", "--pilot", str(shared / "ratings" / "sr_pairs.csv"), "--methods", "4"]) == 0
    assert "raters and sources" in capsys.readouterr().out
    assert main(["plan-pairs", "--share", "0.5"]) == 2


def test_the_package_needs_neither_the_site_nor_a_test_oracle():
    code = (
        "import sys, analysis.pairs.page, analysis.pairs.power; print(sorted(m for m in sys.modules if '.' not in m))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for module in ("django", "torch", "studies", "choix", "statsmodels"):
        assert f"'{module}'" not in out


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    raters=st.integers(1, 3),
    sources=st.integers(1, 3),
    methods=st.integers(2, 4),
    pairs=st.integers(1, 12),
    tie=st.sampled_from([0.0, 0.5, 20.0]),
)
def test_no_small_or_degenerate_table_breaks_the_analysis(seed, raters, sources, methods, pairs, tie):
    """Studies are looked at while they run. Warnings are errors here."""
    strength = {f"m{index}": 2.0 * index for index in range(methods)}
    design = Design(raters=raters, sources=sources, pairs=pairs, tie=tie)
    table = simulate_pairs(strength, design, rng=np.random.default_rng(seed))
    results = analyse_pairs(table, options=PairsOptions(reference="m0") if seed % 2 and pairs > 11 else None)
    found = json.loads(json.dumps(pairs_summary(results), allow_nan=False))
    assert bool(found["strengths"]) != bool(found["unfitted"])


def test_the_titles_of_the_table_itself_are_printed_and_the_original_comes_last(tmp_path):
    pairs = study(raters=6, sources=6, pairs=40)
    titles = {"a": "A chosen title", "b": "b", "c": "c", "hr": "Truth"}
    for side in ("left", "right"):
        pairs[f"{side}_title"] = pairs[side].map(titles)
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    results = write_pairs_report(read_pairs(tmp_path / "pairs.csv"), out=tmp_path)
    assert results.titles == titles
    assert results.order()[-1] == "hr"
    drawn = figures(results)
    labels = [label.get_text() for label in drawn["strengths"].axes[0].get_yticklabels()]
    assert labels[-1] == "Truth"
    assert "A chosen title" in labels
    assert [label.get_text() for label in drawn["matrix"].axes[0].get_yticklabels()] == labels
    assert "A chosen title" in page(tmp_path)
    assert "A chosen title" in (tmp_path / "methods.txt").read_text()
    rows = (tmp_path / "tables" / "strengths.tex").read_text()
    assert rows.index("Truth") > max(rows.index(title) for title in ("A chosen title", "b &", "c &"))


def test_figures_tables_and_page_print_the_titles_of_the_ratings_and_stand_ins_for_what_no_font_has(tmp_path):
    pairs = study(raters=6, sources=6, pairs=40)
    pairs.loc[pairs["rater"] == pairs["rater"].iloc[0], "rater"] = "r\U00013080"
    methods = ["hr", "a", "b", "c"]
    scores = pd.DataFrame([("x", source, m, 3 + len(m)) for source in sorted(set(pairs["source"])) for m in methods])
    scores = scores.set_axis(["rater", "source", "method", "score"], axis=1)
    scores["method_title"] = scores["method"].map({"a": "A chosen title", "b": "b\U00013080", "c": "c", "hr": "Truth"})
    results = write_pairs_report(pairs, scores, out=tmp_path)
    drawn = figures(results)
    labels = {label.get_text() for label in drawn["strengths"].axes[0].get_yticklabels()}
    assert labels == {"A chosen title", "method 1", "c", "Truth"}
    assert "rater 1" in {label.get_text() for label in drawn["raters"].axes[0].get_yticklabels()}
    text = page(tmp_path)
    assert "its figures print b\U00013080 as method 1, r\U00013080 as rater 1." in text
    assert "Against the original: Truth" in text
    assert "A chosen title" in (tmp_path / "tables" / "strengths.tex").read_text()
