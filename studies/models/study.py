"""A study: which images by which methods, in which order, under which instructions. Frozen once launched."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from analysis.scale import ACR, Scale
from studies.models.content import Benchmark, Method, SourceImage, Stimulus
from studies.models.fields import ScaleField
from studies.models.languages import LanguagesField
from studies.models.task import OF_PAIRS, OF_TWO, WITH_GOLD, Task, instructions_of_two, is_scale_of

LONGEST_PACE_MS = 10_000
# A smaller part shows hardly anything of an image.
LEAST_REGION = 32
LONGEST_REST_MINUTES = 24 * 60
WITH_UNDO = gettext_noop(
    "You can take back your last rating, with a button or the Backspace key, until you give the next one."
)
WITHOUT_UNDO = gettext_noop("A rating stands once it is given: there is no way back to an image.")


def five_categories() -> Scale:
    """The scale of a study that asks for no other."""
    return ACR


def english() -> list[str]:
    """The languages of a study that asks for no others."""
    return ["en"]


def default_instructions() -> str:
    """What a rater reads if the researcher writes nothing else."""
    return instructions_for(ACR)


def instructions_for(scale: Scale, *, undo: bool = True, task: str = Task.RATING, examples: bool = True) -> str:
    """The default instructions with the ends of this scale, in the language that is active.

    `undo`: whether the last rating can be taken back. `examples`: whether both ends of the scale are shown first.
    """
    if task in OF_TWO:
        return instructions_of_two(task, scale, undo=undo)
    words = [word.lower() for _, word in scale.labels]
    low, high = (scale.score_text(end) for end in (scale.low, scale.high))
    ends = {"low": f"{low} ({words[0]})" if words else low, "high": f"{high} ({words[-1]})" if words else high}
    if not scale.is_categorical:
        how = gettext("Click on the line and then on the button, or use the digit keys, the arrow keys and Enter.")
    elif scale.high < 10:
        how = gettext("Rate with the buttons or with the keys %(low)s to %(high)s.") % {"low": low, "high": high}
    else:
        how = gettext("Rate with the buttons or with the keys %(low)s to 9, and x for 10.") % {"low": low}
    asked = gettext(
        "You will see one image after another. Rate the quality of each image from %(low)s to %(high)s, by how good it "
        "looks to you. There are no right or wrong answers."
    )
    back = gettext(WITH_UNDO if undo else WITHOUT_UNDO)
    sit = gettext("Sit comfortably, about an arm's length from the screen, and keep that distance.")
    stop = gettext("You can stop at any time and go on later with the same link.")
    before = gettext("Before it starts you will see examples of the two ends of the scale.") if examples else ""
    return "\n\n".join(filter(None, [asked % ends, before, f"{sit} {how} {back} {stop}\n"]))


class Study(models.Model):
    """What is shown to whom, and how. Every field is part of the design, which a launch freezes, but those below."""

    class State(models.TextChoices):
        DRAFT = "draft"
        LAUNCHED = "launched"
        CLOSED = "closed"

    class Order(models.TextChoices):
        RANDOM = "random", "completely random (the paper's)"
        APART = "apart", "random, never the same source twice in a row (ITU-R BT.500, ITU-T P.910)"

    class Allocation(models.TextChoices):
        ALL = "all", "every image"
        SPREAD = "spread", "a part: few versions of many sources"
        TOGETHER = "together", "a part: all versions of few sources (precise differences)"

    class StopRule(models.TextChoices):
        NONE = "none", "none: you close it"
        TARGETS = "targets", "each image has the ratings that it shall get"
        WIDTH = "width", "the widest 95 % interval of a MOS, or of pairs of a strength, is narrow enough"
        SHARE = "share", "of pairs: the widest 95 % interval of a share against one method is narrow enough"

    Task = Task

    class DeviceRule(models.TextChoices):
        MARK = "mark", "rates, and is marked in the export"
        END = "end", "cannot take part: the part ends with “device not fit”"

    EDITABLE: ClassVar = frozenset({"state", "created_at", "launched_at", "closed_at", "archived_at"})
    """What may change after the launch. Protocol, form, clone and the database's triggers follow from it."""
    IDENTITY: ClassVar = frozenset({"id", "name", "title", "seed", "simulated", "images_at", "images_of"})
    """What is a study's own: a clone gets another."""
    OF_PARTS: ClassVar = frozenset({"trials", "away_minutes"})
    """What says nothing where each rater rates every image."""
    OF_PAIRS: ClassVar = frozenset({"against", "original_on_key"})
    """What says nothing where methods do not meet each other."""
    ZERO_MEANS: ClassVar = {
        "ratings_each": "not stated",
        "region_width": "images are shown whole",
        "region_height": "images are shown whole",
        "orientation_ms": "not shown",
        "least_view_ms": "everything counts",
        "sitting_trials": "no limit",
        "sitting_minutes": "no limit",
        "rest_minutes": "none",
        "longest_run": "by chance",
        "pay_each": "not stated",
        "end_after_failed": "none",
        "least_screen_width": "any",
        "least_screen_height": "any",
        "viewing_heights": "none asked for",
    }
    """What 0 says of a field where it is no number."""

    name = models.SlugField(
        max_length=60, unique=True, help_text="Short name for files and addresses here; raters never see it."
    )
    title = models.CharField(max_length=120, help_text="What raters see; must not hint at the methods.")
    task = models.CharField(max_length=16, choices=Task.choices, default=Task.RATING, editable=False)
    scale = ScaleField(default=five_categories, editable=False)
    against = models.SlugField(
        "each method against",
        max_length=60,
        default="",
        blank=True,
        editable=False,
        help_text="A method's name: pairs of it with each other one. Empty: every two methods.",
    )
    original_on_key = models.BooleanField(
        "the original is on a key",
        default=False,
        help_text="Of pairs: as a third image in their place, by the key R or a button, while the question stays the "
        "one about the two. HR can then be none of the two.",
    )
    order = models.CharField(max_length=10, choices=Order.choices, default=Order.APART)
    allocation = models.CharField(
        "what each rater rates",
        max_length=10,
        choices=Allocation.choices,
        default=Allocation.ALL,
        help_text="Parts are claimed in short runs, so that every image gets as many ratings as the others.",
    )
    trials = models.PositiveIntegerField(
        "images in each rater's part",
        default=0,
        help_text="Repeats and stabilising trials come on top. 0 where each rates every image. For all versions of few "
        "sources a multiple of the number of methods.",
    )
    ratings_each = models.PositiveIntegerField(
        "ratings that each image shall get",
        default=30,
        help_text="How many raters are needed follows from it. 0: not stated.",
    )
    away_minutes = models.PositiveSmallIntegerField(
        "minutes away after which others get a rater's places",
        default=10,
        validators=[MinValueValidator(1)],
        help_text="Of a part: images that are claimed and not rated by then. Who comes back gets others.",
    )
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
    region_width = models.PositiveIntegerField(
        "width of a region, in pixels",
        default=0,
        help_text="Of larger images raters see one region of this size, pixel by pixel, the same of every method, set "
        "on the study's page Regions, once the draft is saved. Smaller images are shown whole. 0: all are.",
    )
    region_height = models.PositiveIntegerField(
        "height of a region, in pixels",
        default=0,
        help_text="1280 x 480 fits a browser's window on a screen of 1366 x 768; the overview says which window a size "
        "needs.",
    )
    orientation_ms = models.PositiveSmallIntegerField(
        "whole image before its region, in milliseconds",
        default=0,
        validators=[MaxValueValidator(LONGEST_PACE_MS)],
        help_text="So long the rater sees the low-resolution image that all methods were given, as it is or smaller, "
        "with a frame around the region, before the region itself. 0: never.",
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
        help_text="No image is shown for so long after a sitting; who stays away for so long begins a new one. 0 where "
        "sittings have no limit.",
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
    languages = LanguagesField(
        default=english,
        help_text="With commas, such as en, de. Raters read the one that their browser asks for, else the first, and "
        "may choose another before they start. All texts are there in English (en), German (de), French (fr), Spanish "
        "(es) and simplified Chinese (zh-hans); those of any other you bring, on the study's page Languages.",
    )
    # Language -> what the researcher has written in it: title, instructions, labels, and texts of the pages
    # (protocol.languages).
    translations = models.JSONField("written for languages", default=dict, blank=True, editable=False)
    instructions = models.TextField(
        default=default_instructions,
        help_text="Left as they are, they are said in every language that comes with the site. Your own are in the "
        "first of the languages; for the others write them on the study's page Languages.",
    )
    questions_before = models.TextField(
        "questions before the first image",
        default="",
        blank=True,
        help_text="One a line, with a short name before it and behind it how it is answered; options on lines of their "
        "own, as in: age: How old are you? [number 18-99] or remarks: Is there anything to tell us? [text 500, "
        "optional] or screen: What do you look at? [choice] with - A laptop below it, - A desktop screen below that.",
    )
    questions_after = models.TextField(
        "questions after the last image",
        default="",
        blank=True,
        help_text="As those before. The last rating is stored before they are asked; code and way back come after "
        "them. Answers are a table of their own; free texts can say who wrote them, and are in it only if you ask.",
    )
    device_rule = models.CharField(
        "whose device is not fit",
        max_length=10,
        choices=DeviceRule.choices,
        default=DeviceRule.MARK,
        help_text="By what the study asks of it below; looked at before the first image, on each device. Who has begun "
        "on one that is fit loses nothing: another that is not is refused.",
    )
    least_screen_width = models.PositiveIntegerField(
        "smallest screen, longer side in pixels", default=0, help_text="Of the screen's own pixels. 0: any."
    )
    least_screen_height = models.PositiveIntegerField(
        "smallest screen, shorter side in pixels",
        default=0,
        help_text="As 720 of a screen of 1280 x 720. 0: any.",
    )
    phones = models.BooleanField("phones may be used", default=True, help_text="Off: they are not fit.")
    full_screen = models.BooleanField(
        "the browser fills the screen", default=False, help_text="Asked for before each image, too."
    )
    window_fits = models.BooleanField(
        "the window holds the largest image",
        default=False,
        help_text="On: who cannot make it so large is told, and stored as not fit. No image is shown smaller than it "
        "is, on or off.",
    )
    card = models.BooleanField(
        "a bank card tells the size of a pixel",
        default=False,
        help_text="Held to the screen: 85.60 mm wide (ISO/IEC 7810 ID-1). Who has none at hand is not fit.",
    )
    viewing_heights = models.FloatField(
        "distance from the screen, in heights of the largest image",
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="By the card the page says it in centimetres. 0: none is asked for.",
    )
    greys = models.BooleanField(
        "grey squares are told apart",
        default=False,
        help_text="Dark ones on dark and bright ones on bright, drawn anew each time.",
    )
    colour_vision = models.BooleanField(
        "colour vision is looked at",
        default=False,
        help_text="By plates of dots, drawn anew each time. Stored is passed, failed or skipped, with each rater; what "
        "raters agree to says so. It is no diagnosis, and who skips it is not kept out.",
    )
    least_correlation = models.FloatField(
        "least correlation with the others",
        default=0.75,
        validators=[MinValueValidator(-1), MaxValueValidator(1)],
        help_text="A rater below it is flagged, from 40 images on that others rated too. Flags propose; you decide.",
    )
    least_spread = models.FloatField(
        "least spread of a rater's scores, in categories",
        default=0.15,
        validators=[MinValueValidator(0), MaxValueValidator(4)],
        help_text="Their standard deviation; a category is a quarter of the scale. Flagged below it.",
    )
    least_median_ms = models.PositiveSmallIntegerField(
        "shortest median time of an answer, in milliseconds",
        default=600,
        validators=[MaxValueValidator(LONGEST_PACE_MS)],
        help_text="As the server's clock allows it. Flagged below it.",
    )
    longest_run = models.PositiveSmallIntegerField(
        "equal scores in a row that are flagged",
        default=0,
        help_text="0: as many as come by chance in fewer than one of a thousand raters.",
    )
    gold = models.TextField(
        "gold images",
        default="",
        blank=True,
        help_text="One a line: benchmark/image, method and the score that all would give, such as Set5/baby hr 5. "
        "They come among the others, which raters cannot tell; no result counts them. One category off is no failure. "
        "Beside the original: of the image that is beside it, so that hr is the original beside itself.",
    )
    gold_a_run = models.PositiveSmallIntegerField(
        "gold images in each run of ten", default=1, validators=[MaxValueValidator(5)]
    )
    traps_a_run = models.PositiveSmallIntegerField(
        "traps in each run of ten",
        default=0,
        validators=[MaxValueValidator(5)],
        help_text="Pictures of a number, the score to give, among the images. Raters are told before they start. Of "
        "pairs: the original beside nearest.",
    )
    failed_checks = models.PositiveSmallIntegerField(
        "failed checks that are flagged",
        default=2,
        validators=[MinValueValidator(1)],
        help_text="Of gold images and traps, if they are more than a fifth of those that the rater saw.",
    )
    end_after_failed = models.PositiveSmallIntegerField(
        "failed checks that end a rater's part",
        default=0,
        help_text="If they are more than a fifth, too. It then ends with “checks failed”, which says why; what was "
        "rated is kept. A rating that can still be taken back does not count yet. 0: never, you decide.",
    )
    stop_rule = models.CharField(
        "what ends it",
        max_length=10,
        choices=StopRule.choices,
        default=StopRule.NONE,
        help_text="Then the public link is switched off; who is at work goes on. A p value is no such rule: looked at "
        "again and again, it finds differences that are not there.",
    )
    stop_half_width = models.FloatField(
        "half-width that is narrow enough",
        default=0.2,
        validators=[MinValueValidator(0.001)],
        help_text="Of the widest interval of a method's MOS on a benchmark, in scores, where that ends the study; of "
        "pairs of a strength, in log odds, or of a share, such as 0.05. Not before 15 raters.",
    )
    pay_each = models.FloatField(
        "pay for each rater, as a number",
        default=0,
        validators=[MinValueValidator(0)],
        help_text="In your currency; the page Live adds it up. 0: not stated.",
    )
    payment = models.TextField(
        "what raters are given",
        default="",
        blank=True,
        help_text="Such as 12 euro an hour, or nothing. Raters read it before they agree; the report states it.",
    )
    ethics = models.TextField(
        "approval and risks",
        default="",
        blank=True,
        help_text="Which board approved the study, under which number, or why none had to, and what risks there are. "
        "Raters read it before they agree; the report states it.",
    )
    institution = models.CharField(
        "who does the study",
        max_length=300,
        default="",
        blank=True,
        help_text="The institution, as raters read it before they agree.",
    )
    contact = models.CharField(
        "whom raters can ask",
        max_length=300,
        default="",
        blank=True,
        help_text="A name with an address or number, as raters read it before they agree.",
    )
    kept = models.CharField(
        "how long what is stored is kept",
        max_length=300,
        default="",
        blank=True,
        help_text="Such as: ten years after publication; the panel's ids until everybody is paid.",
    )
    # Of a rehearsal: its raters are no people (manage.py simulate_raters), and all that shows its ratings says so.
    simulated = models.BooleanField(default=False, editable=False)
    # Which versions of its images a draft has: those of the launched study whose clone it is, and for its other places
    # the newest of then, or the first since.
    images_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, editable=False, related_name="same_images"
    )
    images_at = models.DateTimeField(default=timezone.now, editable=False)
    calibration = models.ManyToManyField(SourceImage, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    launched_at = models.DateTimeField(null=True, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

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
        if (self.allocation == self.Allocation.ALL) == bool(self.trials):
            told = "Each rates every image: 0." if self.trials else "A part needs its number of images: 1 or more."
            raise ValidationError({"trials": told})
        self._check_regions()
        self._check_task()
        if self.end_after_failed and not (self.gold.strip() or self.traps_a_run):
            raise ValidationError({"end_after_failed": "There are no checks: name gold images, or ask for traps."})
        if self.viewing_heights and not self.card:
            raise ValidationError({"viewing_heights": "The distance is told by the size of a pixel: ask for the card."})
        limited = bool(self.sitting_trials or self.sitting_minutes)
        if limited and not self.rest_minutes:
            raise ValidationError({"rest_minutes": "A sitting that ends needs a rest after it: 1 minute or more."})
        if self.rest_minutes and not limited:
            raise ValidationError({"rest_minutes": "A rest needs sittings that end: set their most images or minutes."})

    def _check_task(self) -> None:
        if not is_scale_of(self.task, self.scale):
            raise ValidationError("The answers of this scale are not those of the study's task.")
        if self.task not in OF_PAIRS:
            if self.against:
                raise ValidationError({"against": "Only pairs have a method against which the others are shown."})
            if self.original_on_key:
                raise ValidationError({"original_on_key": "Only pairs of methods have the original as a third image."})
            if self.stop_rule == self.StopRule.SHARE:
                raise ValidationError({"stop_rule": "Only pairs have shares: choose another rule, or none."})
        if self.task not in OF_TWO:
            return
        # What asks for a score says nothing of a choice.
        of_scores = {"practice": self.practice.strip(), "stabilising": self.stabilising}
        if self.task not in WITH_GOLD:
            of_scores["gold"] = self.gold.strip()
        found = {name: "A study of pairs has none." for name, value in of_scores.items() if value}
        if self.task == Task.DEGRADATION and self.traps_a_run:
            found["traps_a_run"] = "Beside the original nothing is a trap: 0. Name gold images, such as hr 5."
        if self.stop_rule == self.StopRule.SHARE and self.stop_half_width >= 0.5:
            found["stop_half_width"] = "Every share is that precise: ask for less than 0.5, such as 0.05."
        if found:
            raise ValidationError(found)

    def _check_regions(self) -> None:
        size = {"region_width": self.region_width, "region_height": self.region_height}
        for field, pixels in size.items():
            if any(size.values()) and pixels < LEAST_REGION:
                told = f"A region has {LEAST_REGION} pixels or more both ways; 0 in both fields shows images whole."
                raise ValidationError({field: told})
        if self.orientation_ms and not self.region_width:
            raise ValidationError({"orientation_ms": "Images are shown whole already: 0."})

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
        GOLD = "gold", "a check: its score is known"
        TRAP = "trap", "a check: it says which score to give"
        ORIGINAL = "original", "shown beside others: on a key, or with gold"

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
