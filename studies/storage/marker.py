"""The file that tells this site's image storage from any other place: a random value that the database has too.

A folder that is not mounted, a host with a folder of its own, another bucket: all look like a storage that works, in
which files happen to be missing.
"""

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from studies.models import Installation, SourceImage
from studies.storage.guard import StorageUnavailable

NAME = "mosweb-storage.txt"
NOT_MARKED = "The image storage was never marked as this site's: run 'manage.py mark_storage' where the images are."
# Enough to tell a storage with this site's images from an empty one.
IMAGES_LOOKED_FOR = 3


class NotTheStorage(Exception):
    """This is not the place where this site's images are; the message says what tells so."""


def why_not_ours() -> str:
    """What is wrong with the image storage that this process sees, and what to do; "" if it is this site's and answers.

    Asks the database for the marker and the storage for its file. Raises nothing of the storage's.
    """
    installation = Installation.objects.filter(pk=1).first()
    if installation is None or not installation.storage_marked_at:
        return NOT_MARKED
    try:
        found = _found()
    except StorageUnavailable as error:
        return str(error)
    if found == installation.storage_marker:
        return ""
    return (
        f"The image storage that is seen here has {'no marker' if found is None else 'the marker of another site'} "
        f"({NAME}): it is not this site's. Is it mounted, are MOSWEB_VAR and MOSWEB_IMAGE_STORAGE the same everywhere?"
    )


def require_ours() -> None:
    """Asked before a row says that a file was written or is gone: a folder that is not mounted takes any, and has none.

    Raises StorageUnavailable.
    """
    if reason := why_not_ours():
        raise StorageUnavailable(reason)


def mark() -> None:
    """Mark the storage that this process sees as this site's, unless it is. Raises NotTheStorage, StorageUnavailable.

    Refused where the marker of another site is, and where images that the database knows are not.
    """
    installation, _ = Installation.objects.get_or_create(pk=1)
    found = _found()
    if found is not None and found != installation.storage_marker:
        raise NotTheStorage(
            f"{NAME} in the image storage is another site's. Name another storage (MOSWEB_VAR, MOSWEB_IMAGE_STORAGE), "
            "or, if the site with that database is gone for good, remove the file."
        )
    if found is None:
        _require_images()
        default_storage.save(NAME, ContentFile(installation.storage_marker.encode()))
    Installation.objects.filter(pk=1, storage_marked_at=None).update(storage_marked_at=timezone.now())


def mark_new_storage() -> None:
    """What the first import does: where no storage is marked yet, it is the one that the images go to."""
    if not Installation.objects.filter(pk=1, storage_marked_at__isnull=False).exists():
        mark()


def _found() -> str | None:
    try:
        with default_storage.open(NAME) as file:
            return str(file.read().decode(errors="replace")).strip()
    except FileNotFoundError:
        return None


def _require_images() -> None:
    for source in SourceImage.objects.order_by("-pk")[:IMAGES_LOOKED_FOR]:
        if not default_storage.exists(source.hr.name or ""):
            raise NotTheStorage(
                f"The image storage that is seen here lacks {source.hr.name}, the picture of {source}: it is not this "
                "site's. Bring the images back, or name the storage that has them."
            )
