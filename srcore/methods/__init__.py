"""How a method's name becomes a picture. Torch is loaded only when a network runs."""

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from srcore.errors import TimeLimitExceeded
from srcore.images import Pixels, check_pixels
from srcore.methods.classical import CLASSICAL
from srcore.registry import MethodUnavailable, get_method, why_unavailable

Progress = Callable[[float], None]


class Output(NamedTuple):
    """A picture, the wall time it took in seconds, and the device that made it, such as "cpu" or "cuda:0"."""

    pixels: Pixels
    seconds: float
    device: str


def upscale(
    lr: Pixels,
    name: str,
    *,
    device: str = "auto",
    iterations: int | None = None,
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> Pixels:
    """uint8 (H, W, 3) RGB or (H, W) grey -> the same, 4 times larger, by the method of that name.

    `device` is "auto", "cpu" or "cuda" and matters to networks only; `progress` is called with the fraction done,
    0 to 1; `iterations` are SelfExSR's search rounds; a network or SelfExSR is given up after `time_limit` seconds.
    Raises UnknownMethod, MethodUnavailable (also for iterations of a method that has none), ImageError for other
    arrays, ValueError for fewer than one iteration, and RuntimeError for the time limit (errors.TimeLimitExceeded)
    or a device that is not there (inference.DeviceError).
    """
    output = run(lr, name, device=device, iterations=iterations, progress=progress, time_limit=time_limit)
    return output.pixels


def run(
    lr: Pixels,
    name: str,
    *,
    device: str = "auto",
    iterations: int | None = None,
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> Output:
    """As `upscale`, and says how long it took and where it ran."""
    check_pixels(lr)
    method = get_method(name)
    if method.kind != "upscaler":
        raise MethodUnavailable(f"{name} makes no picture from a low-resolution one: it is a {method.kind}")
    if reason := why_unavailable(name):
        raise MethodUnavailable(reason)
    if iterations is not None and method.family != "SelfExSR":
        raise MethodUnavailable(f"{name} has no iterations to choose; leave them out")
    start = perf_counter()
    watch = progress if time_limit is None else _limited(progress, time_limit)
    if name in CLASSICAL:
        pixels, used = CLASSICAL[name](lr), "cpu"
    elif method.family == "SelfExSR":
        from srcore.methods import selfexsr  # compiles its kernels with numba

        pixels, used = selfexsr.upscale(lr, iterations=iterations, progress=watch), "cpu"
    else:
        from srcore.methods import neural  # loads torch

        pixels, used = neural.upscale(lr, name, device=device, progress=watch)
    return Output(pixels, perf_counter() - start, used)


def _limited(progress: Progress | None, seconds: float) -> Progress:
    """`progress`, if any, but work that reports to it later than `seconds` from now is ended."""
    deadline = perf_counter() + seconds

    def watch(fraction: float) -> None:
        if fraction < 1 and perf_counter() > deadline:
            raise TimeLimitExceeded(f"not done after {seconds:g} s; allow more time, or use a GPU")
        if progress:
            progress(fraction)

    return watch
