"""The figures as a reader sees them: nothing cut off, no label on another, no value where there is none."""

import os
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation

from analysis import fonts, paper, plots
from analysis.page import figures, write_report
from analysis.replication import paper_panel
from analysis.report import Options, analyse
from analysis.scale import Scale
from analysis.schema import STIMULUS
from tests.analysis.panels import random_panel

SCORES = ["benchmark", "method", "mos", "ci_low", "ci_high"]


@pytest.fixture(scope="module")
def drawn():
    """Every figure of a panel of the paper's size with the published metrics, laid out."""
    panel = paper_panel(deviation=0.2, seed=1)
    metrics = panel[STIMULUS].drop_duplicates().merge(paper.published(), on=["benchmark", "method"])
    found = figures(analyse(panel, metrics[[*STIMULUS, "psnr", "ssim"]]))
    for figure in found.values():
        plots.png(figure)
    return found


def boxes(figure, kind):
    texts = figure.findobj(lambda artist: isinstance(artist, kind) and artist.get_visible() and artist.get_text())
    return [(text.get_text(), text.get_window_extent()) for text in texts]


def test_a_paper_sized_panel_gets_every_figure(drawn):
    wanted = {"which_differ", "score_distributions", "mos", "ranks", "raters", "screening", "mos_psnr", "mos_ssim"}
    assert set(drawn) == wanted


def test_no_text_is_cut_by_the_edge_of_its_figure(drawn):
    for name, figure in drawn.items():
        for axes in figure.axes:
            box = axes.get_tightbbox()
            assert min(box.x0, box.y0) >= -1, name
            assert max(box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1) <= 1, name


def test_no_label_of_a_point_lies_on_another(drawn):
    for name in ("ranks", "mos_psnr", "mos_ssim"):
        labels = boxes(drawn[name], Annotation)
        assert len(labels) >= 30, name
        for (one, first), (other, second) in combinations(labels, 2):
            assert not first.overlaps(second), f"{name}: {one} on {other}"


def test_no_tick_of_a_metric_stands_where_only_names_are(drawn):
    assert all(max(axes.get_xticks()) <= 1 for axes in drawn["mos_ssim"].axes)


def test_benchmarks_differ_in_shape_and_not_only_in_colour():
    assert len({marker for _, marker in plots.STYLES}) == len(plots.STYLES)


def test_chinese_and_japanese_names_are_drawn_by_a_font_of_this_machine():
    if len(fonts.families()) == 1:
        if os.environ.get("CI"):
            pytest.fail("no font with Chinese and Japanese: .ci/run installs one")
        pytest.skip("needs a font with Chinese and Japanese, such as fonts-noto-cjk")
    assert fonts.legible("超解像 模型かなカナ")
    table = pd.DataFrame(
        [("b", "超解像モデル", 3.0, 2.0, 4.0)], columns=["benchmark", "method", "mos", "ci_low", "ci_high"]
    )
    plots.png(plots.mean_scores(table))  # a missing glyph would warn, and warnings are errors here


def test_names_that_no_font_has_get_stand_ins_and_a_note(tmp_path):
    panel = random_panel(raters=4, sources=3, methods=3).replace({"m00": "\U00013000\U00013001", "r000": "\U00013002"})
    write_report(panel, out=tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "its figures print \U00013000\U00013001 as method 1, \U00013002 as rater 1" in page


def test_a_name_with_dollars_is_a_name():
    table = pd.DataFrame(
        [("b$", r"m$\frac$", 3.0, 2.0, 4.0)], columns=["benchmark", "method", "mos", "ci_low", "ci_high"]
    )
    assert plots.png(plots.mean_scores(table)).startswith(b"\x89PNG")


def test_the_names_of_24_rejected_raters_lie_on_nothing():
    names = [f"rater_{index:02d}" for index in range(24)]
    same = pd.DataFrame({"rater": names, "rejected": True})
    found = {
        "correlation": same.assign(correlation=np.linspace(0.1, 0.12, 24), threshold=0.7),
        "bt500": same.assign(share=0.08, balance=np.nan),
    }
    figure = plots.screening(found)
    plots.png(figure)
    labels = [(text, box) for text, box in boxes(figure, Annotation) if "rater" in text]
    assert len(labels) == 48
    for (one, first), (other, second) in combinations(labels, 2):
        assert not first.overlaps(second), f"{one} on {other}"
    for axes in figure.axes:
        assert axes.get_tightbbox().x1 <= figure.bbox.x1 + 1


def test_the_reference_stands_last_whatever_it_is_called():
    rows = [("b", method, 3.0, 2.0, 4.0) for method in ("hr", "original", "zebra", "bicubic")]
    table = pd.DataFrame(rows, columns=SCORES)
    figure = plots.mean_scores(table, reference="original")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["bicubic", "zebra", "HR", "original"]


def test_the_legend_hides_no_method():
    methods = [f"m{i:02d}" for i in range(8)]
    rows = [(b, m, 4.9, 4.8, 5.0) for b in ("one", "two") for m in methods]
    figure = plots.mean_scores(pd.DataFrame(rows, columns=SCORES))
    plots.png(figure)
    legend = figure.axes[0].get_legend().get_window_extent()
    top = figure.axes[0].transData.transform(np.array([[0.0, 5.0]]))[0, 1]
    assert legend.y0 > top


@pytest.mark.parametrize("scale", [Scale(0, 100), Scale(-3, 3, 1)])
def test_the_figures_show_the_whole_of_their_scale(scale):
    panel = random_panel(raters=6, sources=4, methods=3)
    panel["score"] = scale.low + (panel["score"] - 1) * scale.width / 4
    if scale.step:
        panel["score"] = panel["score"].round()
    found = figures(analyse(panel, options=Options(draws=20, scale=scale)))
    (axes,) = found["mos"].axes
    low, high = axes.get_ylim()
    ticks = axes.get_yticks()
    assert low <= scale.low < scale.high <= high
    assert high - low < 1.2 * scale.width
    assert (min(ticks), max(ticks)) == (scale.low, scale.high)
