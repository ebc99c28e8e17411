"""Whether this process may do the site's work: the same code as the site's, its image storage in sight, the weights."""

import hashlib
import time
from functools import cache
from pathlib import Path

from django.db.models import Q

from srcore.registry import METHODS, weights_sha256, why_unavailable
from studies.models import Installation, Job, Stimulus
from studies.storage.marker import why_not_ours

# What images and reports follow from.
PACKAGES = ("srcore", "studies", "analysis")
# What was fit a moment ago is not asked again for each of many small images.
SECONDS_TRUSTED = 5.0

_fit_at = float("-inf")


@cache
def code_version() -> str:
    """A hash of the Python files of PACKAGES, as they are when this is first called."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# Of the code that this process has loaded, not of what a deployment puts in its place later.
CODE_VERSION = code_version()


def declare_code() -> None:
    """Make this code the site's. `manage.py migrate` does, for it brings the database to what this code expects."""
    Installation.objects.update_or_create(pk=1, defaults={"code_version": CODE_VERSION})


def declare_weights(names: set[str]) -> None:
    """Note with which weights images of these methods are asked for: workers must have the same ones."""
    installation, _ = Installation.objects.get_or_create(pk=1)
    wanted = {name: weights_sha256(name) for name in names}
    if not wanted.items() <= installation.weights.items():
        Installation.objects.filter(pk=1).update(weights={**installation.weights, **wanted})


def why_unfit(*, trusted_seconds: float = SECONDS_TRUSTED) -> str:
    """What keeps this process from working for the site, in a sentence that says what to do; "" if nothing does.

    Asks the database and the storage, unless it was fit within the last `trusted_seconds`.
    """
    global _fit_at
    if time.monotonic() - _fit_at < trusted_seconds:
        return ""
    reason = _other_code() or _lacking_weights() or why_not_ours()
    if not reason:
        _fit_at = time.monotonic()
    return reason


def distrust() -> None:
    """Something failed that may be this process's: the next question is asked anew."""
    global _fit_at
    _fit_at = float("-inf")


def _other_code() -> str:
    wanted = Installation.objects.filter(pk=1).values_list("code_version", flat=True).first()
    if wanted == CODE_VERSION:
        return ""
    return (
        f"The code here is {CODE_VERSION}, the site's is {wanted or 'not known'}: bring this machine to the site's "
        "code and start the worker again, or, if this is the newer code, run 'manage.py migrate'."
    )


def _lacking_weights() -> str:
    unfinished = Q(state__in=[Job.State.WANTED, Job.State.RUNNING], origin=Stimulus.Origin.GENERATED)
    needed = set(Stimulus.objects.filter(unfinished).values_list("method__name", flat=True).distinct())
    declared = Installation.objects.filter(pk=1).values_list("weights", flat=True).first() or {}
    for name, sha256 in declared.items():
        if name not in needed:
            continue
        if name not in METHODS:
            return f"Images of {name} are wanted, and this machine does not know that method."
        if reason := why_unavailable(name):
            return f"Images of {name} are wanted, and this machine cannot make them: {reason}"
        if weights_sha256(name) != sha256:
            return f"Images of {name} are wanted with other weights than this machine has: bring it those of the site."
    return ""
