"""The guard: whatever the storage does, the caller gets an answer in time, and knows which of two things it is."""

import os
import threading
import time

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile

from studies.storage.guard import GuardedStorage, StorageUnavailable, time_limit
from tests.studies.storage import broken

DISK = "studies.storage.disk.AtomicFileSystemStorage"


@pytest.fixture
def disk(tmp_path) -> GuardedStorage:
    return GuardedStorage(backend=DISK, options={"location": str(tmp_path)})


@pytest.fixture
def slow():
    broken.Slow.go.clear()
    broken.Slow.asked = 0
    yield GuardedStorage(backend="tests.studies.storage.broken.Slow", seconds=0.05, at_once=2)
    broken.Slow.go.set()


def test_it_does_what_the_storage_behind_it_does(disk, tmp_path):
    assert disk.save("ab/x.png", ContentFile(b"whole")) == "ab/x.png"
    assert (tmp_path / "ab/x.png").read_bytes() == b"whole"
    assert disk.read("ab/x.png") == b"whole"
    with disk.open("ab/x.png") as file:
        assert (file.name, file.read()) == ("ab/x.png", b"whole")
    assert (disk.exists("ab/x.png"), disk.size("ab/x.png"), disk.listdir("ab")) == (True, 5, ([], ["x.png"]))
    assert disk.sizes(["ab/x.png", "ab/y.png"]) == {"ab/x.png": 5, "ab/y.png": None}
    disk.delete("ab/x.png")
    assert not disk.exists("ab/x.png")


def test_a_file_that_is_not_there_is_no_outage(disk):
    with pytest.raises(FileNotFoundError):
        disk.open("no/such.png")
    with pytest.raises(SuspiciousFileOperation):
        disk.save("../outside.png", ContentFile(b""))


def test_a_folder_that_cannot_be_read_is_an_outage_and_says_why(disk, tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(StorageUnavailable, match="IsADirectoryError"):
        disk.read("x.png")


def test_what_a_backend_raises_in_its_own_words_is_an_outage_told_in_one_line():
    storage = GuardedStorage(backend="tests.studies.storage.broken.Down")
    with pytest.raises(StorageUnavailable) as refused:
        storage.open("x.png")
    assert str(refused.value) == "The image storage cannot be used: LookupError: no route to the bucket"


def test_an_answer_that_does_not_come_is_not_waited_for(slow):
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"did not answer within 0\.05 s"):
        slow.open("x.png")
    assert time.monotonic() - begun < 1


def test_a_block_may_have_less_patience(slow):
    slow._seconds = 60
    with time_limit(5), time_limit(0.01), pytest.raises(StorageUnavailable, match=r"within 0\.01 s"):
        slow.open("x.png")


def test_after_an_answer_that_did_not_come_nobody_waits_for_a_while(slow):
    with pytest.raises(StorageUnavailable):
        slow.open("x.png")
    for _ in range(100):
        with pytest.raises(StorageUnavailable, match="did not answer a moment ago"):
            slow.open("x.png")
    assert broken.Slow.asked == 1


def test_no_more_wait_at_once_than_may_and_the_others_are_told_at_once(slow):
    """Of twenty that ask at the same time two may wait; the threads of the other eighteen are free for ratings."""
    slow._seconds = 2
    refusals: list[str] = []

    def ask() -> None:
        try:
            slow.open("x.png")
        except StorageUnavailable as error:
            refusals.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    while len(refusals) < 18:
        assert time.monotonic() - begun < 1.5, "they wait"
    assert broken.Slow.asked == 2
    broken.Slow.go.set()
    for thread in threads:
        thread.join()
    assert len(refusals) == 18
    assert all("all that may wait" in refusal for refusal in refusals)


def test_a_storage_that_is_back_is_used_again(slow, monkeypatch):
    monkeypatch.setattr("studies.storage.calls.SECONDS_TO_REST", 0)
    with pytest.raises(StorageUnavailable):
        slow.open("x.png")
    broken.Slow.go.set()
    slow._seconds = 5
    assert slow.read("x.png") == b"an answer"


def test_a_child_process_has_threads_of_its_own(disk):
    """As gunicorn and Celery fork: a thread does not come along, and a call that waits for it would wait for ever."""
    disk.save("x.png", ContentFile(b"whole"))
    child = os.fork()
    if child == 0:
        os._exit(0 if disk.read("x.png") == b"whole" else 1)
    assert os.waitpid(child, 0)[1] == 0
