"""A study: which images by which methods, in which order, under which instructions. Frozen once launched."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from analysis.scale import ACR, Scale
from studies.models.content import Benchmark, Method, SourceImage, Stimulus
from studies.models.fields import ScaleField

LONGEST_PACE_MS = 10_000
LONGEST_REST_MINUTES = 24 * 60
DEFAULT_INSTRUCTIONS = """\
You will see one image after another. Rate the quality of each image from {low} to {high}, \
by how good it looks to you. There are no right or wrong answers.

Before it starts you will see examples of the two ends of the scale.

Sit comfortably, about an arm's length from the screen, and keep that distance. \
{how} {undo} You can stop at \
any time and go on later with the same link.
"""
WITH_UNDO = "You can take back your last rating, with a button or the Backspace key, until you give the next one."
WITHOUT_UNDO = "A rating stands once it is given: there is no way back to an image."


def five_categories() -> Scale:
    """The scale of a study that asks for no other."""
    return ACR


def default_instructions() -> str:
    """What a rater reads if the researcher writes nothing else."""
    return instructions_for(ACR)


def instructions_for(scale: Scale, *, undo: bool = True) -> str:
    """The default instructions with the ends of this scale; `undo`: whether the last rating can be taken back."""
    words = [word.lower() for _, word in scale.labels]
    low, high = (scale.score_text(end) for end in (scale.low, scale.high))
    if scale.is_categorical:
        keys = f"{low} to {high}" if scale.high < 10 else f"{low} to 9, and x for 10"
        how = f"Rate with the buttons or with the keys {keys}."
    else:
        how = "Click on the line and then on the button, or use the digit keys, the arrow keys and Enter."
    return DEFAULT_INSTRUCTIONS.format(
        low=f"{low} ({words[0]})" if words else low,
        high=f"{high} ({words[-1]})" if words else high,
        how=how,
        undo=WITH_UNDO if undo else WITHOUT_UNDO,
    )


class Study(models.Model):
    """What is shown to whom, and how. Every field is part of the design, which a launch freezes, but those below."""

    class State(models.TextChoices):
        DRAFT = "draft"
        LAUNCHED = "launched"
        CLOSED = "closed"

    class Order(models.TextChoices):
        RANDOM = "random", "completely random (the paper's)"
        APART = "apart", "random, never the same source twice in a row (ITU-R BT.500, ITU-T P.910)"

    class Task(models.TextChoices):
        RATING = "rating", "one image at a time, rated on the scale"

    EDITABLE: ClassVar = frozenset({"state", "created_at", "launched_at", "closed_at"})
    """What may change after the launch. Protocol, form, clone and the database's triggers follow from it."""
    IDENTITY: ClassVar = frozenset({"id", "name", "title", "seed"})
    """What is a study's own: a clone gets another."""

    name = models.SlugField(
        max_length=60, unique=True, help_text="Short name for files and addresses here; raters never see it."
    )
    title = models.CharField(max_length=120, help_text="What raters see; must not hint at the methods.")
    task = models.CharField(max_length=10, choices=Task.choices, default=Task.RATING, editable=False)
    scale = ScaleField(default=five_categories, editable=False)
    order = models.CharField(max_length=10, choices=Order.choices, default=Order.APART)
    repeats = models.PositiveIntegerField(
        default=0, help_text="Images that each rater sees a second time, for test-retest reliability."
    )
    seed = models.PositiveBigIntegerField(
        validators=[MaxValueValidator(2**63 - 1)],
        help_text="Every rater's order follows from this number and the rater's label.",
    )
    stabilising = models.PositiveSmallIntegerField(
        "stabilising trials",
        default=0,
        help_text="So many images are rated once more before all others, while a rater's opinion settles (ITU-R BT.500 "
        "has about five). Raters cannot tell them apart; they are stored, and no result counts them.",
    )
    practice = models.TextField(
        "practice images",
        default="",
        blank=True,
        help_text="One a line: benchmark/image, method, expected score or range, such as Set5/baby bicubic 2-3. Rated "
        "after the examples as the real ones are; the page then says what was expected, and nothing is stored.",
    )
    announce_start = models.BooleanField(
        "a page says when it counts",
        default=True,
        help_text="Between the examples and the first image, with its button elsewhere than the examples' one.",
    )
    least_view_ms = models.PositiveSmallIntegerField(
        "shortest look that counts, in milliseconds",
        default=300,
        validators=[MaxValueValidator(LONGEST_PACE_MS)],
        help_text="What is pressed before the image was visible for so long is taken for a slip. 0: everything counts.",
    )
    gap_ms = models.PositiveSmallIntegerField(
        "grey between two images, in milliseconds",
        default=500,
        validators=[MaxValueValidator(LONGEST_PACE_MS)],
        help_text="The screen stays mid-grey for so long.",
    )
    undo = models.BooleanField(
        "the last rating can be taken back",
        default=True,
        help_text="Until the next one is given, and not after the last image.",
    )
    pause_minutes = models.PositiveSmallIntegerField(
        "minutes of rating until a pause is offered",
        default=20,
        validators=[MinValueValidator(1)],
        help_text="The rater may take it or go on.",
    )
    sitting_trials = models.PositiveIntegerField(
        "most images in one sitting",
        default=0,
        help_text="Then the rater must rest. 0: no limit.",
    )
    sitting_minutes = models.PositiveSmallIntegerField(
        "longest sitting, in minutes",
        default=0,
        help_text="By the clock; then the rater must rest. 0: no limit (ITU-R BT.500 has up to 30).",
    )
    rest_minutes = models.PositiveSmallIntegerField(
        "rest between two sittings, in minutes",
        default=0,
        validators=[MaxValueValidator(LONGEST_REST_MINUTES)],
        help_text="No image is shown for so long after a sitting; who stays away for so long begins a new one.",
    )
    reminder_minutes = models.PositiveSmallIntegerField(
        "minutes away after which the instructions come again",
        default=60,
        validators=[MinValueValidator(1)],
        help_text="A rater who was away for longer reads them again before going on.",
    )
    examples_again = models.BooleanField(
        "the examples come again with them",
        default=True,
        help_text="After the instructions, the rater sees the examples of both ends again.",
    )
    instructions = models.TextField(default=default_instructions)
    calibration = models.ManyToManyField(SourceImage, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    launched_at = models.DateTimeField(null=True, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name_plural = "studies"
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="draft") | Q(launched_at__isnull=False), name="launched_means_dated"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        limited = bool(self.sitting_trials or self.sitting_minutes)
        if limited and not self.rest_minutes:
            raise ValidationError({"rest_minutes": "A sitting that ends needs a rest after it: 1 minute or more."})
        if self.rest_minutes and not limited:
            raise ValidationError({"rest_minutes": "A rest needs sittings that end: set their most images or minutes."})

    @classmethod
    def protocol_fields(cls) -> "list[models.Field[Any, Any]]":
        """How the study is run: every field of the design that a clone takes over, in the order of their statement."""
        return [field for field in cls._meta.concrete_fields if field.name not in cls.EDITABLE | cls.IDENTITY]

    def protocol(self) -> dict[str, Any]:
        """The values of the protocol's fields by name."""
        return {field.name: getattr(self, field.name) for field in self.protocol_fields()}


class StudyMethod(models.Model):
    """One cell of the design: this method's versions of this benchmark's images are rated."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="cells")
    benchmark = models.ForeignKey(Benchmark, on_delete=models.PROTECT, related_name="+")
    method = models.ForeignKey(Method, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering: ClassVar = ["benchmark", "method"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "benchmark", "method"], name="one_cell_a_benchmark_and_method"),
        ]

    def __str__(self) -> str:
        return f"{self.benchmark.name} by {self.method.name}"


class StudyImage(models.Model):
    """A stimulus that a launched study shows; written by the launch, never after (the database refuses)."""

    class Role(models.TextChoices):
        RATED = "rated"
        LOW_ANCHOR = "low", "calibration: the scale's low end"
        HIGH_ANCHOR = "high", "calibration: the scale's high end"
        PRACTICE = "practice", "rated for practice, stored nowhere"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="images")
    stimulus = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=8, choices=Role.choices)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "stimulus", "role"], name="one_image_a_role"),
        ]

    def __str__(self) -> str:
        return f"{self.stimulus} in {self.study}"


class StudyEvent(models.Model):
    """What happened to a study and cannot be read off its other rows: launches, refusals, withdrawals."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=40)
    rater = models.CharField(max_length=60, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"
