"""The image storage as the site uses it: whatever it is and whatever it does, the caller gets an answer in time."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import IO, Any, TypeVar

from django.core.exceptions import SuspiciousOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible
from django.utils.module_loading import import_string

from studies.storage.calls import Calls, NoAnswer

T = TypeVar("T")

_limit: ContextVar[float | None] = ContextVar("storage_limit", default=None)


class StorageUnavailable(Exception):
    """The image storage does not answer, or refuses: it is down, slow, full, not mounted, or its keys are wrong.

    Says nothing about a file; one that is not there is a FileNotFoundError.
    """


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """In this block no answer of the storage is waited for longer than this; the innermost block counts."""
    before = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(before)


@deconstructible
class GuardedStorage(Storage):
    """Another storage, `backend`, asked by a few threads, with a limit for each answer.

    A file is opened by reading all of it: an image has some hundred KB, and a limit can then be kept. What the backend
    raises, except that a file is not there, becomes StorageUnavailable.
    """

    def __init__(
        self, *, backend: str, options: Mapping[str, Any] | None = None, seconds: float = 15, at_once: int = 4
    ) -> None:
        """`seconds`: for one answer where no time_limit says otherwise. `at_once`: threads that may wait for one."""
        self._kind, self._options = backend, dict(options or {})
        self._seconds = seconds
        self._at_once = at_once
        self._start()

    def _start(self) -> None:
        self._calls = Calls(self._at_once)
        self._backend: Storage = import_string(self._kind)(**self._options)

    def ask(self, action: "Callable[[Storage], T]") -> T:
        """What `action` makes of the backend. Raises StorageUnavailable, FileNotFoundError, SuspiciousOperation."""
        if self._calls.process != os.getpid():
            # After a fork: the threads are the parent's, and so are a backend's open connections.
            self._start()
        backend = self._backend
        try:
            return self._calls.make(lambda: action(backend), seconds=_limit.get() or self._seconds)
        except NoAnswer as error:
            raise StorageUnavailable(f"The image storage cannot be used: {error}") from None
        except (FileNotFoundError, SuspiciousOperation):
            raise
        except Exception as error:  # each backend has its own
            raise StorageUnavailable(f"The image storage cannot be used: {_in_one_line(error)}") from error

    def sizes(self, names: Collection[str]) -> dict[str, int | None]:
        """The size of each file in bytes; None where there is no such file. One answer, to be waited for once."""
        return self.ask(lambda backend: _sizes(backend, names))

    def read(self, name: str) -> bytes:
        """All of a file."""

        def read(backend: Storage) -> bytes:
            with backend.open(name, "rb") as file:
                return bytes(file.read())

        return self.ask(read)

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        if mode != "rb":
            raise ValueError(f"files of the image storage are written by save(), not opened with mode {mode!r}")
        return ContentFile(self.read(name), name=name)

    def save(self, name: str | None, content: "IO[Any] | File[Any]", max_length: int | None = None) -> str:
        return self.ask(lambda backend: backend.save(name, content, max_length=max_length))

    def delete(self, name: str) -> None:
        return self.ask(lambda backend: backend.delete(name))

    def exists(self, name: str) -> bool:
        return self.ask(lambda backend: backend.exists(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        return self.ask(lambda backend: backend.listdir(path))

    def size(self, name: str) -> int:
        return self.ask(lambda backend: backend.size(name))

    def get_modified_time(self, name: str) -> datetime:
        return self.ask(lambda backend: backend.get_modified_time(name))

    def path(self, name: str) -> str:
        """Where the file is, if the storage is a folder."""
        return self._backend.path(name)

    def url(self, name: str | None) -> str:
        return self._backend.url(name)


def _sizes(backend: Storage, names: Collection[str]) -> dict[str, int | None]:
    if several := getattr(backend, "sizes", None):
        found: dict[str, int | None] = several(names)
        return found
    return {name: size_of(backend, name) for name in names}


def size_of(storage: Storage, name: str) -> int | None:
    try:
        return storage.size(name)
    except FileNotFoundError:
        return None


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
