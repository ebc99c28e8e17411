"""How a method's name becomes a picture. Torch is loaded only when a network runs."""

from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from srcore.errors import TimeLimitExceeded
from srcore.images import Pixels, check_pixels
from srcore.methods.method import Method, OnProgress, Work
from srcore.registry import get_method
from srcore.scale import SCALE


class Output(NamedTuple):
    """A picture, the wall time it took in seconds, the device that made it, such as "cpu" or "cuda:0", and how a
    network of others saw it (`Method.sees`)."""

    pixels: Pixels
    seconds: float
    device: str
    sees: str = ""


def upscale(
    lr: Pixels,
    name: str,
    *,
    scale: int = SCALE,
    device: str = "auto",
    iterations: int | None = None,
    ensemble: bool = False,
    progress: OnProgress | None = None,
    time_limit: float | None = None,
) -> Pixels:
    """uint8 (H, W, 3) RGB or (H, W) grey -> the same, `scale` times larger, by the method of that name.

    `device` is "auto", "cpu" or "cuda" and matters to networks only; `progress` is called with the fraction done,
    0 to 1; `iterations` are SelfExSR's search rounds; with `ensemble` the result is the mean of those of the picture
    turned and mirrored in the eight ways, turned back (Timofte et al., CVPR 2016), which takes eight times as long and
    raises PSNR a little; a network or SelfExSR is given up after `time_limit` seconds.
    Raises UnknownMethod, MethodUnavailable (also for a scale that the method does not have and for iterations of a
    method that has none), MethodFailed for somebody's code, ImageError for other arrays, ValueError for fewer than one
    iteration, and RuntimeError for the time limit (errors.TimeLimitExceeded) or a device that is not there
    (inference.DeviceError).
    """
    return run(
        lr,
        name,
        scale=scale,
        device=device,
        iterations=iterations,
        ensemble=ensemble,
        progress=progress,
        time_limit=time_limit,
    ).pixels


def run(
    lr: Pixels,
    name: str,
    *,
    scale: int = SCALE,
    device: str = "auto",
    iterations: int | None = None,
    ensemble: bool = False,
    progress: OnProgress | None = None,
    time_limit: float | None = None,
) -> Output:
    """As `upscale`, and says how long it took and where it ran."""
    check_pixels(lr)
    method = get_method(name)
    start = perf_counter()
    watch = progress if time_limit is None else _limited(progress, time_limit)
    work = Work(scale=scale, device=device, iterations=iterations, progress=watch)
    pixels, used = (_ensemble if ensemble else _once)(method, lr, work)
    return Output(pixels, perf_counter() - start, used, method.sees)


def _once(method: Method, lr: Pixels, work: Work) -> tuple[Pixels, str]:
    return method.upscale(lr, work)


def _ensemble(method: Method, lr: Pixels, work: Work) -> tuple[Pixels, str]:
    """The mean of eight 8-bit results, rounded half up."""
    total = np.zeros((work.scale * lr.shape[0], work.scale * lr.shape[1], *lr.shape[2:]), np.uint16)
    used = ""
    for number in range(8):
        mirrored, turns = divmod(number, 4)
        seen = np.rot90(lr[:, ::-1] if mirrored else lr, turns)
        made, used = method.upscale(np.ascontiguousarray(seen), replace(work, progress=_part(work.progress, number, 8)))
        back = np.rot90(made, -turns)
        total += back[:, ::-1] if mirrored else back
    return ((total + 4) // 8).astype(np.uint8), used


def _part(progress: OnProgress | None, number: int, of: int) -> OnProgress | None:
    return None if progress is None else lambda fraction: progress((number + fraction) / of)


def _limited(progress: OnProgress | None, seconds: float) -> OnProgress:
    """`progress`, if any, but work that reports to it later than `seconds` from now is ended."""
    deadline = perf_counter() + seconds

    def watch(fraction: float) -> None:
        if fraction < 1 and perf_counter() > deadline:
            raise TimeLimitExceeded(f"not done after {seconds:g} s; allow more time, or use a GPU")
        if progress:
            progress(fraction)

    return watch
