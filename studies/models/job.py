"""Work that a worker does in the background: what is wanted, who is at it, what came of it."""

from abc import abstractmethod
from typing import ClassVar

from django.db import models


class Job(models.Model):
    """A row that a worker makes something of. The jobs room sends, claims and re-sends every kind alike.

    The row is the truth of what is wanted and what is done; a message in a queue is only a hint to look here.
    """

    class State(models.TextChoices):
        WANTED = "wanted"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    word: ClassVar[str]
    """What it is called to staff: an image, a report."""
    task: ClassVar[str]
    """The name of the Celery task that does it; it takes the row's key."""
    routed_by: ClassVar[str]
    """The lookup of the value that `queue` needs."""

    state = models.CharField(max_length=10, choices=State.choices, default=State.WANTED)
    # Who works on it: a random number of this attempt, and when that attempt last said that it lives.
    claim = models.UUIDField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @staticmethod
    @abstractmethod
    def queue(value: str, living: set[str]) -> str:
        """The queue for a row whose `routed_by` has this value, given the queues that a living worker reads."""

    @property
    @abstractmethod
    def seconds_allowed(self) -> int:
        """After how long an attempt is stopped."""


def cpu_queue(living: set[str]) -> str:
    """Of work without a network, given the queues that living workers read: cpu, but where a GPU's worker is alone."""
    return "gpu" if "gpu" in living and "cpu" not in living else "cpu"
