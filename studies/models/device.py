"""What a rater's device is like, as its browser measured and the rater saw it, and what the study makes of it."""

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone

from studies.models.session import Session, new_token


def new_seed() -> int:
    """53 random bits."""
    return secrets.randbits(53)


class DeviceCheck(models.Model):
    """One look at one device of a session. Until `checked_at` it only says what was drawn for it.

    Erased with the session.
    """

    class Colour(models.TextChoices):
        PASSED = "pass"
        FAILED = "fail"
        SKIPPED = "skip"

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="device_checks")
    # The address of what is drawn; the seed says what that is, and never leaves the server.
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    seed = models.PositiveBigIntegerField(default=new_seed, editable=False)
    begun_at = models.DateTimeField(default=timezone.now, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    failed = models.JSONField(default=list, help_text="the study's rules that it does not meet, by name")
    device_pixel_ratio = models.FloatField(null=True)
    screen_width = models.FloatField(null=True, help_text="CSS pixels")
    screen_height = models.FloatField(null=True, help_text="CSS pixels")
    window_width = models.FloatField(null=True, help_text="CSS pixels")
    window_height = models.FloatField(null=True, help_text="CSS pixels")
    image_height = models.FloatField(null=True, help_text="CSS pixels of the window's height that are left to an image")
    is_phone = models.BooleanField(null=True, help_text="as the browser says, or small and used with a finger")
    fills_screen = models.BooleanField(null=True)
    card_css_width = models.FloatField(null=True, help_text="of a bank card, 85.60 mm, in CSS pixels; empty: no card")
    grey_step = models.PositiveSmallIntegerField(
        null=True, help_text="the least difference of 8-bit grey told apart, dark and bright; 255: none, empty: unasked"
    )
    colour = models.CharField(max_length=4, choices=Colour.choices, default="", blank=True)

    class Meta:
        ordering: ClassVar = ["session", "checked_at", "pk"]

    def __str__(self) -> str:
        return f"device of {self.session.rater.label}"
