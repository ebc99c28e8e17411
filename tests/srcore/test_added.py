"""Somebody's network or code becomes a method in every way there is; what cannot is refused and changes nothing."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from srcore import METHODS, Method, MethodFailed, SrcoreError, UnknownMethod, evaluate, register, run, upscale
from srcore.__main__ import main
from srcore.images import write_image
from srcore.networks.foreign import ForeignNetwork
from srcore.networks.vgg import torchvision
from srcore.registry import Registry

torchvision()  # spandrel imports it, also where that needs help

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 48, 3, padding=1)
        self.shuffle = nn.PixelShuffle(4)
    def forward(self, x):
        return self.shuffle(self.conv(x)).clamp(0, 1)

def build():
    return Net()
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("SRCORE_DATA", str(folder))
    return folder / "methods"


@pytest.fixture
def net(tmp_path, monkeypatch):
    """The code of a small network, its weights in several forms, and the network itself."""
    (tmp_path / "net.py").write_text(NET)
    torch.manual_seed(0)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "net", raising=False)
    network = importlib.import_module("net").build()
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    torch.save({"params_ema": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "w.pth")
    torch.save(network, tmp_path / "whole.pt")
    return network


@pytest.fixture
def esrgan(tmp_path):
    """A small network of ESRGAN's architecture, in both kinds of file."""
    architecture = pytest.importorskip("spandrel.architectures.ESRGAN")
    torch.manual_seed(0)
    network = architecture.ESRGAN(num_filters=8, num_blocks=1).eval()
    torch.save(network.state_dict(), tmp_path / "esrgan.pth")
    save_file(network.state_dict(), tmp_path / "esrgan.safetensors")
    return network


def picture(height=12, width=10, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_hand(network, lr):
    with torch.no_grad():
        made = network(torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255).clamp(0, 1)
    return made[0].permute(1, 2, 0).numpy() * 255


@pytest.fixture
def registered():
    """Registers methods for one test."""
    names = []

    def add(**values):
        register(Method(**({"name": "mine", "family": "callable", "citation": "us"} | values)))
        names.append(values.get("name", "mine"))

    yield add
    for name in names:
        METHODS.unregister(name)


def test_a_registered_function_works_like_any_method(registered, tmp_path):
    registered(display_name="Mine", run=lambda lr: lr.repeat(4, 0).repeat(4, 1))
    assert np.array_equal(upscale(picture(), "mine"), upscale(picture(), "nearest"))
    grey = picture()[:, :, 0]
    assert np.array_equal(upscale(grey, "mine"), upscale(grey, "nearest"))
    write_image(tmp_path / "a.png", picture(32, 32))
    assert evaluate(tmp_path, "mine").mean == evaluate(tmp_path, "nearest").mean
    assert (METHODS["mine"].queue, METHODS["mine"].display_name) == ("cpu", "Mine")


def test_a_registered_module_is_run_on_unit_rgb(registered, net):
    registered(run=net)
    output = run(picture(), "mine", device="cpu")
    assert np.abs(output.pixels - by_hand(net, picture())).max() < 0.51
    assert METHODS["mine"].queue == "gpu"
    assert len(METHODS["mine"].sha256()) == 64


def test_a_function_of_several_scales_is_told_which(registered):
    registered(run=lambda lr, scale: lr.repeat(scale, 0).repeat(scale, 1), scales=(2, 3))
    assert upscale(picture(), "mine", scale=3).shape == (36, 30, 3)
    with pytest.raises(SrcoreError, match="mine enlarges 2, 3 times, not 4"):
        upscale(picture(), "mine")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda lr: lr, r"shape \(12, 10, 3\), where \(48, 40, 3\) is 4 times"),
        (lambda lr: np.zeros((48, 40, 3)), "numpy array of uint8, not float64"),
        (lambda lr: None, "not NoneType"),
        (lambda lr: 1 / 0, "mine failed: ZeroDivisionError"),
    ],
)
def test_a_function_that_does_something_else_is_named(registered, function, message):
    registered(run=function)
    with pytest.raises(MethodFailed, match=message):
        upscale(picture(), "mine")


def test_a_function_cannot_change_the_picture_it_gets(registered):
    def spoil(lr):
        lr[:] = 0
        return lr.repeat(4, 0).repeat(4, 1)

    registered(run=spoil)
    lr = picture()
    upscale(lr, "mine")
    assert np.array_equal(lr, picture())


@pytest.mark.parametrize("weights", ["w.safetensors", "w.pth"])
def test_added_code_with_its_weights_gives_its_own_pixels(data, net, tmp_path, weights, capsys):
    command = ["add", "mine", str(tmp_path / "net.py:build"), "--weights", str(tmp_path / weights), "--scale", "4"]
    assert main([*command, "--title", "Mine"]) == 0
    said = capsys.readouterr().out
    assert "mine is ready: Net, 4x, in tiles of 256 pixels" in said
    assert "runs whenever the method does" in said
    assert np.abs(run(picture(), "mine", device="cpu").pixels - by_hand(net, picture())).max() < 0.51
    assert (METHODS["mine"].display_name, METHODS["mine"].kind) == ("Mine", "upscaler")
    (tmp_path / "net.py").unlink()  # the copy is what runs
    upscale(picture(seed=1), "mine", device="cpu")
    assert main(["remove", "mine"]) == 0
    with pytest.raises(UnknownMethod):
        upscale(picture(), "mine")
    assert [file.name for file in data.iterdir() if file.name != ".lock"] == ["methods.json"]


def test_added_code_may_be_a_function_of_pixels(data, tmp_path):
    (tmp_path / "net.py").write_text("def build():\n    return lambda lr: lr.repeat(2, 0).repeat(2, 1)\n")
    assert main(["add", "twice", str(tmp_path / "net.py:build"), "--scale", "2"]) == 0
    assert np.array_equal(upscale(picture(), "twice", scale=2), picture().repeat(2, 0).repeat(2, 1))


def test_a_process_that_runs_already_sees_what_is_added_removed_and_replaced(data, net, tmp_path):
    registry = Registry(follow_added=True)
    assert list(registry) == []
    before = registry.stamp()
    command = ["add", "mine", str(tmp_path / "net.py:build"), "--weights", str(tmp_path / "w.safetensors")]
    assert main(command) == 0
    assert list(registry) == ["mine"]
    assert registry.stamp() != before
    first = registry["mine"].sha256()
    assert main([*command, "--tile", "64"]) == 0
    assert registry["mine"].tile == 64
    assert len(list(data.glob("mine-*"))) == 2  # its code and its weights, once
    assert registry["mine"].sha256() != first  # the tile is part of what the method is
    assert main(["remove", "mine"]) == 0
    assert list(registry) == []


def test_another_process_knows_added_methods_and_says_so_of_registered_ones(data, net, tmp_path, registered):
    registered(name="here", run=lambda lr: lr.repeat(4, 0).repeat(4, 1))
    command = ["add", "kept", str(tmp_path / "net.py:build"), "--weights", str(tmp_path / "w.safetensors")]
    assert main(command) == 0
    listed = subprocess.run(
        [sys.executable, "-m", "srcore", "methods", "--json"], capture_output=True, text=True, check=True
    )
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["kept"]["ready"]
    assert "here" not in rows
    write_image(tmp_path / "lr.png", picture())
    upscaling = ["upscale", "--method", "here", "--out", str(tmp_path), str(tmp_path / "lr.png")]
    refused = subprocess.run(
        [sys.executable, "-m", "srcore", *upscaling], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "unknown method 'here'" in refused.stderr


def test_the_picture_does_not_depend_on_the_memory_that_is_free(net):
    """A network that sees the whole of what it gets, as attention does: any other cut would show."""

    class Attentive(nn.Module):
        def forward(self, x):
            return functional.interpolate(x, scale_factor=4.0) * x.mean(dim=(2, 3), keepdim=True)

    from srcore.inference import Engine

    lr = torch.rand(1, 3, 70, 50)
    tiled = Engine(ForeignNetwork(Attentive(), scale=4, tile=32), device="cpu")
    assert torch.equal(tiled(lr, budget=1), tiled(lr, budget=1 << 34))
    whole = Engine(ForeignNetwork(Attentive(), scale=4, tile=0), device="cpu")
    assert not torch.allclose(whole(lr), tiled(lr))
    expected = functional.interpolate(lr, scale_factor=4.0) * lr.mean((2, 3), keepdim=True)
    assert torch.allclose(whole(lr), expected, atol=1e-6)


def test_a_convolution_in_tiles_has_no_seams(net):
    from srcore.inference import Engine

    lr = torch.rand(1, 3, 70, 50)
    tiled = Engine(ForeignNetwork(net, scale=4, tile=32), device="cpu")(lr)
    assert torch.allclose(tiled, net(lr), atol=1e-6)


def test_sides_are_padded_to_what_the_network_needs(net):
    class Fussy(nn.Module):
        def forward(self, x):
            assert x.shape[2] % 8 == 0
            assert x.shape[3] % 8 == 0
            return net(x)

    sr = ForeignNetwork(Fussy(), scale=4, tile=32, multiple_of=8)(torch.rand(1, 3, 13, 21))
    assert sr.shape == (1, 3, 52, 84)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_that_spandrel_opens_becomes_a_method_and_gives_its_own_pixels(data, esrgan, tmp_path, suffix, capsys):
    assert main(["add", "tiny-esrgan", str(tmp_path / f"esrgan.{suffix}"), "--display-name", "Tiny ESRGAN"]) == 0
    assert "ESRGAN" in capsys.readouterr().out
    assert METHODS["tiny-esrgan"].display_name == "Tiny ESRGAN"
    output = run(picture(), "tiny-esrgan", device="cpu")
    assert np.abs(output.pixels - by_hand(esrgan, picture())).max() < 0.51
    assert np.ptp(output.pixels) > 0


def test_a_file_of_another_scale_becomes_a_method_of_that_scale(data, tmp_path):
    architecture = pytest.importorskip("spandrel.architectures.ESRGAN")
    save_file(architecture.ESRGAN(num_filters=8, num_blocks=1, scale=2).state_dict(), tmp_path / "two.safetensors")
    assert main(["add", "two", str(tmp_path / "two.safetensors")]) == 0
    assert METHODS["two"].scales == (2,)
    assert upscale(picture(), "two", scale=2, device="cpu").shape == (24, 20, 3)


def test_an_added_file_changed_on_disk_is_refused(data, esrgan, tmp_path):
    main(["add", "tiny-esrgan", str(tmp_path / "esrgan.pth")])
    (stored,) = data.glob("*.pth")
    stored.write_bytes(stored.read_bytes()[:-5])
    with pytest.raises(SrcoreError, match="sha256 differs"):
        upscale(np.zeros((8, 8, 3), np.uint8), "tiny-esrgan")


def test_what_cannot_be_a_method_is_refused_and_changes_nothing(data, esrgan, net, tmp_path, capsys):
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    (tmp_path / "text.pth").write_text("text")
    (tmp_path / "empty.pth").touch()
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "short.safetensors").write_bytes(b"x")
    (tmp_path / "data.pth").mkdir()
    (tmp_path / "broken.py").write_text("import no_such_package\n\ndef build(): pass\n")
    (tmp_path / "nothing.py").write_text("def build(): return 5\n")
    for name, file, more, message in (
        ("new", "x.safetensors", (), "What is left: its code (python -m srcore add NAME net.py:build"),
        ("new", "x.safetensors", (), "SwinIR"),  # one of those that spandrel knows
        ("new", "text.pth", (), "cannot be read as weights"),
        ("new", "empty.pth", (), "error: empty.pth is empty; fetch it again"),
        ("new", "whole.pt", (), "would be run as code"),
        ("new", "gone.pth", (), "there is no such file"),
        ("bicubic", "esrgan.pth", (), "already"),
        ("Not a name", "esrgan.pth", (), "cannot be a method's name"),
        ("new", "net.py", (), "name the function that builds"),
        ("new", "gone.pth", (), "gone.pth: "),
        ("new", "data.pth", (), "data.pth: is a folder, where a file is needed"),
        ("new", "net.py:made", (), "net.py has no function made"),
        ("new", "broken.py:build", (), "error: broken.py: build() failed with"),
        ("new", "short.safetensors", (), "error: short.safetensors cannot be read as safetensors"),
        ("new", "empty.safetensors", (), "error: empty.safetensors is empty; fetch it again"),
        ("new", "whole.pt", (), "error: whole.pt holds more than tensors"),
        ("new", "broken.py:build", (), "No module named 'no_such_package'"),
        ("new", "nothing.py:build", (), "returned int; it must return an nn.Module or a function"),
        ("new", "net.py:build", ("--weights", str(tmp_path / "x.safetensors")), "does not fit the network"),
        ("new", "net.py:build", ("--scale", "2"), "which is not 2 times as many a side"),
        ("new", "esrgan.pth", ("--weights", str(tmp_path / "w.pth")), "belongs to code"),
    ):
        assert main(["add", name, str(tmp_path / file), *more]) == 1, (file, more)
        assert message in capsys.readouterr().err
    assert not data.exists()
    assert main(["remove", "bicubic"]) == 1
    assert "was not added" in capsys.readouterr().err


def test_a_network_of_another_range_is_told_so(data, tmp_path, capsys):
    code = NET.replace("self.shuffle(self.conv(x)).clamp(0, 1)", "nn.Upsample(scale_factor=4)(x * 2 - 1)")
    (tmp_path / "net.py").write_text(code)
    assert main(["add", "srgan-port", str(tmp_path / "net.py:build")]) == 0
    assert "other values than 0 to 1" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_network_whose_picture_is_no_numbers_is_refused_and_makes_none(data, tmp_path, registered, capsys, value):
    code = NET.replace("self.shuffle(self.conv(x)).clamp(0, 1)", f"self.shuffle(self.conv(x)) + float('{value}')")
    (tmp_path / "net.py").write_text(code)
    assert main(["add", "mine", str(tmp_path / "net.py:build")]) == 1
    assert "the network gave values that are no finite numbers" in capsys.readouterr().err
    assert "mine" not in METHODS
    registered(name="other", run=nn.Sequential(nn.Upsample(scale_factor=4), nn.Threshold(2, float(value))))
    write_image(tmp_path / "a.png", picture())
    assert main(["upscale", "--method", "other", "--out", str(tmp_path / "out"), str(tmp_path / "a.png")]) == 1
    assert "no finite numbers" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_without_spandrel_the_message_says_how_to_get_it(data, esrgan, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    assert main(["add", "new", str(tmp_path / "esrgan.pth")]) == 1
    assert "pip install spandrel" in capsys.readouterr().err


def test_a_broken_index_is_named_and_the_other_methods_go_on(data, esrgan, tmp_path, capsys):
    data.mkdir(parents=True)
    (data / "methods.json").write_text('{"mine": ')
    assert upscale(picture(), "bicubic").shape == (48, 40, 3)
    assert main(["add", "new", str(tmp_path / "esrgan.pth")]) == 1
    assert "methods.json cannot be read" in capsys.readouterr().err
    assert (data / "methods.json").read_text() == '{"mine": '


def test_methods_of_installed_packages_are_found_by_their_entry_point(tmp_path):
    (tmp_path / "theirs.py").write_text(
        "from srcore import Method\n"
        "def methods():\n"
        "    return [Method(name='theirs', family='callable', run=lambda lr: lr.repeat(4, 0).repeat(4, 1))]\n"
    )
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[srcore.methods]\ntheirs = theirs:methods\nbroken = gone:methods\n")
    code = "import srcore, sys, json; print(json.dumps(list(srcore.METHODS)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": f"{tmp_path}:."}
    )
    assert "theirs" in json.loads(found.stdout)
    assert "the methods of gone:methods are left out: ModuleNotFoundError" in found.stderr
