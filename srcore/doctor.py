"""What this machine's srcore does, against what it should: each path on each device, compared and timed. Loads torch.

On a GPU every picture is compared with the CPU's and every update with plain eager's. What does not hold is marked.
"""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from srcore.arithmetic import PICTURES, Arithmetic
from srcore.errors import SrcoreError
from srcore.images import Pixels, write_image
from srcore.inference import Engine, choose_device
from srcore.methods.method import MethodFailed
from srcore.methods.neural import upscale_with
from srcore.methods.running import upscale
from srcore.metrics import METRICS, Settings, measure
from srcore.networks import SRResNet, build
from srcore.registry import METHODS
from srcore.resize import crop_to_multiple, downscale
from srcore.scale import SCALE
from srcore.training.bench import Rate, measure_training
from srcore.training.data import Crops
from srcore.training.photos import find_photos
from srcore.training.recipes import get_recipe
from srcore.training.trainer import LR_MARGIN, Speed, Trainer

_PACKAGES = ("torch", "torchvision", "numpy", "pillow", "numba", "spandrel", "triton", "lpips", "piq", "DISTS-pytorch")
_LEVELS = 1.0  # of 255: the most that a picture may differ between devices, which is one rounding
_LOSS = 0.1  # of the loss: what bfloat16 may change after an update
_RECIPES_ON_CPU = ("espcn", "srresnet-mse", "srgan-mse")
_RECIPES = (*_RECIPES_ON_CPU, "drcn")  # whose updates take a minute each on a CPU


@dataclass(frozen=True)
class Finding:
    """One path: what was looked at, what came out, and whether that is as it should be; None: not looked at.

    With `fact` it is no path but what the machine is.
    """

    path: str
    said: str
    holds: bool | None = True
    fact: bool = False


def examine(
    *, device: str = "auto", vgg: Path | None = None, weights: Mapping[str, Path] | None = None
) -> Iterator[Finding]:
    """Look at every path, one after the other; what raises is a finding too. Raises DeviceError for no such device."""
    chosen = choose_device(device)
    yield Finding("device", _name(chosen), fact=True)
    yield Finding("arithmetic", f"pictures: {PICTURES}; training: {Arithmetic(tf32=Speed().tf32)}", fact=True)
    for method in METHODS.values():
        if method.kind == "upscaler":
            yield _tried(f"upscale {method.name}", partial(_upscaled, method.name, chosen))
    yield _tried("tiles", partial(_tiled, chosen))
    yield _tried("float16 that overflows", partial(_overflow, chosen))
    for name in _RECIPES if chosen.type == "cuda" else _RECIPES_ON_CPU:
        yield _tried(f"train {name}", partial(_trained, name, chosen))
    yield _tried("speed of training", partial(_speed, chosen))
    for metric in METRICS.values():
        settings = Settings(device=str(chosen), vgg=vgg, weights=weights or {})
        yield _tried(f"metric {metric.name}", partial(_measured, metric.name, settings))


def report(findings: list[Finding]) -> str:
    """One block of text to put into a report: versions, then a line for each path."""
    marks = {True: "ok  ", False: "BAD ", None: "-   "}
    seen, bad = looked_at(findings), [finding.path for finding in findings if finding.holds is False]
    left = [finding.path for finding in findings if finding.holds is None]
    end = [f"{len(bad)} of the {len(seen)} paths that were looked at do not hold: {', '.join(bad)}"]
    end = end if bad else [f"the {len(seen)} paths that were looked at hold"]
    if left:
        end.append(f"{len(left)} were not looked at, for the reasons above: {', '.join(left)}")
    lines = [f"srcore doctor: {platform.platform()}, Python {platform.python_version()}", _versions()]
    lines += [f"{marks[finding.holds]} {finding.path}: {finding.said}" for finding in findings]
    return "\n".join([*lines, *end])


def looked_at(findings: list[Finding]) -> list[Finding]:
    """The paths that were run."""
    return [finding for finding in findings if finding.holds is not None and not finding.fact]


def _tried(path: str, look: Callable[[], Finding]) -> Finding:
    start = time.perf_counter()
    try:
        found = look()
    except MethodFailed as error:
        return Finding(path, str(error), False)
    except SrcoreError as error:
        return Finding(path, f"not looked at: {error}", None)
    except Exception as error:
        return Finding(path, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", False)
    return replace(found, path=path, said=f"{found.said} ({time.perf_counter() - start:.1f} s)")


def _upscaled(name: str, device: torch.device) -> Finding:
    """The device's picture against the CPU's."""
    if reason := METHODS[name].why_unavailable():
        return Finding(name, reason, None)
    hr = _picture(96)
    scale = SCALE if SCALE in METHODS[name].scales else METHODS[name].scales[0]
    hr = crop_to_multiple(hr, scale)
    lr = downscale(hr, scale)
    ours = upscale(lr, name, scale=scale, device=str(device))
    if device.type == "cpu" or not METHODS[name].is_network:
        return Finding(name, f"{measure(hr, ours).psnr:.2f} dB on a drawn picture")
    worst = int(np.abs(ours.astype(int) - upscale(lr, name, scale=scale, device="cpu")).max())
    return Finding(name, f"at most {worst} of 255 from the CPU's", worst <= _LEVELS)


def _tiled(device: torch.device) -> Finding:
    torch.manual_seed(0)
    engine = Engine(build("espcn"), device=device)
    lr = torch.rand(1, 3, 70, 90)
    difference = float((engine(lr, budget=1 << 20) - engine(lr)).abs().max()) * 255
    return Finding("", f"seams of at most {difference:.3f} levels", difference < _LEVELS)


def _overflow(device: torch.device) -> Finding:
    """A network whose float16 overflows is computed again in float32."""
    torch.manual_seed(0)
    network = SRResNet(blocks=1, channels=16).eval()
    with torch.no_grad():
        network.entry[0].weight.mul_(1e6)  # type: ignore[operator]
        network.enlarge[0].weight.mul_(1e-6)  # type: ignore[operator]
    lr = _picture(24)
    made = upscale_with(Engine(network, device=device), lr)
    worst = int(np.abs(made.astype(int) - upscale_with(Engine(network, device="cpu"), lr)).max())
    return Finding("", f"at most {worst} of 255 from the CPU's", worst <= _LEVELS)


def _trained(name: str, device: torch.device) -> Finding:
    """The loss after some updates, fast as here against plain eager; enough of them that a graph is replayed."""
    recipe = replace(get_recipe(name), lr_size=16)
    losses = []
    with TemporaryDirectory() as folder:
        for index in range(4):
            write_image(Path(folder) / f"{index}.png", _picture(192, seed=index))
        for speed in (Speed(), Speed.plain()):
            trainer = Trainer(recipe, plan=1000, device=device, speed=speed)
            margin = LR_MARGIN[trainer.generator.enlarges]
            crops = Crops(find_photos([folder]), batch=2, lr_size=16, lr_margin=margin, device=device)
            for update in range(20 if device.type == "cuda" else 2):
                trainer.update(update, crops)
            losses.append(float(trainer.losses["content"]))
    off = abs(losses[0] - losses[1]) / max(abs(losses[1]), 1e-9)
    return Finding("", f"loss {losses[0]:.5f}, plain {losses[1]:.5f}: {off:.2%} apart", off < _LOSS)


def _speed(device: torch.device) -> Finding:
    if device.type == "cpu":
        return Finding("", "python -m srcore bench train measures it on a CPU", None)
    (rate,) = measure_training(["srresnet-mse"], device=str(device))
    return _as_finding(rate)


def _as_finding(rate: Rate) -> Finding:
    ratio = rate.fast / rate.plain
    return Finding("", f"{rate.fast:.1f} updates a second, {ratio:.2f} times plain eager's", ratio > 1)


def _measured(name: str, settings: Settings) -> Finding:
    """A metric must tell equal pictures from unlike ones, in its direction."""
    metric = METRICS[name]
    if name == "vgg54" and settings.vgg is None:
        return Finding("", "name VGG-19's weights with --vgg", None)
    if reason := metric.needs(settings):
        return Finding("", reason, None)
    compare, hr = metric.prepare(settings), _picture(256)
    worse = np.clip(hr.astype(int) + np.random.default_rng(0).integers(-40, 41, hr.shape), 0, 255).astype(np.uint8)
    equal, unlike = compare(hr, hr), compare(hr, worse)
    if metric.no_reference:  # which knows no equal pictures, and of a drawn one nothing is known
        return Finding("", f"{equal:.4f}, {unlike:.4f} with noise", bool(np.isfinite([equal, unlike]).all()))
    holds = (equal > unlike) == (metric.better == "higher")
    return Finding("", f"{equal:.4f} for equal pictures, {unlike:.4f} with noise", holds)


def _picture(side: int, seed: int = 0) -> Pixels:
    """Waves, an edge and some noise: smooth, sharp and busy."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:side, 0:side]
    waves = [120 + 70 * np.sin(rows / (5 + c) + seed) * np.cos(columns / (7 - c)) for c in range(3)]
    drawn = np.stack(waves, axis=2) + 40 * (rows > columns)[:, :, None] + rng.integers(-8, 9, (side, side, 3))
    picture: Pixels = np.clip(drawn, 0, 255).astype(np.uint8)
    return picture


def _versions() -> str:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} -")
    return ", ".join(found)


def _name(device: torch.device) -> str:
    if device.type != "cuda":
        return f"cpu, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}; no GPU is looked at"
    free, total = torch.cuda.mem_get_info(device)
    name, capability = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
    memory = f"{free / 1e9:.0f} of {total / 1e9:.0f} GB free"
    return f"{name}, capability {capability[0]}.{capability[1]}, {memory}, CUDA {torch.version.cuda}"
