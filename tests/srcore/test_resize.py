"""MATLAB's imresize: equal to the published low-resolution images, pixel by pixel."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from srcore.images import ImageError, read_image
from srcore.resize import (
    contributions,
    crop_to_multiple,
    downscale,
    imresize,
    resize_float,
    upscale_bicubic,
    upscale_nearest,
)


def test_all_119_published_lr_images_come_out_without_one_differing_pixel(shared):
    files = sorted((shared / "benchmarks").glob("*/*_HR.png"))
    differing = {
        str(file): count
        for file in files
        if (count := np.sum(downscale(read_image(file)) != read_image(file.with_name(file.name.replace("_HR", "_LR")))))
    }
    assert len(files) == 119
    assert differing == {}


def test_a_step_enlarged_overshoots_as_keys_kernel_does():
    step = np.repeat(np.array([[0, 0, 0, 200, 200, 200]], np.uint8), 6, axis=0)
    # By hand from Keys 1981, eq. 15: at 3.125 the kernel's values at distance 0.875 and 1.875 are 0.09082 and
    # -0.00684, so 200 * 0.08398 = 16.8; at 3.375, 200 * 0.34570 = 69.1; beyond the step
    # 200 * 1.04785 = 209.6 and 200 * 1.07324 = 214.6.
    assert upscale_bicubic(step)[12, 8:16].tolist() == [0, 0, 17, 69, 131, 183, 210, 215]


def test_a_flat_picture_stays_flat():
    flat = np.full((8, 12, 3), 137, np.uint8)
    for scale in (Fraction(1, 4), 4, 0.3, 1.7):
        assert np.all(imresize(flat, scale) == 137)


def test_the_output_size_is_rounded_up():
    assert imresize(np.zeros((10, 7), np.uint8), Fraction(1, 4)).shape == (3, 2)
    assert imresize(np.zeros((10, 7, 3), np.uint8), 0.5).shape == (5, 4, 3)


def test_weights_sum_to_one_and_indices_stay_inside():
    for scale in (Fraction(1, 4), Fraction(4), Fraction(3, 7)):
        indices, weights = contributions(29, scale)
        assert np.allclose(weights.sum(axis=1), 1, atol=1e-14)
        assert indices.min() == 0
        assert indices.max() == 28


def test_a_large_picture_is_worked_in_blocks_with_the_same_result(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    whole = upscale_bicubic(pixels)
    monkeypatch.setattr("srcore.resize._BLOCK", 100)
    assert np.array_equal(upscale_bicubic(pixels), whole)


def test_the_float_bicubic_equals_pillows_away_from_the_borders():
    image = np.random.default_rng(0).random((60, 80, 1), dtype=np.float32)
    for height, width in ((37, 101), (75, 50), (15, 20)):
        ours = resize_float(image, height, width)[:, :, 0]
        pillow = np.asarray(Image.fromarray(image[:, :, 0]).resize((width, height), Image.Resampling.BICUBIC))
        margin = 4  # at the borders Pillow drops the taps that lie outside, MATLAB replicates
        inner = np.s_[margin:-margin, margin:-margin]
        assert np.abs(ours[inner] - pillow[inner]).max() < 1e-5


def test_the_float_bicubic_differs_from_the_rounded_one_by_rounding_only():
    pixels = np.random.default_rng(0).integers(64, 192, (40, 24, 3), dtype=np.uint8)
    exact = resize_float(pixels.astype(np.float32), 10, 6)
    assert np.abs(exact - downscale(pixels)).max() < 1.1
    assert not np.array_equal(exact, np.round(exact))


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.float32)])
def test_the_float_bicubic_refuses_other_arrays(image):
    with pytest.raises(ValueError, match="expected float32"):
        resize_float(image, 2, 2)


def test_the_float_bicubic_refuses_an_empty_result():
    with pytest.raises(ValueError, match="at least 1"):
        resize_float(np.zeros((4, 4, 3), np.float32), 0, 2)


def test_nearest_makes_squares():
    assert upscale_nearest(np.array([[1, 2]], np.uint8), 2).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_the_crop_takes_from_the_bottom_and_the_right():
    pixels = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9)
    assert np.array_equal(crop_to_multiple(pixels), pixels[:4, :8])
    with pytest.raises(ImageError):
        crop_to_multiple(pixels[:3])


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="9 x 7 is not a multiple of 4"):
        downscale(np.zeros((7, 9), np.uint8))
    with pytest.raises(ValueError, match="positive"):
        imresize(np.zeros((8, 8), np.uint8), 0)
