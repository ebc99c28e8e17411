"""Metrics beside PSNR and SSIM: which a study is to have, and their value of each image."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from studies.models.content import Stimulus
from studies.models.job import Job, cpu_queue
from studies.models.study import Study

LONGEST_NAME = 60


class MetricValue(models.Model):
    """What a metric of srcore's says of an image, whichever study shows it; or why it can say nothing of this one."""

    stimulus = models.ForeignKey(Stimulus, on_delete=models.CASCADE, related_name="metric_values")
    metric = models.CharField(max_length=LONGEST_NAME)
    value = models.FloatField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stimulus", "metric"], name="one_value_an_image_and_metric"),
            models.CheckConstraint(
                condition=Q(value__isnull=False, problem="") | (Q(value__isnull=True) & ~Q(problem="")),
                name="a_value_or_why_there_is_none",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} of {self.stimulus}"


class StudyMetric(Job):
    """A metric that a study's rated images are to have: asked for at any time, for it is no part of the design.

    A worker measures some images, puts the row back to wanted, and goes on with it in its turn: other work comes in
    between, and a worker that dies loses seconds of work.
    """

    word = "measurement"
    task = "studies.generation.tasks.measure_images"
    routed_by = "metric"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="metrics")
    metric = models.CharField(max_length=LONGEST_NAME)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "metric"], name="one_metric_a_study"),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="running_metric_is_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} of {self.study}"

    @staticmethod
    def queue(value: str, living: set[str]) -> str:
        """No GPU where it can be helped, so that the figures are a CPU's everywhere."""
        return cpu_queue(living)

    @property
    def seconds_allowed(self) -> int:
        """By far longer than a worker's turn with its last image."""
        return 3600
