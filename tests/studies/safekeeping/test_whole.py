"""A file under its name whole or not at all, its owner's alone, and one writer at a time."""

import fcntl

import pytest

from studies.safekeeping.errors import SafekeepingError
from studies.safekeeping.whole import draft_of, whole_file


def test_it_is_there_when_the_block_ends_for_its_owner_alone(tmp_path):
    path = tmp_path / "x.zip"
    with whole_file(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"all of it", 0o600)
    assert not draft_of(path).exists()


def test_a_block_that_fails_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="in between"), whole_file(path) as file:
        file.write(b"half")
        raise ValueError("in between")
    assert path.read_bytes() == b"old"
    assert not draft_of(path).exists()


def test_the_draft_of_a_killed_writer_is_taken_over_whatever_its_mode(tmp_path):
    path = tmp_path / "x.zip"
    draft_of(path).write_bytes(b"what a killed one had written, which is longer")
    draft_of(path).chmod(0o644)
    with whole_file(path) as file:
        assert draft_of(path).stat().st_mode & 0o777 == 0o600
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_what_another_process_is_writing_is_not_touched(tmp_path):
    path = tmp_path / "x.zip"
    with draft_of(path).open("wb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        theirs.write(b"half of theirs")
        theirs.flush()
        with pytest.raises(SafekeepingError, match=r"x\.zip is being written by another process"), whole_file(path):
            pass
        assert draft_of(path).read_bytes() == b"half of theirs"
    with whole_file(path), pytest.raises(SafekeepingError, match="by another process"), whole_file(path):
        pass
