"""What all ratings of a large study say, computed by a worker and kept for the pages to show."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from studies.models.job import Job
from studies.models.session import Session
from studies.models.study import Study


class Tally(Job):
    """Of a study with more ratings than a page reads by itself: results, coverage, answers, as they were at one moment.
    Of a draft with many images: how far they are, and what keeps it from a launch. The launch throws that away.

    It can be thrown away: whoever looks at the study's pages next has it made anew.
    """

    word = "tally"
    task = "studies.research.tasks.make_tally"
    routed_by = "state"

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="tally")
    # Of which state of the ratings and decisions, or of the draft, it is (research.tallies.stamp,
    # research.draft_state.draft_stamp), when that was, how long it took.
    stamp = models.JSONField(default=dict)
    made_at = models.DateTimeField(null=True)
    seconds = models.FloatField(default=0)
    found = models.JSONField(default=dict, help_text="what the pages show, by page; empty before it was made")
    # Of a tally that research.tallies.kept_tally gave: whether staff have decided, somebody has withdrawn or a link was
    # revoked since, or the draft or its images were changed, so that no more than a page may rest on it.
    is_superseded = False

    class Meta:
        verbose_name_plural = "tallies"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="running_tally_is_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"tally of {self.study.name}"

    @property
    def ratings(self) -> int:
        """How many ratings it saw."""
        return int(self.stamp.get("ratings", 0))

    @property
    def pending(self) -> bool:
        return self.state in (self.State.WANTED, self.State.RUNNING)

    @staticmethod
    def queue(value: str, living: set[str]) -> str:
        """The queue of every worker that does not only make images."""
        return "default"

    @property
    def seconds_allowed(self) -> int:
        """By far longer than it takes: a minute for a million ratings."""
        return 1800


class RaterNumbers(models.Model):
    """How one rater of a large study works: a row of `analysis.quality`, gone with the session when they withdraw."""

    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="numbers")
    numbers = models.JSONField()
    is_flagged = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "numbers of raters"

    def __str__(self) -> str:
        return f"numbers of the {self.session}"
