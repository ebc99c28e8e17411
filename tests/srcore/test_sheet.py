"""The sheet of pictures side by side."""

import numpy as np
import pytest

from srcore import ImageError, downscale, sheet, upscale_bicubic
from srcore.sheet import _GAP


@pytest.fixture
def hr():
    return np.random.default_rng(0).integers(0, 256, (160, 200, 3), dtype=np.uint8)


def test_each_panel_shows_the_region_pixel_by_pixel(hr):
    lr = downscale(hr)
    region = (20, 40, 64, 48)
    picture = sheet(hr, lr, ["nearest", "bicubic"], region=region, zoom=3, columns=4)
    panel = 3 * 64
    assert picture.shape[1] == 4 * (panel + _GAP) + _GAP
    lefts = [_GAP + index * (panel + _GAP) for index in range(4)]
    shown = [picture[_GAP : _GAP + 3 * 48 : 3, left : left + panel : 3] for left in lefts]
    nearest = lr.repeat(4, axis=0).repeat(4, axis=1)
    for part, expected in zip(shown, (nearest, nearest, upscale_bicubic(lr), hr), strict=True):
        assert np.array_equal(part, expected[40:88, 20:84])


def test_text_stands_under_each_panel(hr):
    picture = sheet(hr, downscale(hr), ["bicubic"], zoom=2)
    below = picture[_GAP + 2 * 96 :]
    width = (picture.shape[1] - _GAP) // 3
    assert all((below[:, i * width : (i + 1) * width] < 128).any() for i in range(3))


def test_finished_pictures_are_taken_as_they_are_and_rows_wrap(hr):
    theirs = {f"theirs {index}": np.full_like(hr, index) for index in range(4)}
    picture = sheet(hr, downscale(hr), theirs, columns=3, zoom=1)
    one_row = sheet(hr, downscale(hr), theirs, columns=6, zoom=1)
    assert picture.shape[0] == 2 * one_row.shape[0] - _GAP


def test_a_region_outside_the_picture_is_refused(hr):
    with pytest.raises(ImageError, match=r"\(150, 0, 64, 64\) leaves the picture of 200 x 160"):
        sheet(hr, downscale(hr), ["bicubic"], region=(150, 0, 64, 64))
