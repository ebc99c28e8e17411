"""Networks as methods: arrays in and arrays out. Loads torch."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from srcore.errors import SrcoreError
from srcore.images import Pixels, as_rgb
from srcore.inference import Engine, choose_device
from srcore.methods.method import Method, MethodFailed, OnProgress, Work
from srcore.tiles import Tile


def upscale(method: Method, lr: Pixels, work: Work) -> tuple[Pixels, str]:
    """uint8 (H, W, 3) or (H, W) -> the same, `work.scale` times larger, and the device's name.

    A grey picture is run as three equal channels; its result is their mean. Raises weights.WeightsError,
    inference.DeviceError, and MethodFailed when somebody's network raises.
    """
    try:
        engine = engine_of(method, method.sha256(), str(choose_device(work.device)))
        return upscale_with(engine, lr, progress=work.progress), engine.device_name
    except (SrcoreError, MemoryError):
        raise
    except Exception as error:
        raise MethodFailed(f"{method.name} failed: {type(error).__name__}: {error}") from error


def upscale_with(engine: Engine, lr: Pixels, *, progress: OnProgress | None = None) -> Pixels:
    """uint8 (H, W, 3) or (H, W) -> the same, `engine.scale` times larger; as `upscale`."""
    rgb, scale = as_rgb(lr), engine.scale
    tensor = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None].float() / 255
    result = np.empty((scale * lr.shape[0], scale * lr.shape[1], *lr.shape[2:]), np.uint8)

    def keep(_: int, tile: Tile, sr: Tensor) -> None:
        values = sr[0].mean(0) if lr.ndim == 2 else sr[0].permute(1, 2, 0)
        rounded = (values * 255 + 0.5).floor().to(torch.uint8).cpu().numpy()
        result[*tile.scaled(scale)] = rounded

    engine.upscale_into(tensor, keep, progress=progress)
    return result


@lru_cache(maxsize=4)
def engine_of(method: Method, sha256: str, device: str) -> Engine:
    """The engine of a method with the weights of that sha256; the few used last stay loaded."""
    return Engine(method.generator(), device=device)
