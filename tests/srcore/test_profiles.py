"""Colour profiles: what a file's numbers mean, brought to sRGB and said; checked against the standards' numbers."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from srcore.images import read_image, read_noting
from tests.srcore.test_images import saved


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def adobe_rgb_to_srgb(pixels: np.ndarray) -> np.ndarray:
    """By the standards' numbers: Adobe RGB (1998), gamma 563/256, to IEC 61966-2-1; both have D65."""
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = np.clip((pixels / 255) ** (563 / 256) @ (to_srgb @ to_xyz).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_adobe_rgb_becomes_srgb_and_it_is_said(shared, caplog):
    path = shared / "cases" / "adobergb.png"
    raw = np.asarray(Image.open(path))
    pixels = read_image(path)
    assert np.abs(pixels - adobe_rgb_to_srgb(raw)).max() <= 2
    assert np.abs(pixels.astype(int) - raw).max() > 10
    assert "adobergb.png: colours converted from Artifex Software A98 ICC Profile to sRGB" in caplog.text


def display_p3_profile() -> bytes:
    """An ICC profile (version 2.1, matrix and curves) of Display P3, from its numbers alone.

    Primaries of SMPTE RP 431-2, white D65, the curve of sRGB as a table; colorants adapted to D50 by Bradford.
    """
    primaries = np.array([[0.680, 0.320], [0.265, 0.690], [0.150, 0.060]])
    white = np.array([0.3127, 0.3290])
    of_xy = np.array([[x / y, 1, (1 - x - y) / y] for x, y in [*primaries, white]]).T
    linear = of_xy[:, :3] * np.linalg.solve(of_xy[:, :3], of_xy[:, 3])  # RGB -> XYZ
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1.0, 0.8249])
    gain = np.diag((bradford @ d50) / (bradford @ of_xy[:, 3]))
    colorants = np.linalg.inv(bradford) @ gain @ bradford @ linear

    def number(value):
        return struct.pack(">i", round(value * 65536))

    def xyz(values):
        return b"XYZ " + bytes(4) + b"".join(map(number, values))

    levels = np.arange(1024) / 1023
    curve = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    table = b"curv" + bytes(4) + struct.pack(">I", 1024) + np.round(curve * 65535).astype(">u2").tobytes()
    name = b"Display P3 by hand\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(12 + 67)
    tags = {
        b"desc": described, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": xyz(d50),
        b"rXYZ": xyz(colorants[:, 0]), b"gXYZ": xyz(colorants[:, 1]), b"bXYZ": xyz(colorants[:, 2]),
        b"rTRC": table, b"gTRC": table, b"bTRC": table,
    }  # fmt: skip
    place, directory, bodies = 128 + 4 + 12 * len(tags), b"", b""
    for tag, body in tags.items():
        directory += tag + struct.pack(">II", place + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    rest = struct.pack(">I", len(tags)) + directory + bodies
    date = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    header = struct.pack(">I", 128 + len(rest)) + bytes(4) + struct.pack(">I", 0x02100000) + b"mntrRGB XYZ " + date
    header += b"acsp" + bytes(28) + b"".join(map(number, d50))
    return header.ljust(128, b"\0") + rest


def display_p3_to_srgb(pixels: np.ndarray) -> np.ndarray:
    """By the matrix that CSS Color 4 prints, linear P3 to linear sRGB; both have D65 and one curve."""
    to_srgb = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    values = pixels / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) @ to_srgb.T
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_display_p3_becomes_srgb_and_it_is_said(noise, tmp_path, caplog):
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    every = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    for given in (noise, every):
        Image.fromarray(given).save(tmp_path / "p3.png", icc_profile=display_p3_profile())
        pixels, done = read_noting(tmp_path / "p3.png")
        assert np.abs(pixels - display_p3_to_srgb(given)).max() <= 2
        assert np.abs(pixels.astype(int) - given).max() > 20
        assert done == ["colours are converted to sRGB"]
    assert "p3.png: colours converted from Display P3 by hand to sRGB" in caplog.text
    grey = noise[:, :, 0]  # D65 in both: equal channels stay as they are
    greys = read_image(saved(Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2)), icc_profile=display_p3_profile()))
    assert np.abs(greys.astype(int) - grey[:, :, None]).max() <= 1


def test_a_profile_that_is_srgb_changes_no_pixel_and_nothing_is_said(noise, caplog):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(read_image(saved(Image.fromarray(noise), icc_profile=profile)), noise)
    grey = noise[:, :, 0]
    assert np.array_equal(read_image(saved(Image.fromarray(grey), icc_profile=profile)), grey)
    assert caplog.text == ""


def test_a_profile_that_cannot_be_used_is_passed_over_and_it_is_said(noise, caplog):
    assert np.array_equal(read_image(saved(Image.fromarray(noise), icc_profile=b"no profile")), noise)
    assert "its colour profile is passed over" in caplog.text
