"""One contract for all upscalers; tiles without seams; memory, time and progress."""

import hashlib
import json
from fractions import Fraction
from time import sleep

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from srcore import MethodUnavailable, read_image, resize, run, upscale, weights
from srcore.color import bt601_luma
from srcore.color_torch import luma, rgb_to_ycbcr, ycbcr_to_rgb
from srcore.errors import TimeLimitExceeded
from srcore.inference import DeviceError, Engine, choose_device
from srcore.networks import DRCN, ESPCN, SRCNN, SRResNet, build
from srcore.resize_torch import imresize, shrinking_matrix
from tests.srcore.test_networks import shuffled_statistics

SMALL = {"srcnn": SRCNN, "espcn": ESPCN, "srresnet": lambda: SRResNet(blocks=2, channels=16)}


def engine_of(name: str) -> Engine:
    torch.manual_seed(0)
    return Engine(shuffled_statistics(SMALL[name]()), device="cpu")


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)


@pytest.fixture
def espcn_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path))
    torch.manual_seed(0)
    weights.publish("espcn", build("espcn").state_dict(), {"recipe": "test"})
    return tmp_path / "espcn.safetensors"


def test_the_bicubic_on_tensors_equals_the_one_on_arrays(shared):
    hr = read_image(shared / "benchmarks" / "Set5" / "img_003_SRF_4_HR.png")
    tensor = torch.from_numpy(hr.transpose(2, 0, 1).copy())[None].float()
    lr = imresize(tensor, Fraction(1, 4), rounded=True)
    assert np.array_equal(lr[0].permute(1, 2, 0).numpy(), resize.downscale(hr))
    sr = imresize(lr, 4, rounded=True)
    assert np.array_equal(sr[0].permute(1, 2, 0).numpy(), resize.upscale_bicubic(resize.downscale(hr)))


def test_the_matrix_for_crops_gives_the_whole_pictures_lr(picture):
    tall = np.concatenate([picture] * 4)  # (80, 28)
    matrix = shrinking_matrix(24, 4, 8, torch.device("cpu"))
    column = torch.from_numpy(tall[12 : 12 + 40, :, 0].astype(np.float32))  # the crop's rows are 20..43
    rows = (matrix.T @ column + 0.5).floor().clamp(0, 255).numpy()
    assert np.array_equal(rows, resize._resize_axis(tall[:, :, 0], Fraction(1, 4), axis=0)[5:11])


def test_luma_on_tensors_is_matlabs_before_rounding(picture):
    rgb = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].double() / 255
    assert np.array_equal((luma(rgb) * 255 + 0.5).floor()[0, 0].numpy(), bt601_luma(picture))
    assert torch.allclose(rgb_to_ycbcr(rgb)[:, :1], luma(rgb))
    assert torch.allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb)), rgb, atol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_the_contract_of_all_upscalers(name):
    engine, lr = engine_of(name), torch.rand(2, 3, 9, 11)
    sr = engine(lr)
    assert (sr.shape, sr.dtype) == ((2, 3, 36, 44), torch.float32)
    assert sr.min() >= 0
    assert sr.max() <= 1
    assert torch.allclose(sr[1:], engine(lr[1:]), atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.rand(3, 8, 8),
        torch.rand(1, 1, 8, 8),
        torch.rand(1, 3, 8, 8) * 255,
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
    ],
)
def test_another_layout_or_range_is_refused(wrong):
    with pytest.raises(ValueError, match="an upscaler takes"):
        engine_of("espcn")(wrong)


@pytest.mark.parametrize("name", SMALL)
def test_tiles_have_no_seams(name):
    engine, lr = engine_of(name), torch.rand(1, 3, 70, 90)
    seen = []
    tiled = torch.empty(1, 3, 280, 360)

    def keep(_, tile, sr):
        seen.append(tile)
        tiled[:, :, 4 * tile.top : 4 * tile.bottom, 4 * tile.left : 4 * tile.right] = sr

    engine.upscale_into(lr, keep, budget=engine._bytes((24 + 2 * engine.radius) ** 2))
    assert len(seen) >= 9
    assert (tiled - engine(lr)).abs().max() < 1e-5


def test_chroma_of_a_luma_method_is_bicubic(picture):
    rgb = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].float() / 255 * 0.2 + 0.4
    network = ESPCN()
    torch.nn.init.constant_(network.subpixels.bias, 0.5)  # untrained, its luma would leave the range
    sr = rgb_to_ycbcr(Engine(network, device="cpu")(rgb))
    inside = (sr[:, :1] > 0.3) & (sr[:, :1] < 0.7)  # where RGB was not clamped
    bicubic = rgb_to_ycbcr(imresize(rgb, 4))
    assert inside.sum() > 100
    assert ((sr - bicubic)[:, 1:].abs() * inside).max() < 1e-5


def test_out_of_memory_makes_smaller_tiles():
    engine, lr, sizes = engine_of("espcn"), torch.rand(1, 3, 60, 60), []
    expected = engine(lr)

    def small_device(_, x):
        sizes.append(x[0].shape[2] * x[0].shape[3])
        if sizes[-1] > 1000:
            raise torch.OutOfMemoryError("CUDA out of memory")

    engine._fast.register_forward_pre_hook(small_device)
    assert torch.allclose(engine(lr), expected, atol=1e-5)
    assert sizes[0] == 3600
    assert max(sizes[-4:]) <= 1000


def test_a_device_too_small_for_any_tile_is_an_error():
    engine = engine_of("espcn")

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine._fast.register_forward_pre_hook(full)
    with pytest.raises(DeviceError, match="too little memory even for the smallest tile"):
        engine(torch.rand(1, 3, 64, 64))


def test_progress_grows_within_one_picture_and_ends_at_one():
    torch.manual_seed(0)
    fractions = []
    Engine(DRCN(filters=8, recursions=3), device="cpu")(torch.rand(1, 3, 6, 6), progress=fractions.append)
    assert fractions == sorted(fractions)
    assert len(fractions) > 8
    assert fractions[-1] == 1


@pytest.mark.parametrize("name", ["espcn", "selfexsr"])
def test_a_time_limit_ends_the_work_and_leaves_the_method_usable(picture, name, espcn_weights):
    if name == "selfexsr":
        pytest.importorskip("numba")
    with pytest.raises(TimeLimitExceeded, match=r"not done after 1e-06 s"):
        upscale(picture, name, time_limit=1e-6)
    fractions = []
    within = upscale(picture, name, time_limit=600, progress=fractions.append)
    assert fractions[-1] == 1
    np.testing.assert_array_equal(within, upscale(picture, name))


def test_a_time_limit_counts_from_the_start_though_memory_runs_out_on_the_way(espcn_weights, monkeypatch):
    compute, calls = Engine._compute, []

    def out_of_memory_once(engine, lr):
        calls.append(lr.shape)
        if len(calls) == 1:
            sleep(1.1)
            raise torch.OutOfMemoryError
        return compute(engine, lr)

    monkeypatch.setattr(Engine, "_compute", out_of_memory_once)
    with pytest.raises(TimeLimitExceeded):
        upscale(np.zeros((60, 60, 3), np.uint8), "espcn", time_limit=1)
    assert len(calls) == 2


def test_numbers_too_large_for_half_precision_are_computed_again_in_float32():
    network = SRResNet(blocks=1, channels=8)
    network.output.bias.data.fill_(1e6)  # beyond float16's 65504
    engine = Engine(network, device="cpu", half=True)
    assert torch.equal(engine(torch.rand(1, 3, 8, 8)), torch.ones(1, 3, 32, 32))


def test_half_precision_stays_near_float32():
    torch.manual_seed(0)
    network, lr = SRResNet(blocks=2, channels=16), torch.rand(1, 3, 8, 8)
    exact, half = Engine(network, device="cpu")(lr), Engine(network, device="cpu", half=True)(lr)
    assert 0 < (exact - half).abs().max() < 4e-3


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_cuda_that_is_not_there_is_a_clear_error():
    assert choose_device().type == "cpu"
    with pytest.raises(DeviceError, match="finds no CUDA device"):
        choose_device("cuda")


def test_a_method_with_weights_makes_a_picture(espcn_weights, picture):
    output = run(picture, "espcn", device="cpu")
    assert (output.pixels.shape, output.pixels.dtype, output.device) == ((80, 112, 3), np.uint8, "cpu")
    assert output.seconds > 0


def test_grey_is_run_as_three_equal_channels_and_comes_back_grey(espcn_weights, picture):
    grey = picture[:, :, 0]
    sr = upscale(grey, "espcn")
    colour = upscale(np.repeat(grey[:, :, None], 3, axis=2), "espcn").astype(float)
    assert sr.shape == (80, 112)
    assert np.abs(sr - colour.mean(axis=2)).max() <= 1


def test_weights_changed_on_disk_are_refused(espcn_weights, picture):
    espcn_weights.write_bytes(espcn_weights.read_bytes()[:-1])
    with pytest.raises(MethodUnavailable, match="sha256 differs"):
        upscale(picture, "espcn")
    with pytest.raises(weights.WeightsError, match="sha256 differs"):
        weights.load("espcn", weights.sha256_of("espcn"))


def test_new_weights_replace_those_in_memory(espcn_weights, picture):
    first = upscale(picture, "espcn")
    torch.manual_seed(1)
    weights.publish("espcn", build("espcn").state_dict(), {"recipe": "test"})
    assert not np.array_equal(first, upscale(picture, "espcn"))


def test_publishing_writes_the_manifest_that_describes_the_file(espcn_weights):
    entry = json.loads((espcn_weights.parent / "manifest.json").read_text())["espcn"]
    assert entry["recipe"] == "test"
    assert entry["sha256"] == hashlib.sha256(espcn_weights.read_bytes()).hexdigest()
    save_file({"x": torch.zeros(1)}, espcn_weights)
    assert "sha256 differs" in weights.why_missing("espcn")


def test_an_upscaler_used_first_does_not_spoil_training():
    engine_of("espcn")(torch.rand(1, 3, 14, 14))  # what it keeps must not be bound to inference
    rgb = torch.rand(1, 3, 14, 14, requires_grad=True)
    ycbcr_to_rgb(imresize(rgb_to_ycbcr(rgb), 4)).sum().backward()
    assert rgb.grad.abs().sum() > 0
