"""Time and memory of SRResNet on a large picture: python -m tests.bench.bench_large [--width 4000] [--height 3000]

Prints the peak resident memory of the process, which holds the input, the uint8 result and the network's work.
"""

import argparse
import resource
import sys
from time import perf_counter

import numpy as np
import torch

from srcore.inference import Engine
from srcore.methods.neural import upscale_with
from srcore.networks import build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--method", default="srresnet-mse")
    options = parser.parse_args()
    lr = np.random.default_rng(0).integers(0, 256, (options.height, options.width, 3), dtype=np.uint8)
    engine = Engine(build(options.method).eval(), device="cpu")
    start = perf_counter()

    def show(fraction: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{fraction:6.1%}", end="", file=sys.stderr)

    sr = upscale_with(engine, lr, progress=show)
    seconds = perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{options.width} x {options.height} -> {sr.shape[1]} x {sr.shape[0]} with {options.method}")
    print(
        f"{seconds:.0f} s on {torch.get_num_threads()} threads, peak {peak:.2f} GiB, result {sr.nbytes / 2**30:.2f} GiB"
    )


if __name__ == "__main__":
    main()
