"""Background work. Three queues: default (housekeeping, reports), cpu and gpu (images)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosweb.settings")

app = Celery("mosweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = {name: {} for name in ("default", "cpu", "gpu")}
app.autodiscover_tasks(["studies.generation", "studies.research"])
# What runs in every worker beside its tasks: the watch that sends lost work again.
app.autodiscover_tasks(["studies.jobs"], related_name="watch")
