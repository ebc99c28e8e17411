"""Numba's compiler, with a cache on disk where there is a place for one, and bands of rows on all cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, cast

from numba import config, njit

P = ParamSpec("P")
T = TypeVar("T")

_BAND = 32  # rows a thread does at once: few enough to be shared evenly, and for a worker to be stopped soon


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile at the first call; the code runs without the interpreter's lock, so that threads work side by side.

    The machine code is kept beside the source, or in NUMBA_CACHE_DIR, or in the user's cache folder. Where none of
    them can be written, each process compiles anew.
    """
    # No fastmath: the same picture on every machine and from a fresh or a cached compilation.
    try:
        result = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no folder that it may write to
        result = njit(nogil=True, error_model="numpy")(function)
    return cast("Callable[P, T]", result)


class Bands:
    """Threads that run a compiled function on bands of rows: as many as there are cores, or NUMBA_NUM_THREADS.

    Not numba's own parallel loops: those abort the process when two Python threads use them at once, or after a fork.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._threads.shutdown(cancel_futures=True)

    def run(self, function: Callable[..., None], size: int, *arguments: object) -> None:
        """Call function(*arguments, first, last) for bands that cover 0..size; returns when all are done."""
        firsts = range(0, size, _BAND)
        done = [self._threads.submit(function, *arguments, first, min(first + _BAND, size)) for first in firsts]
        for band in done:
            band.result()
