"""What can be shown: benchmarks, their source images, the methods, and the image each method made of each source."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from srcore.registry import METHODS
from srcore.registry import queue as preferred_queue
from srcore.scale import SCALE, SCALES
from studies.models.job import Job

# A hung method must end some day. By far longer than any needs: DRCN takes a minute for a BSD100 picture on a CPU.
SECONDS_A_PICTURE, SECONDS_A_MEGAPIXEL = 1800, 3600


class Benchmark(models.Model):
    """A named set of source images, such as Set5."""

    name = models.SlugField(max_length=60, unique=True)
    scale = models.PositiveSmallIntegerField(
        default=SCALE,
        choices=[(scale, f"{scale}x") for scale in SCALES],
        help_text="How many times larger HR is than LR.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.CheckConstraint(condition=Q(scale__gt=1), name="benchmark_enlarges")]

    def __str__(self) -> str:
        """As pages and tables call it: the scale is said where it is not the paper's."""
        return self.name if self.scale == SCALE else f"{self.name} ({self.scale}x)"


def source_path(source: "SourceImage", filename: str) -> str:
    return f"sources/{uuid.uuid4().hex}.png"


class SourceImage(models.Model):
    """One high-resolution photograph and its low-resolution version, both stored as PNG under opaque names."""

    EDITABLE: ClassVar = frozenset[str]()
    """What may change once a launched study shows an image of it."""

    benchmark = models.ForeignKey(Benchmark, on_delete=models.PROTECT, related_name="sources")
    name = models.CharField(max_length=120)
    hr = models.FileField(upload_to=source_path, max_length=120)
    lr = models.FileField(upload_to=source_path, max_length=120)
    hr_sha256 = models.CharField(max_length=64, help_text="of the pixels, with their size and mode")
    lr_sha256 = models.CharField(max_length=64, help_text="of the pixels, with their size and mode")
    width = models.PositiveIntegerField(help_text="of the high-resolution image, in pixels")
    height = models.PositiveIntegerField(help_text="of the high-resolution image, in pixels")
    mode = models.CharField(max_length=3, choices=[("RGB", "RGB"), ("L", "grey")])

    class Meta:
        ordering: ClassVar = ["benchmark", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["benchmark", "name"], name="one_source_a_name"),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="source_has_pixels"),
        ]

    def __str__(self) -> str:
        return f"{self.benchmark.name}/{self.name}"


class Method(models.Model):
    """A row for each entry of srcore's registry, and one for each further method whose results came as a folder."""

    name = models.SlugField(max_length=60, unique=True)
    display_name = models.CharField(max_length=80)
    kind = models.CharField(
        max_length=10,
        choices=[("upscaler", "upscaler"), ("reference", "hidden reference"), ("folder", "folder of results")],
    )
    # The order of the paper's tables; methods that came as folders follow.
    rank = models.PositiveSmallIntegerField(default=1000)

    class Meta:
        ordering: ClassVar = ["rank", "name"]

    def __str__(self) -> str:
        return self.display_name


def stimulus_path(stimulus: "Stimulus", filename: str) -> str:
    return f"stimuli/{stimulus.opaque_name.hex[:2]}/{stimulus.opaque_name.hex}.png"


class Stimulus(Job):
    """What one method made, or is to make, of one source image."""

    EDITABLE: ClassVar = frozenset(
        {"seconds", "device", "claim", "heartbeat_at", "sent_at", "attempts", "error", "created_at", "finished_at"}
    )
    """What may change once a launched study shows it."""

    word = "image"
    task = "studies.generation.tasks.render_stimulus"
    routed_by = "method__name"

    class Origin(models.TextChoices):
        GENERATED = "generated"
        FOLDER = "folder", "supplied as a file"

    source = models.ForeignKey(SourceImage, on_delete=models.PROTECT, related_name="stimuli")
    method = models.ForeignKey(Method, on_delete=models.PROTECT, related_name="stimuli")
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.GENERATED)
    # sha256 of the network's weights, or of the pixels that were supplied; empty where a method has neither.
    content_sha256 = models.CharField(max_length=64, blank=True)
    code_version = models.CharField(max_length=40, blank=True)

    # Fixed when the row is made, so that a second writer after a crash replaces the file of the first.
    opaque_name = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    file = models.FileField(upload_to=stimulus_path, max_length=120, blank=True)
    # Of the file as it was stored: what raters are sent is compared with the first, sizes of versions by the second.
    # Empty for files of before there were these fields.
    file_sha256 = models.CharField(max_length=64, blank=True)
    file_bytes = models.PositiveIntegerField(null=True)
    pixels_sha256 = models.CharField(max_length=64, blank=True)
    psnr = models.FloatField(null=True, help_text="dB, recipe 'paper'; infinite for the reference itself")
    ssim = models.FloatField(null=True, help_text="recipe 'paper'")
    seconds = models.FloatField(null=True, help_text="time the method took")
    device = models.CharField(max_length=80, blank=True)
    sees = models.CharField(
        max_length=80, blank=True, help_text="the tiles in which a network of others saw LR: part of the method"
    )

    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "stimuli"
        ordering: ClassVar = ["source", "method"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "method", "origin", "content_sha256", "code_version"], name="asked_twice_made_once"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | (~Q(file="") & Q(psnr__isnull=False) & Q(ssim__isnull=False)),
                name="done_means_stored_and_measured",
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="running_means_claimed",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state"], name="stimulus_state")]

    def __str__(self) -> str:
        return f"{self.source} by {self.method.name}"

    @staticmethod
    def queue(value: str, living: set[str]) -> str:
        """Networks to the gpu if a living worker reads it; never a queue that nobody reads.

        With no worker alive at all it is cpu, which the next worker will read; if it reads gpu alone, the next round
        moves it.
        """
        choices = ("gpu", "cpu") if value in METHODS and preferred_queue(value) == "gpu" else ("cpu", "gpu")
        return next((queue for queue in choices if queue in living), "cpu")

    @property
    def seconds_allowed(self) -> int:
        return round(SECONDS_A_PICTURE + SECONDS_A_MEGAPIXEL * self.source.width * self.source.height / 1e6)


class Worker(models.Model):
    """A Celery worker that was alive at `seen_at`; where images are sent follows from who reads which queue."""

    name = models.CharField(max_length=120, unique=True)
    # None while `unfit` says why it reads none.
    queues = models.JSONField(default=list)
    unfit = models.TextField(blank=True)
    code_version = models.CharField(max_length=40, blank=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
