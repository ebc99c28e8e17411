"""Background work. Three queues: default (housekeeping, reports), cpu and gpu (images)."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun

from mosweb.request_ids import request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosweb.settings")

app = Celery("mosweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = {name: {} for name in ("default", "cpu", "gpu")}
app.autodiscover_tasks(["studies.content", "studies.generation", "studies.research"])
# What runs in every worker beside its tasks: the watch that sends lost work again.
app.autodiscover_tasks(["studies.jobs"], related_name="watch")


@setup_logging.connect  # type: ignore[untyped-decorator]
def log_as_the_site_does(loglevel: int | str | None = None, **kwargs: Any) -> None:
    """Celery leaves the logs to the site's settings, which Django has applied; --loglevel counts for Celery's lines."""
    if loglevel is not None:
        logging.getLogger("celery").setLevel(loglevel)


@task_prerun.connect  # type: ignore[untyped-decorator]
def number_the_task(task_id: str, **kwargs: Any) -> None:
    """What a task logs can be told from what others do."""
    request_id.set(task_id)
