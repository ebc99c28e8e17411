"""SelfExSR's parts, on cases whose answer is known from elsewhere."""

import pytest

pytest.importorskip("numba")
pytest.importorskip("skimage")

import numba.core.caching
import numpy as np
from skimage.transform import AffineTransform, ProjectiveTransform, warp

from srcore.images import read_image
from srcore.methods.selfexsr import schedule
from srcore.methods.selfexsr.jit import Bands, compiled
from srcore.methods.selfexsr.matching import patch_cost, source_index, vote
from srcore.methods.selfexsr.pyramid import Pyramid, back_project, level_size
from srcore.methods.selfexsr.step import Step, first_states, next_states
from srcore.resize import downscale, resize_float, upscale_bicubic


def smooth_noise(height, width, *, seed=0, coarse=3):
    noise = np.random.default_rng(seed).random((height // coarse + 2, width // coarse + 2, 3), dtype=np.float32)
    return np.clip(resize_float(noise, height, width), 0, 1)


def level_in(buffer, places, index):
    """A source level, with its frame, as a view of the buffer."""
    start, height, width = places[index]
    return buffer[start : start + (height + 2) * (width + 2)].reshape(height + 2, width + 2, 3)


def as_state(*numbers):
    return tuple(np.float32(number) for number in numbers)


@pytest.fixture
def pyramid():
    """Of a 64 x 64 input, with the levels 9 and 8: at level 7, of 128 x 128, the input is exactly half as large."""
    pyramid = Pyramid(smooth_noise(64, 64))
    for level in (9, 8):
        pyramid.add(level, pyramid.enlarged(level))
    return pyramid


def test_level_sizes_are_the_input_times_powers_of_the_cube_root_of_two():
    sizes = {level: level_size(120, 80, level) for level in (4, 7, 9, 10, 11, 13, 16, 19)}
    assert sizes == {
        4: (480, 320),
        7: (240, 160),
        9: (151, 101),  # 151.19, 100.79
        10: (120, 80),
        11: (95, 63),  # 95.24, 63.50, and Python rounds 63.496
        13: (60, 40),
        16: (30, 20),
        19: (15, 10),
    }
    assert level_size(1, 2, 19) == (1, 1)


def test_the_pyramid_is_made_with_matlabs_bicubic(shared):
    lr = read_image(shared / "benchmarks" / "Set5" / "img_003_SRF_4_LR.png")
    pyramid = Pyramid(lr.astype(np.float32) / 255)
    places, ratios = pyramid.sources(7)
    level = level_in(pyramid.high, places, 16 - 8)  # a quarter of the input
    assert np.abs(level[1:-1, 1:-1] * 255 - downscale(lr)).max() <= 1.01  # that one rounds after each axis
    assert not any(edge.any() for edge in (level[0], level[-1], level[:, 0], level[:, -1]))
    assert ratios[2].tolist() == [0.5, 0.5]


def test_what_matching_sees_of_a_level_is_that_level_down_and_up_again(pyramid):
    places, _ = pyramid.sources(7)
    low = level_in(pyramid.low, places, 10 - 8)[1:-1, 1:-1]
    expected = resize_float(np.clip(resize_float(pyramid.lr, 51, 51), 0, 1), 64, 64)
    assert np.allclose(low, np.clip(expected, 0, 1), atol=1e-6)
    assert low.var() < pyramid.lr.var()


@pytest.mark.parametrize(
    ("scale", "levels"), [(1.0, 1), (2 ** (1 / 3), 1), (2.0, 3), (2.2, 3), (2.3, 4), (4.0, 6), (8.0, 9), (30.0, 9)]
)
def test_a_patch_is_read_from_the_level_at_which_it_is_seen_at_its_own_size(scale, levels):
    assert source_index(np.float32(scale**2)) == levels - 1
    assert source_index(np.float32(-(scale**2))) == levels - 1  # a mirrored patch


def test_patches_are_read_as_scikit_image_warps(pyramid):
    rng = np.random.default_rng(1)
    places, ratios = pyramid.sources(7)
    for _ in range(40):
        angle, scale, shear = rng.uniform(-3, 3), rng.uniform(1.3, 8), rng.uniform(-0.5, 0.5)
        matrix = AffineTransform(scale=scale, rotation=angle, shear=shear).params[:2, :2]
        x, y = rng.uniform(2, 125, 2)  # near the border many readings fall outside, where both give 0
        s = source_index(np.float32(np.linalg.det(matrix)))
        image = level_in(pyramid.high, places, s)[1:-1, 1:-1]
        centred = ProjectiveTransform([[1, 0, -2], [0, 1, -2], [0, 0, 1]])
        state = ProjectiveTransform([[*matrix[0], x], [*matrix[1], y], [0, 0, 1]])
        to_level = AffineTransform(
            scale=ratios[s][::-1].astype(float), translation=(ratios[s][::-1].astype(float) - 1) / 2
        )
        expected = warp(image.astype(np.float64), centred + state + to_level, output_shape=(5, 5), order=1, cval=0)
        target = np.zeros((5, 5, 3), np.float32)
        cost, *bias = patch_cost(target, 2, 2, as_state(x, y, *matrix.ravel()), (pyramid.high, places, ratios))
        assert np.allclose(bias, np.clip(-expected.mean((0, 1)), -0.25, 0.25), atol=2e-4)
        assert cost == pytest.approx(_cost(target, expected), rel=1e-3, abs=1e-5)


def _cost(target, patch):
    """The definition, term by term, in double precision."""
    difference = target.astype(np.float64) - patch
    bias = np.clip(difference.mean((0, 1)), -0.25, 0.25)
    row, col = np.mgrid[-2:3, -2:3]
    weights = np.exp(-(row**2 + col**2) / (2 * 3.0**2))
    return np.sum((weights / weights.sum())[:, :, None] * (difference - bias) ** 2)


@pytest.mark.parametrize(("offset", "bias", "cost"), [(0.0, 0.0, 0.0), (-0.125, -0.125, 0.0), (0.5, 0.25, 0.1875)])
def test_an_exact_repeat_costs_nothing_and_neither_does_a_shade_of_up_to_a_quarter(pyramid, offset, bias, cost):
    places, ratios = pyramid.sources(7)
    patch = level_in(pyramid.low, places, 10 - 8)[1:-1, 1:-1][30:35, 20:25]
    state = as_state(2 * (22 + 0.5) - 0.5, 2 * (32 + 0.5) - 0.5, 2, 0, 0, 2)
    found, *biases = patch_cost(patch + np.float32(offset), 2, 2, state, (pyramid.low, places, ratios))
    assert found == pytest.approx(cost, abs=1e-6)  # 0.1875 = 3 channels x (0.5 - 0.25)^2
    assert biases == pytest.approx([bias] * 3, abs=1e-6)


def test_a_planted_repeat_is_found(pyramid):
    places, _ = pyramid.sources(7)
    level = level_in(pyramid.low, places, 10 - 8)[1:-1, 1:-1]
    target = smooth_noise(128, 128, seed=9)
    target[70:110, 60:100] = level[5:45, 10:50]  # the input's own detail, at its own size
    with Bands() as bands:
        step = Step(target, pyramid, 7, None, bands)
        before = step.costs[72:108, 62:98].copy()
        for number in range(12):
            step.search(number)
    row, col = np.mgrid[72:108, 62:98]
    x, y = 2 * (col - 50 + 0.5) - 0.5, 2 * (row - 65 + 0.5) - 0.5
    distance = np.hypot(step.states[72:108, 62:98, 0] - x, step.states[72:108, 62:98, 1] - y)
    assert np.mean(distance < 2) > 0.9
    assert np.median(step.costs[72:108, 62:98]) < 0.02 * np.median(before)
    assert np.median(step.costs[72:108, 62:98]) < 0.1 * np.median(step.costs[20:56, 20:56])


def test_no_search_makes_a_cost_rise_and_every_source_stays_allowed(pyramid):
    with Bands() as bands:
        step = Step(pyramid.enlarged(7), pyramid, 7, None, bands)
        before = step.costs.copy()
        step.search(5)
    assert np.all(step.costs <= before)
    assert np.mean(step.costs[2:-2, 2:-2] < before[2:-2, 2:-2]) > 0.5
    x, y, a, b, c, d = np.moveaxis(step.states[2:-2, 2:-2], -1, 0)
    assert min(x.min(), y.min()) >= 2
    assert max(x.max(), y.max()) <= 125
    scale = np.sqrt(np.abs(a * d - b * c))
    assert scale.min() >= 2 ** (1 / 3) - 1e-4
    assert scale.max() <= 8


def test_the_vote_of_exact_patches_is_the_picture_they_came_from(pyramid):
    places, ratios = pyramid.sources(7)
    level = level_in(pyramid.high, places, 10 - 8)[1:-1, 1:-1]
    states = np.zeros((40, 50, 6), np.float32)
    row, col = np.mgrid[0:40, 0:50]
    states[:, :, 0], states[:, :, 1] = 2 * (col + 6 + 0.5) - 0.5, 2 * (row + 9 + 0.5) - 0.5
    states[:, :, 2] = states[:, :, 5] = 2
    biases = np.full((40, 50, 3), 0.125, np.float32)
    out = np.empty((40, 50, 3), np.float32)
    vote(out, states, biases, (pyramid.high, places, ratios), 0, 40)
    assert np.allclose(out, level[9:49, 6:56] + 0.125, atol=1e-5)


def test_states_of_the_next_level_keep_pointing_at_the_same_place():
    states = first_states(20, 30)
    states[:, :, 0], states[:, :, 1] = 7, 9  # all at one point, with A = 0: nothing to follow
    states[:, :, 2] = states[:, :, 5] = 0
    larger = next_states(states, 40, 60)
    assert np.all(larger[:, :, 0] == 14.5)  # the centre of pixel 7 at (7 + 0.5) x 2 - 0.5
    assert np.all(larger[:, :, 1] == 18.5)


def test_states_of_the_next_level_follow_the_transform_between_pixels():
    same_place = next_states(first_states(20, 30), 25, 38)
    small_col = (np.arange(38) + 0.5) * 30 / 38 - 0.5
    expected = np.rint(small_col) + 2 * (small_col - np.rint(small_col))  # A = 2I from the nearest pixel
    assert np.allclose(same_place[12, 5:-5, 0], ((expected + 0.5) * 38 / 30 - 0.5)[5:-5], atol=1e-4)
    assert same_place[:, :, 0].min() >= 2
    assert same_place[:, :, 1].max() <= 22


def test_back_projection_makes_the_picture_agree_with_the_lr_image(shared):
    hr_path = shared / "benchmarks" / "Set5" / "img_003_SRF_4_HR.png"
    lr = read_image(hr_path.with_name("img_003_SRF_4_LR.png"))
    start = upscale_bicubic(lr).astype(np.float32) / 255
    lr = lr.astype(np.float32) / 255
    hr = read_image(hr_path).astype(np.float32) / 255

    def lr_error(picture):
        return np.sqrt(np.mean((resize_float(picture, *lr.shape[:2]) - lr) ** 2))

    errors = [lr_error(back_project(start, lr, times=times)) for times in (0, 1, 5, 20)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]
    projected = back_project(start, lr)
    assert projected.min() >= 0
    assert projected.max() <= 1
    assert np.mean((projected - hr) ** 2) < 0.9 * np.mean((start - hr) ** 2)


def test_the_default_schedule_is_the_authors():
    assert list(schedule(12).items()) == [(9, 12), (8, 9), (7, 6), (6, 3), (5, 3), (4, 3)]
    assert list(schedule(5).values()) == [5, 3, 3, 3, 3, 3]
    assert list(schedule(2).values()) == [2, 2, 2, 2, 2, 2]


def test_no_iteration_is_refused():
    with pytest.raises(ValueError, match="at least 1 iteration, not 0"):
        schedule(0)


def test_where_numba_finds_no_folder_for_its_cache_it_compiles_without(monkeypatch):
    monkeypatch.setattr(numba.core.caching.FunctionCache._impl_class, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(_double)
    assert compiled(_double)(21) == 42


def _double(x):
    return 2 * x
