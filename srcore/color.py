"""Luma and chroma, each definition once, named after where it comes from.

`bt601_*` is MATLAB's rgb2ycbcr: what the field measures on and what luma networks take and give.
`daala_luma` is the dithered 8-bit BT.709 luma of the daala package's png2y4m, which the SRGAN paper measured on.
"""

import numpy as np
import numpy.typing as npt

from srcore.dither import Integers, offsets_420, rdiv
from srcore.images import Pixels, check_pixels

BT601 = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
"""MATLAB's rgb2ycbcr: RGB in 0..1 -> Y - 16, Cb - 128, Cr - 128 (ITU-R BT.601, limited range)."""

_BAND = 1 << 17  # pixels converted at once, so that the 64-bit intermediates stay in the cache


def bt601_luma(pixels: Pixels) -> Pixels:
    """uint8 (H, W, 3) RGB -> uint8 (H, W) luma 16..235: floor(16 + (65.481 R + 128.553 G + 24.966 B)/255 + 0.5).

    A grey (H, W) picture is luma already and comes back as it is. Raises ImageError for other arrays.
    """
    check_pixels(pixels)
    if pixels.ndim == 2:
        return pixels
    luma: Pixels = np.floor(16 + pixels @ BT601[0] / 255 + 0.5).astype(np.uint8)
    return luma


def daala_luma(rgb: Pixels) -> Pixels:
    """uint8 (H, W, 3) RGB -> uint8 (H, W) luma, integer BT.709 limited range with dither, as for 4:2:0 video.

    The arithmetic is that of daala's tools/png2y4m.c: the luma of each pixel is chosen so that, with the chroma that
    its 2x2 block shares, the decoded RGB comes nearest to the pixel. Raises ImageError for other arrays.
    """
    check_pixels(rgb)
    if rgb.ndim != 3:
        raise ValueError("daala_luma takes RGB; replicate a grey picture first (images.as_rgb)")
    height, width = rgb.shape[:2]
    columns = (width + 1) // 2
    offsets = offsets_420(columns * ((height + 1) // 2))
    luma = np.empty((height, width), np.uint8)
    step = max(2, _BAND // width // 2 * 2)
    for top in range(0, height, step):
        band = rgb[top : top + step]
        first = top // 2 * columns
        blocks = (len(band) + 1) // 2 * columns
        luma[top : top + step] = _band_luma(band, [plane[first : first + blocks] for plane in offsets])
    return luma


def _band_luma(rgb: Pixels, offsets: list[npt.NDArray[np.int16]]) -> Pixels:
    """The luma of some rows, the first of them even, with the dither of their 2x2 blocks in raster order."""
    height, width = rgb.shape[:2]
    red, green, blue = (_dithered(rgb[:, :, c], offsets[c]) for c in range(3))
    sums = [_block_sums(channel) for channel in (red, green, blue)]
    cb = np.clip(rdiv(-29764 * sums[0] - 100128 * sums[1] + 129892 * sums[2], 304016865), -128, 127)
    cr = np.clip(rdiv(110236 * sums[0] - 100128 * sums[1] - 10108 * sums[2], 258011295), -128, 127)
    chroma = (4490222169144 * cr, -534117096223 * cb - 1334761232047 * cr, 5290866304968 * cb)
    shifts = [np.repeat(np.repeat(plane, 2, axis=0), 2, axis=1) for plane in chroma]
    scaled = [(9745792000 * v - c + 4096) >> 13 for v, c in zip((red, green, blue), shifts, strict=True)]
    lower = (1063 * scaled[0] + 3576 * scaled[1] + 361 * scaled[2]) // 1780026171875
    np.clip(lower, -16, 238, out=lower)
    errors = [_decoding_error(y, (red, green, blue), shifts) for y in (lower, lower + 1)]
    take_upper = (errors[1] < errors[0]) | ((errors[1] == errors[0]) & (lower & 1 == 1))  # a tie goes to the even one
    luma: Pixels = (16 + lower + take_upper).astype(np.uint8)
    return luma[:height, :width]


def _dithered(channel: Pixels, offsets: npt.NDArray[np.int16]) -> Integers:
    """(H, W) -> 16-bit values plus dither, padded to even sizes by copying the dithered neighbour."""
    height, width = channel.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    raster = offsets.reshape(rows, columns, 2, 2).swapaxes(1, 2).reshape(2 * rows, 2 * columns)
    dithered = 257 * channel.astype(np.int64) + raster[:height, :width]
    if (height | width) & 1:
        dithered = np.pad(dithered, ((0, height & 1), (0, width & 1)), mode="edge")
    return dithered


def _block_sums(channel: Integers) -> Integers:
    return channel[::2, ::2] + channel[::2, 1::2] + channel[1::2, ::2] + channel[1::2, 1::2]


def _decoding_error(luma: Integers, channels: tuple[Integers, ...], shifts: list[Integers]) -> Integers:
    """Squared distance, over the channels, of the RGB that this luma would decode to."""
    total = np.zeros_like(luma)
    scaled = 2916394880000 * luma
    for channel, shift in zip(channels, shifts, strict=True):
        decoded = np.clip(rdiv(scaled + shift, 9745792000), 0, 65535)
        total += (channel - decoded) ** 2
    return total
