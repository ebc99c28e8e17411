"""Storages for tests that do what a storage can do to a site."""

import threading
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage


class Slow(InMemoryStorage):
    """Answers when `go` is set, and counts who asked."""

    go = threading.Event()
    asked = 0

    def _open(self, name: str, mode: str = "rb") -> Any:
        type(self).asked += 1
        self.go.wait(30)
        return ContentFile(b"an answer")


class Down(InMemoryStorage):
    """Refuses with an exception of its own kind."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise LookupError("no route to\nthe bucket")
