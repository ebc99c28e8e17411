"""Measuring a study's images by a further metric, some at a time. Runs in a worker."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import QuerySet

from srcore.errors import SrcoreError
from srcore.images import ImageError, Pixels
from srcore.metrics import MetricUnavailable, Settings, get_metric
from srcore.metrics.metric import Comparison
from studies.content.sources import read_hr, read_stimulus
from studies.generation.metrics import rated_images, values_of
from studies.jobs.attempts import attempt, finished
from studies.jobs.dispatch import send_on_commit
from studies.models import MetricValue, SourceImage, Stimulus, StudyMetric
from studies.storage.marker import require_ours

# A worker's turn: other work waits no longer, and no more than this is lost with a worker.
TURN_SECONDS = 20.0


@dataclass(frozen=True)
class Turn:
    """What was measured, and how many images are left."""

    values: list[MetricValue]
    left: int


def measure(study_metric: int) -> None:
    """Measure images that the metric of this row still lacks, as studies.jobs.attempts.attempt says."""
    attempt(StudyMetric.objects.select_related("study"), study_metric, make=_make, store=_store, reason=_reason)


def _make(row: StudyMetric) -> Turn:
    images = rated_images(row.study)
    has = set(values_of(images, [row.metric]).values_list("stimulus_id", flat=True))
    lacking = [stimulus for stimulus in images if stimulus.pk not in has]
    if lacking:
        _comparison(row.metric, lacking[0].source.benchmark.scale)  # what it needs is loaded before the turn begins
    values: list[MetricValue] = []
    hr_of = lru_cache(maxsize=1)(read_hr)  # the images of one source follow each other
    end = time.monotonic() + TURN_SECONDS
    for stimulus in lacking:
        values.append(_value(row.metric, stimulus, hr_of))
        if time.monotonic() > end:
            break
    return Turn(values, len(lacking) - len(values))


def _value(metric: str, stimulus: Stimulus, hr_of: Callable[[SourceImage], Pixels]) -> MetricValue:
    """With what is wrong with the image in place of a value. Raises StorageUnavailable."""
    try:
        compare = _comparison(metric, stimulus.source.benchmark.scale)
        score = compare(hr_of(stimulus.source), read_stimulus(stimulus))
        if score != score:
            raise ImageError(f"{metric} gives no number for this image")
        return MetricValue(stimulus=stimulus, metric=metric, value=score)
    except (FileNotFoundError, ImageError, MemoryError) as error:
        if isinstance(error, FileNotFoundError):
            require_ours()  # where the storage is away, all its images look gone
        said = "the worker has too little memory for it" if isinstance(error, MemoryError) else str(error)
    return MetricValue(stimulus=stimulus, metric=metric, problem=said)


@lru_cache(maxsize=2)
def _comparison(name: str, crop: int) -> Comparison:
    """The metric, ready to compare. Networks run on the CPU: it gives the same figures on every worker."""
    metric = get_metric(name)
    settings = Settings(crop=crop, device="cpu")
    if reason := metric.needs(settings):
        raise MetricUnavailable(f"{metric.title} cannot be measured on {socket.gethostname()}: {reason}")
    prepared = metric.prepare(settings)

    def compare(hr: Pixels, sr: Pixels) -> float:
        """What a package raises of its own about a picture is an ImageError."""
        try:
            return float(prepared(hr, sr))
        except (SrcoreError, MemoryError, SoftTimeLimitExceeded):
            raise
        except Exception as error:
            raise ImageError(f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]) from error

    return compare


def _store(row: StudyMetric, mine: "QuerySet[StudyMetric]", turn: Turn) -> None:
    """The values count whoever measured them; the row is done, or wanted for the next turn."""
    with transaction.atomic():
        MetricValue.objects.bulk_create(turn.values, ignore_conflicts=True, batch_size=200)
        if not turn.left:
            mine.update(error="", **finished(StudyMetric.State.DONE))
        elif mine.update(
            state=StudyMetric.State.WANTED, claim=None, heartbeat_at=None, sent_at=None, attempts=0, error=""
        ):
            send_on_commit(StudyMetric, [row.pk])


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SrcoreError | OSError) else f"{type(error).__name__}: {error}"
