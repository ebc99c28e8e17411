"""Source images between the storage and numpy; their pixels' sha256."""

import hashlib
import io
import logging
from collections.abc import Iterable
from typing import BinaryIO, cast

import numpy as np
from django.core.files.base import ContentFile
from django.db.models.fields.files import FieldFile
from PIL import Image

from srcore.images import ImageError, Pixels, encode_png, read_image
from studies.models import SourceImage, Stimulus, StudyRegion
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
    return read_hr(source), read_lr(source)


def read_hr(source: SourceImage) -> Pixels:
    """HR alone, as `read_source`."""
    return _read(source.hr, source.mode)


def read_lr(source: SourceImage) -> Pixels:
    """LR alone, as `read_source`."""
    return _read(source.lr, source.mode)


def read_stimulus(stimulus: Stimulus) -> Pixels:
    """A stored result as uint8; grey, (H, W), where both it and its source are. Raises ImageError, OSError."""
    rgb = _read(stimulus.file, "RGB")
    # The PNG of every picture is RGB; a grey one has three equal channels.
    is_grey = stimulus.source.mode == "L" and (rgb == rgb[:, :, :1]).all()
    return rgb[:, :, 0].copy() if is_grey else rgb


def thumbnail_of(source: SourceImage, *, width: int) -> bytes:
    """The low-resolution image as a JPEG, made smaller where it is wider than this. Raises ImageError, OSError."""
    picture = Image.fromarray(_read(source.lr, source.mode))
    picture.thumbnail((width, width * 4))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


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


def cut_of(region: StudyRegion, stimulus: Stimulus) -> tuple[bytes, dict[str, str | int]]:
    """The region of a stored result as PNG, and what a cut's row says of it; it has a place. As `read_stimulus`."""
    rows, columns = (slice(start, start + size) for start, size in region.extent)
    return png_of(np.ascontiguousarray(read_stimulus(stimulus)[rows, columns]))


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
