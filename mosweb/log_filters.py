"""Keeps what opens a door out of the logs, and what was just said."""

import logging
import re
import threading
import time
from collections.abc import Callable

# The parts of addresses that identify a rater, an image or a colleague who is invited (studies/urls.py).
TOKEN_IN_PATH = re.compile(r"/(i|image|study/rate|study/undo|study/device|colleague)/[^/\s?'\"]+")
# What a panel hands over with a study's public link says who somebody is.
QUERY_OF_LINK = re.compile(r"/join/([^/\s?'\"]*)(/?)\?[^\s'\"]*")


def without_tokens(text: str) -> str:
    return QUERY_OF_LINK.sub(r"/join/\1\2?...", TOKEN_IN_PATH.sub(r"/\1/...", text))


class HideTokens(logging.Filter):
    """Replaces the tokens in logged addresses: Django logs the path of every refused request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = without_tokens(record.getMessage())
        record.args = ()
        return True


# The same thing is said again after so long, with how often it was kept back.
SECONDS_BETWEEN_REPEATS = 10.0
# As many different things are remembered.
MOST_REMEMBERED = 1000
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


class Repeats(logging.Filter):
    """Lets a warning or error through once in SECONDS_BETWEEN_REPEATS; its next line says how many were kept back.

    While a part of the site is away every request has the same to say. Numbers do not make two lines different.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        raised = record.exc_info[0] if record.exc_info else None
        key = record.name, record.levelno, f"{raised} {_NUMBERS.sub('#', record.getMessage())}"
        with self._lock:
            if len(self._said) > MOST_REMEMBERED:
                self._said.clear()
            at, kept_back = self._said.get(key, (-SECONDS_BETWEEN_REPEATS, 0))
            if self._now() - at < SECONDS_BETWEEN_REPEATS:
                self._said[key] = at, kept_back + 1
                return False
            self._said[key] = self._now(), 0
        if kept_back:
            record.msg, record.args = f"{record.getMessage()} ({kept_back} more of these were not logged)", ()
        return True
