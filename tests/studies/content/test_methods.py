"""What is added to srcore while a site runs is offered by it, and what is removed is offered no more."""

import pytest

from srcore import METHODS
from srcore.__main__ import main
from studies.content.methods import offered_methods
from studies.models import Method

pytestmark = pytest.mark.django_db

CODE = "def build():\n    return lambda lr: lr.repeat(4, 0).repeat(4, 1)\n"


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    (tmp_path / "net.py").write_text(CODE)
    yield f"{tmp_path / 'net.py'}:build"
    monkeypatch.undo()
    offered_methods()  # so that this process has seen that the method is gone


def offered() -> list[str]:
    return [method.name for method in offered_methods()]


def test_a_method_that_is_added_while_the_site_runs_is_offered_under_its_title(net):
    assert "theirs" not in offered()
    assert main(["add", "theirs", net, "--title", "Their method"]) == 0
    assert "theirs" in offered()
    row = Method.objects.get(name="theirs")
    assert (row.display_name, row.kind, row.rank) == ("Their method", "upscaler", len(METHODS) - 1)
    assert main(["remove", "theirs"]) == 0
    assert "theirs" not in offered()
    assert Method.objects.filter(name="theirs").exists()  # studies that used it still show its images


def test_a_look_that_finds_nothing_new_writes_nothing(net, django_assert_num_queries):
    offered_methods()
    with django_assert_num_queries(1):
        offered_methods()
