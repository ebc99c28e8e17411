"""What belongs to the site as a whole: its own keys, and the backups that were made of it."""

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone


def new_key() -> str:
    """256 random bits, in hexadecimal."""
    return secrets.token_hex(32)


class SiteKey(models.Model):
    """A key that must outlive a change of SECRET_KEY and a move to another machine: it is in every backup.

    `outbox` names the ratings that raters' browsers keep until they are sent; `receipts` signs when images were sent;
    by `panel` who comes from a panel is known again; `codes` and `withdrawal` make raters' codes, `pseudonyms` other
    names for exports.
    """

    name = models.SlugField(max_length=40, unique=True)
    value = models.CharField(max_length=128, default=new_key, editable=False)

    def __str__(self) -> str:
        return self.name


class Backup(models.Model):
    """A backup that was written whole, for staff to see when the last one was."""

    made_at = models.DateTimeField(default=timezone.now, help_text="the moment that it shows")
    file_name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="bytes")
    encrypted = models.BooleanField()

    class Meta:
        ordering: ClassVar = ["-made_at"]

    def __str__(self) -> str:
        return f"{self.file_name} of {self.made_at:%Y-%m-%d %H:%M}"


def site_key(name: str) -> bytes:
    """The site's key of this name, made at random where there is none yet. Every process gets the same."""
    key, _ = SiteKey.objects.get_or_create(name=name)
    return bytes.fromhex(key.value)
