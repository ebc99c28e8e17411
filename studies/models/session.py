"""Who rates: an invited rater, the session with its trials in order, and the ratings."""

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from studies.models.content import Stimulus
from studies.models.languages import LONGEST_CODE
from studies.models.study import Study


def new_token() -> str:
    """192 random bits, url-safe."""
    return secrets.token_urlsafe(24)


def rated_before(position: int, calibration_trials: int) -> int:
    """How many images are rated when this position of a session is due."""
    return max(position - 1 - calibration_trials, 0)


class Outcome(models.TextChoices):
    """How a rater's part in a study ends."""

    COMPLETED = "completed", "completed: all is rated"
    DECLINED = "declined", "declined to take part"
    DEVICE = "device", "device not fit"
    CHECKS = "checks", "checks failed"
    FULL = "full", "no place left"
    LATE = "late", "timed out"


class Rater(models.Model):
    """One invitation to one study, or one who came by its public link. Known by a label only; a link opens it."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="raters")
    label = models.CharField(max_length=60, help_text="names the rater in exports; no personal data")
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    # Staff who try the study: in no progress, no result, no export.
    is_preview = models.BooleanField(default=False)
    invited_at = models.DateTimeField(default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    withdrawn_at = models.DateTimeField(null=True, editable=False)
    # What ended the rater's part other than the last rating; who has rated all is told by Session.finished_at.
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default="", blank=True, editable=False)
    outcome_at = models.DateTimeField(null=True, editable=False)
    # When staff let the rater go on all the same: checks that failed before do not end the part again.
    reopened_at = models.DateTimeField(null=True, editable=False)
    # Where raters go on in another study (Ending.continues_in): the same person's part in the one before.
    continues = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, editable=False, related_name="continued"
    )
    # What staff decided (models.decision): "" is undecided; the reason for an exclusion, "" is in the analysis; since
    # when others rate these images too.
    verdict = models.CharField(
        max_length=8,
        choices=[("accepted", "accepted"), ("rejected", "rejected")],
        default="",
        blank=True,
        editable=False,
    )
    excluded = models.TextField(default="", blank=True, editable=False)
    places_back_at = models.DateTimeField(null=True, editable=False)
    # sha256 of the code with which the rater can withdraw later, once a page has shown it.
    withdrawal_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "label"], name="one_rater_a_label"),
        ]

    def __str__(self) -> str:
        return self.label


class Session(models.Model):
    """A rater's pass through a study: its trials are all written before the first is shown; of a part, run by run."""

    rater = models.OneToOneField(Rater, on_delete=models.PROTECT, related_name="session")
    seed = models.PositiveBigIntegerField(editable=False)
    language = models.CharField(max_length=LONGEST_CODE, default="en", help_text="of all that the rater read")
    calibration_trials = models.PositiveIntegerField(
        help_text="positions 1..n: examples and practice, nothing is stored"
    )
    trials_total = models.PositiveIntegerField(
        help_text="calibration and rated trials together, also those of a part that are not claimed yet"
    )
    # The first position that is neither rated nor, in the calibration, seen. Moves by one rating at a time.
    next_position = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    # The instructions were last agreed to; asked again after a long gap.
    agreed_at = models.DateTimeField(null=True)
    last_active_at = models.DateTimeField(default=timezone.now)
    # Not of a session that began before images had receipts; its ratings count without one.
    needs_receipts = models.BooleanField(default=True)
    first_served_ms = models.BigIntegerField(
        null=True, help_text="Unix time at which the first image of those rated was sent"
    )
    # Of the last answer that was taken back: a repeat of it, delayed on its way, does not bring it back.
    undone_position = models.PositiveIntegerField(default=0)
    undone_attempt = models.PositiveIntegerField(default=0)
    viewed_ms = models.FloatField(default=0, help_text="the possible_ms of all that was rated")
    # Back after a long gap: the examples are due again before the rating goes on.
    examples_due = models.BooleanField(default=False)
    # Of a study whose sittings end (rating.sittings): the first position of the present one, when it began, and when
    # the last rating came.
    sitting_first = models.PositiveIntegerField(null=True)
    sitting_at = models.DateTimeField(null=True)
    last_rated_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    @property
    def rated(self) -> int:
        """How many images are rated so far."""
        return rated_before(self.next_position, self.calibration_trials)

    @property
    def to_rate(self) -> int:
        """How many images are to be rated in all."""
        return self.trials_total - self.calibration_trials

    @property
    def is_calibrating(self) -> bool:
        """Whether the examples are still shown."""
        return self.next_position <= self.calibration_trials

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(next_position__gte=1) & Q(next_position__lte=models.F("trials_total") + 1),
                name="position_within_session",
            ),
        ]

    def __str__(self) -> str:
        return f"session of {self.rater.label}"


class Trial(models.Model):
    """One showing of one stimulus to one rater, or of two of one source. Its token is the image's address."""

    class Phase(models.TextChoices):
        CALIBRATION = "calibration"
        PRACTICE = "practice"
        STABILISING = "stabilising"
        RATED = "rated"
        GOLD = "gold", "a check: its score is known"
        TRAP = "trap", "a check: it says which score to give"

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="trials")
    position = models.PositiveIntegerField()
    phase = models.CharField(max_length=12, choices=Phase.choices)
    stimulus = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="trials")
    # Of a pair: the image on the right, while `stimulus` is that on the left.
    right = models.ForeignKey(Stimulus, on_delete=models.PROTECT, null=True, related_name="+")
    # Of a pair whose study has it: what both were made from, shown on a key.
    original = models.ForeignKey(Stimulus, on_delete=models.PROTECT, null=True, related_name="+")
    repeat = models.PositiveSmallIntegerField(default=0, help_text="0: first showing, 1: second")
    run = models.PositiveSmallIntegerField(
        null=True, help_text="of a part: the claim that wrote this place, from 1; empty: all were written at once"
    )
    anchor_score = models.FloatField(
        null=True, help_text="the score a calibration image stands for; the lowest expected of a practice image"
    )
    anchor_high = models.FloatField(null=True, help_text="the highest expected of a practice image")
    # Not an anchor: what a rater's browser is told of a check is what it is told of any image.
    expected = models.FloatField(null=True, help_text="of a check: the score that it asks for")
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)

    class Meta:
        ordering: ClassVar = ["session", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "position"], name="one_trial_a_position"),
            models.CheckConstraint(
                condition=Q(right__isnull=True) | ~Q(right=models.F("stimulus")) | Q(phase="gold"),
                name="a_pair_is_of_two_images_or_a_check",
            ),
            models.CheckConstraint(
                condition=Q(
                    phase__in=["rated", "stabilising", "gold", "trap"],
                    anchor_score__isnull=True,
                    anchor_high__isnull=True,
                )
                | Q(phase="calibration", anchor_score__isnull=False, anchor_high__isnull=True)
                | Q(phase="practice", anchor_score__isnull=False, anchor_high__gte=models.F("anchor_score")),
                name="only_what_is_not_rated_has_an_anchor",
            ),
            models.CheckConstraint(
                condition=Q(phase__in=["gold", "trap"], expected__isnull=False)
                | (~Q(phase__in=["gold", "trap"]) & Q(expected__isnull=True)),
                name="a_check_and_nothing_else_has_an_expected_score",
            ),
        ]

    def __str__(self) -> str:
        return f"trial {self.position}"


class Answer(models.Model):
    """What the rater answered, and how the image was on the screen when they did."""

    attempt = models.PositiveIntegerField(default=1, help_text="2 after the first answer was taken back, and so on")
    score = models.FloatField(help_text="on the study's scale, which a trigger checks")
    rated_at = models.DateTimeField(default=timezone.now, editable=False)
    response_ms = models.FloatField(help_text="from the frame that painted the image to the answer, page visible")
    hidden_ms = models.FloatField(
        default=0, help_text="time since the first painting in which the image could not be seen"
    )
    waited_ms = models.FloatField(
        null=True, help_text="from the end of the grey until the image was painted: the network and the decoding"
    )
    served_at = models.DateTimeField(
        null=True, help_text="when the server sent the image, by its receipt; empty: the rating came without one"
    )
    possible_ms = models.FloatField(
        null=True, help_text="response_ms, or as much of it as can have passed by the server's clock"
    )
    device_pixel_ratio = models.FloatField()
    visual_viewport_scale = models.FloatField()
    viewport_width = models.FloatField(help_text="CSS pixels")
    viewport_height = models.FloatField(help_text="CSS pixels")
    screen_width = models.FloatField(help_text="CSS pixels")
    screen_height = models.FloatField(help_text="CSS pixels")
    # Where width in device pixels is not width in CSS pixels x device_pixel_ratio, images were not pixel by pixel.
    canvas_width = models.FloatField(null=True, help_text="of the area for images: its own pixels")
    canvas_height = models.FloatField(null=True, help_text="of the area for images: its own pixels")
    canvas_css_width = models.FloatField(null=True, help_text="of the area for images: CSS pixels")
    canvas_css_height = models.FloatField(null=True, help_text="of the area for images: CSS pixels")

    # Of a pair: how often each image was on the screen, for how long in all, and whether both stood side by side.
    left_looks = models.PositiveIntegerField(null=True, help_text="of a pair: how often the left image was shown")
    right_looks = models.PositiveIntegerField(null=True, help_text="of a pair: how often the right image was shown")
    left_ms = models.FloatField(null=True, help_text="of a pair: how long the left image could be seen")
    right_ms = models.FloatField(null=True, help_text="of a pair: how long the right image could be seen")
    side_by_side = models.BooleanField(null=True, help_text="of a pair: whether the window held both")
    original_looks = models.PositiveIntegerField(
        null=True, help_text="of a pair with the original on a key: how often it was shown"
    )
    original_ms = models.FloatField(null=True, help_text="of a pair with the original on a key: how long it was seen")

    class Meta:
        abstract = True


class Rating(Answer):
    """The answer that stands."""

    trial = models.OneToOneField(Trial, on_delete=models.PROTECT, related_name="rating")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(response_ms__gte=0, hidden_ms__gte=0, device_pixel_ratio__gt=0),
                name="display_facts_are_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.score} on {self.trial}"


class TakenBack(Answer):
    """An answer that the rater took back; no part of any result."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="taken_back")
    taken_back_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "taken back"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["trial", "attempt"], name="one_answer_an_attempt"),
        ]

    def __str__(self) -> str:
        return f"{self.score} on {self.trial}, taken back"
