"""Names, order, availability and refusals of the registry; none of it loads torch."""

import hashlib
import json
import subprocess
import sys

import pytest

from srcore import METHODS, Method, UnknownMethod, get_method, is_available, queue, weights_sha256, why_unavailable
from srcore.registry import Registry

PAPERS_ORDER = (
    "nearest bicubic srcnn selfexsr drcn espcn srresnet-mse srresnet-vgg22 srgan-mse srgan-vgg22 srgan-vgg54 hr"
)


def test_the_methods_stand_in_the_papers_order():
    assert list(METHODS) == PAPERS_ORDER.split()
    assert [m.display_name for m in METHODS.values()][-3:] == ["SRGAN-VGG22", "SRGAN-VGG54", "HR"]


def test_only_hr_is_the_reference():
    assert [name for name, method in METHODS.items() if method.kind == "reference"] == ["hr"]


def test_an_unknown_name_raises_with_the_nearest_and_all_known():
    with pytest.raises(UnknownMethod) as caught:
        get_method("srganvgg54")
    assert str(caught.value) == (
        "unknown method 'srganvgg54'; did you mean srgan-vgg54? Known: " + ", ".join(PAPERS_ORDER.split())
    )


@pytest.mark.parametrize("ask", [is_available, why_unavailable, weights_sha256, queue])
def test_every_question_about_an_unknown_name_raises(ask):
    with pytest.raises(UnknownMethod):
        ask("waifu2x")


def test_a_refused_registration_changes_nothing():
    registry = Registry()
    first = Method(name="mine", display_name="Mine", family="folder", kind="folder", citation="us")
    registry.register(first)
    with pytest.raises(ValueError, match="already"):
        registry.register(Method(name="mine", display_name="Other", family="folder", citation="them"))
    with pytest.raises(ValueError, match="lower-case"):
        registry.register(Method(name="My SR", display_name="Mine", family="folder", citation="us"))
    assert dict(registry) == {"mine": first}


def test_networks_queue_for_the_gpu_and_the_others_for_the_cpu():
    cpu = [name for name in METHODS if queue(name) == "cpu"]
    assert cpu == ["nearest", "bicubic", "selfexsr", "hr"]


def test_a_network_without_weights_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path))
    assert not is_available("srgan-vgg54")
    assert "python -m srcore train srgan-vgg54" in why_unavailable("srgan-vgg54")
    assert weights_sha256("srgan-vgg54") == ""
    assert is_available("bicubic")


def test_weights_that_are_not_what_the_manifest_says_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path))
    sha256 = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps({"espcn": {"file": "espcn.safetensors", "sha256": sha256}}))
    assert "is missing" in why_unavailable("espcn")
    (tmp_path / "espcn.safetensors").write_bytes(b"weigh")
    assert "sha256 differs" in why_unavailable("espcn")
    (tmp_path / "espcn.safetensors").write_bytes(b"weights")
    assert why_unavailable("espcn") == ""
    assert weights_sha256("espcn") == sha256


def test_a_broken_manifest_is_named_and_the_other_methods_go_on(monkeypatch, tmp_path):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path))
    (tmp_path / "manifest.json").write_text('{"espcn": ')
    assert "manifest.json cannot be read as a manifest" in why_unavailable("espcn")
    assert weights_sha256("espcn") == ""
    assert is_available("bicubic")


def test_importing_measuring_and_asking_load_no_torch():
    code = (
        "import numpy as np, srcore, srcore.metrics, srcore.methods.running, srcore.__main__\n"
        "x = np.zeros((16, 16, 3), np.uint8)\n"
        "srcore.measure(x, x); srcore.upscale(x, 'bicubic'); [srcore.why_unavailable(n) for n in srcore.METHODS]\n"
    )
    run = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[-1].strip() for line in run.stderr.splitlines() if "|" in line}
    assert "srcore.metrics" in loaded
    assert not {name for name in loaded if name.split(".")[0] in ("torch", "torchvision", "numba")}
