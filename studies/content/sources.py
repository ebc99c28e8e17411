"""Source images between the storage and numpy; their pixels' sha256."""

import hashlib
import io
import logging
from collections.abc import Iterable
from typing import BinaryIO, cast

from django.core.files.base import ContentFile
from django.db.models.fields.files import FieldFile

from srcore.images import ImageError, Pixels, encode_png, read_image
from studies.models import SourceImage
from studies.storage.guard import StorageUnavailable

logger = logging.getLogger(__name__)


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


def discard(files: Iterable[FieldFile]) -> None:
    """Delete files whose rows will not be. What a storage that is away keeps of them, `manage.py verify` finds."""
    try:
        for file in files:
            file.delete(save=False)
    except StorageUnavailable as error:
        logger.warning("files of an import that was undone may be left in the storage: %s", error)


def png_of(pixels: Pixels) -> tuple[bytes, dict[str, str | int]]:
    """The pixels as PNG, and what a stimulus' row says of the file and of them."""
    png = encode_png(pixels)
    facts: dict[str, str | int] = {
        "pixels_sha256": pixels_sha256(pixels),
        "file_sha256": hashlib.sha256(png).hexdigest(),
        "file_bytes": len(png),
    }
    return png, facts


def has_pixels(png: bytes, sha256: str) -> bool:
    """Whether a stimulus' file holds the pixels with this sha256. A grey picture's PNG has three equal channels."""
    try:
        pixels = read_image(io.BytesIO(png), name="a stored image")
    except ImageError:
        return False
    versions = [pixels] if pixels.ndim == 2 else [pixels, pixels[:, :, 0].copy()]
    return any(pixels_sha256(version) == sha256 for version in versions)


def _read(file: FieldFile, mode: str) -> Pixels:
    with file.open("rb") as opened:
        pixels = read_image(cast(BinaryIO, opened), name=file.name)
    # The PNG of every picture is RGB; a grey one has three equal channels.
    return pixels[:, :, 0].copy() if mode == "L" and pixels.ndim == 3 else pixels
