"""Every digit of the published rows, and each step of the recipe against a plain transcription of METRICS.md."""

import numpy as np
import pytest

from srcore import dither, evaluate
from srcore.color import bt601_luma, daala_luma
from srcore.images import ImageError
from srcore.metrics import Measurement, luma, measure, psnr, ssim_daala, ssim_gaussian

ROWS = [  # METRICS.md: benchmark, method, paper PSNR and SSIM, matlab PSNR and SSIM
    ("Set5", "nearest", 26.2601, 0.75520, 26.2497, 0.73721),
    ("Set5", "bicubic", 28.4261, 0.82109, 28.4177, 0.81008),
    ("Set14", "nearest", 24.6387, 0.70999, 24.6429, 0.65284),
    ("Set14", "bicubic", 25.9921, 0.74859, 25.9933, 0.70226),
    ("BSD100", "nearest", 25.0179, 0.66064, 25.0332, 0.62928),
    ("BSD100", "bicubic", 25.9367, 0.69349, 25.9565, 0.66723),
]


@pytest.mark.parametrize(("benchmark", "method", "psnr_paper", "ssim_paper", "psnr_matlab", "ssim_matlab"), ROWS)
def test_both_recipes_give_their_published_rows(
    shared, benchmark, method, psnr_paper, ssim_paper, psnr_matlab, ssim_matlab
):
    folder = shared / "benchmarks" / benchmark
    paper = evaluate(folder, method, recipe="paper").mean
    matlab = evaluate(folder, method, recipe="matlab").mean
    assert (round(paper.psnr, 4), round(paper.ssim, 5)) == (psnr_paper, ssim_paper)
    assert (round(matlab.psnr, 4), round(matlab.ssim, 5)) == (psnr_matlab, ssim_matlab)


def kiss99_one_by_one():
    z, w, jsr, jcong, mask = 362436069, 521288629, 123456789, 380116160, 2**32 - 1
    while True:
        z = 36969 * (z & 65535) + (z >> 16)
        w = 18000 * (w & 65535) + (w >> 16)
        jsr ^= jsr << 17 & mask
        jsr ^= jsr >> 13
        jsr ^= jsr << 5 & mask
        jcong = (69069 * jcong + 1234567) & mask
        yield ((((z << 16) + w) ^ jcong) + jsr) & mask


def rdiv_exactly(x: int, y: int) -> int:
    return (abs(x) + (y >> 1)) // y * (1 if x >= 0 else -1)


def daala_luma_one_by_one(rgb: np.ndarray) -> np.ndarray:
    """METRICS.md's recipe `paper`, step 1, written down pixel by pixel in Python's integers."""
    height, width = rgb.shape[:2]
    values, result = kiss99_one_by_one(), np.zeros((height, width), np.uint8)

    def draw(n):
        while (value := next(values)) >= (2**32 - 1) // n * n:
            pass
        return value % n

    def tri(r):
        return draw(r + 1) - draw(r + 1)

    def clip(value, low, high):
        return max(low, min(high, value))

    for top in range(0, height, 2):
        for left in range(0, width, 2):
            block, places = [], [(top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)]
            dithers = [(tri(1223320000), tri(1479548743), tri(1255654969)) for _ in places]
            _, cbd, crd = dithers[0]
            for (row, column), (yd, _, _) in zip(places, dithers, strict=True):
                if column >= width:
                    block.append(block[-1])
                elif row >= height:
                    block.append(block[len(block) - 2])
                else:
                    red, green, blue = (257 * int(v) for v in rgb[row, column])
                    red += rdiv_exactly(2 * yd + 3 * crd, 8176000)
                    green += rdiv_exactly(2384 * yd + 361 * cbd + 1063 * crd, 9745792000)
                    blue += rdiv_exactly(2 * yd + 3 * cbd, 8176000)
                    block.append((red, green, blue))
            sr, sg, sb = (sum(pixel[c] for pixel in block) for c in range(3))
            cb = clip(rdiv_exactly(-29764 * sr - 100128 * sg + 129892 * sb, 304016865), -128, 127)
            cr = clip(rdiv_exactly(110236 * sr - 100128 * sg - 10108 * sb, 258011295), -128, 127)
            chroma = (4490222169144 * cr, -534117096223 * cb - 1334761232047 * cr, 5290866304968 * cb)
            for (row, column), pixel in zip(places, block, strict=True):
                if row >= height or column >= width:
                    continue
                r, g, b = ((9745792000 * v - c + 4096) >> 13 for v, c in zip(pixel, chroma, strict=True))
                y0 = clip((1063 * r + 3576 * g + 361 * b) // 1780026171875, -16, 238)
                errors = [
                    sum(
                        (v - clip(rdiv_exactly(2916394880000 * y + c, 9745792000), 0, 65535)) ** 2
                        for v, c in zip(pixel, chroma, strict=True)
                    )
                    for y in (y0, y0 + 1)
                ]
                even = y0 + (y0 & 1)
                best = even if errors[0] == errors[1] else y0 + (errors[1] < errors[0])
                result[row, column] = 16 + best
    return result


def test_the_random_sequence_is_kiss99_beyond_one_chunk():
    chunks, plain = dither.kiss99(), kiss99_one_by_one()
    for chunk in (next(chunks), next(chunks)):
        assert chunk.tolist() == [next(plain) for _ in chunk]


@pytest.mark.parametrize("size", [(40, 64), (33, 27), (32, 27), (33, 26), (1, 1)])
def test_the_luma_equals_the_recipe_written_down_pixel_by_pixel(size):
    rng = np.random.default_rng(3)
    rgb = np.concatenate([rng.integers(0, 256, (*size, 3)), rng.choice([0, 255], (*size, 3))]).astype(np.uint8)
    for picture in (rgb[: size[0]], rgb[size[0] :]):  # noise, and the corners of the colour cube
        assert np.array_equal(daala_luma(picture), daala_luma_one_by_one(picture))


def test_a_picture_larger_than_a_band_is_converted_the_same(monkeypatch):
    rgb = np.random.default_rng(4).integers(0, 256, (90, 50, 3), dtype=np.uint8)
    whole = daala_luma(rgb)
    monkeypatch.setattr("srcore.color._BAND", 500)
    assert np.array_equal(daala_luma(rgb), whole)


def test_halves_are_rounded_away_from_zero():
    x = np.array([-15, -14, -5, -4, 4, 5, 14, 15])
    assert dither.rdiv(x, 10).tolist() == [-2, -1, -1, 0, 0, 1, 1, 2]
    assert dither.rdiv(x, 5).tolist() == [-3, -3, -1, -1, 1, 1, 3, 3]


def ssim_daala_one_by_one(x: np.ndarray, y: np.ndarray) -> float:
    height, width = x.shape
    sigma = height * 1.5 / 256
    radius = min(int(sigma * np.sqrt(-2 * np.log(np.sqrt(np.pi / 2) * sigma / 256))), min(width, height) - 1)
    taps = {
        k: int(256 * np.exp(-(k**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi)) + 0.5)
        for k in range(1, radius + 1)
    }
    taps = taps | {-k: v for k, v in taps.items()} | {0: 256 - 2 * sum(taps.values())}
    total = weights = 0.0
    for row in range(height):
        for column in range(width):
            near = [
                (taps[i] * taps[j], float(x[row + i, column + j]), float(y[row + i, column + j]))
                for i in taps
                for j in taps
                if 0 <= row + i < height and 0 <= column + j < width
            ]
            w = sum(n[0] for n in near)
            mx, my = (sum(n[0] * n[k] for n in near) / w for k in (1, 2))
            vx, vy = (sum(n[0] * n[k] ** 2 for n in near) / w - m * m for k, m in ((1, mx), (2, my)))
            cov = sum(n[0] * n[1] * n[2] for n in near) / w - mx * my
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            total += w * (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            weights += w
    return total / weights


def test_daalas_ssim_equals_its_sum_over_each_window():
    rng = np.random.default_rng(5)
    x, y = rng.integers(16, 236, (2, 96, 20), dtype=np.uint8)
    assert ssim_daala(x, y) == pytest.approx(ssim_daala_one_by_one(x, y), abs=1e-12)


def test_the_gaussian_ssim_equals_scikit_images():
    rng = np.random.default_rng(6)
    x = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    y = np.clip(x + rng.normal(0, 20, x.shape), 0, 255).astype(np.uint8)
    _, full = pytest.importorskip("skimage.metrics").structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )
    assert ssim_gaussian(x, y) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)


def test_psnr_of_a_known_error():
    x = np.full((10, 10), 100, np.uint8)
    assert psnr(x, x + np.uint8(5)) == pytest.approx(34.1514, abs=1e-4)  # 20 log10(255/5)


def test_matlabs_luma_of_the_primaries():
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]], np.uint8)
    assert bt601_luma(rgb).tolist() == [[81, 145, 41, 235, 16]]


@pytest.mark.parametrize("recipe", ["paper", "matlab"])
def test_a_picture_equals_itself(recipe):
    pixels = np.random.default_rng(7).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert measure(pixels, pixels, recipe=recipe) == Measurement(float("inf"), pytest.approx(1.0, abs=1e-12))


def test_what_the_crop_cuts_off_does_not_count():
    pixels = np.random.default_rng(8).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    framed = pixels.copy()
    framed[:4], framed[:, -4:] = 0, 0
    assert measure(pixels, framed).psnr == float("inf")
    assert measure(pixels, framed, crop=3).psnr < 60


def test_grey_is_replicated_by_paper_and_is_luma_for_matlab():
    grey = np.random.default_rng(9).integers(0, 256, (24, 24), dtype=np.uint8)
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    assert np.array_equal(luma(grey, recipe="paper"), luma(rgb, recipe="paper"))
    assert np.array_equal(luma(grey, recipe="matlab"), grey)
    assert measure(grey, rgb, recipe="matlab").psnr == float("inf")  # one of each: both are taken as RGB


def test_wrong_arguments_are_explained():
    x = np.zeros((24, 24, 3), np.uint8)
    with pytest.raises(ImageError, match="24 x 24 and 20 x 24"):
        measure(x, x[:, :20])
    with pytest.raises(ImageError, match="nothing is left of 8 x 8"):
        measure(x[:8, :8], x[:8, :8])
    with pytest.raises(ImageError, match="at least 11 x 11"):
        measure(x[:18, :18], x[:18, :18], recipe="matlab")
    with pytest.raises(ValueError, match="known: paper, matlab, basicsr, rgb"):
        measure(x, x, recipe="yuv")
