"""A finished run or somebody's network file becomes a method; what cannot is refused and changes nothing."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from srcore import METHODS, SrcoreError, evaluate, is_available, run, upscale, write_image
from srcore.__main__ import main
from srcore.networks.foreign import ForeignNetwork
from srcore.networks.vgg import torchvision
from srcore.training.recipes import RECIPES
from srcore.weights import WeightsError

torchvision()  # spandrel imports it, also where that needs help


@pytest.fixture
def weights_folder(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    monkeypatch.setenv("SRCORE_WEIGHTS", str(folder))
    known = dict(METHODS._methods)
    yield folder
    METHODS._methods.clear()
    METHODS._methods.update(known)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (100, 100, 3), dtype=np.uint8)
        write_image(folder / f"{index}.png", pixels)
    return folder


@pytest.fixture
def esrgan(tmp_path):
    """A small network of ESRGAN's architecture, in both kinds of file."""
    architecture = pytest.importorskip("spandrel.architectures.ESRGAN")
    torch.manual_seed(0)
    network = architecture.ESRGAN(num_filters=8, num_blocks=1).eval()
    torch.save(network.state_dict(), tmp_path / "esrgan.pth")
    save_file(network.state_dict(), tmp_path / "esrgan.safetensors")
    return network


def trained(photos, out, *more):
    arguments = ["espcn", "--data", str(photos), "--out", str(out), "--updates", "3", "--batch", "2", "--device", "cpu"]
    assert main(["train", *arguments, *more]) == 0


def test_a_trained_network_becomes_its_method(weights_folder, photos, tmp_path, capsys):
    trained(photos, tmp_path / "run")
    facts = ["--benchmarks", str(photos), "--data", "three pictures of noise", "--licence", "CC0-1.0"]
    assert not is_available("espcn")
    assert main(["publish", str(tmp_path / "run"), *facts]) == 0
    assert "is in use as method espcn" in capsys.readouterr().out
    entry = json.loads((weights_folder / "manifest.json").read_text())["espcn"]
    assert (entry["recipe"], entry["updates"], entry["photographs"]) == ("espcn", 3, 3)
    assert (entry["data"], entry["licence"]) == ("three pictures of noise", "CC0-1.0")
    assert entry["hardware"].startswith("1 x CPU, threads: ")
    score = evaluate(photos, "espcn", device="cpu").mean
    assert entry["scores"] == {"photos": {"psnr": round(score.psnr, 4), "ssim": round(score.ssim, 5)}}


def test_a_run_that_goes_on_from_shipped_weights_keeps_what_made_those(weights_folder, photos, tmp_path):
    def published(run, *more):
        trained(photos, tmp_path / run, *more)
        facts = ["--benchmarks", str(photos), "--data", run, "--licence", "CC0-1.0"]
        assert main(["publish", str(tmp_path / run), *facts]) == 0
        return json.loads((weights_folder / "manifest.json").read_text())["espcn"]

    first = published("first")
    second = published("second", "--start", str(weights_folder / "espcn.safetensors"), "--seed", "1")
    assert "start_entry" not in first
    assert second["start"] == f"espcn.safetensors, {first['sha256']}"
    assert (second["data"], second["start_entry"]) == ("second", first)


def test_every_network_comes_from_nothing_into_the_manifest_in_legs(weights_folder, shared, tmp_path, capsys):
    """The jobs of srcore/weights/README.md, small: each is one command that is repeated until it says it is done."""
    for folder, side in (("photos", 128), ("bench", 32)):
        (tmp_path / folder).mkdir()
        for index in range(2):
            pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
            write_image(tmp_path / folder / f"{index}.png", pixels)
    vgg = ["--vgg", str(shared / "weights" / "vgg19_features_fp16.safetensors"), "--device", "cpu"]
    leg = ["--data", str(tmp_path / "photos"), "--updates", "2", "--batch", "2", "--minutes", "1e-9", "--resume", *vgg]
    facts = ["--benchmarks", str(tmp_path / "bench"), "--data", "noise", "--licence", "CC0-1.0", *vgg]
    for recipe in sorted(RECIPES, key=lambda name: RECIPES[name].start is not None):  # those that start anew first
        run = tmp_path / "runs" / recipe
        for said in ("at update 1 of 2", "is done"):
            assert main(["train", recipe, "--out", str(run), *leg]) == 0
            assert said in capsys.readouterr().out
        assert main(["publish", str(run), *facts]) == 0
        entry = json.loads((weights_folder / "manifest.json").read_text())[recipe]
        assert entry["scores"]["bench"].keys() == {"psnr", "ssim", "vgg54"}
        assert is_available(recipe)


def test_an_unfinished_run_is_published_only_when_asked(weights_folder, photos, tmp_path, capsys):
    trained(photos, tmp_path / "run", "--minutes", "1e-9")
    command = ["publish", str(tmp_path / "run"), "--benchmarks", str(photos), "--data", "x", "--licence", "y"]
    assert main(command) == 1
    assert "is at update 1 of 3" in capsys.readouterr().err
    assert main([*command, "--unfinished"]) == 0
    assert main(["publish", str(photos), *command[2:]]) == 1
    assert "no folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_foreign_network_becomes_a_method_and_gives_its_own_pixels(weights_folder, esrgan, tmp_path, suffix, capsys):
    assert main(["add", "tiny-esrgan", str(tmp_path / f"esrgan.{suffix}"), "--display-name", "Tiny ESRGAN"]) == 0
    assert "ESRGAN" in capsys.readouterr().out
    assert (METHODS["tiny-esrgan"].display_name, METHODS["tiny-esrgan"].kind) == ("Tiny ESRGAN", "upscaler")
    lr = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = esrgan(torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255).clamp(0, 1)
    output = run(lr, "tiny-esrgan", device="cpu")
    difference = output.pixels - expected[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(difference).max() < 0.51
    assert np.ptp(output.pixels) > 0


def test_a_foreign_file_changed_on_disk_is_refused(weights_folder, esrgan, tmp_path):
    main(["add", "tiny-esrgan", str(tmp_path / "esrgan.pth")])
    stored = weights_folder / "tiny-esrgan.pth"
    stored.write_bytes(stored.read_bytes()[:-5])
    with pytest.raises(SrcoreError, match="sha256 differs"):
        upscale(np.zeros((8, 8, 3), np.uint8), "tiny-esrgan")


def test_what_is_no_foreign_network_is_refused(weights_folder, esrgan, tmp_path, capsys):
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    (tmp_path / "text.pth").write_text("text")
    for name, file, message in (
        ("new", "x.safetensors", "spandrel does not know this network"),
        ("new", "text.pth", "cannot be read as weights"),
        ("new", "gone.pth", "there is no such file"),
        ("bicubic", "esrgan.pth", "already"),
        ("Not a name", "esrgan.pth", "no method name"),
    ):
        assert main(["add", name, str(tmp_path / file)]) == 1
        assert message in capsys.readouterr().err
    assert not weights_folder.exists()


def test_a_foreign_network_of_another_scale_is_refused(weights_folder, tmp_path):
    architecture = pytest.importorskip("spandrel.architectures.ESRGAN")
    network = architecture.ESRGAN(num_filters=8, num_blocks=1, scale=2)
    save_file(network.state_dict(), tmp_path / "two.safetensors")
    with pytest.raises(WeightsError, match=r"\(2, 3, 3\), where \(4, 3, 3\) is needed"):
        ForeignNetwork(tmp_path / "two.safetensors")


def test_without_spandrel_the_message_says_how_to_get_it(esrgan, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(WeightsError, match="pip install spandrel"):
        ForeignNetwork(tmp_path / "esrgan.pth")
