"""Making one image: from a claimed row to a stored file with its measures. The only importer of srcore.methods."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.base import ContentFile
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from srcore.errors import TimeLimitExceeded
from srcore.images import ImageError, Pixels, encode_png
from srcore.methods import run
from srcore.metrics import measure
from srcore.registry import METHODS, MethodUnavailable
from studies.limits import seconds_allowed
from studies.models import Stimulus
from studies.models.content import stimulus_path
from studies.selection import generated_key
from studies.sources import pixels_sha256, read_source

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2
# What took minutes to make is not thrown away because the database restarts just when it is done.
OUTAGE_SECONDS = 120

State = Stimulus.State


class Outdated(Exception):
    """The image was asked for with weights or code that are not installed any more."""


@dataclass(frozen=True)
class Made:
    """An image and what is known about it: PSNR in dB and SSIM by the recipe `paper`, the method's run time."""

    pixels: Pixels
    psnr: float
    ssim: float
    seconds: float
    device: str


def render(stimulus: int) -> None:
    """Make, measure and store the image of this row, if it is wanted and nobody else works on it.

    What the method raises ends as the row's state `failed` with a reason. Two calls at once, or one after the other,
    make it once. An attempt that lost its claim (its heartbeats did not arrive for long) leaves row and file alone.
    """
    claim = _claim(stimulus)
    if claim is None:
        return
    row = Stimulus.objects.select_related("source__benchmark", "method").get(pk=stimulus)
    try:
        with Heartbeat(stimulus, claim):
            made = _make(row)
            png = encode_png(made.pixels)
        _through_outages(lambda: _store(row, claim, made, png))
    except (OperationalError, InterfaceError):
        # The database is away for long: the row stays as it is, and is taken for a dead worker's when it is back.
        raise
    except Exception as error:
        logger.exception("%s failed", row)
        reason = _reason(error)
        _through_outages(lambda: _record_failure(row, claim, reason))


def _claim(stimulus: int) -> uuid.UUID | None:
    claim = uuid.uuid4()
    claimed = Stimulus.objects.filter(pk=stimulus, state=State.WANTED).update(
        state=State.RUNNING, claim=claim, heartbeat_at=Now(), attempts=F("attempts") + 1, error=""
    )
    return claim if claimed else None


class Heartbeat:
    """While the block runs, a thread says in the row that this claim's attempt is alive."""

    def __init__(self, stimulus: int, claim: uuid.UUID) -> None:
        self._row = Stimulus.objects.filter(pk=stimulus, claim=claim, state=State.RUNNING)
        self._done = threading.Event()
        self.beats = 0
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat {stimulus}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._done.wait(HEARTBEAT_SECONDS):
                try:
                    self._row.update(heartbeat_at=Now())
                    self.beats += 1
                except (OperationalError, InterfaceError) as error:
                    logger.warning("no heartbeat could be written (%s); trying on", error)
                    connection.close()
        finally:
            connection.close()


def _make(row: Stimulus) -> Made:
    name = row.method.name
    if name not in METHODS or any(getattr(row, key) != value for key, value in generated_key(name).items()):
        raise Outdated(f"It was asked for with other weights or code of {name} than are installed now: ask again.")
    hr, lr = read_source(row.source)
    if METHODS[name].kind == "reference":
        pixels, seconds, device = hr, 0.0, ""
    else:
        # Celery's limits do not work in a worker with --pool=solo, which is how a GPU is used.
        limit = seconds_allowed(row.source.width, row.source.height)
        pixels, seconds, device = run(lr, name, time_limit=limit)
    psnr, ssim = measure(hr, pixels, recipe="paper")
    return Made(pixels, psnr, ssim, seconds, device)


def _store(row: Stimulus, claim: uuid.UUID, made: Made, png: bytes) -> None:
    with transaction.atomic():
        # The update's lock on the row keeps every other attempt from its file until the row says that it is there.
        mine = Stimulus.objects.filter(pk=row.pk, claim=claim, state=State.RUNNING)
        if not mine.update(heartbeat_at=Now()):
            logger.warning("%s was taken over by another worker; this result is dropped", row)
            return
        mine.update(
            file=row.file.storage.save(stimulus_path(row, ""), ContentFile(png)),
            pixels_sha256=pixels_sha256(made.pixels),
            psnr=made.psnr,
            ssim=made.ssim,
            seconds=made.seconds,
            device=made.device,
            **_finished(State.DONE),
        )


def _record_failure(row: Stimulus, claim: uuid.UUID, reason: str) -> None:
    mine = Stimulus.objects.filter(pk=row.pk, claim=claim, state=State.RUNNING)
    mine.update(error=reason, **_finished(State.FAILED))


def _finished(state: str) -> dict[str, object]:
    return {"state": state, "claim": None, "heartbeat_at": None, "finished_at": Now()}


def _reason(error: Exception) -> str:
    """One paragraph for staff; the traceback is in the worker's log."""
    if isinstance(error, SoftTimeLimitExceeded | TimeLimitExceeded):
        return "It took longer than the time limit and was stopped."
    if isinstance(error, MemoryError):
        return "The worker has too little memory for this image."
    if isinstance(error, ImageError | MethodUnavailable | Outdated | OSError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _through_outages(action: Callable[[], None]) -> None:
    """Run `action`, again and again while the database cannot be reached, for OUTAGE_SECONDS at most."""
    deadline = time.monotonic() + OUTAGE_SECONDS
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            logger.warning("a result cannot be noted (%s); trying on", error)
            connection.close()
            time.sleep(1)
