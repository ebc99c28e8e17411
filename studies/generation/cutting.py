"""Cutting a study's region of one source out of every image, and finding its place by seed. Runs in a worker."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from numpy.typing import NDArray
from PIL import Image

from srcore.color import bt601_luma
from srcore.errors import SrcoreError
from studies.content.sources import cut_of, discard, png_of, read_stimulus
from studies.generation.requests import want_regions
from studies.jobs.attempts import attempt, finished
from studies.models import Cut, Stimulus, StudyRegion
from studies.models.region import cut_path
from studies.protocol.checks import TRAP
from studies.protocol.regions import compared, drawn_from
from studies.protocol.slots import slots
from studies.storage.marker import require_ours

logger = logging.getLogger(__name__)

# A place is drawn among those where the methods differ by so much of what they differ at the most.
SHARE_OF_MOST = 0.9


class NothingToDrawFrom(Exception):
    """A region is to be drawn by seed, and there is no image to draw it from."""


_SAID = (SrcoreError, OSError, NothingToDrawFrom)


@dataclass(frozen=True)
class Made:
    """The place, what it was drawn from (empty: set by hand), and the new cuts with their PNG."""

    left: int
    top: int
    drawn_from: str
    cuts: list[tuple[Cut, bytes]]


def cut(region: int) -> None:
    """Cut the region of this row out of the images that lack it, as studies.jobs.attempts.attempt says."""
    rows = StudyRegion.objects.select_related("study", "source__benchmark")
    attempt(rows, region, make=_make, store=_store, reason=_reason)


def most_different(
    luma_of: Iterable[NDArray[np.uint8]], *, width: int, height: int, seed: int, name: str
) -> tuple[int, int]:
    """(left, top) of a region of this size, drawn among those in which these versions of one image differ most.

    `luma_of`: each version's luma, uint8 (H, W), one at least. How much they differ is the mean square about their
    mean, summed over the region; what has `SHARE_OF_MOST` of the largest sum is drawn from, by `seed` and the image's
    `name`.
    """
    number, total, squares = 0, np.zeros(()), np.zeros(())
    for luma in luma_of:
        version = luma.astype(np.float64)
        number, total, squares = number + 1, total + version, squares + version**2
    variance = np.maximum(squares / number - (total / number) ** 2, 0)
    summed = np.zeros((variance.shape[0] + 1, variance.shape[1] + 1))
    summed[1:, 1:] = variance.cumsum(axis=0).cumsum(axis=1)
    within = summed[height:, width:] - summed[:-height, width:] - summed[height:, :-width] + summed[:-height, :-width]
    places = np.flatnonzero(within >= SHARE_OF_MOST * within.max())
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    place = int(np.random.default_rng(int.from_bytes(digest[:8], "big")).choice(places))
    top, left = divmod(place, within.shape[1])
    return left, top


def _make(row: StudyRegion) -> Made:
    images = _images(row)
    if row.left is None or row.top is None:
        if not images:
            raise NothingToDrawFrom(f"The study has no images of {row.source} any more.")
        versions = (bt601_luma(read_stimulus(image)) for image in compared(images))
        row.left, row.top = most_different(
            versions, width=row.width, height=row.height, seed=row.seed or 0, name=str(row.source)
        )
        row.drawn_from = drawn_from(images)
    has = set(row.cuts.values_list("stimulus", flat=True))
    cuts = []
    for image in images:
        if image.pk not in has:
            png, facts = _reduced(row, image) if image.method.name == TRAP else cut_of(row, image)
            cuts.append((Cut(region=row, stimulus=image, **facts), png))
    return Made(row.left, row.top, row.drawn_from, cuts)


def _store(row: StudyRegion, mine: "QuerySet[StudyRegion]", made: Made) -> None:
    """Files first, not within a transaction; the rows then, unless the region was moved meanwhile."""
    for of_image, png in made.cuts:
        if not mine.update(heartbeat_at=Now()):
            break
        of_image.file = of_image.file.storage.save(cut_path(of_image, ""), ContentFile(png))
    else:
        require_ours()
        with transaction.atomic():
            place = {"left": made.left, "top": made.top, "drawn_from": made.drawn_from}
            if mine.update(**place, **finished(StudyRegion.State.DONE)):
                Cut.objects.bulk_create(of_image for of_image, _ in made.cuts)
                row.refresh_from_db()
                if _lacking(row):  # made since this attempt began
                    want_regions(StudyRegion.objects.filter(pk=row.pk))
                return
    logger.warning("%s was moved or taken over by another worker; what was cut is dropped", row)
    discard(of_image.file for of_image, _ in made.cuts if of_image.file)


def _reduced(row: StudyRegion, trap: Stimulus) -> tuple[bytes, dict[str, str | int]]:
    """A trap made smaller, so that its number is seen whole, whichever part of the image the region is."""
    picture = Image.fromarray(read_stimulus(trap)).resize((row.width, row.height), Image.Resampling.LANCZOS)
    return png_of(np.asarray(picture, dtype=np.uint8).copy())


def _images(row: StudyRegion) -> Sequence[Stimulus]:
    """The images that the study has of the source, each once."""
    found = {
        slot.stimulus.pk: slot.stimulus
        for slot in slots(row.study)
        if slot.stimulus and slot.source.pk == row.source_id
    }
    return [found[pk] for pk in sorted(found)]


def _lacking(row: StudyRegion) -> bool:
    return bool({image.pk for image in _images(row)} - set(row.cuts.values_list("stimulus", flat=True)))


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "The worker has too little memory for its images."
    return str(error) if isinstance(error, _SAID) else f"{type(error).__name__}: {error}"
