"""The doctor: each path is looked at, and one that is broken is marked and makes the exit code 1."""

import pytest
import torch

from srcore import METHODS, Method, doctor, register
from srcore.__main__ import main
from srcore.training.trainer import Speed


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What takes long is looked at in the project's other tests."""
    monkeypatch.setattr(doctor, "_RECIPES_ON_CPU", ("espcn",))
    monkeypatch.setattr(METHODS["selfexsr"].__class__, "why_unavailable", lambda method: "left out of this test")


def test_every_path_is_looked_at_and_the_report_is_one_block(capsys):
    assert main(["doctor", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("srcore doctor: ")
    assert lines[1].startswith("torch ")
    paths = {line[5:].split(":")[0]: line[:4].strip() for line in lines[2:-2]}
    assert "arithmetic: pictures: no TF32, deterministic cuDNN; training: TF32 in convolutions, det" in lines[3]
    assert {"device", "tiles", "float16 that overflows", "train espcn", "metric psnr", "metric lpips"} <= set(paths)
    assert {f"upscale {name}" for name, method in METHODS.items() if method.kind == "upscaler"} <= set(paths)
    assert (paths["upscale bicubic"], paths["train espcn"], paths["upscale selfexsr"]) == ("ok", "ok", "-")
    left = [path for path, mark in paths.items() if mark == "-"]
    assert {"upscale selfexsr", "speed of training", "metric vgg54"} <= set(left)
    looked = len(paths) - len(left) - 2  # device and arithmetic are no paths
    assert lines[-2:] == [
        f"the {looked} paths that were looked at hold",
        f"{len(left)} were not looked at, for the reasons above: {', '.join(left)}",
    ]
    reasons = {line[5:].split(": ")[0]: line[5:].split(": ", 1)[1] for line in lines[2:-2] if line.startswith("-")}
    assert all(reasons.values())
    assert reasons["metric vgg54"].startswith("name VGG-19's weights with --vgg")


def test_what_is_broken_is_marked(capsys, monkeypatch):
    register(Method(name="broken", family="callable", run=lambda lr: 1 / 0))
    plain = Speed.plain()
    monkeypatch.setattr(doctor.Speed, "plain", lambda: plain)
    monkeypatch.setattr(doctor, "_tiled", lambda device: doctor.Finding("", "seams", False))
    try:
        assert main(["doctor", "--device", "cpu"]) == 1
    finally:
        METHODS.unregister("broken")
    captured = capsys.readouterr()
    assert "BAD  tiles: seams" in captured.out
    assert "BAD  upscale broken: broken failed: ZeroDivisionError" in captured.out
    assert "do not hold: upscale broken, tiles\n" in captured.out
    assert "2 of " in captured.err


def test_updates_that_differ_from_plain_eager_are_found(monkeypatch):
    real = doctor.Trainer

    def spoilt(*arguments, speed, **options):
        trainer = real(*arguments, speed=speed, **options)
        if speed != Speed.plain():
            torch.nn.init.constant_(trainer.generator.subpixels.bias, 1.0)
        return trainer

    monkeypatch.setattr(doctor, "Trainer", spoilt)
    assert doctor._trained("espcn", torch.device("cpu")).holds is False
