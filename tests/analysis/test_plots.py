"""The figures as a reader sees them: nothing cut off, no label on another, no value where there is none."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation

from analysis import paper, plots
from analysis.page import figures
from analysis.replication import paper_panel
from analysis.report import analyse
from analysis.schema import STIMULUS


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
    wanted = {"score_distributions", "mos", "ranks", "raters", "screening", "mos_psnr", "mos_ssim"}
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


def test_the_legend_hides_no_method():
    methods = [f"m{i:02d}" for i in range(8)]
    rows = [(b, m, 4.9, 4.8, 5.0) for b in ("one", "two") for m in methods]
    figure = plots.mean_scores(pd.DataFrame(rows, columns=["benchmark", "method", "mos", "ci_low", "ci_high"]))
    plots.png(figure)
    legend = figure.axes[0].get_legend().get_window_extent()
    top = figure.axes[0].transData.transform(np.array([[0.0, 5.0]]))[0, 1]
    assert legend.y0 > top
