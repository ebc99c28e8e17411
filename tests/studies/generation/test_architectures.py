"""Eleven published architectures are methods of the site: a worker makes, measures and stores their images."""

import json
import sys

import numpy as np
import pytest

from srcore import METHODS, run
from srcore.__main__ import main
from srcore.metrics import measure
from srcore.networks.vgg import torchvision
from srcore.registry import register_packages
from studies.content.methods import sync_methods
from studies.content.sources import read_source, read_stimulus
from studies.content.stimuli import generated_key
from studies.generation.render import render
from studies.generation.requests import progress, request_missing
from studies.models import Method, Stimulus, Study
from studies.research.export import protocol_json
from tests.srcore.architectures import ALL, BY_SPANDREL, adding, installed, window_of
from tests.studies import factories

torchvision()  # spandrel imports it, also where that needs help
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.services,
    pytest.mark.filterwarnings("ignore:torch.meshgrid"),  # SwinIR's own way of making indices
]


@pytest.mark.parametrize("name", ALL)
def test_a_worker_makes_and_measures_its_image(name, tmp_path, monkeypatch):
    if name in BY_SPANDREL:
        pytest.importorskip("spandrel")
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    source = factories.make_benchmark(images=1).sources.get()
    assert main(adding(name, "theirs", tmp_path)) == 0
    sync_methods()
    row = Stimulus.objects.create(source=source, method=Method.objects.get(name="theirs"), **generated_key("theirs"))
    render(row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.error) == ("done", 1, "")
    hr, lr = read_source(source)
    wanted = run(lr, "theirs").pixels
    np.testing.assert_array_equal(read_stimulus(row), wanted)
    assert np.ptp(wanted) > 0
    assert (row.psnr, row.ssim) == measure(hr, wanted)
    assert row.sees == METHODS["theirs"].sees != ""


@pytest.mark.parametrize("way", ["added", "installed"])
@pytest.mark.parametrize("name", ALL)
def test_a_study_is_drafted_with_it_made_by_workers_and_launched(name, way, tmp_path, monkeypatch):
    if name in BY_SPANDREL:
        pytest.importorskip("spandrel")
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    if way == "added":
        assert main(adding(name, "added", tmp_path)) == 0
    else:
        installed(name, tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "their_package", raising=False)
        register_packages()
    try:
        benchmark = factories.make_benchmark(images=2)
        sync_methods()
        study = factories.make_study(benchmarks=[benchmark], methods=("bicubic", way, "hr"))
        assert request_missing(study) == 2
        for row in Stimulus.objects.filter(state="wanted"):
            render(row.pk)
        found = progress(study)
        assert (found.done, found.total, found.unavailable) == (6, 6, {})
        factories.launch(study)
        assert study.state == Study.State.LAUNCHED
        tile = f"{-(-256 // window_of(name)) * window_of(name)}"
        told = json.loads(protocol_json(study))["networks_see"]
        assert set(told) == {way}
        assert f"tiles of {tile} LR pixels" in told[way] or told[way].startswith("the whole picture")
    finally:
        if way == "installed":
            METHODS.unregister("installed")
