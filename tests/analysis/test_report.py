import json
import re
import subprocess
import sys
from hashlib import sha256
from html import unescape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from analysis import example
from analysis.__main__ import main
from analysis.page import figures, write_report
from analysis.recovery import recover
from analysis.report import Options, analyse
from analysis.scale import Scale
from analysis.schema import validate_ratings
from analysis.significance import pairwise_tests
from analysis.summary import summary as report_summary
from analysis.typeset import latex_tables
from tests.analysis.panels import random_panel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    given = ["report", str(example.RATINGS), "--objective", str(example.OBJECTIVE), "--out", str(out / "one")]
    assert main(given) == 0
    return out


@pytest.fixture(scope="module")
def summary(folder):
    return json.loads((folder / "one" / "summary.json").read_text())


def test_the_same_input_gives_the_same_bytes_in_another_process(folder):
    command = [sys.executable, "-m", "analysis", "report", str(example.RATINGS)]
    command += ["--objective", str(example.OBJECTIVE), "--out", str(folder / "two")]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": "7"}, cwd=example.FOLDER.parents[1])
    names = sorted(path.relative_to(folder / "one") for path in (folder / "one").rglob("*") if path.is_file())
    assert len(names) > 30
    for name in names:
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes(), name


def test_everything_promised_is_written(folder):
    out = folder / "one"
    for name in ("score_distributions", "ranks", "mos", "mos_psnr", "raters", "screening"):
        assert (out / "figures" / f"{name}.svg").read_text().startswith("<?xml")
        with Image.open(out / "figures" / f"{name}.png") as image:
            assert np.ptp(np.asarray(image.convert("L"))) > 200
    for name in ("table_1.csv", "table_1.tex", "table_2.csv", "table_2.tex", "mos.csv", "significance.csv"):
        assert (out / "tables" / name).stat().st_size > 100


def test_the_page_is_one_file_that_fetches_nothing(folder):
    text = (folder / "one" / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', text) == []
    assert "<script" not in text
    assert text.count("data:image/svg+xml;base64,") == 8
    assert "Simulated." in text


def test_the_report_states_what_the_paper_leaves_unstated(folder):
    text = re.sub(r"<[^>]+>", "", (folder / "one" / "report.html").read_text())
    assert "Raters and images both count as samples: what is significant here speaks of other raters and other" in text
    assert "pairs of rater x image; zeros: pratt; number of pairs: 40 to 50; raw p and Holm's p" in text
    assert "As published; counts ratings as independent" in text


def test_tables_and_figures_of_simulated_ratings_say_so_and_others_do_not(folder, nflx):
    for name in ("table_1", "table_2", "significance", "agreement", "reliability", "screening"):
        assert "Simulated ratings." in (folder / "one" / "tables" / f"{name}.tex").read_text()
    simulated, real = analyse(validate_ratings(pd.read_csv(example.RATINGS))), analyse(nflx)
    assert {figure.get_suptitle() for figure in figures(simulated).values()} == {"Simulated ratings"}
    assert {figure.get_suptitle() for figure in figures(real).values()} == {""}
    assert not any("imulated" in text for text in latex_tables(real).values())


def test_the_summary_holds_what_the_functions_compute(summary):
    ratings = example.ratings()
    tests = pairwise_tests(ratings)
    assert [row["p"] for row in summary["significance"]] == tests["p"].tolist()
    assert summary["sos"]["n_stimuli"] == 108
    first = summary["mos"][0]
    scores = ratings[(ratings["benchmark"] == first["benchmark"]) & (ratings["method"] == first["method"])]["score"]
    assert first["mos"] == pytest.approx(scores.mean())
    assert first["ci_low"] < first["mos"] < first["ci_high"]
    assert len(summary["recovery"]["p910"]["stimuli"]) == 108
    assert {"rater", "bias", "inconsistency"} <= set(summary["recovery"]["p910"]["raters"][0])


def test_the_summary_names_the_careless_rater_and_what_leaving_out_would_do(summary):
    for screen in ("bt500", "correlation", "too_fast"):
        assert summary["screening"][screen]["rejected"] == ["simulated_10"]
        assert len(summary["screening"][screen]["effect"]) == 24
    assert summary["screening"]["bias"] == summary["screening"]["bias"] | {"rejected": [], "effect": []}


def test_the_provenance_is_the_files_sha256_the_version_and_the_options(summary):
    found = summary["provenance"]
    assert found["sha256"]["ratings"] == sha256(example.RATINGS.read_bytes()).hexdigest()
    assert found["sha256"]["objective"] == sha256(example.OBJECTIVE.read_bytes()).hexdigest()
    assert found["options"]["unit"] == "two_way"
    assert found["version"]


def test_nflx_gets_from_four_columns_everything_they_allow(shared, tmp_path):
    path = shared / "ratings" / "nflx_public.csv"
    assert main(["report", str(path), "--reference", "reference", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["sos"]["a"] == pytest.approx(0.19799501, abs=1e-8)
    assert found["recovery"]["p910"]["iterations"] == 14
    psi = [row["psi"] for row in found["recovery"]["p910"]["stimuli"]]
    assert np.mean(psi) == pytest.approx(3.544791, abs=1e-6)
    assert found["screening"]["bt500"]["rejected"] == []
    assert found["reliability"]["icc"][0]["value"] == pytest.approx(0.7446, abs=5e-5)
    assert len(found["dmos"]) == pd.read_csv(path)["method"].nunique() - 1
    assert any("no average ranks" in note for note in found["notes"])
    assert found["simulated"] is False
    assert "Simulated." not in (tmp_path / "report.html").read_text()


def test_the_smallest_table_still_makes_a_report(tmp_path):
    tiny = pd.DataFrame({"rater": ["a", "b"], "source": "s", "method": "m", "score": [3, 4]})
    results = write_report(tiny, out=tmp_path)
    assert results.tables["mos"]["mos"].tolist() == [3.5]
    assert (tmp_path / "report.html").exists()


def test_names_are_text_on_the_page_whatever_they_hold(tmp_path):
    panel = random_panel(raters=4, sources=3, methods=2)
    evil = validate_ratings(panel.assign(method=panel["method"].replace("m00", "<script>alert(1)</script>")))
    write_report(evil, out=tmp_path)
    assert "<script" not in (tmp_path / "report.html").read_text()


def test_gold_items_and_raters_to_leave_out_are_stated_with_their_effect(tmp_path):
    gold, out = tmp_path / "gold.csv", tmp_path / "out"
    items = example.ratings().query("method == 'hr'")[["benchmark", "source", "method"]].drop_duplicates()
    items.assign(expected=5).to_csv(gold, index=False)
    given = ["report", str(example.RATINGS), "--gold", str(gold), "--exclude", "simulated_10", "--out", str(out)]
    assert main(given) == 0
    found = json.loads((out / "summary.json").read_text())
    assert found["screening"]["gold"]["rejected"] == ["simulated_10"]
    assert found["provenance"]["options"]["exclude"] == ["simulated_10"]
    assert found["provenance"]["sha256"]["gold"] == sha256(gold.read_bytes()).hexdigest()
    assert {row["n"] for row in found["mos"]} == {36, 45}
    assert "left out:</strong>" in (out / "report.html").read_text()
    effect = pd.read_csv(out / "tables" / "screening_effect.csv").query("screen == 'exclude'")
    assert effect["change"].abs().max() > 0.05


def test_an_earlier_reports_tables_do_not_stay_behind(tmp_path):
    panel = random_panel(raters=4, sources=3, methods=2)
    objective = panel[["benchmark", "source", "method"]].drop_duplicates().assign(psnr=range(20, 26))
    write_report(panel, objective, out=tmp_path)
    assert (tmp_path / "figures" / "mos_psnr.png").exists()
    write_report(panel, out=tmp_path)
    assert not (tmp_path / "tables" / "agreement.csv").exists()
    assert not (tmp_path / "figures" / "mos_psnr.png").exists()


def test_the_mixed_model_comes_on_request():
    panel = random_panel(raters=8, sources=6, methods=3)
    results = analyse(panel, options=Options(mixed=True))
    assert results.tables["mixed_effects"]["term"].tolist()[:2] == ["m01", "m02"]
    assert "mixed_effects" not in analyse(panel).tables


def test_other_options_reach_the_tests(tmp_path):
    results = analyse(random_panel(), options=Options(unit="image", zero_method="wilcox", interval="student"))
    row = results.tables["significance"].iloc[0]
    assert (row["unit"], row["zero_method"]) == ("image", "wilcox")
    table = results.tables["mos"]
    assert table["ci_low"].tolist() == table["student_low"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "missing.csv"], "missing.csv"),
        (["report", "{ratings}", "--reference", "original"], "no method is called 'original'; the table has bicubic"),
        (["report", "{ratings}", "--exclude", "nobody"], "cannot exclude 'nobody'"),
        (["report", "{broken}"], "row 1: score is '9'; it must be a whole number from 1 to 5"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_2(arguments, message, tmp_path, capsys):
    broken = tmp_path / "broken.csv"
    broken.write_text("rater,source,method,score\na,s,m,9\n")
    given = [part.format(ratings=example.RATINGS, broken=broken) for part in arguments]
    assert main([*given, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_other_commands_print_their_tables(tmp_path, capsys):
    assert main(["plan", str(example.RATINGS), "--images", "100", "--comparisons", "36"]) == 0
    assert "raters_and_images" in capsys.readouterr().out
    assert main(["simulate", "--out", str(tmp_path / "p.csv"), "--raters", "2"]) == 0
    assert len(pd.read_csv(tmp_path / "p.csv")) == 2 * 1128
    assert main(["simulate-paper", "--panels", "1", "--deviation", "0", "--out", str(tmp_path / "sim")]) == 0
    printed = capsys.readouterr().out
    assert "Simulated: 26 raters" in printed
    findings = pd.read_csv(tmp_path / "sim" / "findings.csv")
    assert len(findings) == 5
    assert findings["simulated"].all()


def test_the_web_process_gets_the_contract_without_figures_and_without_django():
    code = "import sys, analysis.schema, analysis.opinion; print([m for m in sys.modules if '.' not in m])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "pandas" in out
    for module in ("matplotlib", "django", "torch", "jinja2", "krippendorff", "pingouin", "statsmodels"):
        assert f"'{module}'" not in out


def test_the_whole_library_imports_neither_django_nor_torch_nor_a_test_oracle():
    code = "import sys, analysis.__main__, analysis.page, analysis.power, analysis.expectation, analysis.example\n"
    code += "print(sorted(m for m in sys.modules if '.' not in m))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for module in ("django", "torch", "studies", "mosweb", "srcore", "pingouin", "statsmodels", "sureal"):
        assert f"'{module}'" not in out


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100_000), raters=st.integers(1, 4), sources=st.integers(1, 3), methods=st.integers(1, 3))
def test_no_small_or_degenerate_panel_breaks_the_analysis(seed, raters, sources, methods):
    """Studies are looked at while they run: one rater, equal scores, holes. Warnings are errors here."""
    rng = np.random.default_rng(seed)
    panel = random_panel(raters=raters, sources=sources, methods=methods, seed=seed)
    panel["score"] = [panel["score"], 3, rng.integers(4, 6, len(panel))][seed % 3]
    panel = panel[rng.random(len(panel)) < 0.7] if seed % 2 else panel
    if panel.empty:
        return
    keys = panel[["benchmark", "source", "method"]].drop_duplicates()
    objective = keys.assign(psnr=rng.choice([20.0, 25.0, np.inf], len(keys)))
    results = analyse(panel, objective, options=Options(draws=20, reference="m00"))
    text = json.dumps(report_summary(results), allow_nan=False)
    assert json.loads(text)["mos"][0]["n"] == results.tables["mos"]["n"].iloc[0]


def test_a_numbers_limit_stands_beside_it_on_the_page_and_in_the_summary(tmp_path):
    panel = random_panel(raters=5, sources=2, methods=3, missing=0.2)
    objective = panel[["benchmark", "source", "method"]].drop_duplicates()
    write_report(panel, objective.assign(psnr=range(20, 20 + len(objective))), out=tmp_path)
    found = json.loads((tmp_path / "summary.json").read_text())
    page = unescape((tmp_path / "report.html").read_text())
    assert all(row["limit"].startswith("two images: it says little of others") for row in found["mos"])
    assert "of the ratings of a complete panel are missing" in found["reliability"]["icc"][0]["limit"]
    assert "2 sources: no interval" in found["agreement"][0]["limit"]
    for name, text in (("screening", "raters rated fewer than 60 stimuli"), ("ranks", "have every method and count")):
        assert text in found["limits"][name][0]
        assert page.count(text) == 1
    for row in (found["mos"][0], found["reliability"]["icc"][0], found["agreement"][0]):
        assert row["limit"].split(";")[0] in page


def test_a_degenerate_recovery_is_no_result_anywhere_in_the_report(tmp_path):
    real = random_panel(raters=10, sources=10, methods=4, seed=1)
    one = real[real["rater"] == "r000"]
    liners = pd.concat([one.assign(rater=f"liner{i}", score=3) for i in range(5)])
    write_report(pd.concat([real, liners]), out=tmp_path)
    found = json.loads((tmp_path / "summary.json").read_text())["recovery"]["p910"]
    assert found["left_out"] == [f"liner{i}" for i in range(5)]
    alone = recover(real).stimuli["psi"].tolist()
    assert [row["psi"] for row in found["without"]["stimuli"]] == pytest.approx(alone)
    stimuli = pd.read_csv(tmp_path / "tables" / "stimuli.csv")
    assert stimuli["psi_without"].tolist() == pytest.approx(alone)
    assert "Limit: no result: the maximum is degenerate" in (tmp_path / "report.html").read_text()


def test_a_report_on_a_continuous_scale_knows_no_one_to_five(tmp_path):
    panel = random_panel(raters=6, sources=5, methods=3).drop(columns="score")
    rng = np.random.default_rng(0)
    line = Scale(0, 100, None, labels=((10, "Bad"), (90, "Excellent")))
    panel["score"] = np.clip(50 + 15 * rng.normal(size=len(panel)) - 20 * (panel["method"] == "m00"), 0, 100)
    results = write_report(panel, out=tmp_path, options=Options(scale=line))
    assert results.tables["mos"]["ci_high"].between(20, 100).all()
    assert results.scale.label(90) == "Excellent"
    assert results.tables["score_distribution"]["score"].max() == 97.5
    assert not any(table["rejected"].any() for name, table in results.screens.items() if name == "bias")
    page = (tmp_path / "report.html").read_text()
    assert "Scale: 0 to 100 continuous." in page
    assert "a(x − 0)(100 − x)" in page


def test_objective_scores_in_both_forms_give_the_same_report(tmp_path):
    long = pd.read_csv(example.OBJECTIVE)
    wide = long.pivot(index=["benchmark", "source", "method"], columns="metric", values="value").reset_index()
    wide.assign(seconds=0.1).to_csv(tmp_path / "wide.csv", index=False)
    given = ["report", str(example.RATINGS), "--objective", str(tmp_path / "wide.csv"), "--out", str(tmp_path / "out")]
    assert main([*given, "--higher-is-better", "psnr", "--higher-is-better", "ssim"]) == 0
    tex = (tmp_path / "out" / "tables" / "table_2.tex").read_text()
    assert r"\textbf" in tex
    assert "SECONDS" not in tex
    results = analyse(example.ratings(), example.objective())
    assert tex == latex_tables(results)["table_2"]


def test_raters_to_leave_out_may_come_as_a_table(tmp_path, capsys):
    table = tmp_path / "out.csv"
    table.write_text("rater,reason\nsimulated_10,answered at random\n")
    given = ["report", str(example.RATINGS), "--out", str(tmp_path / "report"), "--exclude-table", str(table)]
    assert main(given) == 0
    assert json.loads((tmp_path / "report" / "summary.json").read_text())["provenance"]["options"]["exclude"] == [
        "simulated_10"
    ]
    table.write_text("rater\nSIMULATED_10\n")
    assert main(given) == 2
    assert "did you mean 'simulated_10'" in capsys.readouterr().err


def test_the_titles_that_a_researcher_chose_are_printed_in_tables_latex_and_page(tmp_path):
    ratings = pd.read_csv(example.RATINGS).assign(method_title=lambda table: "Ours: " + table["method"])
    write_report(ratings, out=tmp_path)
    latex = (tmp_path / "tables" / "table_2.tex").read_text()
    assert "Ours: srgan-vgg54" in latex
    assert "SRGAN-VGG54" not in latex
    # In the differences too, and the best of a measure in bold.
    assert "<td>Ours: bicubic</td>" in (tmp_path / "report.html").read_text()
    assert "<strong>" in (tmp_path / "report.html").read_text()
    assert "<th>Ours: srgan-vgg54</th>" in re.sub(r"<th[^>]*>", "<th>", (tmp_path / "report.html").read_text())


def test_the_regions_that_raters_saw_stand_in_page_and_tables(tmp_path):
    panel = random_panel(raters=6, sources=5, methods=3)
    one = panel["source"].unique()[0]
    seen = {"region_left": 1203, "region_top": 877, "region_width": 1280, "region_height": 480}
    columns = {name: np.where(panel["source"] == one, value, np.nan) for name, value in seen.items()}
    write_report(panel.assign(**columns), out=tmp_path)
    written = pd.read_csv(tmp_path / "tables" / "regions.csv")
    assert written.drop(columns="benchmark").to_dict("records") == [{"source": one, **seen}]
    page = unescape((tmp_path / "report.html").read_text())
    assert "Of 1 of 5 source images raters saw one region, the same of every method" in page
    assert re.search(r"<td>1203</td>\s*<td>877</td>\s*<td>1280</td>\s*<td>480</td>", re.sub(r"<td[^>]*>", "<td>", page))


def test_it_names_the_languages_that_raters_read():
    ratings = random_panel(raters=4)
    first, *others = ratings["rater"].unique()
    told = ratings.assign(language=np.where(ratings["rater"] == first, "de", "fr"))
    notes = analyse(told).notes
    assert f"Languages that raters read, with how many of them: fr ({len(others)}), de (1)." in notes
    assert not any("Languages" in note for note in analyse(ratings).notes)
