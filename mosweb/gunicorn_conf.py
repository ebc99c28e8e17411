"""How gunicorn serves the site: `gunicorn -c python:mosweb.gunicorn_conf mosweb.wsgi`."""

import logging
import os
from pathlib import Path

from mosweb.log_filters import HideTokens
from mosweb.log_format import Json
from mosweb.web_worker import WaitressWorker

# Threads, because most of a request is waiting for the database; two processes at least, so that one that is busy
# or replaced does not stop the site. WEB_CONCURRENCY overrides.
worker_class = "mosweb.web_worker.WaitressWorker"
workers = int(os.environ.get("WEB_CONCURRENCY") or min(max(2, os.cpu_count() or 2), 8))
threads = 8
preload_app = True
# A rater looks at an image for seconds; opening a connection for each would double the wait for the next one.
keepalive = 60
timeout = 60
graceful_timeout = 5
# Heartbeat files: a disk that is slow must not make a worker look dead.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# Addresses carry the raters' tokens: there is no access log, and the error log is the supervisor's file.
accesslog = None
errorlog = "-"
loglevel = "info"
proc_name = "mosweb"
control_socket_disable = True


def pre_fork(server: object, worker: WaitressWorker) -> None:
    worker.expect()


def child_exit(server: object, worker: WaitressWorker) -> None:
    worker.forget()


def on_starting(server: object) -> None:
    """Load all of the site before the processes are forked: they share the memory, and the first request is as fast."""
    from django.conf import settings
    from django.urls import get_resolver

    _ = get_resolver().url_patterns
    # gunicorn's own logger has handlers of its own, and names the address of a request that broke off.
    for handler in logging.getLogger("gunicorn.error").handlers:
        handler.addFilter(HideTokens())
        if settings.LOG_FORMAT == "json":
            handler.setFormatter(Json())
