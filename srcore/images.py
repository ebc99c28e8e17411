"""Files to numpy arrays and back: the only place of the project that opens or writes an image.

A picture is a uint8 array: (H, W, 3) RGB, or (H, W) grey. Every other form a file can have is brought to one
of these two when it is read (see `read_image`).
"""

import errno
import logging
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from srcore.decoding import Decoded, Samples, Undecodable, decode
from srcore.errors import SrcoreError, in_words
from srcore.files import whole_file
from srcore.profiles import ProfileError, read_profile, to_srgb

logger = logging.getLogger(__name__)

MAX_PIXELS = 89_478_485
"""The most pixels a picture may have, 89 megapixels: above it Pillow itself suspects a decompression bomb."""

LARGEST_PIXELS = 16 * MAX_PIXELS
"""The most that the commands read, so that what they wrote can be read again: files that the user names himself."""

Pixels = npt.NDArray[np.uint8]

_limit = threading.Lock()  # Pillow's limit is a variable of its module

_SIGNATURE = ("Software", "srcore")  # a text chunk of the PNGs that are written for users, never of raters' images
_STORED_BLOCK = 65_535  # the most bytes that one stored deflate block holds (RFC 1951, 3.2.4)
_LARGEST_CHUNK = 2**31 - 1  # a PNG chunk's length field
_UPRIGHT: dict[int, Callable[[Samples], Samples]] = {  # EXIF orientation -> what turns the picture upright
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


def read_image(source: Path | str | BinaryIO, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Read a PNG, JPEG, TIFF, WebP or any other file that Pillow opens; returns uint8 (H, W, 3) RGB or (H, W) grey.

    Grey files (1, 8 or 16 bits, with or without alpha) come back as (H, W), all others as RGB. 16 bits become 8 by
    rounding v / 257; floating-point files from 0 to 1 are read. Transparency is laid over white (`read_with_alpha`
    keeps it). Palettes become RGB. A colour profile other than sRGB is applied: the numbers are then sRGB's, and the
    log of this module says so. The EXIF orientation is applied; of an animation the first frame is read. `name` is
    what messages call the file (default: its path). Raises ImageError for what is not a picture, is cut off or broken,
    has more than `max_pixels` pixels, or holds numbers without a known range.
    """
    return read_noting(source, name=name, max_pixels=max_pixels)[0]


def read_noting(
    source: Path | str | BinaryIO, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[Pixels, list[str]]:
    """As `read_image`, with what had to be done to the file's picture, such as "16 bits become 8"; raises the same."""
    pixels, alpha, peak, done = _read(source, name, max_pixels)
    return _over_white(pixels, alpha, peak), done


def read_with_alpha(
    source: Path | str | BinaryIO, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[Pixels, Pixels | None]:
    """As `read_image`, but with the colours as they are under the transparency, and that as uint8 (H, W) or None."""
    pixels, alpha, peak, _ = _read(source, name, max_pixels)
    return _eight_bits(pixels, peak), None if alpha is None else _eight_bits(alpha, peak)


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


def write_image(path: Path | str, pixels: Pixels, *, alpha: Pixels | None = None, made_by: str = "") -> None:
    """Write a uint8 (H, W, 3) RGB or (H, W) grey picture as a PNG file; it appears whole or not at all.

    `alpha` is uint8 (H, W) of the same size; `made_by` goes into the file as its comment. Raises ImageError for another
    suffix than .png (others lose pixels) or a folder that cannot be written.
    """
    path = Path(path)
    check_pixels(pixels)
    if alpha is not None:
        if alpha.shape != pixels.shape[:2]:
            raise ImageError(f"{path}: the transparency has the shape {alpha.shape}, the picture {pixels.shape[:2]}")
        pixels = np.dstack([pixels, alpha])
    if path.suffix.lower() != ".png":
        raise ImageError(f"{path}: pictures are written as PNG only; name it {path.stem}.png")
    try:
        with whole_file(path) as file:
            Image.fromarray(pixels).save(file, format="PNG", pnginfo=_signature(made_by))
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror or error})") from error


def was_written_here(path: Path | str) -> bool:
    """Whether `write_image` wrote this file: its PNG says so. False for what cannot be read."""
    try:
        with _opened(Path(path), LARGEST_PIXELS) as image:
            return image.info.get(_SIGNATURE[0]) == _SIGNATURE[1]
    except Exception:  # decoders raise nearly every type on broken data
        return False


def _signature(made_by: str) -> PngInfo:
    info = PngInfo()
    info.add_text(*_SIGNATURE)
    if made_by:
        info.add_text("Comment", made_by)
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


def _read(
    source: Path | str | BinaryIO, name: str | None, max_pixels: int
) -> tuple[Samples, Samples | None, int, list[str]]:
    """Colour and alpha, 0..peak, upright and in sRGB, and what was done; alpha is None without transparency."""
    source = Path(source) if isinstance(source, str) else source
    name = name or str(source if isinstance(source, Path) else getattr(source, "name", "the uploaded file"))
    try:
        with _opened(source, max_pixels) as image:
            _check_size(image.width, image.height, name, max_pixels)
            decoded = decode(image, source)
            found = _in_srgb(decoded, image, name)
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            done = {
                "only the first of its frames is taken": getattr(image, "n_frames", 1) > 1,
                "16 bits become 8": decoded.peak > 255,
                "transparency is laid over white": decoded.alpha is not None,
                "colours are converted to sRGB": found is not decoded,
                "turned upright": orientation in _UPRIGHT,
            }
    except ImageError:
        raise
    except Undecodable as error:
        raise ImageError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:  # is an OSError
        raise ImageError(f"{name}: not a picture that can be read; use PNG, JPEG, TIFF or WebP") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large(name, max_pixels)) from error
    except OSError as error:
        raise ImageError(f"{name}: {_said(error)}") from error
    except Exception as error:  # decoders raise nearly every type on broken data
        raise ImageError(f"{name}: broken or cut off ({error}); fetch or save the file again") from error
    turn = _UPRIGHT.get(orientation, np.asarray)
    alpha = None if found.alpha is None else np.ascontiguousarray(turn(found.alpha))
    return np.ascontiguousarray(turn(found.colour)), alpha, found.peak, [word for word, is_so in done.items() if is_so]


def _said(error: OSError) -> str:
    """What is wrong with a file that cannot be opened, in words; decoders have errors without a number."""
    if error.errno is None:
        return f"broken or cut off ({error}); fetch or save the file again"
    words = {
        errno.EISDIR: "is a folder, where a picture is needed; name the files in it",
        errno.EACCES: "may not be read by this user",
    }
    return words.get(error.errno, in_words(error))


@contextmanager
def _opened(source: Path | BinaryIO, max_pixels: int) -> Iterator[Image.Image]:
    """Pillow's image; above its own limit too, where the caller allows more and checks for himself."""
    if max_pixels <= MAX_PIXELS:
        with Image.open(source) as image:
            yield image
        return
    with _limit:
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(source)
        finally:
            Image.MAX_IMAGE_PIXELS = usual
    with image:
        yield image


def _in_srgb(found: Decoded, image: Image.Image, name: str) -> Decoded:
    """With the file's colour profile applied, if it has another than sRGB."""
    data = image.info.get("icc_profile")
    if not data:
        return found
    try:
        profile = read_profile(data)
        given = found.cmyk if found.cmyk is not None else _eight_bits(found.colour, found.peak)
        if profile.transform is None:
            return found
        if (profile.mode == "CMYK") != (found.cmyk is not None) or (profile.mode == "L" and given.ndim == 3):
            raise ProfileError(f"{profile.name} describes {profile.mode}, which the picture is not")
        colour = to_srgb(given, profile.transform, profile.mode)
    except ProfileError as error:
        logger.warning("%s: its colour profile is passed over: %s", name, error)
        return found
    logger.warning("%s: colours converted from %s to sRGB", name, profile.name)
    return Decoded(colour, None if found.alpha is None else _eight_bits(found.alpha, found.peak))


def _eight_bits(values: Samples, peak: int) -> Pixels:
    """0..peak -> 0..255, rounded."""
    if peak == 255:
        return values.astype(np.uint8)
    return ((values.astype(np.uint64) * 255 + peak // 2) // peak).astype(np.uint8)


def _over_white(colour: Samples, alpha: Samples | None, peak: int) -> Pixels:
    """Samples 0..peak, (H, W, 3) or (H, W) -> the same as uint8, rounded once."""
    if alpha is None:
        return _eight_bits(colour, peak)
    cover = (alpha if colour.ndim == 2 else alpha[:, :, None]).astype(np.uint64)
    blended = colour.astype(np.uint64) * cover + peak * (peak - cover)  # 0..peak^2
    return ((blended * 255 + peak * peak // 2) // (peak * peak)).astype(np.uint8)


def _check_size(width: int, height: int, name: str, limit: int = MAX_PIXELS) -> None:
    if width * height > limit:
        raise ImageError(f"{_too_large(name, limit)} It has {width} x {height}.")


def _too_large(name: str, limit: int) -> str:
    return f"{name}: more than {limit:,} pixels, the limit; cut or shrink it first."


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
