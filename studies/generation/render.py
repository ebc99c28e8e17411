"""Making one image: from a claimed row to a stored file with its measures. The only importer of srcore.methods."""

import logging
from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.db.models.functions import Now

from srcore.errors import SrcoreError, TimeLimitExceeded
from srcore.methods.running import Output, run
from srcore.metrics import measure
from srcore.registry import METHODS
from studies.content.sources import png_of, read_source
from studies.content.stimuli import generated_key
from studies.generation.requests import want_regions
from studies.jobs.attempts import TOO_LATE, attempt, finished
from studies.models import Stimulus, StudyRegion
from studies.models.content import stimulus_path
from studies.storage.marker import require_ours

logger = logging.getLogger(__name__)


class Outdated(Exception):
    """The image was asked for with weights or code that are not installed any more."""


@dataclass(frozen=True)
class Made:
    """An image and what is known about it: PSNR in dB and SSIM by the recipe `paper`, and how it was made."""

    output: Output
    psnr: float
    ssim: float


def render(stimulus: int) -> None:
    """Make, measure and store the image of this row, as studies.jobs.attempts.attempt says."""
    rows = Stimulus.objects.select_related("source__benchmark", "method")
    attempt(rows, stimulus, make=_make, store=_store, reason=_reason)


def _make(row: Stimulus) -> Made:
    name = row.method.name
    if name not in METHODS:
        raise Outdated(f"The worker does not know {name}: it was removed, or added on another machine only.")
    if any(getattr(row, key) != value for key, value in generated_key(name).items()):
        raise Outdated(f"It was asked for with other weights or code of {name} than are installed now: ask again.")
    (hr, lr), scale = read_source(row.source), row.source.benchmark.scale
    if METHODS[name].kind == "reference":
        made = Output(hr, 0.0, "")
    else:
        # Celery's limits do not work in a worker with --pool=solo, which is how a GPU is used.
        made = run(lr, name, scale=scale, time_limit=row.seconds_allowed)
    return Made(made, *measure(hr, made.pixels, recipe="paper", crop=scale))


def _store(row: Stimulus, mine: "QuerySet[Stimulus]", made: Made) -> None:
    png, facts = png_of(made.output.pixels)
    # Not within a transaction, for which on SQLite every rating would wait, however long the storage takes. An attempt
    # that stood still and lost its claim between these lines writes over the file what another made of the same.
    if mine.update(heartbeat_at=Now()):
        name = row.file.storage.save(stimulus_path(row, ""), ContentFile(png))
        require_ours()
        stored = mine.update(
            file=name,
            psnr=made.psnr,
            ssim=made.ssim,
            seconds=made.output.seconds,
            device=made.output.device,
            sees=made.output.sees,
            **facts,
            **finished(Stimulus.State.DONE),
        )
        if stored:
            want_regions(StudyRegion.objects.filter(source=row.source_id))
            return
    logger.warning("%s was taken over by another worker; this result is dropped", row)


def _reason(error: Exception) -> str:
    """One paragraph for staff; the traceback is in the worker's log."""
    if isinstance(error, TimeLimitExceeded):
        return TOO_LATE
    if isinstance(error, MemoryError):
        return "The worker has too little memory for this image."
    if isinstance(error, SrcoreError | Outdated | OSError):
        return str(error)
    return f"{type(error).__name__}: {error}"
