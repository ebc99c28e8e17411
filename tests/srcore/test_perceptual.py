"""The distance in VGG-19's features, and how evaluate and publish report it."""

import json

import numpy as np
import pytest
import torch

from srcore import downscale, read_image, upscale_bicubic, upscale_nearest
from srcore.__main__ import main
from srcore.networks.vgg import VGGFeatures
from srcore.perceptual import FeatureDistance
from srcore.weights import WeightsError


@pytest.fixture(scope="module")
def vgg(shared):
    return shared / "weights" / "vgg19_features_fp16.safetensors"


def test_it_is_the_content_loss_of_the_paper(vgg):
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (64, 48, 3), dtype=np.uint8) for _ in range(2))
    features = [
        VGGFeatures("vgg54", vgg)(torch.from_numpy(p.transpose(2, 0, 1).copy())[None] / 127.5 - 1) for p in (one, other)
    ]
    expected = float(((features[0] - features[1]) / 12.75).square().mean())  # equation 5, features divided by 12.75
    distance = FeatureDistance(vgg, device="cpu")
    assert distance(one, other) == pytest.approx(expected, rel=1e-4)
    assert distance(one, one) == 0
    with pytest.raises(ValueError, match="different sizes"):
        distance(one, other[:60])


def test_a_grey_picture_counts_as_three_equal_channels(vgg):
    grey = np.random.default_rng(1).integers(0, 256, (32, 32), dtype=np.uint8)
    distance = FeatureDistance(vgg, device="cpu")
    assert distance(grey, np.full_like(grey, 128)) == distance(
        np.stack([grey] * 3, 2), np.full((32, 32, 3), 128, np.uint8)
    )


def test_a_better_enlargement_is_nearer(vgg, shared):
    hr = read_image(shared / "benchmarks" / "Set5" / "img_002_SRF_4_HR.png")
    distance, lr = FeatureDistance(vgg, device="cpu"), downscale(hr)
    assert 0 < distance(hr, upscale_bicubic(lr)) < distance(hr, upscale_nearest(lr))


def test_evaluate_reports_it(vgg, shared, capsys):
    command = ["evaluate", "--method", "bicubic", "--benchmark", str(shared / "benchmarks" / "Set5"), "--vgg", str(vgg)]
    assert main([*command, "--json", "--device", "cpu"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["vgg54"] == pytest.approx(np.mean([row["vgg54"] for row in result["per_image"]]))
    assert main([*command, "--device", "cpu"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-1] == f"{result['vgg54']:.6f}"


def test_an_empty_file_of_vgg_weights_is_named(tmp_path):
    (tmp_path / "vgg.safetensors").touch()
    with pytest.raises(WeightsError, match=r"vgg\.safetensors is empty; fetch it again"):
        FeatureDistance(tmp_path / "vgg.safetensors", device="cpu")
