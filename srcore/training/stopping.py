"""When a run ends early: on a signal, which saves first, and on a loss that runs away."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_WARM = 50  # looks at the losses before one can run away
_DECAY = 0.95
_FAR = 100.0  # times the lowest mean; a batch's loss varies a few times, DRCN's leapt a hundredfold


class Signals:
    """SIGINT and SIGTERM are noted and not obeyed at once; a second one is. In another thread than the main one, none.

    `received` is the signal's name, or "".
    """

    def __init__(self) -> None:
        self.received, self.number = "", 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received, self.number = signal.Signals(number).name, number
        signal.signal(number, self._before[number])


class Runaway:
    """Whether a loss has left where it was: its running mean is a hundred times the lowest that it has been."""

    def __init__(self) -> None:
        self.mean, self.lowest, self._seen = 0.0, float("inf"), 0

    def sees(self, loss: float) -> bool:
        """Take the next loss; True if it has run away. Raises nothing for what is not a finite number."""
        self._seen += 1
        self.mean = loss if self._seen == 1 else _DECAY * self.mean + (1 - _DECAY) * loss
        if self._seen < _WARM:
            return False
        self.lowest = min(self.lowest, self.mean)
        return self.mean > _FAR * self.lowest > 0
