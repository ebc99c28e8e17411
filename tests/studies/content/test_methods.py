"""What is added to srcore while a site runs is offered by it, and what is removed is offered no more."""

from pathlib import Path

import numpy as np
import pytest

from srcore import METHODS, run
from srcore.__main__ import main
from srcore.images import read_image
from studies.content.benchmarks import import_benchmark
from studies.content.methods import offered_methods
from studies.content.sources import read_source
from studies.content.stimuli import generated_key
from studies.generation.render import render
from studies.models import Method, SourceImage, Stimulus

pytestmark = pytest.mark.django_db

ARCHITECTURES = Path(__file__).parents[2] / "srcore" / "architectures"
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


def test_a_worker_makes_an_added_networks_images_and_says_when_it_does_not_know_it(net, tmp_path, shared, settings):
    code = f"{ARCHITECTURES / 'pan.py'}:build"
    assert main(["add", "pan", code]) == 0
    offered_methods()
    import_benchmark(name="Set5", path=shared / "benchmarks" / "Set5")
    source = SourceImage.objects.order_by("width").first()
    first, second = (
        Stimulus.objects.create(source=each, method=Method.objects.get(name="pan"), **generated_key("pan"))
        for each in (source, SourceImage.objects.exclude(pk=source.pk).first())
    )
    render(first.pk)
    first.refresh_from_db()
    assert (first.state, first.error) == ("done", "")
    with first.file.open() as file:
        made = read_image(file, name="stimulus")
    lr = read_source(source)[1]
    assert np.array_equal(made, run(lr, "pan", device="cpu").pixels)
    assert main(["remove", "pan"]) == 0
    render(second.pk)
    second.refresh_from_db()
    assert "does not know pan: it was removed" in second.error
