"""Who has withdrawn, as a list without data: the sha256 of an invitation's token, and when.

A backup made before a withdrawal still holds what was erased. This list is what keeps it from coming back: one small
file for each withdrawal in the image storage, apart from the database, and `erased.txt` beside every backup.
"""

import hashlib
import logging
import re
from datetime import datetime

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from studies.models import Rater

logger = logging.getLogger(__name__)

FOLDER = "erased"
_LINE = re.compile(r"([0-9a-f]{64}) (\S+)")

Erased = dict[str, datetime]


def fingerprint(token: str) -> str:
    """sha256 of a token's 192 random bits: says nothing, and belongs to one rater only."""
    return hashlib.sha256(token.encode()).hexdigest()


def note_erased(token: str, when: datetime) -> None:
    """Note a withdrawal in the storage. A storage that fails is logged; `verify --repair` notes it later."""
    try:
        _note(fingerprint(token), when)
    except Exception:
        logger.exception("a withdrawal could not be noted in the image storage; run manage.py verify --repair")


def note_again(key: str) -> None:
    """Note a withdrawal that the database knows and the storage does not. Raises what the storage does."""
    _note(key, erased_here()[key])


def _note(key: str, when: datetime) -> None:
    if not default_storage.exists(f"{FOLDER}/{key}"):
        default_storage.save(f"{FOLDER}/{key}", ContentFile(when.isoformat().encode()))


def erased_here() -> Erased:
    """Everybody who has withdrawn, as the database knows them."""
    withdrawn = Rater.objects.exclude(withdrawn_at=None).values_list("token", "withdrawn_at")
    return {fingerprint(token): when for token, when in withdrawn if when}


def noted_in_storage() -> Erased:
    """Everybody who has withdrawn, as the storage knows them: perhaps after the backup that is being restored."""
    try:
        _, names = default_storage.listdir(FOLDER)
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        if re.fullmatch(r"[0-9a-f]{64}", name):
            with default_storage.open(f"{FOLDER}/{name}") as file:
                found[name] = datetime.fromisoformat(file.read().decode())
    return found


def as_text(erased: Erased) -> str:
    head = "# Who has withdrawn: sha256 of the invitation's token, and when. For manage.py restore --erased.\n"
    return head + "".join(f"{key} {when.isoformat()}\n" for key, when in sorted(erased.items()))


def read_text(text: str) -> Erased:
    """Raises ValueError naming the line that is none."""
    found: Erased = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"line {number} is not a sha256 and a time")
        found[match[1]] = datetime.fromisoformat(match[2])
    return found
