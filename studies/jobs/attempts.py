"""One attempt at a job: claim its row, say that it lives, make, store or say why not. Runs in a worker."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from studies.jobs.fitness import distrust, why_unfit
from studies.models import Job
from studies.storage.guard import StorageUnavailable

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2
# What took minutes to make is not thrown away because the database restarts just when it is done.
OUTAGE_SECONDS = 120
# Shorter: a storage that only this host does not see is there for another worker.
STORAGE_OUTAGE_SECONDS = 30
TOO_LATE = "It took longer than the time limit and was stopped."

State = Job.State
J = TypeVar("J", bound=Job)
M = TypeVar("M")


def attempt(
    rows: "QuerySet[J]",
    pk: int,
    *,
    make: Callable[[J], M],
    store: Callable[[J, "QuerySet[J]", M], None],
    reason: Callable[[Exception], str],
) -> None:
    """Make what the row of this key wants, if it is wanted and nobody else works on it, and store it.

    `store` gets the row, the same row as a queryset that is empty once this attempt has lost its claim, and what was
    made. What `make` or `store` raises ends as the row's state `failed` with `reason`'s words. Two calls at once, or
    one after the other, make it once. An attempt that lost its claim (its heartbeats did not arrive for long) leaves
    the row alone.

    Nothing fails for what is wrong with this worker or with the storage: then the row stays wanted, or is wanted again.
    """
    if why := why_unfit():
        logger.warning("a job is left to a worker that is fit; this one is not. %s", why)
        return
    claim = _claim(rows, pk)
    if claim is None:
        return
    row = rows.get(pk=pk)
    mine = rows.model._default_manager.filter(pk=pk, claim=claim, state=State.RUNNING)
    try:
        with Heartbeat(mine):
            made = make(row)
            _through_outages(lambda: store(row, mine, made))
    except (OperationalError, InterfaceError):
        # The database is away for long: the row stays as it is, and is taken for a dead worker's when it is back.
        raise
    except Exception as error:
        if why := str(error) if isinstance(error, StorageUnavailable) else why_unfit(trusted_seconds=0):
            logger.warning("%s is wanted again: %s", row, why)
            distrust()
            _through_outages(lambda: mine.update(**_wanted_again(why)))
            return
        logger.exception("%s failed", row)
        said = TOO_LATE if _is_late(error) else reason(error)
        _through_outages(lambda: mine.update(error=said, **finished(State.FAILED)))


def _is_late(error: BaseException | None) -> bool:
    """Whether Celery's time limit ended it, also where a method's failure was made of that."""
    return error is not None and (isinstance(error, SoftTimeLimitExceeded) or _is_late(error.__cause__))


def finished(state: str) -> dict[str, object]:
    """What a row gets, beside its results, when its attempt ends in this state."""
    return {"state": state, "claim": None, "heartbeat_at": None, "finished_at": Now()}


def _wanted_again(reason: str) -> dict[str, object]:
    """As if never begun; sent again after a pause, as if just sent. Not one of the attempts over which workers died."""
    return {
        "state": State.WANTED,
        "claim": None,
        "heartbeat_at": None,
        "sent_at": Now(),
        "attempts": F("attempts") - 1,
        "error": reason,
    }


def _claim(rows: "QuerySet[J]", pk: int) -> uuid.UUID | None:
    claim = uuid.uuid4()
    wanted = rows.model._default_manager.filter(pk=pk, state=State.WANTED)
    claimed = wanted.update(
        state=State.RUNNING, claim=claim, heartbeat_at=Now(), attempts=F("attempts") + 1, error=""
    )
    return claim if claimed else None


class Heartbeat:
    """While the block runs, a thread says in the row that this claim's attempt is alive."""

    def __init__(self, mine: "QuerySet[J]") -> None:
        self._row = mine
        self._done = threading.Event()
        self.beats = 0
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

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
                    logger.warning("no heartbeat could be written (%s); trying again", error)
                    connection.close()
        finally:
            connection.close()


def _through_outages(action: Callable[[], object]) -> None:
    """Run `action`, again and again while the database or the storage is away; at most for so long as each may be."""
    begun = time.monotonic()
    while True:
        try:
            action()
            return
        except StorageUnavailable as error:
            if time.monotonic() - begun > STORAGE_OUTAGE_SECONDS:
                raise
            logger.warning("a result cannot be stored (%s); trying again", error)
            time.sleep(1)
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() - begun > OUTAGE_SECONDS:
                raise
            logger.warning("a result cannot be noted (%s); trying again", error)
            connection.close()
            time.sleep(1)
