"""How fast training is here: against the plain loop in the same run, and as a share of the device's own rate."""

import copy
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from srcore.images import write_image
from srcore.inference import choose_device
from srcore.scale import SCALE
from srcore.training.data import Crops
from srcore.training.memory import keep_freed_memory
from srcore.training.photos import find_photos
from srcore.training.recipes import get_recipe
from srcore.training.trainer import LR_MARGIN, Speed, Trainer, has_bfloat16_units

_WARM_UP = {"cpu": 1, "cuda": 20}  # updates, compiling and capturing included
_SECONDS = 3.0  # of measuring each loop, at least


class Rate(NamedTuple):
    """Updates a second of a recipe, of the plain loop, and billions of multiply-accumulates an update."""

    recipe: str
    batch: int
    fast: float
    plain: float
    gigamacs: float


def measure_training(
    names: Sequence[str], *, device: str = "auto", batch: int | None = None, vgg: Path | str | None = None
) -> list[Rate]:
    """Time the recipes on noise. On a CPU the batch is 2 by default, elsewhere the recipe's."""
    chosen = choose_device(device)
    if chosen.type == "cpu":
        keep_freed_memory()  # also for the plain loop: it is one setting of the whole process
    rates = []
    with TemporaryDirectory() as folder:
        generator = np.random.default_rng(0)
        for index in range(64):
            write_image(Path(folder) / f"{index}.png", generator.integers(0, 256, (256, 256, 3), dtype=np.uint8))
        for name in names:
            size = batch or (2 if chosen.type == "cpu" else get_recipe(name).batch)
            fast, macs = _updates_a_second(name, Speed(), chosen, size, vgg, folder)
            plain, _ = _updates_a_second(name, Speed.plain(), chosen, size, vgg, folder)
            rates.append(Rate(name, size, fast, plain, macs * size / 1e9))
    return rates


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Multiply-accumulates a second of the device's own large matrix product."""
    size = 8192 if device.type == "cuda" else 2048
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    best = 0.0
    for _ in range(8):
        _wait(device)
        start = perf_counter()
        matrix @ matrix
        _wait(device)
        best = max(best, size**3 / (perf_counter() - start))
    return best


def macs_a_crop(trainer: Trainer) -> int:
    """Multiply-accumulates of one update for each crop of its batch.

    A backward pass costs two forward ones; of VGG and, in the generator's step, of the discriminator, one: their
    weights get no gradient. The discriminator sees each crop's two pictures in its own step and one in the other's.
    """
    size = trainer.recipe.lr_size
    total: int = 3 * size * size * trainer.generator.macs_per_lr_pixel
    if trainer.discriminator is not None:
        total += (3 + 3 + 2) * forward_macs(trainer.discriminator, SCALE * size)
    if trainer.vgg is not None:
        total += (1 + 1 + 1) * forward_macs(trainer.vgg.layers, SCALE * size)
    return total


def forward_macs(network: nn.Module, side: int) -> int:
    """Multiply-accumulates of a network's convolutions and matrix products for one RGB picture of side x side."""
    counted: list[int] = []

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        weights = layer.weight.numel()  # type: ignore[operator]
        counted.append(weights * output.shape[2] * output.shape[3] if output.ndim == 4 else weights)

    shadow = copy.deepcopy(network).to("meta").float().eval()  # computes shapes only
    for layer in shadow.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    shadow(torch.empty(1, 3, side, side, device="meta"))
    return sum(counted)


def report(rates: Sequence[Rate], device: torch.device) -> str:
    """The rates as a table."""
    peak = matrix_rate(device, torch.bfloat16 if has_bfloat16_units(device) else torch.float32)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    lines = [
        f"{name}, torch {torch.__version__}, large matrix products: {2 * peak / 1e12:.2f} TFLOP/s",
        f"{'recipe':<15} {'batch':>5} {'updates/s':>10} {'ms':>9} {'plain ms':>9} {'ratio':>6} {'of peak':>8}",
    ]
    for rate in rates:
        share = rate.gigamacs * 1e9 * rate.fast / peak
        times = f"{1000 / rate.fast:9.2f} {1000 / rate.plain:9.2f} {rate.fast / rate.plain:6.2f}"
        lines.append(f"{rate.recipe:<15} {rate.batch:>5} {rate.fast:>10.2f} {times} {share:>8.1%}")
    return "\n".join(lines)


def _updates_a_second(
    name: str, speed: Speed, device: torch.device, batch: int, vgg: Path | str | None, folder: str
) -> tuple[float, int]:
    recipe = get_recipe(name)
    trainer = Trainer(recipe, plan=10**9, device=device, vgg=vgg, speed=speed)
    margin = LR_MARGIN[trainer.generator.enlarges]
    crops = Crops(find_photos([folder]), batch=batch, lr_size=recipe.lr_size, lr_margin=margin, device=device)
    for update in range(_WARM_UP[device.type]):
        trainer.update(update, crops)
    _wait(device)
    done, start = 0, perf_counter()
    while done < 3 or perf_counter() - start < _SECONDS:
        trainer.update(_WARM_UP[device.type] + done, crops)
        done += 1
        if done % 50 == 0:
            _wait(device)  # keeps the queue short, so that the time limit means work done
    _wait(device)
    return done / (perf_counter() - start), macs_a_crop(trainer)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
