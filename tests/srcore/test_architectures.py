"""Eleven published architectures with random weights become methods in every way, and give their own pixels."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from srcore import METHODS, Method, downscale, evaluate, read_image, register, run
from srcore.__main__ import main
from srcore.networks.vgg import torchvision
from tests.conftest import ROOT
from tests.srcore.architectures import ALL, AS_CODE, BY_SPANDREL, PUBLISHED, adding, installed, network_of, window_of

torchvision()  # spandrel imports it, also where that needs help
pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")  # SwinIR's own way of making indices


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def lr(shared):
    return downscale(read_image(shared / "benchmarks" / "Set5" / "img_003_SRF_4_HR.png"))[:45, :51]


def by_hand(network, lr, multiple=1):
    picture = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255
    bottom, right = -lr.shape[0] % multiple, -lr.shape[1] % multiple
    with torch.no_grad():
        made = network(functional.pad(picture, [0, right, 0, bottom], mode="replicate")).clamp(0, 1)
    return made[0, :, : 4 * lr.shape[0], : 4 * lr.shape[1]].permute(1, 2, 0).numpy() * 255


@pytest.mark.parametrize("name", AS_CODE)
def test_an_architecture_as_code_gives_its_own_pixels(name, lr, tmp_path):
    assert main(adding(name, "theirs", tmp_path)) == 0
    made = run(lr, "theirs", device="cpu").pixels
    assert np.abs(made - by_hand(network_of(name), lr, window_of(name))).max() < 0.51
    assert np.ptp(made) > 0


@pytest.mark.parametrize("name", BY_SPANDREL)
def test_an_architecture_that_spandrel_knows_gives_its_own_pixels(name, lr, tmp_path):
    spandrel = pytest.importorskip("spandrel")
    assert main(adding(name, "theirs", tmp_path)) == 0
    made = run(lr, "theirs", device="cpu").pixels
    descriptor = spandrel.ModelLoader().load_from_file(tmp_path / "w.pth").eval()
    assert np.abs(made - by_hand(descriptor, lr)).max() < 0.51
    assert np.ptp(made) > 0
    assert METHODS["theirs"].architecture == descriptor.architecture.name


@pytest.mark.parametrize("name", ALL)
def test_added_registered_and_as_result_images_it_scores_the_same_on_set5(name, shared, tmp_path):
    if name in BY_SPANDREL:
        pytest.importorskip("spandrel")
    assert main(adding(name, "theirs", tmp_path)) == 0
    added = METHODS["theirs"]
    register(replace(REGISTERED, run=network_of(name), tile=added.tile, multiple_of=added.multiple_of))
    try:
        folder = shared / "benchmarks" / "Set5"
        scored = evaluate(folder, "theirs", device="cpu")
        files = [str(file) for file in sorted(folder.glob("*_LR.png"))]
        out = tmp_path / "results"
        assert main(["upscale", "--method", "registered", "--out", str(out), "--device", "cpu", *files]) == 0
        brought = evaluate(folder, "brought", results=out)
    finally:
        METHODS.unregister("registered")
    assert len(scored.scores) == 5
    assert brought.scores[0].name == "img_001"
    alike = 3 if name in BY_SPANDREL else 5  # LR sides that 8 divides; else spandrel repeats the border its own way
    assert [s.values for s in brought.scores[:alike]] == [s.values for s in scored.scores[:alike]]
    assert brought.mean.psnr == pytest.approx(scored.mean.psnr, abs=0.01)
    assert 5 < scored.mean.psnr < 50


def test_ten_of_them_are_published():
    assert len(PUBLISHED) >= 10
    assert len(set(PUBLISHED)) == len(PUBLISHED)
    types = {type(network_of(name)).__name__ for name in AS_CODE if name in PUBLISHED}
    assert len(types) == len(set(AS_CODE) & set(PUBLISHED))


@pytest.mark.parametrize("name", ALL)
def test_as_a_callable_and_by_an_entry_point_it_makes_the_same_picture_and_a_sheet(name, shared, tmp_path):
    """In a process of its own, which knows the package from its metadata alone, as after pip install."""
    if name in BY_SPANDREL:
        pytest.importorskip("spandrel")
    installed(name, tmp_path)
    hr = shared / "benchmarks" / "Set5" / "img_003_SRF_4_HR.png"
    lr, out, page = hr.with_name("img_003_SRF_4_LR.png"), tmp_path / "out", tmp_path / "sheet.png"
    script = f"""
import warnings
warnings.simplefilter("ignore")
from srcore.__main__ import main
assert main(["upscale", "--method", "installed", "--device", "cpu", "--out", {str(out)!r}, {str(lr)!r}]) == 0
names = ["--methods", "installed", "bicubic", "--lr", {str(lr)!r}, "--device", "cpu"]
region = ["--region", "40", "40", "64", "48", "--zoom", "1"]
assert main(["sheet", {str(hr)!r}, *names, *region, "--out", {str(page)!r}]) == 0
"""
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=tmp_path)
    made = read_image(out / f"{lr.stem}.png")

    network, window = network_of(name), window_of(name)

    def function(pixels):  # what a user's own script would be: arrays in and out
        return np.floor(by_hand(network, pixels, window) + 0.5).astype(np.uint8)

    register(Method(name="function", family="callable", run=function))
    try:
        called = run(read_image(lr), "function").pixels
    finally:
        METHODS.unregister("function")
    # In tiles with what lies around them, and whole: the same but for where attention sees more than that.
    assert np.abs(made.astype(int) - called).max() <= 1
    assert shows(read_image(page), made[40:88, 40:104])


def shows(page, panel):
    height, width = panel.shape[:2]
    begins = np.argwhere((page[: 1 - height, : 1 - width] == panel[0, 0]).all(2))
    return any(np.array_equal(page[top : top + height, left : left + width], panel) for top, left in begins)


REGISTERED = Method(name="registered", family="theirs", citation="its paper")
