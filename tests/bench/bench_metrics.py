"""How long both metrics take for one method on BSD100: python -m tests.bench.bench_metrics [BENCHMARKS]"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from time import perf_counter

from srcore import find_sources, load_source, measure, upscale_bicubic
from srcore.metrics import METRIC_RECIPES

WORKERS = 2


def main() -> None:
    benchmarks = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[3] / "shared" / "benchmarks"
    loaded = [load_source(source) for source in find_sources(benchmarks / "BSD100")]
    pairs = [(hr, upscale_bicubic(lr)) for hr, lr in loaded]
    print(f"BSD100 bicubic, {len(pairs)} pictures, PSNR and SSIM, pictures already in memory")
    for recipe in METRIC_RECIPES:
        for workers in (1, WORKERS):
            start = perf_counter()
            with ThreadPoolExecutor(workers) as pool:
                scores = list(pool.map(lambda pair: measure(*pair, recipe=recipe), pairs))  # noqa: B023
            seconds = perf_counter() - start
            means = f"{fmean(s.psnr for s in scores):.4f} dB {fmean(s.ssim for s in scores):.5f}"
            print(f"{recipe:<7} {workers} thread(s): {seconds:6.2f} s  ({means})")


if __name__ == "__main__":
    main()
