"""What the shipped generators reach: ours beside the published numbers, crops of every method, training curves.

    python -m tests.bench.bench_weights [OUT] [--methods M ...] [--benchmarks Set5 ...] [--runs DIR] [--device auto]

Writes into OUT (build/weights): an objective table of each method and benchmark, kept, so that a second call measures
only what is new; table.md; methods.png; and with --runs curves.png. Benchmarks and VGG-19 are those of MOSWEB_SHARED.
"""

import argparse
import csv
import json
import os
from pathlib import Path
from statistics import fmean

import matplotlib as mpl
import pandas as pd
from PIL import Image

import srcore
from analysis.paper import BENCHMARKS, METHODS, TITLES, published
from srcore.__main__ import main as srcore_main
from tests.conftest import ROOT

SHARED = Path(os.environ.get("MOSWEB_SHARED", ROOT.parent / "shared"))

SLOW = ("selfexsr", "drcn", "hr")  # not measured unless named; hr needs no measuring

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
    for method in methods:
        for benchmark in options.benchmarks:
            _measure(options.out, method, benchmark, options.device)
    table = _table(options.out)
    (options.out / "table.md").write_text(table)
    print(table)
    _crops(methods, options.device).save(options.out / "methods.png", optimize=True)
    if options.runs:
        _curves(options.runs, options.out / "curves.png")


def _measure(out: Path, method: str, benchmark: str, device: str) -> None:
    file = out / f"{benchmark}-{method}.csv"
    vgg = SHARED / "weights" / "vgg19_features_fp16.safetensors"
    if not file.exists():
        folder = SHARED / "benchmarks" / benchmark
        command = ["evaluate", "--method", method, "--benchmark", str(folder), "--vgg", str(vgg), "--csv", str(file)]
        if srcore_main([*command, "--device", device]):
            raise SystemExit(1)


def _table(out: Path) -> str:
    """Markdown: a row a method; for each benchmark PSNR/SSIM, the published ones, the difference, phi_5,4."""
    theirs = {(row.benchmark, row.method): row for row in published().itertuples()}
    rows = ["| method | benchmark | PSNR / SSIM | published | difference | phi_5,4 |", "|---|---|---|---|---|---|"]
    for method in METHODS:
        for benchmark in BENCHMARKS:
            file = out / f"{benchmark}-{method}.csv"
            if not file.exists():
                continue
            with file.open(newline="") as lines:
                scores = list(csv.DictReader(lines))
            psnr, ssim, distance = (fmean(float(score[name]) for score in scores) for name in ("psnr", "ssim", "vgg54"))
            row = theirs.get((benchmark, method))
            beside = (
                f"{row.psnr:.2f} / {row.ssim:.4f} | {psnr - row.psnr:+.2f} / {ssim - row.ssim:+.4f}" if row else "|"
            )
            rows.append(f"| {TITLES[method]} | {benchmark} | {psnr:.2f} / {ssim:.4f} | {beside} | {distance:.4f} |")
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
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=list(BENCHMARKS))
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of training runs")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
