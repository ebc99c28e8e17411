"""The bytes of an image for a rater: from this host's copy or from the storage, and never other ones than were made."""

import hashlib
import logging
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone
from django.utils.translation import gettext_lazy

from studies.access import Refusal
from studies.content.sources import has_pixels
from studies.models import SourceImage, Stimulus, StudyEvent, StudyRegion
from studies.rating.statements import OwnTrial
from studies.storage.cache import ImageCache
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import why_not_ours

logger = logging.getLogger(__name__)

# An image that is missing is asked for again and again; the researchers are told this seldom.
EVENT_EVERY = timedelta(hours=1)

_known_whole: set[tuple[int, str]] = set()


class ImageUnavailable(Refusal):
    """It is missing or damaged, and staff were told."""

    status, code = 503, "image-unavailable"
    message = gettext_lazy("This image cannot be shown now. The researchers have been told. Your ratings are kept.")


def image_bytes(trial: OwnTrial) -> bytes:
    """The PNG of the trial's image. Raises StorageUnavailable, or ImageUnavailable once that is an event for staff."""
    if not trial.image:  # a draft that staff try, whose region was moved meanwhile
        raise _told(trial, "region not cut")
    cache = ImageCache(settings.IMAGE_CACHE_DIR, megabytes=settings.IMAGE_CACHE_MB)
    if (copy := cache.get(trial.image_sha256)) is not None:
        return copy
    try:
        with default_storage.open(trial.image) as file:
            png: bytes = file.read()
    except FileNotFoundError:
        if reason := why_not_ours():
            raise StorageUnavailable(reason) from None
        raise _told(trial, "image missing") from None
    if not _is_whole(png, trial):
        raise _told(trial, "image damaged")
    cache.put(trial.image_sha256, png)
    return png


def shows_whole_image(trial: OwnTrial) -> bool:
    """Whether the study has the whole image seen, small, before the region that the trial shows."""
    source = Stimulus.objects.values("source").filter(pk=trial.stimulus)
    return StudyRegion.objects.filter(study=trial.study, study__orientation_ms__gt=0, source__in=source).exists()


def whole_image_bytes(trial: OwnTrial) -> bytes:
    """The PNG of the low-resolution image from which all methods made the trial's. Raises as `image_bytes`."""
    source = SourceImage.objects.get(stimuli=trial.stimulus)
    try:
        with source.lr.open("rb") as file:
            png: bytes = file.read()
    except FileNotFoundError:
        if reason := why_not_ours():
            raise StorageUnavailable(reason) from None
        raise _told(trial, "low-resolution image missing") from None
    return png


def _is_whole(png: bytes, trial: OwnTrial) -> bool:
    sha256 = hashlib.sha256(png).hexdigest()
    if trial.image_sha256:
        return sha256 == trial.image_sha256
    # Stored when rows did not name their file's sha256: told by its pixels, once in each process.
    if (trial.stimulus, sha256) not in _known_whole:
        pixels = Stimulus.objects.values_list("pixels_sha256", flat=True).get(pk=trial.stimulus)
        if not has_pixels(png, pixels):
            return False
        _known_whole.add((trial.stimulus, sha256))
    return True


def _told(trial: OwnTrial, kind: str) -> ImageUnavailable:
    """Note it in the study's events, where staff see it, unless that was done a short while ago."""
    now = timezone.now()
    events = StudyEvent.objects.filter(study_id=trial.study, kind=kind)
    if not events.filter(at__gt=now - EVENT_EVERY, detail__stimulus=trial.stimulus).exists():
        stimulus = Stimulus.objects.select_related("source__benchmark", "method").get(pk=trial.stimulus)
        detail = {"stimulus": trial.stimulus, "image": str(stimulus), "file": trial.image}
        StudyEvent.objects.create(study_id=trial.study, at=now, kind=kind, detail=detail)
        logger.error("%s: %s, stored as %s; raters cannot go on there", kind, stimulus, trial.image)
    return ImageUnavailable()
