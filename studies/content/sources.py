"""Source images between the storage and numpy; their pixels' sha256."""

import hashlib
from typing import BinaryIO, cast

from django.core.files.base import ContentFile
from django.db.models.fields.files import FieldFile

from srcore.images import Pixels, encode_png, read_image
from studies.models import SourceImage


def pixels_sha256(pixels: Pixels) -> str:
    """sha256 of uint8 (H, W, 3) RGB or (H, W) grey pixels together with their size and mode, in hexadecimal."""
    header = f"{mode_of(pixels)} {pixels.shape[1]}x{pixels.shape[0]}\n"
    return hashlib.sha256(header.encode() + pixels.tobytes()).hexdigest()


def mode_of(pixels: Pixels) -> str:
    """ "RGB" or "L", as SourceImage.mode."""
    return "RGB" if pixels.ndim == 3 else "L"


def read_source(source: SourceImage) -> tuple[Pixels, Pixels]:
    """HR and LR of a source as uint8, (H, W, 3) RGB or (H, W) grey by its mode. Raises ImageError, OSError."""
    return _read(source.hr, source.mode), _read(source.lr, source.mode)


def store(file: FieldFile, pixels: Pixels) -> None:
    """Write the pixels as PNG under a new opaque name of the field's; the row is not saved."""
    file.save("", ContentFile(encode_png(pixels)), save=False)


def _read(file: FieldFile, mode: str) -> Pixels:
    with file.open("rb") as opened:
        pixels = read_image(cast(BinaryIO, opened), name=file.name)
    # The PNG of every picture is RGB; a grey one has three equal channels.
    return pixels[:, :, 0].copy() if mode == "L" and pixels.ndim == 3 else pixels
