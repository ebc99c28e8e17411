"""python -m srcore: the library from a shell. Errors are one line on standard error and exit code 1."""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeAlias

import srcore
from srcore.benchmark import Evaluation
from srcore.images import Pixels
from srcore.metrics import RECIPES
from srcore.training.recipes import RECIPES as RECIPES_TO_TRAIN
from srcore.training.recipes import get_recipe

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (srcore.SrcoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m srcore", description="4x super-resolution: make, measure, train.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for add in (_picture_commands, _measure_commands, _training_commands, _weights_commands):
        add(commands)
    return parser


def _picture_commands(commands: Commands) -> None:
    methods = commands.add_parser("methods", help="list the methods and whether they can run here")
    methods.add_argument("--json", action="store_true", help="as a JSON list")
    methods.set_defaults(command=_methods)

    downscale = commands.add_parser("downscale", help="make low-resolution images as MATLAB's imresize does")
    _add_files(downscale)
    downscale.set_defaults(command=_downscale)

    upscale = commands.add_parser("upscale", help="enlarge pictures 4 times")
    upscale.add_argument("--method", required=True, help="see `methods`")
    upscale.add_argument(
        "--iterations",
        type=_at_least_one,
        metavar="N",
        help="selfexsr only: search rounds of its first step (default 12)",
    )
    _add_device(upscale)
    _add_files(upscale)
    upscale.set_defaults(command=_upscale)


def _measure_commands(commands: Commands) -> None:
    evaluate = commands.add_parser("evaluate", help="PSNR and SSIM of a method on a benchmark folder")
    evaluate.add_argument("--method", required=True, help="see `methods`; with --results any name")
    evaluate.add_argument("--benchmark", required=True, type=Path, metavar="DIR", help="*_HR.png [*_LR.png], or photos")
    evaluate.add_argument("--results", type=Path, metavar="DIR", help="score these result images instead of computing")
    evaluate.add_argument("--recipe", choices=RECIPES, default="paper", help="how to measure (default: paper)")
    evaluate.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights: also the distance in phi_5,4")
    evaluate.add_argument("--json", action="store_true", help="as JSON; null stands for an infinite PSNR")
    evaluate.add_argument("--csv", type=Path, metavar="FILE", help="also write FILE, an objective table for analysis")
    _add_device(evaluate)
    evaluate.set_defaults(command=_evaluate)

    bench = commands.add_parser("bench", help="measure the speed of training here")
    bench.add_argument("what", choices=["train"])
    bench.add_argument("--recipes", nargs="+", default=["srresnet-mse", "srgan-mse"], metavar="RECIPE")
    bench.add_argument("--batch", type=_whole, metavar="N", help="crops an update (default: the recipe's; on a CPU 2)")
    bench.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights, for recipes that use it")
    _add_device(bench)
    bench.set_defaults(command=_bench)


def _training_commands(commands: Commands) -> None:
    train = commands.add_parser("train", help="train a network by a recipe")
    train.add_argument("recipe", metavar="RECIPE", help=", ".join(RECIPES_TO_TRAIN))
    train.add_argument("--data", required=True, nargs="+", metavar="PATH", help="photographs: folders, tars, globs")
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the run")
    train.add_argument("--updates", type=_whole, metavar="N", help="the plan (default: the recipe's)")
    train.add_argument("--minutes", type=float, metavar="M", help="end this leg then; --resume goes on")
    train.add_argument("--resume", action="store_true", help="go on with the run in DIR, or begin it")
    train.add_argument("--batch", type=_whole, metavar="N", help="crops an update (default: the recipe's)")
    train.add_argument(
        "--rates",
        type=_rate,
        nargs=2,
        metavar=("FIRST", "LAST"),
        help="learning rate at the plan's beginning and end, falling geometrically (default: the recipe's schedule)",
    )
    train.add_argument("--optimiser", choices=("adam", "soap"), help="of the generator (default: the recipe's)")
    train.add_argument("--seed", type=int, default=0, help="of weights and crops (default: 0)")
    train.add_argument("--short", action="store_true", help="a GAN's recipe for few updates, on CPU cores")
    train.add_argument("--start", type=Path, metavar="FILE", help="weights to begin with, instead of the recipe's")
    train.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights (default: $SRCORE_VGG19, or download)")
    train.add_argument("--validate", type=Path, metavar="DIR", help="benchmark folder for PSNR and a sample picture")
    train.add_argument("--eager", action="store_true", help="on a GPU: without torch.compile and CUDA graphs")
    _add_device(train)
    train.set_defaults(command=_train)


def _weights_commands(commands: Commands) -> None:
    publish = commands.add_parser("publish", help="measure a trained network and put it among the methods")
    publish.add_argument("run", type=Path, metavar="DIR", help="folder of a finished run")
    publish.add_argument("--benchmarks", nargs="+", required=True, type=Path, metavar="DIR", help="to measure it on")
    publish.add_argument("--data", required=True, metavar="TEXT", help="what it was trained on, for the manifest")
    publish.add_argument("--licence", required=True, metavar="TEXT", help="of the weights, for the manifest")
    publish.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights: also the distance in phi_5,4")
    publish.add_argument("--unfinished", action="store_true", help="also before the end of the plan")
    _add_device(publish)
    publish.set_defaults(command=_publish)

    add = commands.add_parser("add", help="put a network file that spandrel opens among the methods")
    add.add_argument("name", metavar="NAME", help="the method's name from now on")
    add.add_argument("file", type=Path, metavar="FILE", help="*.safetensors or *.pth, RGB 4x")
    add.add_argument("--display-name", metavar="TEXT", help="for tables (default: NAME)")
    add.add_argument("--citation", metavar="TEXT", default="", help="where it comes from")
    add.set_defaults(command=_add)


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return value


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the PNG files; made if needed"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the result is named as FILE, with .png")


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="for networks (default: auto)"
    )


def _methods(options: argparse.Namespace) -> None:
    rows = [
        {
            "name": method.name,
            "display_name": method.display_name,
            "kind": method.kind,
            "family": method.family,
            "ready": srcore.is_available(method.name),
            "reason": srcore.why_unavailable(method.name),
            "weights_sha256": srcore.weights_sha256(method.name),
            "citation": method.citation,
        }
        for method in srcore.METHODS.values()
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['name']:<15} {row['kind']:<10} {'ready' if row['ready'] else row['reason']}")


def _downscale(options: argparse.Namespace) -> None:
    for file, target in _targets(options.files, options.out):
        pixels = srcore.read_image(file)
        if min(pixels.shape[:2]) < 4:
            raise srcore.ImageError(f"{file}: {pixels.shape[1]} x {pixels.shape[0]} is too small to shrink 4 times")
        cropped = srcore.crop_to_multiple(pixels)
        srcore.write_image(target, srcore.downscale(cropped))
        note = "" if cropped.shape == pixels.shape else f" (cut to {cropped.shape[1]} x {cropped.shape[0]} first)"
        print(f"{target}{note}")


def _upscale(options: argparse.Namespace) -> None:
    for file, target in _targets(options.files, options.out):
        output = srcore.run(
            srcore.read_image(file),
            options.method,
            device=options.device,
            iterations=options.iterations,
            progress=_bar(file.name),
        )
        srcore.write_image(target, output.pixels)
        print(f"{target} ({output.seconds:.2f} s on {output.device})")


def _targets(files: list[Path], folder: Path) -> list[tuple[Path, Path]]:
    """Each file with the PNG to write. Raises ImageError before anything is written over or written twice."""
    pairs = [(file, folder / f"{file.stem}.png") for file in files]
    taken: dict[Path, Path] = {}
    for file, target in pairs:
        if target in taken:
            raise srcore.ImageError(f"{file} and {taken[target]} would both become {target}; run them apart")
        taken[target] = file
        if target.resolve() == file.resolve():
            raise srcore.ImageError(f"{file} would be written over; give --out another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return pairs


def _evaluate(options: argparse.Namespace) -> None:
    if options.results is None:
        srcore.get_method(options.method)
    show = _bar(f"{options.method} on {options.benchmark.name}")
    result = srcore.evaluate(
        options.benchmark,
        options.method,
        recipe=options.recipe,
        results=options.results,
        device=options.device,
        distance=_distance(options),
        progress=lambda done, total: show(done / total) if show else None,
    )
    if options.csv:
        _write_csv(options.csv, options.benchmark.resolve().name, result)
    if options.json:
        print(json.dumps(result.as_dict(), indent=2))
        return
    rows = [(score.name, score.psnr, score.ssim, score.vgg54) for score in result.scores]
    for name, psnr, ssim, distance in [*rows, (f"mean of {len(rows)}", *result.mean, result.vgg54)]:
        print(f"{name:<24} {psnr:8.4f} dB  {ssim:.5f}" + ("" if distance is None else f"  {distance:.5f}"))


def _distance(options: argparse.Namespace) -> Callable[[Pixels, Pixels], float] | None:
    if options.vgg is None:
        return None
    from srcore.perceptual import FeatureDistance  # loads torch

    return FeatureDistance(options.vgg, device=options.device)


def _train(options: argparse.Namespace) -> None:
    recipe = get_recipe(options.recipe)
    from srcore.training.loop import Options, train  # loads torch
    from srcore.training.parallel import leave_processes

    chosen = {field.name: getattr(options, field.name) for field in fields(Options) if hasattr(options, field.name)}
    run = train(recipe, Options(**chosen))
    if run.processes.is_first:
        state = "done" if run.update == run.plan else f"at update {run.update:,} of {run.plan:,}; --resume goes on"
        print(f"{recipe.name} is {state}: {options.out / 'generator.safetensors'}")
    leave_processes()


def _publish(options: argparse.Namespace) -> None:
    from srcore.training.publish import publish  # loads torch

    path = publish(
        options.run,
        options.benchmarks,
        data=options.data,
        licence=options.licence,
        vgg=options.vgg,
        unfinished=options.unfinished,
        device=options.device,
    )
    print(f"{path} is in use as method {path.stem}")


def _add(options: argparse.Namespace) -> None:
    from srcore.training.publish import add_foreign  # loads torch

    architecture = add_foreign(options.name, options.file, display_name=options.display_name, citation=options.citation)
    print(f"{options.name} is ready: {architecture}; a running site sees it after a restart")


def _bench(options: argparse.Namespace) -> None:
    names = [get_recipe(name).name for name in options.recipes]
    from srcore.inference import choose_device  # loads torch
    from srcore.training import bench

    rates = bench.measure_training(names, device=options.device, batch=options.batch, vgg=options.vgg)
    print(bench.report(rates, choose_device(options.device)))


def _write_csv(path: Path, benchmark: str, result: Evaluation) -> None:
    """As the objective table of `python -m analysis`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        further = [] if result.vgg54 is None else ["vgg54"]
        writer.writerow(["benchmark", "source", "method", "psnr", "ssim", "seconds", *further])
        for score in result.scores:
            row = [benchmark, score.name, result.method, score.psnr, score.ssim, f"{score.seconds:.4f}"]
            writer.writerow([*row, score.vgg54] if further else row)


def _bar(label: str) -> srcore.methods.Progress | None:
    """Progress on standard error, where a person watches it."""
    if not sys.stderr.isatty():
        return None

    def show(fraction: float) -> None:
        print(f"\r{label}: {fraction:4.0%} ", end="" if fraction < 1 else "\n", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
