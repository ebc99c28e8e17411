"""Who of the site's accounts may see or change a study."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from studies.models.session import new_token
from studies.models.study import Study


class Role(models.TextChoices):
    """From the least to the most; each may what those before it may."""

    BLIND = "blind", "blind viewer: sees progress, no methods and no results"
    VIEWER = "viewer", "viewer: sees all but raters' links, changes nothing"
    EDITOR = "editor", "editor: sets up, runs and closes the study"
    OWNER = "owner", "owner: deletes it too, and decides who else may"


class Membership(models.Model):
    """An account's role in a study. A study without any is nobody's: made from a shell, or before there were roles.

    That of an account that was deleted stays, so that the study does not become nobody's.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="memberships")
    role = models.CharField(max_length=6, choices=Role.choices)

    class Meta:
        ordering: ClassVar = ["user__username"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "user"], name="one_role_an_account"),
        ]

    def __str__(self) -> str:
        return f"{self.user.get_username() if self.user else 'a deleted account'}, {self.role} of {self.study}"


class Colleague(models.Model):
    """A link by which a colleague gets a role in a study, and an account where they have none. It works once."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="colleagues")
    role = models.CharField(max_length=6, choices=Role.choices)
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    by = models.CharField(max_length=150, help_text="the account's name")
    made_at = models.DateTimeField(default=timezone.now, editable=False)
    used_by = models.CharField(max_length=150, blank=True, help_text="the account's name")

    class Meta:
        ordering: ClassVar = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return f"a link for a {self.role} of {self.study}"
