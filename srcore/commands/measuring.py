"""Measuring: evaluate, doctor."""

import argparse
import csv
import io
import json
import sys
from math import isnan, nan
from pathlib import Path

import srcore
from srcore.benchmark import Evaluation
from srcore.commands.shared import Commands, SomeFailed, add_device, add_scale, at_least, bar
from srcore.files import is_folder, whole_file, why_no_file
from srcore.matching import all_files, passed_over, read_mapping
from srcore.metrics import METRIC_RECIPES, METRICS, Settings, get_metric

OBJECTIVE_COLUMNS = ("benchmark", "source", "method", "metric", "value", "better", "unit", "decimals", "sees")
RUN_TIME_COLUMNS = ("benchmark", "source", "method", "seconds", "device")


def add_to(commands: Commands) -> None:
    evaluate = commands.add_parser("evaluate", help="PSNR, SSIM and more of a method on a benchmark folder")
    evaluate.add_argument("--method", required=True, help="see `methods`; with --results any name")
    evaluate.add_argument("--benchmark", required=True, type=Path, metavar="DIR", help="*_HR.png [*_LR.png], or photos")
    evaluate.add_argument("--lr", type=Path, metavar="DIR", help="folder of the LR pictures, such as LR_bicubic/X4")
    evaluate.add_argument("--results", type=Path, metavar="DIR", help="score these result images instead of computing")
    evaluate.add_argument("--suffix", default="", help="take only result files whose name ends so")
    evaluate.add_argument("--mapping", type=Path, metavar="CSV", help="columns name, file: whose result is which")
    evaluate.add_argument("--recipe", choices=METRIC_RECIPES, default="paper", help="of PSNR, SSIM (default: paper)")
    evaluate.add_argument("--metrics", nargs="+", default=[], metavar="METRIC", help=f"further: {', '.join(METRICS)}")
    evaluate.add_argument("--crop", type=at_least(0), metavar="N", help="pixels cut off each side (default: the scale)")
    evaluate.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights: also the distance in phi_5,4")
    evaluate.add_argument(
        "--weights", nargs="+", type=_named_file, default=[], metavar="NAME=FILE", help="of metrics: alexnet, vgg16"
    )
    evaluate.add_argument("--json", action="store_true", help="as JSON; null stands for an infinite PSNR")
    evaluate.add_argument("--csv", type=Path, metavar="FILE", help="also write FILE, an objective table for analysis")
    evaluate.add_argument("--times", type=Path, metavar="FILE", help="also write FILE, a table of run times")
    add_scale(evaluate)
    add_device(evaluate)
    evaluate.set_defaults(command=_evaluate)

    doctor = commands.add_parser("doctor", help="compare every path on this machine with what it should do")
    doctor.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights, to look at that metric too")
    doctor.add_argument("--weights", nargs="+", type=_named_file, default=[], metavar="NAME=FILE", help="as evaluate")
    add_device(doctor)
    doctor.set_defaults(command=_doctor)


def _named_file(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=FILE, not {text}")
    return name, Path(path)


def _evaluate(options: argparse.Namespace) -> None:
    if options.results is None:
        srcore.get_method(options.method)
    for path in filter(None, (options.csv, options.times)):
        if reason := why_no_file(path):
            raise srcore.ImageError(reason)
    further = [get_metric(name) for name in options.metrics]
    for folder in filter(None, (options.benchmark, options.results, options.lr)):
        if is_folder(folder) and (others := passed_over(all_files(folder))):
            print(f"{folder}: {others}", file=sys.stderr)
    show = bar(f"{options.method} on {options.benchmark.name}")
    result = srcore.evaluate(
        options.benchmark,
        options.method,
        recipe=options.recipe,
        metrics=[*further, *([get_metric("vgg54")] if options.vgg else [])],
        settings=Settings(
            crop=options.scale if options.crop is None else options.crop,
            device=options.device,
            vgg=options.vgg,
            weights=dict(options.weights),
        ),
        scale=options.scale,
        lr=options.lr,
        results=options.results,
        suffix=options.suffix,
        mapping=read_mapping(options.mapping) if options.mapping else None,
        device=options.device,
        keep_going=True,
        progress=lambda done, total: show(done / total) if show else None,
    )
    _report(result, options)
    if result.problems:
        for gap in result.gaps:
            print(f"not measured: {gap}", file=sys.stderr)
        raise SomeFailed(result.problems, len(result.problems) + len(result.scores), "pictures")
    if result.gaps:
        raise SomeFailed(result.gaps, len(result.scores) * len(further), "values")
    if result.missing:
        raise SomeFailed(result.missing, 2 + len(further), "metrics")


def _doctor(options: argparse.Namespace) -> None:
    from srcore import doctor  # loads torch

    findings = []
    for finding in doctor.examine(device=options.device, vgg=options.vgg, weights=dict(options.weights)):
        print(f"{finding.path} ...", file=sys.stderr, flush=True)
        findings.append(finding)
    print(doctor.report(findings))
    if bad := [f"{finding.path}: {finding.said}" for finding in findings if finding.holds is False]:
        raise SomeFailed(bad, len(doctor.looked_at(findings)), "paths")


def _report(result: Evaluation, options: argparse.Namespace) -> None:
    """Print the scores, then write the files: what was measured is seen also where the disk fails."""
    if options.json:
        print(json.dumps(result.as_dict(), indent=2))
    else:
        _print(result)
    name = options.benchmark.resolve().name
    if options.csv and result.scores:
        _write_csv(options.csv, OBJECTIVE_COLUMNS, list(result.rows(name)))
    if options.times and result.scores:
        rows = [(name, score.name, result.method, f"{score.seconds:.4f}", score.device) for score in result.scores]
        _write_csv(options.times, RUN_TIME_COLUMNS, [dict(zip(RUN_TIME_COLUMNS, row, strict=True)) for row in rows])


def _print(result: Evaluation) -> None:
    if result.pattern:
        print(f"result files are named {result.pattern}")
    if not result.scores:
        return
    for note in dict.fromkeys(metric.note for metric in result.metrics if metric.note):
        print(f"{', '.join(metric.title for metric in result.metrics if metric.note == note)}: {note}")
    if result.sees:
        print(f"{result.method} sees {result.sees}")
    print(" " * 24 + "".join(f"  {metric.title:>14}" for metric in result.metrics))
    means = (f"mean of {len(result.scores)}", result.means)
    for label, values in [*((score.name, score.values) for score in result.scores), means]:
        cells = (
            f"{values[metric.name]:.{metric.decimals + 2}f}{' ' + metric.unit if metric.unit else ''}"
            if not isnan(values.get(metric.name, nan))
            else "-"
            for metric in result.metrics
        )
        print(f"{label:<24}" + "".join(f"  {cell:>14}" for cell in cells))


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[dict[str, object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())
