"""The thread in every worker that says which queues are read, and sends again what was lost."""

import logging
import os
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.db import Error, connections
from django.db.models.functions import Now

from studies.jobs.dispatch import BrokerUnreachable, ago, reconcile
from studies.models import Worker

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5
# A longer silence between two beats is a gap: the database was away, this process was stopped, or the machine asleep.
GAP = timedelta(seconds=3 * BEAT_SECONDS)
FORGET_SECONDS = 3600

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

    def run(self) -> None:
        while True:
            with _beating:
                self.beat()
            if self._stopped.wait(BEAT_SECONDS):
                return

    def stop(self) -> None:
        """No more beats; the worker is forgotten at once, so that nothing is routed to it."""
        self._stopped.set()
        self.join()
        Worker.objects.filter(name=self._worker).delete()

    def beat(self) -> None:
        """One beat. Raises nothing."""
        try:
            watched = self._watched(self._note_worker())
            reconcile(watched_seconds=watched)
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

    def _watched(self, now: datetime) -> float:
        """For how many seconds beats have followed each other without a gap, given this beat's time.

        By the database's clock, for by it others' heartbeats are judged. A clock that stands still while a laptop
        sleeps would see no gap where all heartbeats have become old; nor would this host's see the database's set anew.
        """
        if self._steady_since is None or self._last_beat is None or not timedelta(0) <= now - self._last_beat <= GAP:
            self._steady_since = now
        self._last_beat = now
        return (now - self._steady_since).total_seconds()

    def _note_worker(self) -> datetime:
        """Returns the database's time."""
        seen: dict[str, Any] = {"queues": self._queues, "seen_at": Now()}
        if not Worker.objects.filter(name=self._worker).update(**seen):
            Worker.objects.create(name=self._worker, **seen)
        Worker.objects.filter(seen_at__lt=ago(FORGET_SECONDS)).delete()
        return Worker.objects.values_list("seen_at", flat=True).get(name=self._worker)


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
