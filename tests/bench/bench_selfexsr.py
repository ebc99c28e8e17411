"""What SelfExSR costs and what its iterations give: python -m tests.bench.bench_selfexsr {speed,iterations,torch}

speed: the first call with nothing compiled, then time, processor time and memory at four sizes.
iterations: quality and time against the number of iterations on a benchmark; a table, and a figure with --figure.
torch: one level's patch costs compiled by numba and written in torch, why the method uses the former.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time

import matplotlib.pyplot as plt
import numpy as np
import torch

from srcore import find_sources, load_source, measure
from srcore.methods.selfexsr import upscale
from srcore.methods.selfexsr.jit import Bands
from srcore.methods.selfexsr.matching import WEIGHTS
from srcore.methods.selfexsr.pyramid import Pyramid
from srcore.methods.selfexsr.step import Step
from srcore.resize import imresize

BENCHMARKS = Path(__file__).parents[3] / "shared" / "benchmarks"
SIZES = ((32, 32), (64, 64), (80, 120), (128, 128))  # LR; a BSD100 picture is 80 x 120 or 120 x 80
ROUNDS = (1, 2, 3, 5, 8, 12, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    speed = commands.add_parser("speed")
    speed.set_defaults(command=lambda _: _speed())
    iterations = commands.add_parser("iterations")
    iterations.add_argument("--benchmark", type=Path, default=BENCHMARKS / "Set5", help="default: Set5")
    iterations.add_argument("--figure", type=Path, help="where to write it, such as selfexsr.png")
    iterations.set_defaults(command=lambda options: _iterations(options.benchmark, options.figure))
    commands.add_parser("torch").set_defaults(command=lambda _: _torch())
    one = commands.add_parser("one")  # what `speed` runs in a process of its own
    one.add_argument("size", type=int, nargs=2)
    one.set_defaults(command=lambda options: _one(*options.size))
    options = parser.parse_args()
    options.command(options)


def _speed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for note in ("nothing compiled", "from numba's cache"):
            print(f"first call, {note:<20} {_in_a_process(8, 8, NUMBA_CACHE_DIR=folder)[0]:6.2f} s")
    print("output      seconds  CPU s  us CPU a pixel  MB at most  bytes a pixel")
    for height, width in SIZES:
        _, seconds, processor, peak = _in_a_process(height, width)
        pixels = 16 * height * width
        print(
            f"{4 * width:>4} x{4 * height:>4} {seconds:8.2f} {processor:6.2f} {processor / pixels * 1e6:15.1f}"
            f" {peak / 1e6:11.1f} {peak / pixels:14.0f}"
        )


def _in_a_process(height: int, width: int, **environment: str) -> list[float]:
    command = [sys.executable, "-m", "tests.bench.bench_selfexsr", "one", str(height), str(width)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment)
    return [float(number) for number in done.stdout.split()]


def _one(height: int, width: int) -> None:
    """Print the seconds of the first call, and of one of this size its seconds, processor time and most bytes."""
    start = perf_counter()
    upscale(np.zeros((8, 8, 3), np.uint8))
    first = perf_counter() - start
    picture = imresize(_photograph(), max(height / 128, width / 128))[:height, :width]
    tracemalloc.start()  # counts numpy's arrays, of which there are few: it costs no time
    started, worked = perf_counter(), process_time()
    upscale(np.ascontiguousarray(picture))
    print(first, perf_counter() - started, process_time() - worked, tracemalloc.get_traced_memory()[1])


def _photograph() -> np.ndarray:
    """128 x 128: Set5's baby, LR."""
    return load_source(find_sources(BENCHMARKS / "Set5")[0])[1]


def _iterations(benchmark: Path, figure: Path | None) -> None:
    pairs = [load_source(source) for source in find_sources(benchmark)]
    rows = []
    upscale(np.zeros((8, 8, 3), np.uint8))  # compiles
    print(f"{benchmark.name}, {len(pairs)} pictures, recipe paper\niterations      PSNR    SSIM  CPU s a picture")
    for rounds in ROUNDS:
        start = process_time()
        made = [upscale(lr, iterations=rounds) for _, lr in pairs]
        seconds = (process_time() - start) / len(pairs)
        scores = [measure(hr, sr) for (hr, _), sr in zip(pairs, made, strict=True)]
        rows.append((rounds, fmean(s.psnr for s in scores), fmean(s.ssim for s in scores), seconds))
        print("{:10} {:9.3f} {:7.4f} {:16.2f}".format(*rows[-1]), flush=True)
    if figure:
        _draw(rows, benchmark.name, figure)


def _draw(rows: list[tuple[int, float, float, float]], name: str, figure: Path) -> None:
    rounds, psnr, ssim, seconds = zip(*rows, strict=True)
    fig, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    for axis, values, label in zip(axes, (psnr, ssim, seconds), ("PSNR, dB", "SSIM", "CPU s a picture"), strict=True):
        axis.plot(rounds, values, "o-")
        axis.set(xlabel="iterations at the first level", ylabel=label, xticks=rounds)
        axis.grid(alpha=0.3)
    fig.suptitle(f"SelfExSR on {name}")
    fig.savefig(figure, dpi=150)
    print(f"wrote {figure}")


def _torch() -> None:
    """Each pixel's cost at level 7 of the photograph, all source levels in use."""
    pyramid = Pyramid(_photograph().astype(np.float32) / np.float32(255))
    with Bands() as bands:
        for level in (9, 8):
            pyramid.add(level, pyramid.enlarged(level))
        step = Step(pyramid.enlarged(7), pyramid, 7, None, bands)
        step.search(0)
        rate = _rate(step.evaluate, step.costs[2:-2, 2:-2].size)
        print(f"numba: {rate:6.2f} million patch costs a second")
        by_torch = _torch_costs(step, pyramid)
        print(f"torch: {_rate(lambda: _torch_costs(step, pyramid), by_torch.size):6.2f}")
        print(f"largest difference: {np.abs(by_torch - step.costs[2:-2, 2:-2]).max():.1e}")


def _rate(run, costs: int) -> float:
    start = perf_counter()
    for _ in range(5):
        run()
    return 5 * costs / (perf_counter() - start) / 1e6


def _torch_costs(step: Step, pyramid: Pyramid) -> np.ndarray:
    """The same as matching.patch_cost, for all pixels outside the margin at once."""
    places, ratios = map(torch.from_numpy, pyramid.sources(7))
    buffer = torch.from_numpy(pyramid.low)
    x, y, a, b, c, d = (torch.from_numpy(step.states[2:-2, 2:-2, k].copy())[..., None] for k in range(6))
    index = (1.5 * torch.log2((a * d - b * c).abs()) + 0.5).floor().clamp(1, 9).long() - 1
    start, height, width = (places[index, k] for k in range(3))
    j, i = torch.meshgrid(*[torch.arange(-2.0, 3.0)] * 2, indexing="ij")
    i, j = i.reshape(-1), j.reshape(-1)  # (25,)
    u = (x + a * i + b * j + 0.5) * ratios[index, 1] + 0.5  # (H, W, 25), in the framed level
    v = (y + c * i + d * j + 0.5) * ratios[index, 0] + 0.5
    u, v = torch.minimum(u.clamp(min=0), width + 1.0), torch.minimum(v.clamp(min=0), height + 1.0)
    place = start + v.long() * (width + 2) + u.long()
    right, below = (u % 1)[..., None], (v % 1)[..., None]
    top = buffer[place] * (1 - right) + buffer[place + 1] * right
    bottom = buffer[place + width + 2] * (1 - right) + buffer[place + width + 3] * right
    target = torch.from_numpy(step.target).unfold(0, 5, 1).unfold(1, 5, 1).permute(0, 1, 3, 4, 2).flatten(2, 3)
    error = target - (top * (1 - below) + bottom * below)  # (H, W, 25, 3)
    error -= error.mean(2, keepdim=True).clamp(-0.25, 0.25)
    return (error.square().sum(3) * torch.from_numpy(WEIGHTS).reshape(-1)).sum(2).numpy()


if __name__ == "__main__":
    main()
