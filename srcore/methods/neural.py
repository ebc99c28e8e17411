"""The trained networks as methods: weights from the manifest, arrays in and arrays out."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from srcore import weights
from srcore.images import Pixels, as_rgb
from srcore.inference import Engine, choose_device
from srcore.networks import build
from srcore.registry import get_method
from srcore.tiles import Tile


def upscale(
    lr: Pixels,
    name: str,
    *,
    device: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> tuple[Pixels, str]:
    """uint8 (H, W, 3) or (H, W) -> the same, 4 times larger, and the device's name.

    A grey picture is run as three equal channels; its result is their mean. Raises weights.WeightsError
    and inference.DeviceError.
    """
    engine = engine_of(name, weights.sha256_of(name), str(choose_device(device)))
    return upscale_with(engine, lr, progress=progress), engine.device_name


def upscale_with(
    engine: Engine,
    lr: Pixels,
    *,
    progress: Callable[[float], None] | None = None,
) -> Pixels:
    """uint8 (H, W, 3) or (H, W) -> the same, 4 times larger, by an engine; as `upscale`."""
    rgb = as_rgb(lr)
    tensor = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None].float() / 255
    result = np.empty((4 * lr.shape[0], 4 * lr.shape[1], *lr.shape[2:]), np.uint8)

    def keep(_: int, tile: Tile, sr: Tensor) -> None:
        values = sr[0].mean(0) if lr.ndim == 2 else sr[0].permute(1, 2, 0)
        rounded = (values * 255 + 0.5).floor().to(torch.uint8).cpu().numpy()
        result[*tile.scaled(4)] = rounded

    engine.upscale_into(tensor, keep, progress=progress)
    return result


@lru_cache(maxsize=4)
def engine_of(name: str, sha256: str, device: str) -> Engine:
    """The engine of a method with the weights of that sha256; the few used last stay loaded."""
    if get_method(name).family == "foreign":
        from srcore.networks.foreign import ForeignNetwork

        weights.check(name, sha256)
        return Engine(ForeignNetwork(weights.path_of(name)), device=device)
    network = build(name)
    network.load_state_dict(weights.load(name, sha256))
    return Engine(network, device=device)
