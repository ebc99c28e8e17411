"""What the generators reach: ours beside the published numbers, whether the perceptual ones reach their goals, crops.

    python -m tests.bench.bench_weights [OUT] [--methods M ...] [--benchmarks Set5 ...] [--runs DIR] [--device auto]
    python -m tests.bench.bench_weights OUT --methods srgan-vgg54 --generators srgan-vgg54=runs/a/generator.safetensors

Writes into OUT (build/weights): a table of each method's and benchmark's pictures, kept, so that a second call measures
only what is new (other weights are new); table.md; goals.md; methods.png; and with --runs curves.png. Benchmarks and
VGG-19 are those of MOSWEB_SHARED. Beside PSNR, SSIM and phi_5,4 it measures BRISQUE, grid and cast (quality.py).
"""

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import pandas as pd
from PIL import Image

import srcore
from analysis.paper import BENCHMARKS, METHODS, TITLES, published
from srcore import weights
from srcore.images import Pixels
from srcore.inference import Engine
from srcore.methods.neural import upscale_with
from srcore.networks import build
from srcore.perceptual import FeatureDistance
from tests.bench import quality
from tests.conftest import ROOT

SHARED = Path(os.environ.get("MOSWEB_SHARED", ROOT.parent / "shared"))

SLOW = ("selfexsr", "drcn", "hr")  # not measured unless named; hr is measured always

CROPS = [  # a benchmark's picture and what is shown of it: left, top, width, height
    ("Set14", "img_001", (150, 0, 120, 90)),  # baboon: fur
    ("Set14", "img_005", (60, 120, 120, 90)),  # comic: lines
    ("BSD100", "img_043", (180, 120, 120, 90)),
]


def main() -> None:
    options = _options()
    mpl.use("agg")
    options.out.mkdir(parents=True, exist_ok=True)
    methods = options.methods or [name for name in METHODS if name not in SLOW and srcore.is_available(name)]
    upscalers = _upscalers(methods, options)
    distance = FeatureDistance(SHARED / "weights" / "vgg19_features_fp16.safetensors", device=options.device)
    for method in dict.fromkeys(["hr", quality.REFERENCE, *methods]):
        for benchmark in options.benchmarks:
            _measure(options.out, method, benchmark, upscalers[method], distance)
    means = quality.means(_measured(options.out))
    (options.out / "table.md").write_text(_table(means))
    (options.out / "goals.md").write_text(_goals(means))
    print(_table(means), _goals(means), sep="\n")
    if not options.generators and methods != [quality.REFERENCE]:
        _crops(methods, options.device).save(options.out / "methods.png", optimize=True)
    if options.runs:
        _curves(options.runs, options.out / "curves.png")


class Upscaler(NamedTuple):
    """How a method's pictures are made, and what the weights are, by their sha256 or ""."""

    run: Callable[[Pixels], Pixels] | None
    weights: str


def _upscalers(methods: list[str], options: argparse.Namespace) -> dict[str, Upscaler]:
    made: dict[str, Upscaler] = {"hr": Upscaler(None, "")}
    for method in [quality.REFERENCE, *methods]:
        run = partial(srcore.upscale, name=method, device=options.device)
        made[method] = Upscaler(run, srcore.weights_sha256(method) or "")
    for pair in options.generators:
        method, _, file = pair.partition("=")
        network = build(method)
        network.load_state_dict(weights.read_state(Path(file)))
        run = partial(upscale_with, Engine(network, device=options.device))
        made[method] = Upscaler(run, hashlib.sha256(Path(file).read_bytes()).hexdigest())
    return made


def _measure(out: Path, method: str, benchmark: str, upscaler: Upscaler, distance: FeatureDistance) -> None:
    """Write the table of a method's pictures, unless it is there and was made with these weights."""
    file = out / f"{benchmark}-{method}.csv"
    if file.exists():
        made = pd.read_csv(file, nrows=1, dtype=str, keep_default_na=False)
        if "grid" in made and made.get("weights", pd.Series([""])).iloc[0] == upscaler.weights:
            return
    pictures = quality.measure_pictures(SHARED / "benchmarks" / benchmark, method, upscaler.run, distance)
    pictures.assign(weights=upscaler.weights).to_csv(file, index=False)


def _measured(out: Path) -> pd.DataFrame:
    """The pictures of every method and benchmark measured so far, in the paper's order."""
    files = [out / f"{benchmark}-{method}.csv" for method in METHODS for benchmark in BENCHMARKS]
    return pd.concat([pd.read_csv(file) for file in files if file.exists()], ignore_index=True)


def _table(means: pd.DataFrame) -> str:
    """Markdown: a row a method; for each benchmark PSNR/SSIM, the published ones, the difference, phi_5,4."""
    theirs = {(row.benchmark, row.method): row for row in published().itertuples()}
    rows = ["| method | benchmark | PSNR / SSIM | published | difference | phi_5,4 |", "|---|---|---|---|---|---|"]
    for ours in means[means["method"] != "hr"].itertuples():
        row = theirs.get((ours.benchmark, ours.method))
        difference = f"{ours.psnr - row.psnr:+.2f} / {ours.ssim - row.ssim:+.4f}" if row else ""
        beside = f"{row.psnr:.2f} / {row.ssim:.4f} | {difference}" if row else "|"
        scores = f"{ours.psnr:.2f} / {ours.ssim:.4f} | {beside} | {ours.vgg54:.4f}"
        rows.append(f"| {TITLES[ours.method]} | {ours.benchmark} | {scores} |")
    return "\n".join(rows) + "\n"


def _goals(means: pd.DataFrame) -> str:
    """Markdown: HR, the reference and the perceptual methods; what misses its goal is in bold with a cross."""
    rows = ["| method | benchmark | PSNR | phi_5,4 | BRISQUE | grid | cast |", "|---|---|---|---|---|---|---|"]
    digits = {"psnr": 2, "vgg54": 4, "brisque": 1, "grid": 2, "cast": 2}
    for row in quality.goals(means).to_dict("records"):
        judged = row["method"] in quality.PERCEPTUAL
        if not judged and row["method"] not in ("hr", quality.REFERENCE):
            continue
        cells = []
        for name, places in digits.items():
            reached = row[f"{name}_reached"] if judged else None
            text = f"{row[name]:.{places}f}"
            cells.append({True: f"{text} ✓", False: f"**{text} ✗**"}.get(reached, text))
        rows.append(f"| {TITLES[row['method']]} | {row['benchmark']} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _crops(methods: list[str], device: str) -> Image.Image:
    """The regions of CROPS by every method, one under the other."""
    sheets = []
    for benchmark, name, region in CROPS:
        sources = {source.name: source for source in srcore.find_sources(SHARED / "benchmarks" / benchmark)}
        hr, lr = srcore.load_source(sources[name])
        sheet = srcore.sheet(hr, lr, methods, region=region, zoom=2, columns=-(-(len(methods) + 2) // 2), device=device)
        sheets.append(Image.fromarray(sheet))
    figure = Image.new("RGB", (max(s.width for s in sheets), sum(s.height for s in sheets)), "white")
    top = 0
    for sheet in sheets:
        figure.paste(sheet, (0, top))
        top += sheet.height
    return figure


def _curves(runs: Path, file: Path) -> None:
    """Loss and validation PSNR of each run, from its log.jsonl."""
    from matplotlib import pyplot as plt

    logs = sorted(runs.glob("*/log.jsonl"))
    figure, axes = plt.subplots(2, len(logs), figsize=(4 * len(logs), 5), squeeze=False, sharex="col")
    for (top, bottom), log in zip(axes.T, logs, strict=True):
        rows = pd.DataFrame([json.loads(line) for line in log.read_text().splitlines()])
        losses = rows.dropna(subset="generator").set_index("update")["generator"]
        top.plot(losses.rolling(max(1, len(losses) // 100), center=True).mean(), color="black", linewidth=1)
        top.set(title=log.parent.name, yscale="log", ylabel="generator's loss")
        if "validation_psnr" in rows:
            validation = rows.dropna(subset="validation_psnr").set_index("update")["validation_psnr"]
            bottom.plot(validation, color="black", linewidth=1, marker=".")
        bottom.set(xlabel="updates", ylabel="validation PSNR (dB)")
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT", default=ROOT / "build" / "weights")
    parser.add_argument(
        "--methods", nargs="+", metavar="M", help="default: all that run here, without selfexsr and drcn, the slow"
    )
    parser.add_argument(
        "--generators", nargs="+", default=[], metavar="M=FILE", help="weights to judge instead of a method's own"
    )
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=list(BENCHMARKS))
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of training runs")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
