"""Every LaTeX table of both reports goes through pdflatex: it compiles, and none is wider than the text of article."""

import os
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from analysis import example
from analysis.latex import Column, escape, table, width
from analysis.page import write_report
from analysis.pairs.page import write_pairs_report
from analysis.pairs.simulate import Design, simulate_pairs
from analysis.report import Options
from tests.analysis.panels import random_panel

HOSTILE = [
    r"50%_&\frac{$x$}#~^",
    "a<b>|c|",
    "[1] first",
    "*starred*",
    '--dash-- `q\' "d"',
    "漢字かな模型",
    "Ünïcødé ßtraße ąę Ω",
    "W" * 60,
    "a name of many words that goes on and on until no line of any column can hold it at all",
]


@pytest.fixture
def compiled(tmp_path):
    """Compile all tables under a folder in article with the packages that their first lines name; the log."""
    if shutil.which("pdflatex") is None:
        if os.environ.get("CI"):
            pytest.fail("pdflatex is missing, and in CI this test may not skip: .ci/run installs it")
        pytest.skip("needs pdflatex: apt install texlive-latex-recommended")

    def compile_all(tables):
        paths = sorted(tables.glob("*.tex"))
        packages = {name for path in paths for name in re.findall(r"usepackage\{([\w,]+)\}", path.read_text())}
        inputs = "\n".join(rf"\input{{{path}}}\clearpage" for path in paths)
        use = "".join(rf"\usepackage{{{name}}}" for name in sorted(packages))
        text = rf"\documentclass{{article}}{use}\begin{{document}}{inputs}\end{{document}}"
        (tmp_path / "all.tex").write_text(text)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        log = done.stdout.decode(errors="replace")
        assert done.returncode == 0, log[-2000:]
        assert "Overfull" not in log, re.findall(r"Overfull.*\n.*", log)
        return {path.stem for path in paths}

    return compile_all


def study(methods):
    rng = np.random.default_rng(3)
    panel = random_panel(raters=6, sources=4, methods=len(methods), seed=2)
    names = dict(zip(sorted(set(panel["method"])), methods, strict=True))
    panel["method"] = panel["method"].map(names)
    keys = panel[["benchmark", "source", "method"]].drop_duplicates()
    metrics = {name: rng.random(len(keys)) for name in ("psnr", "m_<1>%", "a metric of quite a long name indeed", "q")}
    return panel, keys.assign(**metrics)


def test_the_example_compiles_no_wider_than_the_text(tmp_path, compiled):
    write_report(example.ratings(), example.objective(), out=tmp_path / "r", options=Options(draws=20))
    tables = compiled(tmp_path / "r" / "tables")
    assert {"table_1", "table_2", "significance", "agreement", "reliability", "screening"} <= tables


def test_hostile_names_compile_no_wider_than_the_text(tmp_path, compiled):
    panel, objective = study(HOSTILE)
    panel["rater"] = panel["rater"].str.replace("r000", HOSTILE[0])
    two = pd.concat([panel.assign(benchmark=HOSTILE[0]), panel.assign(benchmark="W" * 40)])
    options = Options(draws=20, reference=HOSTILE[1], exclude=(HOSTILE[0],))
    objective = pd.concat([objective.assign(benchmark=name) for name in (HOSTILE[0], "W" * 40)])
    write_report(two, objective, out=tmp_path / "r", options=options)
    compiled(tmp_path / "r" / "tables")


def test_pairs_compile_no_wider_than_the_text(tmp_path, compiled):
    strength = {name: 0.2 * index for index, name in enumerate(HOSTILE)}
    pairs = simulate_pairs(strength, Design(raters=22, sources=20, pairs=120, tie=0.3), rng=np.random.default_rng(0))
    from analysis.pairs.report import PairsOptions

    write_pairs_report(pairs, out=tmp_path / "r", options=PairsOptions(reference=HOSTILE[7]))
    assert compiled(tmp_path / "r" / "tables") == {"strengths", "differences", "against", "pair_shares"}


def test_what_latex_would_take_for_its_own_is_escaped():
    assert escape("p < 0.05") == "p $<$ 0.05"
    assert escape(r"50%_&\{$x$}#") == r"50\%\_\&\textbackslash{}\{\$x\$\}\#"
    assert escape("two\nlines\t!") == "two lines !"
    assert escape("é漢") == r"é\anyscript{漢}{U+6F22}"


def test_a_script_without_a_font_prints_numbers_and_says_so_and_the_documents_own_font_wins(tmp_path, compiled):
    names = Column("Method", [escape("漢字"), "a"], names=True)
    assert r"\scriptnote" not in table([Column("Method", ["a"], names=True)], "Caption.")
    (tmp_path / "t").mkdir()
    said = {}
    for own in ("", r"\newcommand{\anyscript}[2]{(own #2)}"):
        text = table([names, Column("MOS", ["1.00", "2.00"])], "Caption.") + r"\typeout{note [\scriptnote]}"
        # What the preamble would hold stands before the table here.
        (tmp_path / "t" / "one.tex").write_text(f"{own}\n{text}")
        compiled(tmp_path / "t")
        said[own] = re.sub(r"\s+", " ", (tmp_path / "all.log").read_text(errors="replace"))
    numbers, font = said.values()
    assert "note [ U+ and a number: a character without a font here;" in numbers
    assert "note []" in font


def test_a_table_too_wide_goes_on_in_another_with_its_names():
    names = Column("Method", ["a", "b"], names=True)
    numbers = [Column(f"M{i}", ["1.00 [0.90, 1.10]"] * 2) for i in range(6)]
    text = table([names, *numbers], "Six.")
    assert text.count(r"\begin{tabular}") == 2
    assert "Part 2 of 2." in text
    assert text.count("Method &") == 2
    assert width("1.00 [0.90, 1.10]") == pytest.approx(77, abs=8)


def test_the_best_is_bold_by_the_metrics_direction_with_the_interval_beside_the_mos(tmp_path):
    panel, objective = study(["m1", "m2", "m3"])
    keys = objective[["benchmark", "source", "method"]]
    lpips = objective["method"].map({"m1": 0.5, "m2": 0.1, "m3": 0.3})
    long = keys.assign(metric="lpips", value=lpips, better="lower", unit="", decimals=3)
    results = write_report(panel, long, out=tmp_path, options=Options(draws=20))
    text = (tmp_path / "tables" / "table_2.tex").read_text()
    assert r"\textbf{0.100}" in text
    assert text.count(r"\textbf{0.") == 1
    row = results.tables["mos"].set_index("method").loc["m1"]
    assert f"{row['mos']:.2f}" in text
    assert f"[{row['ci_low']:.2f}, {row['ci_high']:.2f}]" in text
