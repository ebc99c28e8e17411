"""A method as an object: what it is, whether it can run here and why not, and how it makes its picture. No torch."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from srcore.errors import SrcoreError
from srcore.images import ImageError, Pixels, as_rgb, check_pixels
from srcore.scale import SCALE

if TYPE_CHECKING:
    from srcore.networks.generator import Generator

Kind = Literal["upscaler", "reference", "folder"]
Queue = Literal["", "cpu", "gpu"]
OnProgress = Callable[[float], None]
"""Called with the fraction done, 0 to 1; an exception that it raises ends the work."""


class MethodUnavailable(SrcoreError, RuntimeError):
    """The method exists but cannot do this here; the message says what to do."""


class MethodNameError(SrcoreError, ValueError):
    """A name that a new method cannot have; the message says why."""


class MethodFailed(SrcoreError, RuntimeError):
    """Somebody's code raised, or did not give the picture it should; the message says what came instead."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """How a picture is to be made: how many times larger, on "auto", "cpu" or "cuda"; SelfExSR's search rounds."""

    scale: int = SCALE
    device: str = "auto"
    iterations: int | None = None
    progress: OnProgress | None = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to make the high-resolution picture.

    An `upscaler` computes it from the LR image, the `reference` is the HR picture itself, and a `folder` method's
    pictures come from somebody's result files. `run` is a function, uint8 (H, W, 3) RGB in and the same `scales[0]`
    times larger out (with several scales it is called with `scale=`), or an nn.Module, float32 RGB (N, 3, H, W) in
    [0, 1] in and out. A module sees a large picture in tiles of `tile` LR pixels, or whole with 0, never smaller for
    want of memory, so that its picture is the same everywhere; sides are padded to a multiple of `multiple_of`.
    `version` changes whenever the method's pixels do. `queue` is where workers take it from: by default modules from
    the GPU's, others from the CPU's.
    """

    name: str
    display_name: str = ""
    family: str
    kind: Kind = "upscaler"
    citation: str = ""
    version: str = "1"
    scales: tuple[int, ...] = (SCALE,)
    needs_weights: bool = False
    queue: Queue = ""
    run: "Callable[..., Any] | None" = None
    tile: int = 0
    multiple_of: int = 1
    takes_grey: bool = False  # (H, W) comes to `run` as it is; else as three equal channels
    has_iterations: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "display_name", self.display_name or self.name)
        object.__setattr__(self, "queue", self.queue or ("gpu" if self.is_network else "cpu"))

    @property
    def is_network(self) -> bool:
        """Whether `generator` makes one, which then runs on a GPU or a CPU."""
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(self.run, torch.nn.Module)

    @property
    def sees(self) -> str:
        """How a network sees a picture, which with some decides its pixels: to be recorded with them. Else ""."""
        if not self.is_network:
            return ""
        side = -(-self.tile // self.multiple_of) * self.multiple_of
        tiles = f"tiles of {side} LR pixels" if side else "the whole picture"
        return f"{tiles}, sides padded to multiples of {self.multiple_of}" if self.multiple_of > 1 else tiles

    def why_unavailable(self) -> str:
        """What keeps the method from running here and what to do about it; "" when nothing does."""
        if self.kind == "folder":
            return f"{self.name} has no code of its own: import its result images from a folder"
        return ""

    def why_not_at(self, scale: int) -> str:
        """What keeps the method from enlarging so many times; "" when nothing does."""
        if self.kind != "upscaler" or scale in self.scales:
            return ""
        return f"{self.name} enlarges {', '.join(map(str, self.scales))} times, not {scale}"

    def sha256(self) -> str:
        """The sha256, in hexadecimal, of what beside the code decides the pixels: the weights; "" where nothing does.

        Of a function nothing is known: its author changes `version`.
        """
        if not self.is_network:
            return ""
        digest = hashlib.sha256(f"tile {self.tile} multiple {self.multiple_of}\n".encode())
        for key, value in self.run.state_dict().items():  # type: ignore[union-attr]
            digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def generator(self) -> "Generator":
        """The network, with its weights, as the engine runs it. Loads torch."""
        from srcore.networks.foreign import ForeignNetwork

        return ForeignNetwork(self.run, scale=self.scales[0], tile=self.tile, multiple_of=self.multiple_of)  # type: ignore[arg-type]

    def upscale(self, lr: Pixels, work: Work) -> tuple[Pixels, str]:
        """uint8 (H, W, 3) or (H, W) -> the same, `work.scale` times larger, and the device that made it.

        Raises MethodUnavailable, and MethodFailed when somebody's code did something else.
        """
        self.check(work)
        if self.is_network:
            from srcore.methods import neural  # loads torch

            return neural.upscale(self, lr, work)
        if self.run is None:
            raise MethodUnavailable(f"{self.name} makes no picture from a low-resolution one: it is a {self.kind}")
        return called(self.run, self, lr, work), "cpu"

    def check(self, work: Work) -> None:
        """Raise MethodUnavailable if the method cannot do this work here."""
        if self.kind == "reference":
            raise MethodUnavailable(f"{self.name} makes no picture from a low-resolution one: it is a reference")
        if reason := self.why_unavailable():
            raise MethodUnavailable(reason)
        if reason := self.why_not_at(work.scale):
            raise MethodUnavailable(f"{reason}; ask for what it has")
        if work.iterations is not None and not self.has_iterations:
            raise MethodUnavailable(f"{self.name} has no iterations to choose; leave them out")


def called(run: Callable[..., Any], method: Method, lr: Pixels, work: Work) -> Pixels:
    """What a function makes of the picture, checked; of a grey one the mean of the three channels it gives."""
    options = {"scale": work.scale} if len(method.scales) > 1 else {}
    given = lr if method.takes_grey else as_rgb(lr)
    try:
        made = run(given.copy(), **options)  # a copy: it may be written to
    except (SrcoreError, MemoryError):
        raise
    except Exception as error:
        raise MethodFailed(f"{method.name} failed: {type(error).__name__}: {error}") from error
    return checked(made, given, method.name, work.scale, grey=lr.ndim == 2)


def checked(made: Any, lr: Pixels, name: str, scale: int, *, grey: bool) -> Pixels:
    """The picture if it is `scale` times as large as `lr` and uint8. Raises MethodFailed."""
    try:
        check_pixels(made)
    except ImageError as error:
        raise MethodFailed(f"{name} gave no picture: {error}") from error
    wanted = (scale * lr.shape[0], scale * lr.shape[1], *lr.shape[2:])
    if made.shape != wanted:
        raise MethodFailed(f"{name} gave an array of shape {made.shape}, where {wanted} is {scale} times the picture")
    if grey and made.ndim == 3:
        made = np.floor(made.mean(axis=2) + 0.5).astype(np.uint8)
    picture: Pixels = np.ascontiguousarray(made)
    return picture


def check_name(name: str) -> None:
    """Raise MethodNameError unless this can be a method's name."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or name != name.lower():
        raise MethodNameError(f"{name!r} cannot be a method's name; use lower-case letters, digits, '-' and '_'")
