"""A finished run becomes a method; what cannot is refused and changes nothing."""

import json
import tomllib
from pathlib import PurePath

import numpy as np
import pytest

from srcore import evaluate, is_available, weights, write_image
from srcore.__main__ import main
from srcore.networks import build
from srcore.training.recipes import RECIPES
from tests.conftest import ROOT


@pytest.fixture
def weights_folder(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    monkeypatch.setenv("SRCORE_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (100, 100, 3), dtype=np.uint8)
        write_image(folder / f"{index}.png", pixels)
    return folder


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
    assert entry["precision"] in ("float32", "bfloat16")
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
    assert "not the folder of a run" in capsys.readouterr().err


def test_what_is_unfinished_is_read_by_no_method_and_is_no_part_of_the_package(weights_folder):
    file = weights_folder / "unfinished" / "srgan-vgg54.safetensors"
    file.parent.mkdir(parents=True)
    weights.save_state(file, build("srgan-vgg54").state_dict())
    build("srgan-vgg54").load_state_dict(weights.read_state(file))  # `train --start` can go on from it
    assert weights.manifest() == {}
    assert not is_available("srgan-vgg54")
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["srcore"]
    assert any(PurePath("weights", "srresnet-mse.safetensors").match(pattern) for pattern in patterns)
    assert not any(PurePath("weights", "unfinished", file.name).match(pattern) for pattern in patterns)
