"""Colour profiles (ICC): what a file's numbers mean, brought to sRGB, which screens and methods expect."""

import io
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Pixels = npt.NDArray[np.uint8]

_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # ICC's name -> Pillow's mode


class Profile(NamedTuple):
    """What a profile is called, the mode of pixels it describes, and what brings those to sRGB; None: nothing to do."""

    name: str
    mode: str
    transform: ImageCms.ImageCmsTransform | None


class ProfileError(ValueError):
    """A profile that is broken or of another kind than pixels of a picture."""


@lru_cache(maxsize=16)
def read_profile(data: bytes) -> Profile:
    """The profile in these bytes. One that changes no 8-bit value by more than 1 is sRGB by another name.

    Relative colorimetric with black point compensation, as browsers and editors do. Raises ProfileError.
    """
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(data))
        name = ImageCms.getProfileDescription(given).strip() or "a profile without a name"
        mode = _SPACES.get(given.profile.xcolor_space.strip())
        if mode is None:
            raise ProfileError(f"{name} describes {given.profile.xcolor_space.strip()}, not RGB, grey or CMYK")
        transform = ImageCms.buildTransform(
            given,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ProfileError(str(error)) from error
    return Profile(name, mode, None if mode != "CMYK" and _is_srgb(transform, mode) else transform)


def to_srgb(pixels: Pixels, transform: ImageCms.ImageCmsTransform, mode: str) -> Pixels:
    """uint8 (H, W, 3), (H, W) or, for CMYK, (H, W, 4) -> sRGB, (H, W, 3), or (H, W) for a grey picture."""
    grey = pixels.ndim == 2
    if grey and mode == "RGB":  # equal channels stay equal
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    size = (pixels.shape[1], pixels.shape[0])
    image = Image.frombytes("CMYK", size, pixels.tobytes()) if mode == "CMYK" else Image.fromarray(pixels)
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ProfileError("the colours cannot be converted")
    rgb = np.array(converted)
    return rgb[:, :, 0].copy() if grey else rgb


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    if mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None]
        expected = np.repeat(probe[:, :, None], 3, axis=2)
    else:
        levels = np.linspace(0, 255, 18).round().astype(np.uint8)
        probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        expected = probe
    made = ImageCms.applyTransform(Image.fromarray(probe), transform)
    return bool(np.abs(np.asarray(made).astype(int) - expected).max() <= 1)
