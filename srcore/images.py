"""Files to numpy arrays and back: the only place of the project that opens or writes an image.

A picture is a uint8 array: (H, W, 3) RGB, or (H, W) grey. Every other form a file can have is brought to one
of these two when it is read (see `read_image`).
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from srcore.errors import SrcoreError
from srcore.files import whole_file

MAX_PIXELS = 89_478_485
"""The most pixels a picture may have, 89 megapixels: above it Pillow itself suspects a decompression bomb."""

Pixels = npt.NDArray[np.uint8]

_SIXTEEN_BIT_RGB = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGB;16N": "RGB;16B"}
_SIXTEEN_BIT_RGB |= {key.replace("RGB", "RGBA"): val.replace("RGB", "RGBA") for key, val in _SIXTEEN_BIT_RGB.items()}
_SIGNATURE = ("Software", "srcore")  # a text chunk of the PNGs that are written for users, never of raters' images
_STORED_BLOCK = 65_535  # the most bytes that one stored deflate block holds (RFC 1951, 3.2.4)
_LARGEST_CHUNK = 2**31 - 1  # a PNG chunk's length field
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {  # EXIF orientation -> what turns the picture upright
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


class ImageError(SrcoreError, ValueError):
    """A picture that cannot be read, written or used; the message names the file and says what to do."""


def read_image(source: Path | BinaryIO, *, name: str | None = None) -> Pixels:
    """Read a PNG, JPEG, TIFF, WebP or any other file that Pillow opens; returns uint8 (H, W, 3) RGB or (H, W) grey.

    Grey files (1, 8 or 16 bits, with or without alpha) come back as (H, W), all others as RGB. 16 bits become 8 by
    rounding v / 257. Transparency is laid over white. CMYK and palettes become RGB. The EXIF orientation is applied;
    colour profiles are ignored; of an animation the first frame is read. `name` is what messages call the file
    (default: its path). Raises ImageError for what is no picture, is cut off or broken, has more than MAX_PIXELS
    pixels, or holds numbers without a known range (floating point, 32 bits).
    """
    name = name or str(source if isinstance(source, Path) else getattr(source, "name", "the uploaded file"))
    try:
        with Image.open(source) as image:
            _check_size(image.width, image.height, name)
            pixels = _to_pixels(image, source, name)
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{name}: there is no such file") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not a picture that can be read; use PNG, JPEG, TIFF or WebP") from error
    except Exception as error:  # decoders raise nearly every type on broken data
        raise ImageError(f"{name}: broken or cut off ({error}); fetch or save the file again") from error
    turn = _UPRIGHT.get(orientation)
    return np.ascontiguousarray(turn(pixels) if turn else pixels)


def encode_png(pixels: Pixels) -> bytes:
    """PNG bytes of a uint8 (H, W, 3) RGB or (H, W) grey picture, as 8-bit RGB, whose number depends on its size only.

    Nothing is compressed and there is no chunk besides IHDR, IDAT and IEND, so that neither the length nor the
    metadata of a file tells a rater which method made it. The stored deflate blocks are laid out here and not by
    zlib, whose block sizes differ between builds. Raises ImageError above MAX_PIXELS.
    """
    rgb = as_rgb(pixels)
    height, width = rgb.shape[:2]
    _check_size(width, height, "the picture to encode")
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with its filter type, 0: none
    rows[:, 1:] = rgb.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(rows.tobytes())) + _chunk(b"IEND")


def write_image(path: Path, pixels: Pixels) -> None:
    """Write a uint8 (H, W, 3) RGB or (H, W) grey picture as a PNG file; it appears whole or not at all.

    Raises ImageError for another suffix than .png (others lose pixels) or a folder that cannot be written.
    """
    check_pixels(pixels)
    if path.suffix.lower() != ".png":
        raise ImageError(f"{path}: pictures are written as PNG only; name it {path.stem}.png")
    try:
        with whole_file(path) as file:
            Image.fromarray(pixels).save(file, format="PNG", pnginfo=_signature())
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror or error})") from error


def was_written_here(path: Path) -> bool:
    """Whether `write_image` wrote this file: its PNG says so. False for what cannot be read."""
    try:
        with Image.open(path) as image:
            return image.info.get(_SIGNATURE[0]) == _SIGNATURE[1]
    except Exception:  # decoders raise nearly every type on broken data
        return False


def _signature() -> PngInfo:
    info = PngInfo()
    info.add_text(*_SIGNATURE)
    return info


def as_rgb(pixels: Pixels) -> Pixels:
    """uint8 (H, W, 3) or (H, W) -> (H, W, 3): grey becomes three equal channels. Raises ImageError on other arrays."""
    check_pixels(pixels)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def check_pixels(pixels: Pixels) -> None:
    """Raise ImageError unless `pixels` is a non-empty uint8 array of shape (H, W, 3) or (H, W)."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        raise ImageError(f"a picture is a numpy array of uint8, not {kind}")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or pixels.size == 0:
        raise ImageError(f"a picture has the shape (height, width, 3) or (height, width), not {pixels.shape}")


def _to_pixels(image: Image.Image, source: Path | BinaryIO, name: str) -> Pixels:
    if image.mode.startswith("I;16"):  # Pillow's own conversion would clip at 255 instead of scaling
        return _eight_bits(np.asarray(image).astype(np.uint32))
    if image.mode in ("I", "F"):
        raise ImageError(f"{name}: 32-bit or floating-point pixels have no known range; save it with 8 or 16 bits")
    if _has_sixteen_bit_colour(image, name):
        return _read_sixteen_bit_colour(image, source)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image.convert("L"))
    if image.has_transparency_data:
        over_white = _over_white(np.asarray(image.convert("RGBA")).astype(np.uint32), peak=255)
        return over_white[:, :, 0] if image.mode in ("1", "L", "LA", "La") else over_white
    return np.asarray(image.convert("RGB"))


def _has_sixteen_bit_colour(image: Image.Image, name: str) -> bool:
    raw = [_rawmode(tile) for tile in getattr(image, "tile", [])]
    if raw and all(mode in _SIXTEEN_BIT_RGB for mode in raw):
        return True
    bits = getattr(image, "tag_v2", {}).get(258, (8,))  # TIFF BitsPerSample
    if image.mode in ("RGB", "RGBA") and max(bits) > 8:
        raise ImageError(f"{name}: this layout of a 16-bit TIFF (a plane a colour) cannot be read; save it as PNG")
    return False


def _read_sixteen_bit_colour(image: Image.Image, source: Path | BinaryIO) -> Pixels:
    """Pillow keeps the high byte of each 16-bit sample; read the file again in the other byte order for the low one."""
    high = np.asarray(image)
    if not isinstance(source, Path):
        source.seek(0)
    with Image.open(source) as again:
        tiles: list[Any] = again.tile
        again.tile = [_with_rawmode(tile, _SIXTEEN_BIT_RGB[_rawmode(tile)]) for tile in tiles]
        low = np.asarray(again)
    values = high.astype(np.uint32) * 256 + low
    return _over_white(values, peak=65_535) if values.shape[2] == 4 else _eight_bits(values)


def _rawmode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _with_rawmode(tile: Any, rawmode: str) -> Any:
    return tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:]))


def _eight_bits(values: npt.NDArray[np.uint32]) -> Pixels:
    return ((values + 128) // 257).astype(np.uint8)


def _over_white(rgba: npt.NDArray[np.uint32], *, peak: int) -> Pixels:
    """(H, W, 4) with samples 0..peak -> (H, W, 3) uint8, rounded once."""
    colour, alpha = rgba[:, :, :3].astype(np.uint64), rgba[:, :, 3:].astype(np.uint64)
    blended = colour * alpha + peak * (peak - alpha)  # 0..peak^2
    return ((blended * 255 + peak * peak // 2) // (peak * peak)).astype(np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"{_too_large(name)} It has {width} x {height}.")


def _too_large(name: str) -> str:
    return f"{name}: more than {MAX_PIXELS:,} pixels, the limit; cut or shrink it first."


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    if len(data) > _LARGEST_CHUNK:
        raise ImageError(f"a PNG chunk holds at most {_LARGEST_CHUNK} bytes, not {len(data)}")
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _stored(data: bytes) -> bytes:
    """A zlib stream (RFC 1950) of stored blocks."""
    starts = range(0, len(data), _STORED_BLOCK)
    parts = [b"\x78\x01"]  # deflate, 32 KiB window, no dictionary
    for start in starts:
        block = data[start : start + _STORED_BLOCK]
        is_last = start + _STORED_BLOCK >= len(data)
        parts += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*parts, struct.pack(">I", zlib.adler32(data))])
