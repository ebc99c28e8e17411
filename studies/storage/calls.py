"""Calls that may hang, with an end: a few threads make them, and nobody waits longer for an answer than they said."""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# Nobody waits longer than this for a thread that is free. With all of them waiting for something that hangs, one more
# who waits helps nobody and keeps a thread of the web server from its other requests.
SECONDS_FOR_A_TURN = 0.25
# After an answer that did not come, so long nobody asks again.
SECONDS_TO_REST = 2.0


class NoAnswer(Exception):
    """The call has not ended in time, or was not begun because others hang. It may end later, unseen."""


class Calls:
    """Makes at most `at_once` calls at the same time, each in a thread that the end of the program does not wait for.

    A call that hangs keeps its thread until it ends; those who asked go on without it. Belongs to one process.
    """

    def __init__(self, at_once: int) -> None:
        self.process = os.getpid()
        self._turns = threading.Semaphore(at_once)
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._idle = 0
        self._lock = threading.Lock()
        self._rests_until = 0.0

    def make(self, action: Callable[[], T], *, seconds: float) -> T:
        """What `action` returns or raises. Raises NoAnswer after `seconds`."""
        if time.monotonic() < self._rests_until:
            raise NoAnswer("it did not answer a moment ago")
        if not self._turns.acquire(timeout=min(seconds, SECONDS_FOR_A_TURN)):
            raise NoAnswer("all that may wait for it at once are waiting")
        answer: Future[T] = Future()
        self._give_to_a_thread(answer, action)
        try:
            done = answer.exception(timeout=seconds)
        except TimeoutError:
            self._rests_until = time.monotonic() + SECONDS_TO_REST
            raise NoAnswer(f"it did not answer within {seconds:g} s") from None
        except BaseException:
            # Ctrl-C: whoever cleans up after this must not be overtaken by what is still under way.
            with contextlib.suppress(Exception):
                answer.exception(timeout=seconds)
            raise
        if done is not None:
            raise done
        return answer.result()

    def _give_to_a_thread(self, answer: "Future[Any]", action: Callable[[], Any]) -> None:
        with self._lock:
            start = self._idle == 0
            self._idle -= not start
        self._waiting.put((answer, action))
        if start:
            threading.Thread(target=self._work, name="storage", daemon=True).start()

    def _work(self) -> None:
        while True:
            answer, action = self._waiting.get()
            try:
                answer.set_result(action())
            except BaseException as error:
                answer.set_exception(error)
            # Not kept while it waits for the next: an image has a megabyte.
            del answer, action
            with self._lock:
                self._idle += 1
            self._turns.release()
