"""The host's own copies of images."""

import hashlib
import os

import pytest

from studies.storage.cache import ImageCache


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path) -> ImageCache:
    return ImageCache(tmp_path / "cache", megabytes=1)


def test_what_was_put_is_there_and_nothing_else(cache):
    cache.put(sha256(b"an image"), b"an image")
    assert cache.get(sha256(b"an image")) == b"an image"
    assert cache.get(sha256(b"another")) is None


def test_a_copy_that_was_damaged_is_not_there_any_more(cache, tmp_path):
    cache.put(sha256(b"an image"), b"an image")
    [path] = (tmp_path / "cache").glob("??/*")
    path.write_bytes(b"an imagE")
    assert cache.get(sha256(b"an image")) is None
    assert not path.exists()


def test_the_longest_unused_go_first_when_it_is_full(cache, tmp_path):
    images = [bytes([number]) * 300_000 for number in range(4)]
    for number, image in enumerate(images):
        cache.put(sha256(image), image)
        [path] = (tmp_path / "cache").glob(f"??/{sha256(image)}.png")
        os.utime(path, (number, number))
    assert cache.get(sha256(images[0])) is not None  # used again
    cache.shrink()
    assert [cache.get(sha256(image)) is not None for image in images] == [True, False, True, True]


def test_without_room_nothing_is_kept(tmp_path):
    cache = ImageCache(tmp_path / "cache", megabytes=0)
    cache.put(sha256(b"an image"), b"an image")
    assert cache.get(sha256(b"an image")) is None
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = ImageCache(tmp_path / "cache", megabytes=1)
    cache.put(sha256(b"an image"), b"an image")
    assert cache.get(sha256(b"an image")) is None
