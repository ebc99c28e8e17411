"""Forty odd files brought to the site, as a benchmark and as results: each is taken as it is, or named."""

import numpy as np
import pytest

from srcore.images import read_image, write_image
from srcore.resize import crop_to_multiple
from studies.content import benchmarks, bringing
from studies.content.benchmarks import ImportRefused
from studies.content.sources import read_source, read_stimulus
from studies.models import SourceImage, Stimulus
from tests.odd_files import BAD, TWINS, files_of, picture, write_odd_files

pytestmark = [pytest.mark.django_db, pytest.mark.services]

@pytest.fixture
def odd(tmp_path):
    """Those of which no two have one name."""
    folder = tmp_path / "odd"
    folder.mkdir()
    write_odd_files(folder)
    for name in TWINS:
        (folder / name).unlink()
    (folder / "folder.png").rmdir()
    return folder


def bad_of(folder):
    return {file.name for file in files_of(folder) if file.name in BAD or file.is_symlink()}


def test_a_benchmark_of_them_names_the_bad_ones_and_takes_the_others_pixels(odd):
    seen = benchmarks.look(name="odd", path=odd)
    assert len(seen.lines) == len(files_of(odd)) > 30
    named = {line.source.hr.name for line in seen.lines if line.problem}
    assert named == bad_of(odd) | {"one.png", "thin.png"}  # too small to be shrunk
    assert all(line.source.hr.name in line.problem for line in seen.lines if line.problem)
    with pytest.raises(ImportRefused):
        benchmarks.take(seen)
    for name in named:
        (odd / name).unlink()
    benchmarks.take(benchmarks.look(name="odd", path=odd))
    sources = SourceImage.objects.all()
    assert len(sources) == len(seen.lines) - len(named)
    files = {file.stem: file for file in files_of(odd)}
    for source in sources:
        wanted = crop_to_multiple(read_image(files[source.name]), 4)
        assert np.array_equal(read_source(source)[0], wanted), source.name


def test_results_of_them_name_the_bad_ones_and_take_the_others_pixels(odd, tmp_path):
    originals = tmp_path / "originals"
    originals.mkdir()
    for file in files_of(odd):
        write_image(originals / f"{file.stem}.png", picture())
    benchmarks.take(benchmarks.look(name="odd", path=originals))
    seen = bringing.look(method="theirs", benchmark="odd", path=odd)
    named = {line.file.name for line in seen.lines if line.problem}
    others = {"one.png", "thin.png", "odd size.png", "turned.png"}  # of another size than the original
    assert named == bad_of(odd) | others
    assert all(line.file.name in line.problem for line in seen.lines if line.problem)
    with pytest.raises(ImportRefused):
        bringing.take(seen)
    for line in seen.lines:
        if line.problem:
            line.file.unlink()
            write_image(line.file.with_suffix(".png"), picture(seed=9))
    bringing.take(bringing.look(method="theirs", benchmark="odd", path=odd))
    stored = {row.source.name: row for row in Stimulus.objects.filter(method__name="theirs")}
    assert set(stored) == {line.source.name for line in seen.lines}
    for file in files_of(odd):
        assert np.array_equal(read_stimulus(stored[file.stem]), as_original(read_image(file))), file


def as_original(pixels):
    """A grey result of a colour original is stored in colour."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
