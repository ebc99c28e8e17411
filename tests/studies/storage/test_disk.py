from pathlib import Path

import pytest
from django.core.files.base import ContentFile, File

from studies.storage.disk import AtomicFileSystemStorage


@pytest.fixture
def storage(tmp_path):
    return AtomicFileSystemStorage(location=tmp_path)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_writes_under_the_very_name_and_replaces_what_was_there(storage, tmp_path):
    assert storage.save("ab/x.png", ContentFile(b"first, and longer")) == "ab/x.png"
    assert storage.save("ab/x.png", ContentFile(b"second")) == "ab/x.png"
    assert (tmp_path / "ab/x.png").read_bytes() == b"second"
    assert files(tmp_path) == ["ab/x.png"]


def test_a_write_that_fails_leaves_the_old_file_whole(storage, tmp_path):
    class BreaksOff(File):
        def chunks(self, chunk_size=None):
            yield b"half of it"
            raise OSError("the disk is full")

    storage.save("x.png", ContentFile(b"whole"))
    with pytest.raises(OSError, match="the disk is full"):
        storage.save("x.png", BreaksOff(None, name="x.png"))
    assert (tmp_path / "x.png").read_bytes() == b"whole"


def test_the_draft_of_a_killed_writer_is_taken_over_by_the_next(storage, tmp_path):
    (tmp_path / ".x.png.part").write_bytes(b"half of i")
    storage.save("x.png", ContentFile(b"whole"))
    assert files(tmp_path) == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"whole"
