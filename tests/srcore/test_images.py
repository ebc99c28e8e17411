"""Reading every kind of file right, refusing the broken ones, and PNGs whose length tells nothing."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from srcore.images import (
    MAX_PIXELS,
    ImageError,
    as_rgb,
    encode_png,
    read_image,
    read_with_alpha,
    was_written_here,
    write_image,
)


def saved(image: Image.Image, kind: str = "PNG", **options) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    stream.seek(0)
    return stream


def png16(values: np.ndarray) -> io.BytesIO:
    """A 16-bit PNG, grey, RGB or RGBA, written by hand: Pillow writes no 16-bit colour."""
    height, width = values.shape[:2]
    colour_type = {2: 0, 3: {3: 2, 4: 6}.get(values.shape[-1])}[values.ndim]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return io.BytesIO(data)


def tiff16(values: np.ndarray, *, byteorder: str, planar: bool = False) -> io.BytesIO:
    """An uncompressed 16-bit RGB TIFF, written by hand."""
    height, width, _ = values.shape
    order = {"<": b"II*\0", ">": b"MM\0*"}[byteorder]
    data = (values.transpose(2, 0, 1) if planar else values).astype(byteorder + "u2").tobytes()
    bits, offset = 8 + len(data), 8
    plane = len(data) // 3
    planes = bits + 6
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 3, planes) if planar else (273, 4, 1, offset),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 3, planes + 12) if planar else (279, 4, 1, len(data)),
        (284, 3, 1, 2 if planar else 1),
    ]
    extra = struct.pack(byteorder + "3H", 16, 16, 16)
    extra += struct.pack(byteorder + "3I", *(offset + i * plane for i in range(3)))
    extra += struct.pack(byteorder + "3I", plane, plane, plane)
    ifd = struct.pack(byteorder + "H", len(tags))
    for tag, kind, count, value in tags:
        packed = struct.pack(
            byteorder + ("HH" if kind == 3 and count == 1 else "I"), value, *[0] * (kind == 3 and count == 1)
        )
        ifd += struct.pack(byteorder + "HHI", tag, kind, count) + packed
    ifd += struct.pack(byteorder + "I", 0)
    start = struct.pack(byteorder + "I", 8 + len(data) + len(extra))
    return io.BytesIO(order + start + data + extra + ifd)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.fixture
def deep() -> np.ndarray:
    values = np.random.default_rng(1).integers(0, 65536, (6, 9, 3)).astype(np.uint16)
    values[0, :3, 0] = 0, 65535, 255
    return values


def rounded(values: np.ndarray) -> np.ndarray:
    return np.floor(values / 257 + 0.5).astype(np.uint8)


def test_an_rgb_png_is_read_as_it_is(noise):
    assert np.array_equal(read_image(saved(Image.fromarray(noise))), noise)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_lossless_formats_give_the_same_pixels(noise, kind):
    assert np.array_equal(read_image(saved(Image.fromarray(noise), kind, lossless=True)), noise)


def test_a_grey_png_stays_grey(noise):
    assert np.array_equal(read_image(saved(Image.fromarray(noise[:, :, 0]))), noise[:, :, 0])


def test_one_bit_becomes_black_and_white(noise):
    bits = noise[:, :, 0] > 127
    assert np.array_equal(read_image(saved(Image.fromarray(bits))), np.where(bits, 255, 0))


def test_sixteen_bit_grey_is_scaled_not_clipped(deep):
    grey = read_image(png16(deep[:, :, 0]))
    assert np.array_equal(grey, rounded(deep[:, :, 0]))
    assert grey[0, :3].tolist() == [0, 255, 1]


def test_sixteen_bit_rgb_png_is_rounded_not_cut(deep):
    pixels = read_image(png16(deep))
    assert np.array_equal(pixels, rounded(deep))
    assert not np.array_equal(pixels, deep >> 8)  # what Pillow alone gives


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bit_rgb_tiff_is_rounded_in_either_byte_order(deep, byteorder):
    assert np.array_equal(read_image(tiff16(deep, byteorder=byteorder)), rounded(deep))


def test_a_sixteen_bit_tiff_stored_plane_by_plane_is_refused_not_misread(deep):
    with pytest.raises(ImageError, match="plane a colour"):
        read_image(tiff16(deep, byteorder="<", planar=True))


def test_sixteen_bit_alpha_is_laid_over_white(deep):
    alpha = np.random.default_rng(2).integers(0, 65536, (6, 9, 1)).astype(np.uint16)
    expected = (deep / 65535 * (alpha / 65535) + 1 - alpha / 65535) * 255
    pixels = read_image(png16(np.concatenate([deep, alpha], axis=2)))
    assert np.abs(pixels - expected).max() <= 0.5 + 1e-9


def test_sixteen_bit_files_are_read_from_a_path_too(deep, tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(png16(deep).getvalue())
    assert np.array_equal(read_image(path), rounded(deep))


def test_transparency_is_laid_over_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 127]]], np.uint8)
    assert read_image(saved(Image.fromarray(rgba))).tolist() == [[[10, 20, 30], [255, 255, 255], [128, 128, 128]]]


def test_grey_with_alpha_stays_grey():
    la = np.array([[[10, 255], [10, 0]]], np.uint8)
    assert read_image(saved(Image.fromarray(la, "LA"))).tolist() == [[10, 255]]


def test_a_palette_becomes_rgb():
    image = Image.new("P", (2, 1))
    image.putpalette([1, 2, 3, 250, 251, 252])
    image.putpixel((1, 0), 1)
    assert read_image(saved(image)).tolist() == [[[1, 2, 3], [250, 251, 252]]]
    assert read_image(saved(image, transparency=0)).tolist() == [[[255, 255, 255], [250, 251, 252]]]


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    assert read_image(saved(image, "TIFF")).tolist() == [[[255, 0, 0]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(noise, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = {
        1: noise, 2: noise[:, ::-1], 3: noise[::-1, ::-1], 4: noise[::-1],
        5: noise.transpose(1, 0, 2), 6: np.rot90(noise, -1), 7: np.rot90(noise, 2).transpose(1, 0, 2),
        8: np.rot90(noise),
    }[orientation]  # fmt: skip
    assert np.array_equal(read_image(saved(Image.fromarray(noise), kind, exif=exif)), upright)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_file_cut_off_is_refused_with_its_name(noise, kind, tmp_path):
    large = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(large), kind).getvalue()
    path = tmp_path / "half.img"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"half\.img.*again"):
        read_image(path)


def test_a_damaged_png_is_refused(noise, tmp_path):
    data = bytearray(saved(Image.fromarray(noise)).getvalue())
    data[60] ^= 0xFF
    with pytest.raises(ImageError, match=r"photo\.png: broken"):
        read_image(io.BytesIO(data), name="photo.png")


@pytest.mark.parametrize("content", [b"", b"GIF", b"no picture at all"])
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(ImageError, match=r"notes\.txt: not a picture"):
        read_image(io.BytesIO(content), name="notes.txt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png: there is no such file"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize(("width", "height"), [(MAX_PIXELS + 1, 1), (30_000, 30_000), (2**30, 2**30)])
def test_a_decompression_bomb_is_refused_from_its_header(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    bomb += struct.pack(">I", 5) + b"IDAT"
    with pytest.raises(ImageError, match=r"bomb\.png: more than 89,478,485 pixels"):
        read_image(io.BytesIO(bomb), name="bomb.png")


@pytest.mark.parametrize(("mode", "value"), [("F", 200.0), ("F", np.nan), ("F", -0.1), ("I", 1)])
def test_pixels_of_unknown_range_are_refused(mode, value):
    with pytest.raises(ImageError, match="no known range"):
        read_image(saved(Image.new(mode, (4, 4), value), "TIFF"))


def test_a_floating_point_tiff_from_0_to_1_is_read():
    values = np.array([[0, 0.25, 0.5], [0.75, 1, 100 / 255]], np.float32)
    assert read_image(saved(Image.fromarray(values), "TIFF")).tolist() == [[0, 64, 128], [191, 255, 100]]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_white_is_zero_is_no_negative(bits, deep):
    grey = deep[:, :, 0]
    stored = 65535 - grey if bits == 16 else 255 - rounded(grey)
    image = Image.fromarray(stored)
    file = saved(image, "TIFF", tiffinfo={262: 0})
    if bits == 8:  # Pillow inverts 8 bits itself when it writes: one that is black-is-zero gets the other tag
        file = saved(image, "TIFF")
        data = bytearray(file.getvalue())
        place = data.index(struct.pack("<HHI", 262, 3, 1))
        data[place + 8] = 0
        file = io.BytesIO(bytes(data))
    assert Image.open(file).tag_v2[262] == 0
    assert np.array_equal(read_image(file), rounded(grey))


def grey_alpha16(grey: np.ndarray, alpha: np.ndarray) -> io.BytesIO:
    """A 16-bit PNG of grey with alpha, written by hand."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.dstack([grey, alpha]))
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 16, 4, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return io.BytesIO(data)


def test_sixteen_bit_grey_with_alpha_is_rounded_not_cut_and_stays_grey(deep):
    grey, alpha = deep[:, :, 0], deep[:, :, 1]
    alpha[0] = 65535
    expected = (grey / 65535 * (alpha / 65535) + 1 - alpha / 65535) * 255
    pixels = read_image(grey_alpha16(grey, alpha))
    assert pixels.shape == grey.shape
    assert np.abs(pixels - expected).max() <= 0.5 + 1e-9
    assert np.array_equal(pixels[0], rounded(grey)[0])
    under, cover = read_with_alpha(grey_alpha16(grey, alpha))
    assert np.array_equal(under, rounded(grey))
    assert np.array_equal(cover, rounded(alpha))


def test_the_case_of_grey_with_alpha_is_read_whole(shared):
    under, alpha = read_with_alpha(shared / "cases" / "greyalpha16.png")
    pixels = read_image(str(shared / "cases" / "greyalpha16.png"))
    assert under.shape == pixels.shape == alpha.shape == (96, 120)
    expected = under / 255 * alpha + 255 - alpha
    assert np.abs(pixels - expected).max() < 1.5
    assert set(np.unique(alpha)) == {0, 255}
    assert len(np.unique(under)) > 100


def test_transparency_is_kept_on_demand(noise, tmp_path):
    alpha = noise[:, :, 0]
    write_image(tmp_path / "x.png", noise, alpha=alpha)
    pixels, cover = read_with_alpha(tmp_path / "x.png")
    assert np.array_equal(pixels, noise)
    assert np.array_equal(cover, alpha)


def test_arrays_that_come_back_can_be_written_to(noise, tmp_path):
    for pixels in (noise, noise[:, :, 0]):
        write_image(str(tmp_path / "x.png"), pixels)
        assert read_image(str(tmp_path / "x.png")).flags.writeable


def test_what_is_no_file_of_a_picture_is_told_in_words(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for path, message in (
        (tmp_path, "is a folder, where a picture is needed"),
        (tmp_path / "loop.png", "a link that leads back to itself"),
        (tmp_path / ("n" * 300 + ".png"), "the name is too long"),
    ):
        with pytest.raises(ImageError, match=message):
            read_image(path)


def test_a_picture_above_the_limit_is_read_where_more_is_allowed(monkeypatch, tmp_path, noise):
    monkeypatch.setattr("srcore.images.MAX_PIXELS", 50)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # Pillow refuses twice as many
    write_image(tmp_path / "large.png", noise)  # 54 pixels
    with pytest.raises(ImageError, match="the limit"):
        read_image(tmp_path / "large.png", max_pixels=50)
    assert np.array_equal(read_image(tmp_path / "large.png", max_pixels=60), noise)
    assert Image.MAX_IMAGE_PIXELS == 20


def test_files_that_were_written_here_are_known(noise, tmp_path):
    write_image(tmp_path / "ours.png", noise)
    Image.fromarray(noise).save(tmp_path / "theirs.png")
    (tmp_path / "text.png").write_text("text")
    known = [was_written_here(tmp_path / f"{name}.png") for name in ("ours", "theirs", "text", "gone")]
    assert known == [True, False, False, False]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (256, 256), (21845, 1), (481, 321), (2040, 1356)])
def test_the_length_of_an_encoded_png_depends_on_the_size_alone(width, height):
    pictures = [
        np.zeros((height, width, 3), np.uint8),
        np.full((height, width), 200, np.uint8),
        np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8),
        np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8),
    ]
    encoded = [encode_png(picture) for picture in pictures]
    assert len({len(data) for data in encoded}) == 1
    for data, picture in zip(encoded, pictures, strict=True):
        with Image.open(io.BytesIO(data)) as image:
            assert image.mode == "RGB"
            assert np.array_equal(np.asarray(image), as_rgb(picture))


def test_an_encoded_png_holds_nothing_but_the_pixels(noise):
    data, kinds, position = encode_png(noise), [], 8
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        kinds.append(data[position + 4 : position + 8])
        position += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_a_written_picture_is_read_back(noise, tmp_path):
    for pixels in (noise, noise[:, :, 0]):
        write_image(tmp_path / "x.png", pixels)
        assert np.array_equal(read_image(tmp_path / "x.png"), pixels)
    assert [file.name for file in tmp_path.iterdir()] == ["x.png"]


def test_a_failed_write_leaves_the_old_file_and_no_other(noise, tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    write_image(path, noise)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ImageError, match=r"x\.png: cannot be written \(No space left"):
        write_image(path, noise[::-1])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_lossy_names_are_refused(noise, tmp_path):
    with pytest.raises(ImageError, match=r"name it photo\.png"):
        write_image(tmp_path / "photo.jpg", noise)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)])
def test_arrays_that_are_no_picture_are_refused(wrong):
    with pytest.raises(ImageError, match="a picture"):
        encode_png(wrong)
