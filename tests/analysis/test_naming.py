"""By degradation category rating the mean is a DMOS, in every part of a report; elsewhere it is a MOS."""

import re

import pandas as pd
import pytest

from analysis import example, read_ratings
from analysis.naming import named, task_of
from analysis.page import write_report
from analysis.reproduce import main

PROTOCOL = {"task": "degradation", "order": "apart", "least_view_ms": 300}


def degraded():
    """The example's ratings without the original, which is shown beside each image and not rated."""
    ratings = example.ratings()
    return ratings[ratings["method"] != "hr"].reset_index(drop=True).assign(task="degradation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("degraded")
    write_report(degraded(), out=out, protocol=PROTOCOL)
    return out


def texts(folder):
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".html", ".tex", ".txt") and "data" not in path.parts and path.name != "requirements.txt":
            yield path.name, re.sub(r"base64,[A-Za-z0-9+/=]+", "", path.read_text(encoding="utf-8"))


def test_no_text_of_the_report_calls_the_mean_otherwise(folder):
    found = dict(texts(folder))
    other = re.compile(r"\bMOS\b|(?<!egradation )\b[Mm]ean opinion score")
    assert [name for name, text in found.items() if other.search(text)] == []
    for name in ("report.html", "methods.txt", "table_2.tex"):
        assert "DMOS" in found[name], name


def test_the_methods_say_what_was_asked_and_the_notes_that_it_is_no_score_of_an_image_alone(folder):
    said = (folder / "methods.txt").read_text(encoding="utf-8")
    assert "each beside its original" in said
    assert "raters knew which was the original" in said
    assert "An answer counted once each image had been seen for 300 ms." in said
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "these means are not those of images that are shown alone" in page
    assert "No method is called hr" not in page
    assert not (folder / "tables" / "comparison.csv").exists()  # of our means with the paper's, which are others


def test_it_comes_again_with_the_same_names_from_its_own_data(folder):
    assert set(read_ratings(folder / "data" / "ratings.csv")["task"]) == {"degradation"}
    assert main(folder, []) == 0


def test_of_other_tables_nothing_changes(tmp_path):
    write_report(example.ratings(), out=tmp_path / "a")
    write_report(example.ratings().assign(task="rating"), out=tmp_path / "b")
    for name in ("report.html", "methods.txt", "figures/mos.svg"):
        one, other = ((tmp_path / side / name).read_text(encoding="utf-8") for side in "ab")
        assert "DMOS" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", one)
        assert re.sub("[0-9a-f]{64}", "", one) == re.sub("[0-9a-f]{64}", "", other)


def test_a_picture_within_the_page_stays_as_it_is():
    page = 'MOS <img src="data:image/svg+xml;base64,ab/MOS+cd=="> Mean opinion scores, mean opinion score'
    assert named(page, "degradation") == (
        'DMOS <img src="data:image/svg+xml;base64,ab/MOS+cd=="> Degradation mean opinion scores, degradation mean '
        "opinion score"
    )
    assert named(page, "") == page


def test_a_table_that_names_several_tasks_names_none():
    table = pd.DataFrame({"task": ["degradation", "rating"]})
    assert task_of(table) == task_of(table.drop(columns="task")) == ""
    assert task_of(table.head(1)) == "degradation"
