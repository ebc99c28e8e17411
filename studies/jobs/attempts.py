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

from studies.models import Job

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2
# What took minutes to make is not thrown away because the database restarts just when it is done.
OUTAGE_SECONDS = 120
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
    """
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
        logger.exception("%s failed", row)
        said = TOO_LATE if isinstance(error, SoftTimeLimitExceeded) else reason(error)
        _through_outages(lambda: mine.update(error=said, **finished(State.FAILED)))


def finished(state: str) -> dict[str, object]:
    """What a row gets, beside its results, when its attempt ends in this state."""
    return {"state": state, "claim": None, "heartbeat_at": None, "finished_at": Now()}


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
    """Run `action`, again and again while the database cannot be reached, for OUTAGE_SECONDS at most."""
    deadline = time.monotonic() + OUTAGE_SECONDS
    while True:
        try:
            action()
            return
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            logger.warning("a result cannot be noted (%s); trying again", error)
            connection.close()
            time.sleep(1)
