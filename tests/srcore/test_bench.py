"""What the training benchmark counts, and that it runs."""

import pytest
import torch

from srcore.__main__ import main
from srcore.training import bench
from srcore.training.recipes import get_recipe
from srcore.training.trainer import Trainer


@pytest.mark.parametrize(
    ("name", "gigamacs"),  # of an update of 16 crops, as the project reckoned them by hand
    [("srresnet-mse", 61), ("srgan-mse", 175), ("srgan-vgg22", 216), ("srgan-vgg54", 347), ("srresnet-vgg22", 103)],
)
def test_an_updates_multiply_accumulates(shared, name, gigamacs):
    vgg = shared / "weights" / "vgg19_features_fp16.safetensors"
    trainer = Trainer(get_recipe(name), plan=1, device=torch.device("cpu"), vgg=vgg)
    assert 16 * bench.macs_a_crop(trainer) / 1e9 == pytest.approx(gigamacs, abs=0.8)


def test_drcns_multiply_accumulates():
    trainer = Trainer(get_recipe("drcn"), plan=1, device=torch.device("cpu"))
    per_41_crop = bench.macs_a_crop(trainer) * 64 * (41 / 44) ** 2
    assert 2 * per_41_crop / 1e12 == pytest.approx(12.6, abs=0.1)  # TFLOP an update of 64 crops of 41x41


def test_the_command_prints_rates_ratio_and_share(capsys, monkeypatch):
    monkeypatch.setattr(bench, "_SECONDS", 0)
    assert main(["bench", "train", "--recipes", "espcn", "--device", "cpu"]) == 0
    header, titles, row = capsys.readouterr().out.splitlines()
    assert "TFLOP/s" in header
    assert titles.split()[:3] == ["recipe", "batch", "updates/s"]
    assert row.split()[0] == "espcn"
    fast, _, plain, ratio = (float(text) for text in row.split()[2:6])
    assert ratio == pytest.approx(plain * fast / 1000, abs=0.02)
    assert 0 < float(row.split()[-1].rstrip("%")) < 100
