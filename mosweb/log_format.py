"""How a log line is written: for people, or as JSON for a program; and the hook for an error reporter."""

import contextlib
import copy
import json
import logging
import os
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from django.utils.module_loading import import_string

from mosweb.log_filters import without_tokens

# Errors that wait for a reporter that is slow; more are not reported, the log has them all.
MOST_WAITING = 100


class Plain(logging.Formatter):
    """TIME LEVEL LOGGER [REQUEST]: MESSAGE, and below it the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        number = getattr(record, "request_id", "")
        record.in_request = f" [{number}]" if number else ""
        return super().format(record)

    def formatException(self, ei: object) -> str:  # noqa: N802  # logging's name
        return without_tokens(super().formatException(ei))  # type: ignore[arg-type]


class Json(logging.Formatter):
    """One JSON object a line: time (ISO 8601, UTC), level, logger, message, process; request and error if any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if number := getattr(record, "request_id", ""):
            line["request"] = number
        if record.exc_info:
            line["error"] = without_tokens(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class ErrorReporter(logging.Handler):
    """Hands each error's record to the function that MOSWEB_ERROR_REPORTER names, in a thread of its own.

    `function(record: logging.LogRecord)`: its `message`, `exc_info`, `request_id`. Whatever it does, the site goes on.
    """

    def __init__(self, function: str) -> None:
        super().__init__(logging.ERROR)
        self._report: Callable[[logging.LogRecord], object] = import_string(function)
        self._process = 0

    def emit(self, record: logging.LogRecord) -> None:
        # Its own, without the request that Django adds, whose address may say who somebody is.
        record = copy.copy(record)
        record.__dict__.pop("request", None)
        record.message = record.getMessage()
        if self._process != os.getpid():  # a fork took no thread along
            self._process = os.getpid()
            self._records: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
            threading.Thread(target=self._work, name="error reporter", daemon=True).start()
        with contextlib.suppress(queue.Full):
            self._records.put_nowait(record)

    def _work(self) -> None:
        while True:
            record = self._records.get()
            # What the reporter logs itself must not come back to it; nor may its failure end this thread.
            with contextlib.suppress(Exception):
                self._report(record)
