"""The judge of the generators, judged: a planted grid, a planted cast, a blur, and each goal missed by a little."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

import srcore
from tests.bench import quality


@pytest.fixture(scope="module")
def hr(shared):
    sources = {source.name: source for source in srcore.find_sources(shared / "benchmarks" / "Set5")}
    return srcore.load_source(sources["img_002"])[0]  # a bird before a blurred ground


def whole(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("period", [2, 4])
def test_a_planted_grid_is_found(hr, period):
    lines = 2.0 * np.cos(2 * np.pi * np.arange(hr.shape[1]) / period)[None, :, None]
    assert quality.grid_ratio(hr, hr) == 1
    assert quality.grid_ratio(hr, whole(hr + lines)) > 10 * quality.GRID_RATIO


def test_a_grid_of_three_pixels_or_a_blur_is_no_grid_of_four(hr):
    lines = 2.0 * np.cos(2 * np.pi * np.arange(hr.shape[1]) / 3)[None, :, None]
    assert quality.grid_ratio(hr, whole(hr + lines)) < 1.1
    assert quality.grid_ratio(hr, whole(gaussian_filter(hr.astype(float), (1, 1, 0)))) < 1


def test_the_energy_of_a_wave_is_that_of_its_amplitude():
    """A wave of amplitude 4 has a variance of 8 levels squared; Hann's window spreads it over 3x3 of 64^2 places."""
    wave = np.broadcast_to(128 + 4 * np.cos(np.pi / 2 * np.arange(136))[None, :, None], (136, 136, 3))
    window = np.hanning(65)[:-1]
    share = (window.sum() ** 2 / (window**2).sum() / 64) ** 2  # of a wave's energy that its own place keeps
    assert quality.grid_energy(whole(wave)) == pytest.approx(8 * share, rel=1e-6)


def test_a_grid_on_flat_ground_is_not_hidden_by_texture_beside_it():
    random = np.random.default_rng(0)
    hr = np.full((136, 264, 3), 128.0)
    hr[:, 132:] += random.normal(0, 40, (136, 132, 1))
    sr = hr.copy()
    sr[:, :132] += 2 * np.cos(np.pi / 2 * np.arange(132))[None, :, None]
    assert quality.grid_energy(whole(sr)).mean() < quality.GRID_RATIO * quality.grid_energy(whole(hr)).mean()
    assert quality.grid_ratio(whole(hr), whole(sr)) > 10 * quality.GRID_RATIO


def test_a_planted_cast_is_found_in_its_channel(hr):
    safe = hr.clip(0, 250)
    assert quality.cast(safe, safe + np.array([0, 0, 2], np.uint8)) == pytest.approx((0, 0, 2))


def test_brisque_prefers_the_photograph_to_its_blur(hr):
    pytest.importorskip("brisque")
    blurred = whole(gaussian_filter(hr.astype(float), (2, 2, 0)))
    assert quality.brisque(hr) < 40 < quality.brisque(blurred)


def row(method, **changes):
    scores = {"psnr": 28.41, "vgg54": 0.07, "brisque": 25.0, "grid": 1.5, "cast": 1.0}
    return {"benchmark": "Set5", "method": method, **(scores | changes)}


REFERENCES = [
    row("hr", psnr=float("inf"), vgg54=0.0, brisque=15.0),
    row("srresnet-mse", psnr=30.86, vgg54=0.0789, brisque=44.0),
]


def test_each_goal_is_missed_by_a_little():
    def reached(**changes):
        table = quality.goals(pd.DataFrame([*REFERENCES, row("srgan-vgg54", **changes)]))
        return {name: value for name, value in table.iloc[-1].items() if name.endswith("_reached")}

    assert all(reached().values())
    for name, value in {"psnr": 28.39, "vgg54": 0.079, "brisque": 44.5, "grid": 1.51, "cast": 1.01}.items():
        assert [goal for goal, met in reached(**{name: value}).items() if not met] == [f"{name}_reached"]


def test_what_cannot_be_compared_is_neither_reached_nor_missed():
    judged = quality.goals(pd.DataFrame([row("srgan-vgg22", benchmark="BSD100")])).iloc[0]
    assert (judged["psnr_reached"], judged["vgg54_reached"], judged["brisque_reached"]) == (None, None, None)


def test_a_cast_that_changes_its_sign_from_picture_to_picture_does_not_cancel():
    scores = {"psnr": 28.0, "ssim": 0.8, "vgg54": 0.1, "brisque": 20.0, "green": 0.0, "blue": 0.0}
    common = {"benchmark": "Set5", "method": "a", **scores}
    pictures = pd.DataFrame([common | {"grid": 4, "red": 3}, common | {"grid": 1, "red": -3}])
    mean = quality.means(pictures).iloc[0]
    assert (mean["cast"], mean["grid"]) == (3, 2)
