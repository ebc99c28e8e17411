"""What Pillow opened, as numbers with their range: every bit of the samples, where Pillow alone drops some."""

from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

Samples = npt.NDArray[Any]

_OTHER_ORDER = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGB;16N": "RGB;16B"}
_OTHER_ORDER |= {key.replace("RGB", "RGBA"): val.replace("RGB", "RGBA") for key, val in _OTHER_ORDER.items()}
_GREY_ALPHA_16 = "LA;16B"
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # TIFF tags and a value


class Undecodable(ValueError):
    """A picture of a kind that would be read wrong; the message says what to do."""


class Decoded(NamedTuple):
    """`colour` (H, W, 3) or (H, W), whole numbers 0..`peak`; `alpha` (H, W) of the same range, or None.

    `cmyk` are the file's own four channels, 0..255, for its colour profile; `colour` is then what Pillow makes of them.
    """

    colour: Samples
    alpha: Samples | None = None
    peak: int = 255
    cmyk: Samples | None = None


def decode(image: Image.Image, source: Path | BinaryIO) -> Decoded:
    """All samples of the first frame. Raises Undecodable, and whatever a decoder raises on broken data."""
    if image.mode.startswith("I;16"):  # Pillow's own conversion would clip at 255 instead of scaling
        return _grey16(image)
    if image.mode == "F":
        return _floating(image)
    if image.mode == "I":
        raise Undecodable("32-bit pixels have no known range; save it with 8 or 16 bits")
    raw = {_rawmode(tile) for tile in getattr(image, "tile", [])}
    if raw == {_GREY_ALPHA_16}:
        return _grey_alpha16(image, source)
    if raw and raw <= set(_OTHER_ORDER):
        return _colour16(image, source)
    if image.mode in ("RGB", "RGBA") and max(_tags(image).get(_BITS, (8,))) > 8:
        raise Undecodable("this layout of a 16-bit TIFF (a plane a colour) cannot be read; save it as PNG")
    if image.has_transparency_data:
        rgba = np.array(image.convert("RGBA"))
        grey = image.mode in ("1", "L", "LA", "La")
        return Decoded(rgba[:, :, 0] if grey else rgba[:, :, :3], rgba[:, :, 3])
    if image.mode in ("1", "L"):
        return Decoded(np.array(image.convert("L")))
    cmyk = np.array(image) if image.mode == "CMYK" else None
    return Decoded(np.array(image.convert("RGB")), cmyk=cmyk)


def _grey16(image: Image.Image) -> Decoded:
    peak = (1 << max(_tags(image).get(_BITS, (16,)))) - 1
    values = np.array(image).astype(np.uint32)
    if _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts 8 bits only
        values = peak - values
    return Decoded(values, peak=peak)


def _floating(image: Image.Image) -> Decoded:
    values = np.array(image)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also where one is no number
        raise Undecodable(
            f"floating-point pixels from {low:g} to {high:g} have no known range: 0 to 1 is read; save it so, or with "
            "8 or 16 bits"
        )
    if _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = 1 - values
    return Decoded(np.floor(values.astype(np.float64) * 65535 + 0.5).astype(np.uint32), peak=65535)


def _colour16(image: Image.Image, source: Path | BinaryIO) -> Decoded:
    """Pillow keeps the high byte of each 16-bit sample; read the file again in the other byte order for the low one."""
    high = np.asarray(image).astype(np.uint32)
    low = _read_again(source, lambda rawmode: _OTHER_ORDER[rawmode])
    values = high * 256 + low
    return Decoded(values[:, :, :3], values[:, :, 3] if values.shape[2] == 4 else None, peak=65535)


def _grey_alpha16(image: Image.Image, source: Path | BinaryIO) -> Decoded:
    """Read again as four bytes a pixel: those of the grey value and of the alpha, the high one first."""
    image.load()  # raises on broken data
    quads = _read_again(source, lambda _: "RGBA").astype(np.uint32)
    return Decoded(quads[:, :, 0] * 256 + quads[:, :, 1], quads[:, :, 2] * 256 + quads[:, :, 3], peak=65535)


def _read_again(source: Path | BinaryIO, other: Any) -> Samples:
    if not isinstance(source, Path):
        source.seek(0)
    with Image.open(source) as again:
        tiles: list[Any] = again.tile
        again.tile = [_with_rawmode(tile, other(_rawmode(tile))) for tile in tiles]
        return np.array(again)


def _tags(image: Image.Image) -> Any:
    return getattr(image, "tag_v2", {})


def _rawmode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _with_rawmode(tile: Any, rawmode: str) -> Any:
    return tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:]))
