"""A folder of forty odd files through every command: each is right in the result, or named at the end."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from srcore import read_image, write_image
from srcore.__main__ import main


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


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
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
    return folder


def files_of(folder):
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def test_there_are_forty_of_them(odd):
    assert len(files_of(odd)) >= 40


@pytest.mark.parametrize(("command", "scale"), [(["upscale", "--method", "nearest"], 4), (["downscale"], 1 / 4)])
def test_each_file_is_right_or_named_at_the_end(odd, tmp_path, capsys, command, scale):
    bad, total = [], 0
    for file in files_of(odd):  # one by one, because some differ in their ending only
        if file.is_dir():
            continue
        code = main([*command, "--out", str(tmp_path / file.name), str(file)])
        captured, total = capsys.readouterr(), total + 1
        if code:
            assert captured.err.startswith("error: "), file
            assert file.name in captured.err
            assert "Traceback" not in captured.err
            bad.append(file.name)
            assert not list((tmp_path / file.name).glob("*"))
        else:
            given, made = read_image(file), read_image(tmp_path / file.name / f"{file.stem}.png")
            if scale == 4:
                assert np.array_equal(made[::4, ::4], given), file
            else:
                assert made.shape[:2] == (given.shape[0] // 4, given.shape[1] // 4), file
    expected = {*BAD, "loop.png"} | ({"one.png", "thin.png"} if scale < 1 else set())
    assert set(bad) == expected
    assert total >= 38


def test_the_folder_as_a_whole_is_done_but_for_those_that_are_named(odd, tmp_path, capsys):
    twins = ("cmyk.tif", "rgb.tif", "rgb.webp", "rgb.bmp", "cut.jpg", "palette.gif")
    files = [str(file) for file in files_of(odd) if file.name not in (*twins, "folder.png")]
    assert main(["upscale", "--method", "bicubic", "--out", str(tmp_path / "out"), *files]) == 1
    listed = capsys.readouterr().err.split("error: ")[1].splitlines()
    assert listed[0] == f"{len(listed) - 1} of {len(files)} files failed:"
    assert len(list((tmp_path / "out").iterdir())) == len(files) - (len(listed) - 1)
    assert main(["evaluate", "--method", "bicubic", "--benchmark", str(tmp_path / "none")]) == 1


def test_evaluate_scores_the_good_ones_of_the_folder_and_names_the_others(odd, tmp_path, capsys):
    folder = tmp_path / "benchmark"
    folder.mkdir()
    for file in files_of(odd):
        if not file.is_dir() and not file.is_symlink() and not (folder / f"{file.stem}.png").exists():
            (folder / f"{file.stem}{file.suffix if file.suffix != '.gif' else '.png'}").write_bytes(file.read_bytes())
    for twin in ("cmyk.tif", "rgb.tif", "rgb.webp", "rgb.bmp", "palette.gif", "cut.jpg"):
        (folder / twin).unlink(missing_ok=True)
    write_image(folder / "good.png", picture(seed=5))
    assert main(["evaluate", "--method", "bicubic", "--benchmark", str(folder), "--csv", str(tmp_path / "o.csv")]) == 1
    captured = capsys.readouterr()
    failed = int(captured.err.split("error: ")[1].split(" of ")[0])
    scored = (tmp_path / "o.csv").read_text().count(",psnr,")
    assert failed + scored == len(list(folder.iterdir()))
    assert scored >= 20
