"""import_benchmark: what it takes, what it refuses, and that it is all or nothing."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from srcore.images import read_image
from srcore.resize import downscale
from studies.content import benchmarks
from studies.content.benchmarks import import_benchmark
from studies.content.sources import read_source
from studies.models import Benchmark, SourceImage
from studies.storage import marker
from tests import fresh
from tests.studies.factories import photograph

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


def write(path: Path, pixels: np.ndarray, **options) -> None:
    Image.fromarray(pixels).save(path, **options)


def stored(settings) -> list[Path]:
    files = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    return [path for path in files if path.name != marker.NAME]


@pytest.mark.parametrize(
    ("name", "images", "megapixels"),
    [("Set5", 5, 0.57), ("Set14", 14, 3.22), ("BSD100", 100, 15.36), ("Calibration20", 20, 3.07)],
)
def test_it_imports_the_benchmarks_of_the_paper(shared, name, images, megapixels):
    report = import_benchmark(name=name, path=shared / "benchmarks" / name)
    rows = SourceImage.objects.filter(benchmark__name=name)
    assert len(report.named("new")) == rows.count() == images
    assert sum(row.width * row.height for row in rows) / 1e6 == pytest.approx(megapixels, abs=0.01)
    assert all(row.width % 4 == row.height % 4 == 0 for row in rows)


def test_the_stored_pixels_are_those_of_the_files_and_the_name_is_what_precedes_srf(shared):
    path = shared / "benchmarks/Set5"
    import_benchmark(name="Set5", path=path)
    row = SourceImage.objects.get(benchmark__name="Set5", name="img_001")
    hr, lr = read_source(row)
    assert (row.height, row.width) == (512, 512) == hr.shape[:2]
    np.testing.assert_array_equal(hr, read_image(path / "img_001_SRF_4_HR.png"))
    np.testing.assert_array_equal(lr, read_image(path / "img_001_SRF_4_LR.png"))


def test_a_grey_picture_comes_back_grey(shared):
    import_benchmark(name="Set14", path=shared / "benchmarks/Set14")
    row = SourceImage.objects.get(name="img_003")
    hr, lr = read_source(row)
    assert row.mode == "L"
    assert (hr.ndim, lr.ndim) == (2, 2)
    np.testing.assert_array_equal(hr, read_image(shared / "benchmarks/Set14/img_003_SRF_4_HR.png"))
    assert SourceImage.objects.get(name="img_010").mode == "RGB"


def test_photographs_are_cut_to_multiples_of_four_and_their_lr_is_made(folder):
    pixels = photograph(1, height=64, width=96)[:62, :95]
    write(folder / "cat.png", pixels)
    write(folder / "dog.jpg", pixels, exif=rotated())
    write(folder / "fox.webp", pixels, lossless=True)
    write(folder / "gnu.tif", pixels[:, :, 0])
    (folder / "notes.txt").write_text("no picture")
    report = import_benchmark(name="own", path=folder)
    rows = {row.name: row for row in SourceImage.objects.all()}
    assert report.named("new") == ["cat", "dog", "fox", "gnu"]
    assert [(row.width, row.height, row.mode) for row in rows.values()] == [
        (92, 60, "RGB"), (60, 92, "RGB"), (92, 60, "RGB"), (92, 60, "L"),
    ]  # fmt: skip
    hr, lr = read_source(rows["cat"])
    np.testing.assert_array_equal(hr, pixels[:60, :92])
    np.testing.assert_array_equal(lr, downscale(hr))


def test_a_pair_may_lack_its_lr(folder):
    pixels = photograph(1)
    write(folder / "a_HR.png", pixels)
    write(folder / "b_SRF_4_HR.png", pixels)
    write(folder / "b_SRF_4_LR.png", np.zeros((16, 24, 3), np.uint8))
    import_benchmark(name="own", path=folder)
    a, b = SourceImage.objects.order_by("name")
    np.testing.assert_array_equal(read_source(a)[1], downscale(pixels))
    assert read_source(b)[1].max() == 0


def test_a_second_import_changes_nothing(folder, settings):
    write(folder / "a.png", photograph(1))
    import_benchmark(name="own", path=folder)
    before = list(SourceImage.objects.values())
    files = stored(settings)
    report = import_benchmark(name="own", path=folder)
    assert (report.named("new"), report.named("unchanged")) == ([], ["a"])
    assert list(SourceImage.objects.values()) == before
    assert stored(settings) == files


def test_the_same_pixels_in_another_file_format_are_the_same(folder):
    write(folder / "a.png", photograph(1))
    import_benchmark(name="own", path=folder)
    (folder / "a.png").unlink()
    write(folder / "a.tif", photograph(1))
    assert import_benchmark(name="own", path=folder).named("unchanged") == ["a"]


def test_new_pictures_are_added_to_a_benchmark(folder, settings):
    write(folder / "a.png", photograph(1))
    import_benchmark(name="own", path=folder)
    write(folder / "b.png", photograph(2))
    report = import_benchmark(name="own", path=folder)
    assert (report.named("new"), report.named("unchanged")) == (["b"], ["a"])
    assert len(stored(settings)) == 4


@pytest.mark.parametrize("changed", ["a_HR.png", "a_LR.png"])
def test_it_refuses_other_pixels_under_an_existing_name(folder, settings, changed):
    hr = photograph(1)
    write(folder / "a_HR.png", hr)
    write(folder / "a_LR.png", downscale(hr))
    import_benchmark(name="own", path=folder)
    pixels = np.array(Image.open(folder / changed))
    pixels[0, 0, 0] ^= 1
    write(folder / changed, pixels)
    write(folder / "b_HR.png", photograph(2))
    with pytest.raises(CommandError, match=rf"{changed}.*own has an image a with other pixels.*\n?.*Nothing was imp"):
        call_command("import_benchmark", "own", str(folder))
    assert SourceImage.objects.get().name == "a"
    assert len(stored(settings)) == 2


def corrupt(folder: Path) -> None:
    whole = (folder / "good.png").read_bytes()
    (folder / "bad.png").write_bytes(whole[: len(whole) // 2])


def no_picture(folder: Path) -> None:
    (folder / "bad.png").write_text("not a picture")


def pair_that_does_not_fit(folder: Path) -> None:
    write(folder / "bad_HR.png", photograph(1))
    write(folder / "bad_LR.png", photograph(1)[:16, :20])


def lr_without_hr(folder: Path) -> None:
    write(folder / "good_HR.png", photograph(1))
    write(folder / "bad_LR.png", photograph(1)[:16, :24])


def two_of_one_name(folder: Path) -> None:
    write(folder / "bad.png", photograph(1))
    write(folder / "bad.jpg", photograph(1))


def too_small(folder: Path) -> None:
    write(folder / "bad.png", photograph(1)[:3])


def bomb(folder: Path) -> None:
    """A PNG that says it has 50,000 x 50,000 pixels, in 100 bytes."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    data = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def name_too_long(folder: Path) -> None:
    write(folder / f"bad{'d' * 120}.png", photograph(1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (corrupt, "cut off"),
        (no_picture, "not a picture"),
        (pair_that_does_not_fit, "does not fit"),
        (lr_without_hr, "no HR file"),
        (two_of_one_name, "both the picture"),
        (too_small, "too small"),
        (bomb, "limit"),
        (name_too_long, "at most 120 characters"),
    ],
)
def test_it_refuses_bad_files_by_name_and_imports_nothing(folder, settings, spoil, message):
    write(folder / "good.png", photograph(3))
    spoil(folder)
    with pytest.raises(CommandError, match=message) as refused:
        call_command("import_benchmark", "own", str(folder))
    assert "/bad" in str(refused.value)
    assert "Nothing was imported." in str(refused.value)
    assert not Benchmark.objects.exists()
    assert stored(settings) == []


def test_it_names_every_bad_file_at_once(folder):
    for name in ("one.png", "two.png"):
        (folder / name).write_text("not a picture")
    with pytest.raises(CommandError, match=r"one\.png(.|\n)*two\.png"):
        call_command("import_benchmark", "own", str(folder))


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [("own", "", "holds no picture"), ("own", "nowhere", "is not a folder"), ("my set", "", "cannot be a benchmark's")],
)
def test_it_refuses_a_folder_without_pictures_and_a_bad_name(folder, name, path, message):
    with pytest.raises(CommandError, match=message):
        call_command("import_benchmark", name, str(folder / path))
    assert not Benchmark.objects.exists()


def test_files_already_written_are_removed_when_the_rows_cannot_be(folder, settings):
    """As when somebody else imports the same pictures between this import's check and its rows."""
    write(folder / "a.png", photograph(1))
    import_benchmark(name="own", path=folder)
    files = stored(settings)
    again = benchmarks.find_sources(folder)
    with pytest.raises(benchmarks.ImportRefused, match="by somebody else meanwhile"):
        benchmarks._write(Benchmark.objects.get(), again, by="")
    assert stored(settings) == files


def test_interrupted_just_after_the_commit_it_keeps_the_files_of_the_rows(folder, settings, interrupted_after_commit):
    write(folder / "a.png", photograph(1))
    with pytest.raises(KeyboardInterrupt):
        import_benchmark(name="own", path=folder)
    hr, lr = read_source(SourceImage.objects.get())
    assert hr.shape[0] == 4 * lr.shape[0]
    assert len(stored(settings)) == 2


def test_interrupted_just_before_the_commit_it_leaves_nothing(folder, settings, monkeypatch):
    write(folder / "a.png", photograph(1))

    def interrupt(rows):
        raise KeyboardInterrupt

    monkeypatch.setattr(SourceImage.objects, "bulk_create", interrupt)
    with pytest.raises(KeyboardInterrupt):
        import_benchmark(name="own", path=folder)
    assert not Benchmark.objects.exists()
    assert stored(settings) == []


@pytest.mark.once
def test_the_command_ends_with_exit_code_one_and_no_traceback(tmp_path):
    env = {
        "MOSWEB_VAR": str(tmp_path),
        "SECRET_KEY": "x",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "PATH": os.environ["PATH"],
    }
    manage = [sys.executable, "manage.py"]
    fresh.database(tmp_path)
    (tmp_path / "pictures").mkdir()
    command = [*manage, "import_benchmark", "own", str(tmp_path / "pictures")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pictures holds no picture" in done.stderr
    assert "Traceback" not in done.stderr


def rotated() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif
