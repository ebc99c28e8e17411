"""The thread in every worker that says which queues are read, and sends again what was lost.

A worker proves that it is fit before it reads a queue: until then it waits here. Once it is not fit any more it leaves,
for whoever keeps it running to start it again: then it waits until it is, with the code that is there then.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown
from django.db import Error, connections
from django.db.models.functions import Now

from studies.jobs.dispatch import BrokerUnreachable, ago, reconcile
from studies.jobs.fitness import CODE_VERSION, why_unfit
from studies.models import Worker

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5
# A longer silence between two beats is a gap: the database was away, this process was stopped, or the machine asleep.
GAP = timedelta(seconds=3 * BEAT_SECONDS)
FORGET_SECONDS = 3600
# What else a worker looks after, registered by other rooms (studies.apps), and how often.
ALSO: list[Callable[[], None]] = []
ALSO_EVERY_SECONDS = 30
# A storage may be busy for a moment; in so many beats one after the other it is away.
UNFIT_BEATS = 2

# A child process must not inherit an open SQLite connection (the library's locks would lie in the child), so the pool
# forks only between two beats, when this thread holds none.
_beating = threading.Lock()
os.register_at_fork(before=_beating.acquire, after_in_parent=_beating.release, after_in_child=_beating.release)


class Watch(threading.Thread):
    """Every BEAT_SECONDS: note that the worker lives, then reconcile. No failure of either stops it."""

    def __init__(self, *, name: str, queues: Iterable[str]) -> None:
        super().__init__(name="watch", daemon=True)
        self._worker = name
        self._queues = sorted(queues)
        self._stopped = threading.Event()
        self._steady_since: datetime | None = None
        self._last_beat: datetime | None = None
        self._broker_away = False
        self._unfit_beats = 0
        self._looked_at = 0.0

    def run(self) -> None:
        while True:
            with _beating:
                self.beat()
            if self._stopped.wait(BEAT_SECONDS):
                return

    def stop(self) -> None:
        """No more beats; the worker is forgotten at once, so that nothing is routed to it.

        One that left because it is unfit reads no queue already; its row tells staff why.
        """
        self._stopped.set()
        self.join()
        Worker.objects.filter(name=self._worker, unfit="").delete()

    def beat(self) -> None:
        """One beat. Raises nothing."""
        try:
            reason = why_unfit()
            self._unfit_beats = self._unfit_beats + 1 if reason else 0
            watched = self._watched(note_worker(self._worker, queues=[] if reason else self._queues, unfit=reason))
            if self._unfit_beats >= UNFIT_BEATS:
                self._leave(reason)
            elif not reason:
                reconcile(watched_seconds=watched)
                self._look_after()
            self._broker_away = False
        except BrokerUnreachable as error:
            # Said once an outage, not every five seconds.
            logger.log(logging.DEBUG if self._broker_away else logging.WARNING, "%s; trying again", error)
            self._broker_away = True
        except Error as error:
            # The next beat that arrives begins the count.
            self._last_beat = None
            logger.warning("the database cannot be reached (%s); trying again", error)
        except Exception:
            logger.exception("a beat of the worker failed; trying again")
        finally:
            connections.close_all()

    def _look_after(self) -> None:
        """What other rooms ask for, in one worker of this name at a time and not at every beat."""
        if time.monotonic() - self._looked_at >= ALSO_EVERY_SECONDS:
            self._looked_at = time.monotonic()
            for look in ALSO:
                look()

    def _watched(self, now: datetime) -> float:
        """For how many seconds beats have followed each other without a gap, given this beat's time.

        By the database's clock, for by it others' heartbeats are judged. A clock that stands still while a laptop
        sleeps would see no gap where all heartbeats have become old; nor would this host's see the database's set anew.
        """
        if self._steady_since is None or self._last_beat is None or not timedelta(0) <= now - self._last_beat <= GAP:
            self._steady_since = now
        self._last_beat = now
        return (now - self._steady_since).total_seconds()

    def _leave(self, reason: str) -> None:
        """Ask this process to end as an operator does: what is under work is finished or wanted again."""
        logger.error("this worker leaves, as it is not fit any more. %s", reason)
        os.kill(os.getpid(), signal.SIGTERM)
        self._stopped.set()


def note_worker(name: str, *, queues: Iterable[str], unfit: str) -> datetime:
    """Say in the worker's row that it lives. Returns the database's time."""
    seen: dict[str, Any] = {"queues": sorted(queues), "unfit": unfit, "code_version": CODE_VERSION, "seen_at": Now()}
    if not Worker.objects.filter(name=name).update(**seen):
        Worker.objects.create(name=name, **seen)
    Worker.objects.filter(seen_at__lt=ago(FORGET_SECONDS)).delete()
    return Worker.objects.values_list("seen_at", flat=True).get(name=name)


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def wait_until_fit(sender: str, **kwargs: Any) -> None:
    """Before the worker reads a queue, however long it takes; staff see in its row what it waits for."""
    said = ""
    while reason := _why_not_yet(sender):
        # Said when it changes, not every five seconds.
        if reason != said:
            logger.error("%s reads no queue, as it is not fit. %s", sender, reason)
        said = reason
        time.sleep(BEAT_SECONDS)


def _why_not_yet(worker: str) -> str:
    try:
        reason = why_unfit()
        if reason:
            note_worker(worker, queues=[], unfit=reason)
        return reason
    except Error as error:
        return f"The database cannot be reached, or was not made ready by 'manage.py migrate' ({error})."
    finally:
        connections.close_all()


_watch: Watch | None = None


@worker_ready.connect  # type: ignore[untyped-decorator]
def start_watch(sender: Any, **kwargs: Any) -> None:
    global _watch
    _watch = Watch(name=sender.hostname, queues=sender.app.amqp.queues.consume_from)
    _watch.start()


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def stop_watch(**kwargs: Any) -> None:
    if _watch:
        _watch.stop()
