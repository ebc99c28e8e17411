"""What all hosts of one site must agree on: the code, the image storage, the weights."""

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone


def new_marker() -> str:
    """128 random bits: no other site's storage has them."""
    return secrets.token_hex(16)


class Installation(models.Model):
    """One row. A worker compares with it before it reads a queue, and goes on comparing."""

    # What a file in the image storage holds; whoever reads it there sees this site's storage.
    storage_marker = models.CharField(max_length=40, default=new_marker, editable=False)
    # When that file was written; before that nobody can tell which storage is this site's.
    storage_marked_at = models.DateTimeField(null=True, editable=False)
    # Of the code that made the database what it is: set by `manage.py migrate`.
    code_version = models.CharField(max_length=40, blank=True)
    # Method -> sha256 of the weights with which its images are asked for.
    weights = models.JSONField(default=dict)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(pk=1), name="one_installation")]

    def __str__(self) -> str:
        return f"code {self.code_version}"
