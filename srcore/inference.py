"""A network in use: device, precision, tiles with exact seams, batches of one size, and what to do without memory.

Importing this module loads torch.
"""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from srcore.arithmetic import PICTURES
from srcore.color_torch import luma, rgb_to_ycbcr, ycbcr_to_rgb
from srcore.errors import SrcoreError
from srcore.methods.method import MethodFailed, OnProgress
from srcore.networks.generator import Generator
from srcore.networks.srresnet import SRResNet
from srcore.networks.srresnet_inference import SRResNetForInference
from srcore.resize_torch import imresize
from srcore.tiles import SMALLEST_TILE, Tile, fixed_tiles, tiles

_CPU_BUDGET = 1 << 30  # bytes of activations at once
_CPU_BATCH = 1 << 14  # LR pixels: more at a time leave the cache and are no faster
# glibc maps and clears larger blocks than 32 MiB anew at each use, which costs SRResNet a third of its time.
_CPU_LARGEST_TENSOR = 24 << 20
_GPU_LARGEST_TENSOR = 512 << 20


class DeviceError(SrcoreError, RuntimeError):
    """The asked device is not there, or too small even for the smallest tile; the message says what to do."""


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is the first CUDA device if there is one, else the CPU. Raises DeviceError for CUDA that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch finds no CUDA device here; use --device cpu, or install a CUDA build of torch")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"there is no {name}: the last is cuda:{torch.cuda.device_count() - 1}")
    return device


class Engine:
    """A trained generator behind the one contract of all upscalers.

    RGB float32 (N, 3, H, W) in [0, 1] in, the same `scale` times larger out, clamped. Luma networks get MATLAB's BT.601
    luma; chroma is bicubic. On a GPU it computes in float16, and again in float32 should a number overflow; on a CPU
    in float32. One call at a time; others wait.
    """

    def __init__(self, network: Generator, *, device: str | torch.device = "auto", half: bool | None = None) -> None:
        self.device = choose_device(device) if isinstance(device, str) else device
        self.half = self.device.type == "cuda" and network.supports_half if half is None else half
        self._exact = _prepared(network, self.device).eval().requires_grad_(False)
        self._exact.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._fast = copy.deepcopy(self._exact).half() if self.half else self._exact
        self._lock = threading.Lock()
        self._meter: Callable[[int], None] | None = None
        for module in [*self._exact.modules(), *(self._fast.modules() if self.half else ())]:
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(self._count)
        self.radius, self._cost = self._exact.lr_radius, self._exact.floats_per_lr_pixel
        self.scale, self._tile = self._exact.scale, self._exact.tile

    @property
    def device_name(self) -> str:
        """Such as "cpu" or "NVIDIA H200"."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"

    def __call__(
        self,
        lr: Tensor,
        *,
        budget: int | None = None,
        progress: OnProgress | None = None,
    ) -> Tensor:
        """Upscale a batch; the result lies where `lr` lies.

        `budget` is the bytes of activations to work with (default: 1 GiB on a CPU, half the free memory of a GPU);
        what does not fit is cut into tiles whose seams are exact. `progress` gets the fraction done after each
        layer, rising to 1; an exception that it raises ends the work. Raises ValueError for another layout and
        DeviceError when not even the smallest tile fits.
        """
        check_layout(lr)
        height, width = self.scale * lr.shape[2], self.scale * lr.shape[3]
        result = torch.empty(lr.shape[0], 3, height, width, device=lr.device)

        def keep(first: int, tile: Tile, sr: Tensor) -> None:
            result[first : first + len(sr), :, *tile.scaled(self.scale)] = sr

        self.upscale_into(lr, keep, budget=budget, progress=progress)
        return result

    def upscale_into(
        self,
        lr: Tensor,
        keep: Callable[[int, Tile, Tensor], None],
        *,
        budget: int | None = None,
        progress: OnProgress | None = None,
    ) -> None:
        """As calling the engine, but hands each finished tile to `keep(first picture, LR tile, sr)`.

        So a picture's result need never be in memory as floating-point numbers. A tile may come twice.
        """
        check_layout(lr)
        with self._lock, torch.inference_mode():
            left = budget or self._default_budget()
            while True:
                try:
                    self._run(lr, keep, left, progress)
                    return
                except (torch.OutOfMemoryError, RuntimeError) as error:
                    if not _is_out_of_memory(error):
                        raise
                    smaller = min(left, self._bytes(lr.shape[0] * lr.shape[2] * lr.shape[3])) // 2
                    if self._tile is not None or smaller < self._bytes((SMALLEST_TILE + 2 * self.radius) ** 2):
                        raise DeviceError(self._too_small()) from error
                    left = smaller
                if self.device.type == "cuda":  # outside the handler, which holds on to the failed call's tensors
                    torch.cuda.empty_cache()

    def _too_small(self) -> str:
        if self._tile is None:
            return f"{self.device_name} has too little memory even for the smallest tile; use --device cpu"
        seen = f"tiles of {self._tile} pixels a side" if self._tile else "the whole picture at once"
        return (
            f"{self.device_name} has too little memory: the method sees {seen}, which is part of what it is; use "
            "--device cpu, or add it under another name with a smaller --tile"
        )

    def _run(
        self,
        lr: Tensor,
        keep: Callable[[int, Tile, Tensor], None],
        budget: int,
        progress: OnProgress | None,
    ) -> None:
        pixels = max(1, budget // self._bytes(1))
        count, _, height, width = lr.shape
        batch_pixels = min(pixels, _CPU_BATCH) if self.device.type == "cpu" else pixels
        together = max(1, min(count, batch_pixels // (height * width)))  # pictures in one batch
        if self._tile is None:
            cut = list(tiles(height, width, pixels, self.radius))
        else:
            cut, together = list(fixed_tiles(height, width, self._tile, self.radius)), 1
        work = sum((t.bottom - t.top) * (t.right - t.left) for _, t in cut) * count * self._exact.macs_per_lr_pixel
        with self._metering(work, progress):
            for first in range(0, count, together):
                batch = lr[first : first + together]
                for tile, seen in cut:
                    sr = self._compute(batch[:, :, *seen.scaled(1)])
                    keep(first, tile, sr[:, :, *tile.within(seen).scaled(self.scale)])

    def _compute(self, lr: Tensor) -> Tensor:
        lr = lr.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)
        with PICTURES.set():
            sr = apply_network(self._fast, lr, torch.float16 if self.half else torch.float32)
            if self.half and not torch.isfinite(sr).all():
                sr = apply_network(self._exact, lr, torch.float32)
            if not torch.isfinite(sr).all():
                raise MethodFailed("the network gave values that are no finite numbers; look at its weights")
        return sr.clamp_(0, 1)

    def _bytes(self, lr_pixels: int) -> int:
        return lr_pixels * self._cost * (2 if self.half else 4)

    def _default_budget(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0] // 2
        return _CPU_BUDGET

    def _count(self, layer: nn.Conv2d, _: object, output: Tensor) -> None:
        if self._meter:
            self._meter(output.shape[0] * output.shape[2] * output.shape[3] * layer.weight.numel())

    @contextmanager
    def _metering(self, work: int, progress: OnProgress | None) -> Iterator[None]:
        """Count multiply-accumulates layer by layer: a network that takes a minute a picture still shows progress."""
        if not progress:
            yield
            return
        done = 0

        def meter(macs: int) -> None:
            nonlocal done
            done += macs
            progress(min(done / work, 0.999))

        self._meter = meter
        try:
            yield
        finally:
            self._meter = None
        progress(1.0)


def _prepared(network: Generator, device: torch.device) -> Generator:
    """A copy in the form that runs fastest on the device."""
    if not isinstance(network, SRResNet):
        return copy.deepcopy(network)
    if device.type == "cuda":
        return SRResNetForInference(network, groups=1, largest_tensor=_GPU_LARGEST_TENSOR)
    return SRResNetForInference(network, groups=4, largest_tensor=_CPU_LARGEST_TENSOR)


def check_layout(lr: Tensor) -> None:
    """Raise ValueError unless `lr` is a floating-point RGB batch (N, 3, H, W) within [0, 1]."""
    if lr.ndim != 4 or lr.shape[1] != 3 or not lr.is_floating_point() or 0 in lr.shape:
        raise ValueError(f"an upscaler takes floating-point RGB (N, 3, H, W), not {lr.dtype} {tuple(lr.shape)}")
    low, high = lr.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"an upscaler takes values in [0, 1], not {low:g} to {high:g}; divide 8-bit values by 255")


def apply_network(network: Generator, lr: Tensor, dtype: torch.dtype) -> Tensor:
    """RGB float32 (N, 3, H, W) in [0, 1] -> float32 (N, 3, sH, sW), not clamped, whatever the network's own ranges."""
    if network.colour == "rgb":
        sr: Tensor = network(lr.to(dtype))
        return sr.float().add_(1).div_(2)
    enlarged = imresize(rgb_to_ycbcr(lr), network.scale)
    source = luma(lr) if network.enlarges else enlarged[:, :1]
    refined: Tensor = network(source.to(dtype)).float()
    return ycbcr_to_rgb(torch.cat([refined, enlarged[:, 1:]], dim=1))


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: " in str(error)
