"""Images on their way in by the browser: what is sent, in pieces, what was seen of it, what was decided."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from srcore.scale import SCALES
from studies.models.job import Job

PIECE_BYTES = 1_000_000
"""A file arrives in pieces of this size, the last one smaller: each in one request, which has 30 s to arrive."""


class Import(Job):
    """A method's results, or a benchmark, that somebody brings. In turns a browser, a worker and a person are at it.

    While it is uploaded or waits for a person, its state is `done`: there is nothing for a worker to do.
    """

    word = "import"
    task = "studies.content.tasks.run_import"
    routed_by = "state"

    class Kind(models.TextChoices):
        RESULTS = "results", "results of a method"
        BENCHMARK = "benchmark", "a benchmark"

    class Stage(models.TextChoices):
        UPLOAD = "upload", "being uploaded"
        LOOK = "look", "looked at"
        TAKE = "take", "taken"

    state = models.CharField(max_length=10, choices=Job.State.choices, default=Job.State.DONE)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    stage = models.CharField(max_length=6, choices=Stage.choices, default=Stage.UPLOAD)
    benchmark = models.CharField(max_length=60)
    method = models.CharField(max_length=60, blank=True)
    display_name = models.CharField(max_length=80, blank=True)
    scale = models.PositiveSmallIntegerField(null=True, blank=True, choices=[(n, f"{n}x") for n in SCALES])
    suffix = models.CharField(max_length=60, blank=True)
    mapping = models.TextField(blank=True, help_text="lines of a name and a file; empty: by the files' names")
    inside = models.CharField(max_length=1000, blank=True, help_text="the folder to take, where several hold pictures")
    folders = models.JSONField(default=list, help_text="those that hold pictures, where a choice is needed")
    by = models.CharField(max_length=150, help_text="the account's name")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    touched_at = models.DateTimeField(default=timezone.now, editable=False)
    # What was seen of the whole, and which of its warnings somebody has read.
    seen = models.JSONField(default=dict)
    confirmed = models.JSONField(default=list)
    looked_at = models.PositiveIntegerField(default=0, help_text="how many pictures the worker has looked at so far")
    said = models.TextField(blank=True, help_text="what taking it did")

    class Meta:
        ordering: ClassVar = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="running_import_is_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(stage="upload") | Q(state="done"), name="no_worker_is_at_an_upload"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} on {self.benchmark}" if self.kind == self.Kind.RESULTS else f"benchmark {self.benchmark}"

    @staticmethod
    def queue(value: str, living: set[str]) -> str:
        """The queue of every worker that does not only make images."""
        return "default"

    @property
    def seconds_allowed(self) -> int:
        """By far longer than a look takes: half a minute for the 100 pictures of BSD100."""
        return 7200

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.WANTED, self.State.RUNNING)

    @property
    def is_taken(self) -> bool:
        return self.stage == self.Stage.TAKE and self.state == self.State.DONE


class ImportFile(models.Model):
    """A file that a browser has said it will send."""

    incoming = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=1000, help_text="with its folders, below the one that was chosen")
    size = models.PositiveBigIntegerField(help_text="bytes")
    stamp = models.CharField(max_length=40, blank=True, help_text="when it was last changed, as the browser says")

    class Meta:
        ordering: ClassVar = ["path"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incoming", "path"], name="one_file_a_path"),
        ]

    def __str__(self) -> str:
        return self.path

    @property
    def pieces_needed(self) -> int:
        return -(-self.size // PIECE_BYTES)

    def length_of(self, number: int) -> int:
        """Of this piece in bytes, counted from 0."""
        return min(PIECE_BYTES, self.size - number * PIECE_BYTES)


def piece_path(piece: "ImportPiece", filename: str) -> str:
    """The same for a piece that is sent again, so that nothing is left of the first."""
    return f"imports/{piece.of.incoming_id}/{piece.of_id}-{piece.number}"


class ImportPiece(models.Model):
    """A part of a file that has arrived."""

    of = models.ForeignKey(ImportFile, on_delete=models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField(help_text="from 0")
    file = models.FileField(upload_to=piece_path, max_length=120)
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar = ["of", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["of", "number"], name="one_piece_a_number"),
        ]

    def __str__(self) -> str:
        return f"piece {self.number} of {self.of.path}"


class ImportLine(models.Model):
    """What a worker saw of one picture's file, and what taking it would do."""

    incoming = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    source = models.CharField(max_length=120, help_text="the picture's name in the benchmark")
    file = models.CharField(max_length=1000, blank=True)
    size = models.CharField(max_length=40, blank=True)
    mode = models.CharField(max_length=10, blank=True)
    done = models.JSONField(default=list, help_text="what was done to it on reading")
    psnr = models.FloatField(null=True, help_text="dB")
    bicubic = models.FloatField(null=True, help_text="dB")
    sha256 = models.CharField(max_length=64, blank=True, help_text="of the pixels as they would be stored")
    fate = models.CharField(max_length=10, blank=True)
    replaces = models.BigIntegerField(null=True, help_text="the key of the image that counts now")
    warnings = models.JSONField(default=list)
    problem = models.TextField(blank=True)
    thumbnail = models.BinaryField(default=b"", help_text="a JPEG; empty where there is no picture")

    class Meta:
        ordering: ClassVar = ["incoming", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incoming", "number"], name="one_line_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.source} from {self.file or 'nothing'}"
