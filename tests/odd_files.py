"""Forty odd files: pictures of every kind, some of them right, others broken or none."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms


def picture(height=32, width=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(header, rows, *chunks):
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


def deep_png(values, colour_type):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0), rows)


GOOD = {
    "rgb.png": lambda: Image.fromarray(picture()),
    "grey.png": lambda: Image.fromarray(picture()[..., 0]),
    "bits.png": lambda: Image.fromarray(picture()[..., 0] > 127),
    "rgba.png": lambda: Image.fromarray(np.dstack([picture(), picture()[..., 0]])),
    "la.png": lambda: Image.fromarray(picture()[..., :2].copy(), "LA"),
    "palette.png": lambda: Image.fromarray(picture()).quantize(16),
    "palette.gif": lambda: Image.fromarray(picture()).quantize(16),
    "photo.jpg": lambda: Image.fromarray(picture()),
    "photo2.jpeg": lambda: Image.fromarray(picture()[..., 0]),
    "cmyk.jpg": lambda: Image.fromarray(picture()).convert("CMYK"),
    "cmyk.tif": lambda: Image.fromarray(picture()).convert("CMYK"),
    "lab.tif": lambda: Image.fromarray(picture()).convert("YCbCr"),
    "rgb.tif": lambda: Image.fromarray(picture()),
    "deep.tiff": lambda: Image.fromarray(picture()[..., 0].astype(np.uint16) * 257),
    "float.tif": lambda: Image.fromarray((picture()[..., 0] / 255).astype(np.float32)),
    "rgb.webp": lambda: Image.fromarray(picture()),
    "rgb.bmp": lambda: Image.fromarray(picture()),
    "one.png": lambda: Image.fromarray(picture(1, 1)),
    "thin.png": lambda: Image.fromarray(picture(1, 60)),
    "odd size.png": lambda: Image.fromarray(picture(31, 37)),
    "üñí çødé.png": lambda: Image.fromarray(picture()),
    "UPPER.PNG": lambda: Image.fromarray(picture()),
    "a.b.c.png": lambda: Image.fromarray(picture()),
}
BAD = {
    "empty.png": b"",
    "text.png": b"no picture",
    "html.jpg": b"<html></html>",
    "cut.png": None,
    "cut.jpg": None,
    "damaged.png": None,
    "zip.tif": b"PK\x03\x04" + bytes(100),
    "bomb.png": png(struct.pack(">IIBBBBB", 10**6, 10**6, 8, 2, 0, 0, 0), b""),
    "integers.tif": Image.fromarray(np.full((8, 8), 70_000, np.int32)),
    "range.tif": Image.fromarray(np.full((8, 8), 200, np.float32)),
    "nan.tif": Image.fromarray(np.full((8, 8), np.nan, np.float32)),
}


TWINS = ("cmyk.tif", "rgb.tif", "rgb.webp", "rgb.bmp", "cut.jpg", "palette.gif")
"""Files named as others are but for their ending."""


def write_odd_files(folder: Path) -> None:
    """Put them into the folder, with a link that leads to itself and a folder named as a picture."""
    for name, make in GOOD.items():
        options = {"lossless": True} if name.endswith(".webp") else {}
        make().save(folder / name, **options)
    (folder / "deep_rgb.png").write_bytes(deep_png(picture().astype(np.uint16) * 257, 2))
    (folder / "deep_grey_alpha.png").write_bytes(deep_png(picture()[..., :2].astype(np.uint16) * 257, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(folder / "turned.png", exif=exif)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture()).save(folder / "srgb.png", icc_profile=profile)
    Image.fromarray(picture()).save(folder / "bad_profile.png", icc_profile=b"none")
    frames = [Image.fromarray(picture(seed=seed)) for seed in (0, 1)]
    frames[0].save(folder / "frames.tif", save_all=True, append_images=frames[1:])
    Image.fromarray(picture()[..., 0].astype(np.uint16) * 257).save(folder / "white_is_zero.tif", tiffinfo={262: 0})
    whole = (folder / "rgb.png").read_bytes()
    for name, content in BAD.items():
        if isinstance(content, Image.Image):
            content.save(folder / name)
        elif content is not None:
            (folder / name).write_bytes(content)
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    jpeg = io.BytesIO()
    Image.fromarray(picture(200, 200)).save(jpeg, "JPEG")
    (folder / "cut.jpg").write_bytes(jpeg.getvalue()[: len(jpeg.getvalue()) // 2])
    (folder / "damaged.png").write_bytes(whole[:80] + bytes([whole[80] ^ 0xFF]) + whole[81:])
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "folder.png").mkdir()


def bad_names() -> set[str]:
    """Those of which there is no picture."""
    return {*BAD, "loop.png", "folder.png"}


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
