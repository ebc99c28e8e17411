"""The staff login that the site makes for itself on its first run."""

import secrets
from pathlib import Path

from axes.utils import reset
from django.conf import settings
from django.contrib.auth.models import User

from mosweb import secret_files

USERNAME = "staff"


def password_file() -> Path:
    return Path(settings.VAR_DIR) / "staff_password"


def ensure_login() -> None:
    """Make the login if there is none, with a random password in a file that only the owner can read."""
    if not User.objects.filter(username=USERNAME).exists():
        User.objects.create_superuser(USERNAME, password=secret_files.read_or_create(password_file(), length=15))


def reset_password() -> str:
    """Give the login a new random password and forget its failed attempts; make the login if it is gone."""
    password = secrets.token_urlsafe(15)
    user, _ = User.objects.get_or_create(username=USERNAME)
    user.is_active = user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.save()
    reset(username=USERNAME)
    secret_files.write(password_file(), password)
    return password


def known_password() -> str | None:
    """The password as the file has it, or None if somebody has changed it since."""
    user = User.objects.filter(username=USERNAME, is_active=True).first()
    if user is None or not password_file().exists():
        return None
    password = password_file().read_text(encoding="utf-8").strip()
    return password if user.check_password(password) else None
