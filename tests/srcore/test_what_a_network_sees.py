"""The tile of somebody's network decides its pixels: it stands with every result, and free memory changes nothing."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from srcore import METHODS, evaluate, inference, run, write_image
from srcore.__main__ import main
from srcore.methods.neural import engine_of

ATTENTIVE = """
from torch import nn
from torch.nn import functional

class Attentive(nn.Module):  # sees the whole of what it gets, as attention does: any other cut shows
    def forward(self, x):
        return functional.interpolate(x, scale_factor=4.0) * x.mean(dim=(2, 3), keepdim=True)

def build():
    return Attentive()
"""


@pytest.fixture
def lr(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    (tmp_path / "net.py").write_text(ATTENTIVE)
    pixels = np.random.default_rng(0).integers(0, 256, (80, 70, 3), dtype=np.uint8)
    write_image(tmp_path / "lr.png", pixels)
    return pixels


def add(tmp_path, name, *more):
    assert main(["add", name, str(tmp_path / "net.py:build"), *more]) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "tiles of 256 LR pixels"),
        (("--tile", "32"), "tiles of 32 LR pixels"),
        (("--tile", "30", "--multiple-of", "8"), "tiles of 32 LR pixels, sides padded to multiples of 8"),
        (("--tile", "0"), "the whole picture"),
    ],
)
def test_it_stands_with_every_result(lr, tmp_path, capsys, more, said):
    add(tmp_path, "mine", *more)
    capsys.readouterr()
    assert main(["methods", "--json"]) == 0
    listed = {row["name"]: row["sees"] for row in json.loads(capsys.readouterr().out)}
    assert (listed["mine"], listed["espcn"], listed["bicubic"]) == (said, "", "")
    command = ["upscale", "--method", "mine", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert main([*command, str(tmp_path / "lr.png")]) == 0
    assert f"on cpu, in {said})" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "lr.png") as image:
        comment = image.info["Comment"]
    assert comment == f"mine, {METHODS['mine'].sha256()}, {said}"
    (tmp_path / "hr").mkdir()
    write_image(tmp_path / "hr" / "a.png", run(lr, "bicubic").pixels)
    measuring = ["evaluate", "--method", "mine", "--device", "cpu", "--benchmark", str(tmp_path / "hr")]
    assert main([*measuring, "--csv", str(tmp_path / "o.csv")]) == 0
    assert f"mine sees {said}\n" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines()))
    assert [row["sees"] for row in rows] == [said, said]
    assert main([*measuring, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sees"] == said
    assert run(lr, "mine", device="cpu").sees == said


def test_what_is_no_network_of_others_says_nothing(lr, tmp_path):
    write_image(tmp_path / "a.png", run(lr, "bicubic").pixels)
    for name in ("bicubic", "espcn"):
        assert evaluate(tmp_path, name, device="cpu").sees == ""


def test_the_picture_is_the_same_with_much_memory_and_with_little(lr, tmp_path, monkeypatch):
    add(tmp_path, "mine", "--tile", "32")
    pictures = []
    for budget in (1 << 34, 1 << 12):
        monkeypatch.setattr(inference, "_CPU_BUDGET", budget)
        engine_of.cache_clear()
        pictures.append(run(lr, "mine", device="cpu").pixels)
    assert np.array_equal(*pictures)


def test_without_the_memory_for_its_tile_it_is_refused_and_never_cut_smaller(lr, tmp_path, monkeypatch, capsys):
    add(tmp_path, "mine", "--tile", "32")
    seen = []

    def full(network, picture, dtype):
        seen.append(tuple(picture.shape[2:]))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(inference, "apply_network", full)
    command = ["upscale", "--method", "mine", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert main([*command, str(tmp_path / "lr.png")]) == 1
    assert "sees tiles of 32 pixels a side, which is part of what it is" in capsys.readouterr().err
    assert set(seen) == {(64, 64)}  # its first tile, with what lies around it; nothing smaller is tried


def test_two_tiles_are_two_methods_and_give_two_pictures(lr, tmp_path):
    add(tmp_path, "small", "--tile", "32")
    add(tmp_path, "whole", "--tile", "0")
    small, whole = (run(lr, name, device="cpu") for name in ("small", "whole"))
    assert not np.array_equal(small.pixels, whole.pixels)
    assert METHODS["small"].sha256() != METHODS["whole"].sha256()
    assert (small.sees, whole.sees) == ("tiles of 32 LR pixels", "the whole picture")
