"""Background work. Three queues: default (housekeeping, reports), cpu and gpu (images)."""

import os

from celery import Celery
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosweb.settings")

app = Celery("mosweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [Queue(name) for name in ("default", "cpu", "gpu")]
app.autodiscover_tasks()
