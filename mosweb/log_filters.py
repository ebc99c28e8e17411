"""Keeps what opens a door out of the logs."""

import logging
import re

# The parts of addresses that identify a rater or an image (studies/urls.py).
TOKEN_IN_PATH = re.compile(r"/(i|image|study/rate)/[^/\s?'\"]+")


def without_tokens(text: str) -> str:
    return TOKEN_IN_PATH.sub(r"/\1/...", text)


class HideTokens(logging.Filter):
    """Replaces the tokens in logged addresses: Django logs the path of every refused request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = without_tokens(record.getMessage())
        record.args = ()
        return True
