"""What a caption says of colours and marks is what is drawn: each word is looked for in the figure's own artists."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from analysis import page, plots
from analysis.pairs import page as pairs_page
from analysis.pairs import plots as pairs_plots
from analysis.pairs.page import rejected
from analysis.pairs.report import analyse_pairs
from analysis.pairs.simulate import Design, simulate_pairs
from analysis.report import analyse
from analysis.which import matrices

MARKS = {"diamond": "D", "square": "s", "circle": "o", "cross": "x", "triangle": "^", "dot": "."}
COLOURS = {  # as a person calls them; vermilion is Okabe's and Ito's, which is no red
    "vermilion": lambda r, g, b: r > 0.75 and 0.25 < g < 0.5 and b < 0.2,
    "red": lambda r, g, b: r > 0.6 and g < 0.25 and b < 0.25,
    "orange": lambda r, g, b: r > 0.75 and 0.5 < g < 0.75 and b < 0.3,
    "yellow": lambda r, g, b: r > 0.8 and g > 0.75 and b < 0.5,
    "green": lambda r, g, b: g > 0.4 and r < 0.4 and g > b,
    "blue": lambda r, g, b: b > 0.5 and r < 0.3,
    "purple": lambda r, g, b: r > 0.5 and b > 0.5 and g < 0.6,
    "grey": lambda r, g, b: max(r, g, b) - min(r, g, b) < 0.02 and 0.2 < r < 0.9,
    "black": lambda r, g, b: max(r, g, b) < 0.2,
    "white": lambda r, g, b: min(r, g, b) > 0.98,
}
WORD = re.compile(rf"\b({'|'.join([*MARKS, *COLOURS, 'hollow', 'filled', 'darker', 'line'])})(?:e?s)?\b", re.IGNORECASE)
PHRASE = re.compile(
    rf"\b(?:(?P<fill>hollow|filled) )?(?:(?P<colour>{'|'.join(COLOURS)}) )?(?P<mark>{'|'.join(MARKS)})(?:e?s)?\b",
    re.IGNORECASE,
)
METHODS = [f"m{number:02d}" for number in range(14)]  # more than whose cells have numbers: crosses are drawn


@pytest.fixture(scope="module")
def results():
    """Twelve raters who agree and one who answers the other way round; neighbours are not told apart."""
    rng = np.random.default_rng(3)
    rows = []
    for rater in range(13):
        for source in range(4):
            for rank, method in enumerate(METHODS):
                score = int(np.clip(round(1.4 + 3.2 * rank / 13 + rng.normal(0, 0.5)), 1, 5))
                rows.append((f"r{rater:02d}", f"s{source}", method, 6 - score if rater == 12 else score))
    ratings = pd.DataFrame(rows, columns=["rater", "source", "method", "score"])
    objective = ratings[["source", "method"]].drop_duplicates().assign(psnr=lambda t: 20 + t.index / 10)
    return analyse(ratings, objective)


@pytest.fixture(scope="module")
def scored(results):
    return page.figures(results)


@pytest.fixture(scope="module")
def paired():
    strength = {"hr": 0.9, "a": 0.4, "b": 0.0, "c": -0.5}
    pairs = simulate_pairs(strength, Design(tie=0.3, raters=24, sources=12, pairs=60), rng=np.random.default_rng(0))
    pairs["rater"] = pairs["rater"].astype(str)
    lazy = pairs["rater"] == pairs["rater"].iloc[0]
    pairs.loc[lazy, "chosen"] = pairs.loc[lazy, "left"]
    ratings = pd.DataFrame(
        [(f"q{r}", s, m, 1 + (r + i) % 2 + i) for r in range(4) for s in sorted(set(pairs["source"]))
         for i, m in enumerate(("c", "b", "a", "hr"))],
        columns=["rater", "source", "method", "score"],
    )  # fmt: skip
    return analyse_pairs(pairs, ratings)


@pytest.fixture(scope="module")
def chosen(paired):
    return pairs_page.figures(paired)


def marks(figure):
    """The marks that a figure draws, as (mark, line), error bars' and labels' own lines aside."""
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    return [
        (line.get_marker(), line) for line in lines if line.get_marker() in MARKS.values() and len(line.get_xdata())
    ]


def is_called(colour, word):
    return COLOURS[word.lower()](*to_rgb(colour))


def is_filled(line: Line2D) -> bool:
    return not is_called(line.get_markerfacecolor(), "white")


def fits(line, phrase):
    """Whether a mark's edge is of the colour that is named, and its inside as it is said."""
    if phrase["colour"] and not is_called(line.get_color(), phrase["colour"]):
        return False
    if phrase["fill"]:
        return is_filled(line) == (phrase["fill"].lower() == "filled")
    return True


CAPTIONS = [("scored", name, text) for name, text in page._CAPTIONS.items()]
CAPTIONS += [("chosen", name, text) for name, text in pairs_page._CAPTIONS.items()]


@pytest.mark.parametrize(("report", "name", "text"), CAPTIONS)
def test_every_mark_that_a_caption_names_is_drawn_so(report, name, text, request):
    figure = request.getfixturevalue(report)[name]
    drawn = marks(figure)
    for phrase in PHRASE.finditer(text):
        wanted = [line for mark, line in drawn if mark == MARKS[phrase["mark"].lower()]]
        assert wanted, f"{name} has no {phrase['mark']}"
        assert all(fits(line, phrase) for line in wanted), f"{name}: {phrase[0]!r} is not what is drawn"


@pytest.mark.parametrize(("report", "name", "text"), CAPTIONS)
def test_what_else_a_caption_says_of_colours_is_one_of_what_the_tests_below_look_at(report, name, text):
    rest = WORD.findall(PHRASE.sub("", text))
    assert rest == KNOWN.get((report, name), []), f"{text!r}: write a test of what it says, and enter it in KNOWN"


KNOWN = {
    ("scored", "score_distributions"): ["darker"],
    ("scored", "which_differ"): ["darker", "White"],
    ("chosen", "against"): ["line"],
    ("chosen", "beside"): ["grey"],
}


@pytest.mark.parametrize("module", [plots, pairs_plots])
def test_docstrings_of_figures_name_the_same_marks_as_captions(module, scored, chosen):
    figures = {**{name: scored.get(name) for name in page._CAPTIONS}}
    figures = figures if module is plots else {name: chosen.get(name) for name in pairs_page._CAPTIONS}
    functions = {"mos": "mean_scores", "ranks": "average_ranks"}
    for name, figure in figures.items():
        function = getattr(module, functions.get(name, name))
        for phrase in PHRASE.finditer(function.__doc__):
            drawn = [line for mark, line in marks(figure) if mark == MARKS[phrase["mark"].lower()]]
            assert drawn, (name, phrase[0])
            assert all(fits(line, phrase) for line in drawn), (name, phrase[0])


def test_a_wrong_word_is_found(scored):
    drawn = marks(scored["screening"])
    for wrong in ("filled red square", "hollow vermilion square", "filled blue circle", "hollow grey circle"):
        phrase = PHRASE.search(wrong)
        lines = [line for mark, line in drawn if mark == MARKS[phrase["mark"]]]
        assert lines
        assert not any(fits(line, phrase) for line in lines), wrong


def test_darker_is_more(scored, chosen):
    for figure in (scored["score_distributions"], scored["which_differ"], chosen["matrix"]):
        shown = [artist for axes in figure.axes for artist in [*axes.images, *axes.collections] if artist.get_cmap()]
        shown = [artist for artist in shown if artist.get_array() is not None]
        assert shown
        for artist in shown:
            greys = artist.get_cmap()(np.linspace(0, 1, 50))[:, :3]
            assert (np.diff(greys.mean(axis=1)) <= 0).all()
            assert np.ptp(greys, axis=1).max() < 0.02  # grey all the way, as who prints it sees it


def test_diamonds_are_the_means(results, scored):
    axes = scored["score_distributions"].axes[0]
    (line,) = [line for line in axes.get_lines() if line.get_marker() == "D"]
    means = results.tables["mos"].set_index("method")["mos"]
    assert sorted(line.get_ydata()) == pytest.approx(sorted(means))


def test_white_cells_and_grey_crosses_are_what_is_not_told_apart(results, scored):
    (matrix,) = matrices(results.tables["significance"], results.tables["mos"])
    axes = scored["which_differ"].axes[0]
    untold = {tuple(place) for place in np.argwhere(np.isfinite(matrix.difference) & ~matrix.differs)}
    (crosses,) = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert {(int(y), int(x)) for x, y in zip(*crosses.get_data(), strict=True)} == untold
    assert 0 < len(untold) < len(METHODS) * (len(METHODS) - 1)
    (image,) = axes.images
    colours = image.to_rgba(image.get_array())[:, :, :3]
    for row, column in np.ndindex(matrix.differs.shape):
        assert is_called(colours[row, column], "white") == (not matrix.differs[row, column])


def test_squares_are_the_rejected_raters_and_circles_the_others(results, scored):
    bad = {rater for table in results.screens.values() for rater in table.loc[table["rejected"], "rater"]}
    assert 0 < len(bad) < 13
    for axes in scored["screening"].axes:
        found = {line.get_marker(): len(line.get_xdata()) for line in axes.get_lines() if line.get_marker() in "os"}
        assert found == {"s": len(bad), "o": 13 - len(bad)}
    names = {text.get_text().strip() for text in scored["screening"].axes[0].texts}
    assert bad <= names


def test_of_pairs_squares_are_proposed_raters_and_the_hollow_ones_thurstone_s(paired, chosen):
    bad = rejected(paired)
    assert 0 < len(bad) < 24
    for axes in chosen["raters"].axes:
        found = {line.get_marker(): line for line in axes.get_lines() if line.get_marker() in ("o", "s")}
        assert (len(found["s"].get_xdata()), len(found["o"].get_xdata())) == (len(bad), 24 - len(bad))
        assert is_filled(found["s"])
    (line,) = [line for mark, line in marks(chosen["strengths"]) if mark == "s"]
    order = paired.tables["thurstone"].set_index("method")["strength"].reindex(paired.order())
    assert np.corrcoef(line.get_xdata(), order)[0, 1] == pytest.approx(1)
    assert np.std(line.get_xdata()) == pytest.approx(np.std(paired.tables["strengths"]["strength"]))


def test_the_line_is_at_a_half_diamonds_are_methods_and_stimuli_grey(paired, chosen):
    halves = [line for line in chosen["against"].axes[0].get_lines() if set(line.get_xdata()) == {50}]
    assert len(halves) == 1
    table = paired.tables["beside_scores"]
    found = {
        line.get_marker(): line for line in chosen["beside"].axes[0].get_lines() if line.get_marker() in ("o", "D")
    }
    assert len(found["D"].get_xdata()) == (table["source"] == "all").sum() == 4
    assert len(found["o"].get_xdata()) == (table["source"] != "all").sum() > 4
    assert is_called(found["o"].get_color(), "grey")
