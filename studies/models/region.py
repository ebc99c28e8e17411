"""The part of each source that a study shows, and what was cut out there of the images of every method."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from studies.models.content import SourceImage, Stimulus
from studies.models.job import Job, cpu_queue
from studies.models.study import Study


class StudyRegion(Job):
    """The region of a source that a study shows, the same of every method; a source without one is shown whole.

    A worker draws its place where a seed is to do that, and cuts it out of every image that the study has of the
    source; the row is wanted again when there are more of them.
    """

    EDITABLE: ClassVar = frozenset({"state", "claim", "heartbeat_at", "sent_at", "attempts", "error", "finished_at"})
    """What may change once the study is launched."""

    word = "region"
    task = "studies.generation.tasks.cut_region"
    routed_by = "state"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="regions")
    source = models.ForeignKey(SourceImage, on_delete=models.PROTECT, related_name="+")
    left = models.PositiveIntegerField(null=True, help_text="its first column, from 0; empty: not drawn yet")
    top = models.PositiveIntegerField(null=True, help_text="its first row, from 0; empty: not drawn yet")
    width = models.PositiveIntegerField(help_text="in pixels of the source")
    height = models.PositiveIntegerField(help_text="in pixels of the source")
    seed = models.PositiveBigIntegerField(null=True, help_text="by which it is drawn; empty: it was set by hand")
    # Of the images among which a seed's place was drawn: with others it might have been another.
    drawn_from = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "source"], name="one_region_a_source"),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="region_has_pixels"),
            models.CheckConstraint(
                condition=Q(left__isnull=False, top__isnull=False)
                | (Q(left__isnull=True, top__isnull=True, seed__isnull=False) & ~Q(state="done")),
                name="region_has_a_place_or_gets_one",
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="running_region_is_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"region of {self.source} in {self.study.name}"

    @property
    def extent(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(first row, rows), (first column, columns) of a region that has a place."""
        if self.left is None or self.top is None:
            raise ValueError(f"the {self} is not drawn yet")
        return (self.top, self.height), (self.left, self.width)

    @staticmethod
    def queue(value: str, living: set[str]) -> str:
        return cpu_queue(living)

    @property
    def seconds_allowed(self) -> int:
        """By far longer than reading some dozen images of 8 megapixels, at half a second each."""
        return 3600


def cut_path(cut: "Cut", filename: str) -> str:
    return f"cuts/{cut.opaque_name.hex[:2]}/{cut.opaque_name.hex}.png"


class Cut(models.Model):
    """A region of one image, as a file: what raters are sent in place of the image."""

    EDITABLE: ClassVar = frozenset[str]()
    """What may change once the study is launched."""

    region = models.ForeignKey(StudyRegion, on_delete=models.CASCADE, related_name="cuts")
    stimulus = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="+")
    opaque_name = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    file = models.FileField(upload_to=cut_path, max_length=120)
    file_sha256 = models.CharField(max_length=64)
    file_bytes = models.PositiveIntegerField()
    pixels_sha256 = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["region", "stimulus"], name="one_cut_a_region_and_image"),
        ]

    def __str__(self) -> str:
        return f"{self.region} of {self.stimulus}"
