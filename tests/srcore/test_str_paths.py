"""Where a function takes a path a str will do, as notebooks have them, and gives what the Path gives."""

import inspect
import types
import typing
from pathlib import Path

import numpy as np
import pytest
import torch

import srcore
from srcore.__main__ import main
from srcore.adding import add
from srcore.matching import read_mapping
from srcore.methods.folder import Wanted, match_folder, read_result
from srcore.metrics import Settings
from srcore.perceptual import FeatureDistance
from srcore.training.loop import Options
from srcore.training.publish import publish
from srcore.weights import read_state, save_state

UNIONS = (typing.Union, types.UnionType)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path / "weights"))
    for folder in ("hr", "lr", "results"):
        (tmp_path / folder).mkdir()
    hr = np.random.default_rng(0).integers(0, 256, (160, 120, 3), dtype=np.uint8)
    srcore.write_image(str(tmp_path / "hr" / "a.png"), hr)
    srcore.write_image(str(tmp_path / "lr" / "ax4.png"), srcore.downscale(hr))
    srcore.write_image(str(tmp_path / "results" / "a_out.png"), srcore.upscale(srcore.downscale(hr), "bicubic"))
    (tmp_path / "map.csv").write_text("name,file\na,a_out.png\n")
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef build():\n    return nn.Upsample(scale_factor=4)\n")
    return tmp_path


CALLS = {
    "read_image": lambda at: srcore.read_image(at("hr/a.png")),
    "read_with_alpha": lambda at: srcore.read_with_alpha(at("hr/a.png"))[0],
    "was_written_here": lambda at: srcore.was_written_here(at("hr/a.png")),
    "find_sources": lambda at: srcore.find_sources(at("hr"), lr=at("lr")),
    "load_source": lambda at: srcore.load_source(srcore.Source("a", at("hr/a.png"), at("lr/ax4.png")))[1],
    "evaluate": lambda at: srcore.evaluate(at("hr"), "bicubic", lr=at("lr")).mean,
    "evaluate results": lambda at: srcore.evaluate(at("hr"), "theirs", results=at("results")).mean,
    "match_folder": lambda at: match_folder(at("results"), [Wanted("a", 120, 160)]).files,
    "read_result": lambda at: read_result(at("results/a_out.png"), Wanted("a", 120, 160)),
    "read_mapping": lambda at: read_mapping(at("map.csv")),
    "add": lambda at: add("mine", f"{at('net.py')}:build").method.name,
    "Settings": lambda at: Settings(vgg=at("a"), weights={"alexnet": at("b")}),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_str_gives_what_a_path_gives(name, place):
    by_str, by_path = (CALLS[name](lambda part, kind=kind: kind(place / part)) for kind in (str, Path))
    assert np.array_equal(by_str, by_path) if isinstance(by_str, np.ndarray) else by_str == by_path


def test_a_run_is_trained_published_and_read_by_strs(place):
    command = ["train", "espcn", "--data", str(place / "hr"), "--out", str(place / "run"), "--updates", "1"]
    assert main([*command, "--batch", "1", "--device", "cpu"]) == 0
    assert Options(data=[str(place / "hr")], out=str(place / "run")).out == place / "run"
    file = publish(str(place / "run"), [str(place / "hr")], data="noise", licence="CC0-1.0", device="cpu")
    state = read_state(str(file))
    assert save_state(str(place / "again.safetensors"), state)
    torch.testing.assert_close(read_state(place / "again.safetensors"), state)


def test_weights_of_vgg_may_be_named_by_a_str(shared):
    vgg = shared / "weights" / "vgg19_features_fp16.safetensors"
    hr = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    one, other = (FeatureDistance(kind(vgg), device="cpu")(hr, hr[::-1].copy()) for kind in (str, Path))
    assert one == other > 0


def test_every_public_function_that_takes_a_path_says_it_takes_a_str():
    """The public names of srcore: those of which a parameter is a Path and no str would be a new fault."""
    looked = 0
    for name in srcore.__all__:
        function = getattr(srcore, name)
        if not inspect.isfunction(function):
            continue
        for parameter, hint in typing.get_type_hints(function).items():
            kinds = set(typing.get_args(hint)) if typing.get_origin(hint) in UNIONS else {hint}
            if Path in kinds:
                looked += 1
                assert str in kinds, (name, parameter)
    assert looked >= 6
