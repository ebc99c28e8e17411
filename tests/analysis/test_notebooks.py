from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "analysis" / "notebooks"


def run(name):
    """The notebook's cells after they ran, in the project's root, as a user of a copy would run them."""
    book = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(book, timeout=120, resources={"metadata": {"path": FOLDER.parents[1]}}).execute()
    return [cell for cell in book.cells if cell.cell_type == "code"]


def printed(cells):
    return "\n".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for cell in cells
        for output in cell.outputs
    )


def pictures(cells):
    return sum("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning:zmq")


def test_the_papers_report_comes_out_of_the_two_exports():
    cells = run("paper_report.ipynb")
    text = printed(cells)
    assert "simulated_10" in text
    assert "srgan-vgg54" in text
    assert pictures(cells) == 5


def test_the_plan_says_when_raters_are_not_enough():
    text = printed(run("plan_a_study.ipynb"))
    assert "DifferenceVariance(rater=" in text
    assert "inf" in text


def test_nflx_public_reads_as_published(shared, monkeypatch):
    monkeypatch.setenv("MOSWEB_SHARED", str(shared))
    cells = run("read_a_panel.ipynb")
    text = printed(cells)
    assert "2054 ratings by 26 raters" in text
    assert "mean 3.544791" in text
    assert "0.197995" in text
    assert "14 iterations" in text
    assert "{'bt500': [], 'correlation': [], 'bias': []}" in text
    assert pictures(cells) == 2


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_without_paths_of_a_machine(path):
    book = nbformat.read(path, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in book.cells if cell.cell_type == "code")
    assert "/home/" not in path.read_text()
    assert str(FOLDER.parents[1]) not in path.read_text()
