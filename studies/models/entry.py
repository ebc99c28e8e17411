"""Who comes by a study's public link, and what a rater is told at the end: a text, a code, a way back."""

import re
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from studies.models.session import Outcome, Rater, new_token
from studies.models.study import Study

MOST_NAMES = 6
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
CODE = "CODE"
"""Where the code stands in a return address."""


def check_names(names: Any) -> None:
    """Raises ValidationError for what is not a list of names of parameters, each once."""
    if not isinstance(names, list) or len(names) > MOST_NAMES:
        raise ValidationError(f"At most {MOST_NAMES} names.")
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValidationError(f"{name!r} is no name of a parameter: letters, digits, _ . - and a letter first.")
        if name == "language":
            raise ValidationError("The parameter “language” is the site's own.")
    if len({name.lower() for name in names}) < len(names):
        raise ValidationError("A name is there twice.")


class PublicLink(models.Model):
    """One link for everybody, with a quota. No part of the design: it may change while the study runs."""

    class Panel(models.TextChoices):
        NONE = "none", "none: a mailing list, a poster"
        PROLIFIC = "prolific", "Prolific"
        MTURK = "mturk", "Amazon Mechanical Turk"
        OTHER = "other", "another, with parameters that I name"

    PARAMETERS: ClassVar = {
        Panel.NONE: (),
        Panel.PROLIFIC: ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"),
        Panel.MTURK: ("workerId", "assignmentId", "hitId"),
    }
    """What a panel hands over with the link; the first says who comes."""
    OF_PANELS_STUDY: ClassVar = {Panel.PROLIFIC: "STUDY_ID", Panel.MTURK: "hitId"}

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="public_link")
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    is_open = models.BooleanField("switched on", default=False, help_text="Off: nobody new is let in.")
    quota = models.PositiveIntegerField(
        "places",
        default=30,
        validators=[MinValueValidator(1)],
        help_text="Who is at work and who has completed never become more, but for those who come back late.",
    )
    panel = models.CharField(max_length=10, choices=Panel.choices, default=Panel.NONE)
    names = models.JSONField(
        "names of the parameters",
        default=list,
        blank=True,
        validators=[check_names],
        help_text="Of another panel: what its links carry, with commas, the one that says who comes first.",
    )
    panel_study = models.CharField(
        "the panel's own number of the study",
        max_length=64,
        default="",
        blank=True,
        help_text="Prolific's STUDY_ID, MTurk's hitId: a link with another is refused. Empty: any.",
    )
    hold_minutes = models.PositiveIntegerField(
        "minutes away after which a place is given to others",
        default=120,
        validators=[MinValueValidator(5), MaxValueValidator(60 * 24 * 60)],
        help_text="Of who has begun and not finished.",
    )
    late_go_on = models.BooleanField(
        "who comes back after that may go on",
        default=True,
        help_text="Also where all places are taken. Off: they are told that their time is over.",
    )
    turned_away = models.ManyToManyField(
        Study,
        blank=True,
        related_name="+",
        verbose_name="studies whose raters are turned away",
        help_text="Who took part in one of them by its public link is recognised by the panel's id.",
    )

    def __str__(self) -> str:
        return f"public link of {self.study.name}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that the link carries, who comes first."""
        return tuple(self.names) if self.panel == self.Panel.OTHER else self.PARAMETERS[self.Panel(self.panel)]

    def clean(self) -> None:
        if self.panel == self.Panel.OTHER and not self.names:
            raise ValidationError({"names": "Name at least the parameter that says who comes."})


class Arrival(models.Model):
    """One who came by the public link. `person` is what recognises them when the panel's id is deleted."""

    rater = models.OneToOneField(Rater, on_delete=models.CASCADE, related_name="arrival")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="arrivals")
    person = models.CharField(
        max_length=64, null=True, help_text="a keyed hash of the panel's id; empty: the link carries none"
    )
    # sha256 of the secret in the browser in which the rater agreed: only there can they undo, withdraw, see the code.
    device = models.CharField(max_length=64, default="", blank=True)
    arrived_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "person"], name="one_arrival_a_person"),
            models.CheckConstraint(condition=Q(person__isnull=True) | ~Q(person=""), name="a_person_has_a_hash"),
        ]
        indexes: ClassVar = [models.Index(fields=["person"], name="arrival_person")]

    def __str__(self) -> str:
        return f"arrival of {self.rater.label}"


class PanelIds(models.Model):
    """What the panel's link said of who came. Nowhere else; deleted once everybody is paid."""

    arrival = models.OneToOneField(Arrival, on_delete=models.CASCADE, related_name="panel_ids")
    ids = models.JSONField(help_text="parameter -> value, all that the panel hands over")

    class Meta:
        verbose_name_plural = "panel ids"

    def __str__(self) -> str:
        return "panel ids"


def check_return_address(address: str) -> None:
    """Raises ValidationError for what is no https address, or carries a login."""
    URLValidator(schemes=["https"], message="An address that begins with https://, or nothing.")(address)
    if "@" in address.removeprefix("https://").partition("/")[0]:
        raise ValidationError("An address without a login in it.")


class Ending(models.Model):
    """What a rater is told whose part ends so; where there is no row, the site's own words and no code."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="endings")
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    texts = models.JSONField(default=dict, blank=True, help_text="language -> the researcher's words")
    code = models.CharField(max_length=60, default="", blank=True)
    own_code = models.BooleanField(
        default=False, help_text="each rater gets a code of their own in place of one for all"
    )
    return_address = models.CharField(max_length=500, default="", blank=True, validators=[check_return_address])
    # Of completing: where the same person goes on, under this link; what is told here is told after the last part.
    continues_in = models.ForeignKey(Study, on_delete=models.SET_NULL, null=True, blank=True, related_name="comes_from")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "outcome"], name="one_ending_an_outcome"),
            models.CheckConstraint(
                condition=Q(continues_in=None) | Q(outcome=Outcome.COMPLETED), name="who_completed_goes_on"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} in {self.study.name}"

    def clean(self) -> None:
        if CODE in self.return_address and not (self.code or self.own_code):
            raise ValidationError({"return_address": "It has the word CODE, and there is no code."})
