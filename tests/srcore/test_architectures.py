"""Ten published architectures with random weights become methods in every way, and give their own pixels."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from srcore import METHODS, Method, downscale, evaluate, read_image, register, run
from srcore.__main__ import main
from srcore.networks.vgg import torchvision

torchvision()  # spandrel imports it, also where that needs help
FOLDER = Path(__file__).parent / "architectures"
AS_CODE = ("imdn", "rfdn", "pan", "srgan_port", "window_attention")
BY_SPANDREL = {
    "ESRGAN": {"num_filters": 8, "num_blocks": 1},
    "Compact": {"num_feat": 8, "num_conv": 2, "upscale": 4},
    "SwinIR": {
        "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 8,
        "upscale": 4, "upsampler": "pixelshuffledirect",
    },
    "SAFMN": {"dim": 12, "n_blocks": 1, "upscaling_factor": 4},
    "OmniSR": {"num_feat": 16, "block_num": 1, "res_num": 1, "up_scale": 4},
}


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def lr(shared):
    return downscale(read_image(shared / "benchmarks" / "Set5" / "img_003_SRF_4_HR.png"))[:45, :51]


def as_published(name):
    torch.manual_seed(0)
    network = importlib.import_module(f"tests.srcore.architectures.{name}").build().eval()
    for module in network.modules():  # as after training: batch normalisation that does something
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return network


def by_hand(network, lr, multiple=1):
    picture = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255
    bottom, right = -lr.shape[0] % multiple, -lr.shape[1] % multiple
    with torch.no_grad():
        made = network(functional.pad(picture, [0, right, 0, bottom], mode="replicate")).clamp(0, 1)
    return made[0, :, : 4 * lr.shape[0], : 4 * lr.shape[1]].permute(1, 2, 0).numpy() * 255


@pytest.mark.parametrize("name", AS_CODE)
def test_an_architecture_as_code_gives_its_own_pixels(name, lr, tmp_path):
    network, multiple = as_published(name), 8 if name == "window_attention" else 1
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    command = ["add", "theirs", f"{FOLDER / f'{name}.py'}:build", "--weights", str(tmp_path / "w.safetensors")]
    assert main([*command, "--multiple-of", str(multiple)]) == 0
    made = run(lr, "theirs", device="cpu").pixels
    assert np.abs(made - by_hand(network, lr, multiple)).max() < 0.51
    assert np.ptp(made) > 0


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # SwinIR's own way of making indices
@pytest.mark.parametrize("name", BY_SPANDREL)
def test_an_architecture_that_spandrel_knows_gives_its_own_pixels(name, lr, tmp_path):
    spandrel = pytest.importorskip("spandrel")
    architecture = importlib.import_module(f"spandrel.architectures.{name}")
    torch.manual_seed(0)
    network = getattr(architecture, name)(**BY_SPANDREL[name]).eval()
    torch.save({"params": network.state_dict()}, tmp_path / "w.pth")
    assert main(["add", "theirs", str(tmp_path / "w.pth")]) == 0
    made = run(lr, "theirs", device="cpu").pixels
    descriptor = spandrel.ModelLoader().load_from_file(tmp_path / "w.pth").eval()
    assert np.abs(made - by_hand(descriptor, lr)).max() < 0.51
    assert np.ptp(made) > 0
    assert METHODS["theirs"].architecture == descriptor.architecture.name


def test_one_registered_and_one_as_result_images_score_the_same_on_set5(shared, tmp_path):
    network = as_published("pan")
    register(Method(name="registered", family="PAN", citation="Zhao et al. 2020", run=network))
    try:
        folder = shared / "benchmarks" / "Set5"
        scored = evaluate(folder, "registered", device="cpu")
        files = [str(file) for file in sorted(folder.glob("*_LR.png"))]
        assert main(["upscale", "--method", "registered", "--out", str(tmp_path), "--device", "cpu", *files]) == 0
        assert evaluate(folder, "theirs", results=tmp_path).mean == scored.mean
        assert 5 < scored.mean.psnr < 50
    finally:
        METHODS.unregister("registered")
