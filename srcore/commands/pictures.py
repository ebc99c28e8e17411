"""Making pictures: methods, downscale, upscale, sheet."""

import argparse
import json
from pathlib import Path
from typing import Any

import srcore
from srcore.commands.shared import Commands, add_device, add_files, add_scale, at_least, bar, each_file
from srcore.files import why_no_file
from srcore.images import LARGEST_PIXELS
from srcore.methods.folder import Wanted, match_folder, read_result
from srcore.sheet import Region


def add_to(commands: Commands) -> None:
    methods = commands.add_parser("methods", help="list the methods and whether they can run here")
    methods.add_argument("--json", action="store_true", help="as a JSON list")
    methods.set_defaults(command=_methods)

    downscale = commands.add_parser("downscale", help="make low-resolution images as MATLAB's imresize does")
    add_scale(downscale)
    add_files(downscale)
    downscale.set_defaults(command=_downscale)

    upscale = commands.add_parser("upscale", help="enlarge pictures")
    upscale.add_argument("--method", required=True, help="see `methods`")
    upscale.add_argument(
        "--iterations",
        type=at_least(1),
        metavar="N",
        help="selfexsr only: search rounds of its first step (default 12)",
    )
    upscale.add_argument(
        "--ensemble", action="store_true", help="the mean of eight results, of the picture turned and mirrored"
    )
    upscale.add_argument("--keep-alpha", action="store_true", help="enlarge transparency too, not lay it over white")
    add_scale(upscale)
    add_device(upscale)
    add_files(upscale)
    upscale.set_defaults(command=_upscale)
    _add_sheet(commands)


def _add_sheet(commands: Commands) -> None:
    sheet = commands.add_parser("sheet", help="one region by several methods side by side, with PSNR and SSIM")
    sheet.add_argument("hr", type=Path, metavar="HR", help="the original picture")
    sheet.add_argument("--methods", nargs="+", default=[], metavar="METHOD", help="see `methods`")
    sheet.add_argument(
        "--results", nargs="+", default=[], metavar="NAME=FILE", help="finished pictures, or folders that hold them"
    )
    sheet.add_argument("--lr", type=Path, metavar="FILE", help="the LR picture (default: made from HR)")
    sheet.add_argument("--out", required=True, type=Path, metavar="FILE", help="the PNG to write")
    sheet.add_argument("--region", nargs=4, type=at_least(0), metavar=("LEFT", "TOP", "WIDTH", "HEIGHT"))
    sheet.add_argument("--zoom", type=at_least(1), default=2, help="(default: 2)")
    sheet.add_argument("--columns", type=at_least(1), default=4, help="(default: 4)")
    sheet.add_argument("--force", action="store_true", help="also write over a file that srcore did not write")
    add_scale(sheet)
    add_device(sheet)
    sheet.set_defaults(command=_sheet)


def _methods(options: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = [
        {
            "name": method.name,
            "display_name": method.display_name,
            "kind": method.kind,
            "family": method.family,
            "scales": list(method.scales),
            "queue": method.queue,
            "tile": method.tile,
            "sees": method.sees,
            "ready": not (reason := method.why_unavailable()),
            "reason": reason,
            "weights_sha256": method.sha256(),
            "citation": method.citation,
        }
        for method in srcore.METHODS.values()
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        scales = "x" + "/".join(map(str, row["scales"])) if row["kind"] == "upscaler" else ""
        print(f"{row['name']:<15} {row['kind']:<10} {scales:<9} {'ready' if row['ready'] else row['reason']}")


def _downscale(options: argparse.Namespace) -> None:
    scale = options.scale

    def shrink(file: Path, target: Path) -> str:
        pixels = srcore.read_image(file, max_pixels=LARGEST_PIXELS)
        if min(pixels.shape[:2]) < scale:
            raise srcore.ImageError(
                f"{file}: {pixels.shape[1]} x {pixels.shape[0]} is too small to shrink {scale} times"
            )
        cropped = srcore.crop_to_multiple(pixels, scale)
        srcore.write_image(target, srcore.downscale(cropped, scale))
        note = "" if cropped.shape == pixels.shape else f" (cut to {cropped.shape[1]} x {cropped.shape[0]} first)"
        return f"{target}{note}"

    each_file(options, shrink)


def _upscale(options: argparse.Namespace) -> None:
    method = srcore.get_method(options.method)
    method.check(srcore.Work(scale=options.scale, iterations=options.iterations))

    def enlarge(file: Path, target: Path) -> str:
        lr, alpha = srcore.read_with_alpha(file, max_pixels=LARGEST_PIXELS)
        if not options.keep_alpha and alpha is not None:
            lr, alpha = srcore.read_image(file, max_pixels=LARGEST_PIXELS), None
        if lr.shape[0] * lr.shape[1] * options.scale**2 > LARGEST_PIXELS:
            raise srcore.ImageError(f"{file}: the result would have more than {LARGEST_PIXELS:,} pixels; cut it first")
        output = srcore.run(
            lr,
            method.name,
            scale=options.scale,
            device=options.device,
            iterations=options.iterations,
            ensemble=options.ensemble,
            progress=bar(file.name),
        )
        srcore.write_image(
            target,
            output.pixels,
            alpha=None if alpha is None else srcore.upscale_bicubic(alpha, options.scale),
            made_by=_made_by(method, output),
        )
        seen = f", in {output.sees}" if output.sees else ""
        return f"{target} ({output.seconds:.2f} s on {output.device}{seen})"

    each_file(options, enlarge)


def _made_by(method: srcore.Method, output: srcore.Output) -> str:
    """What decided the pixels, for the file itself."""
    return ", ".join(filter(None, (method.name, method.sha256(), output.sees)))


def _sheet(options: argparse.Namespace) -> None:
    if reason := why_no_file(options.out):
        raise srcore.ImageError(reason)
    if options.out.exists() and not options.force and not srcore.was_written_here(options.out):
        raise srcore.ImageError(f"{options.out} is there already, and srcore did not write it; give --force or another")
    source = srcore.Source(options.hr.stem, options.hr, options.lr)
    hr, lr = srcore.load_source(source, scale=options.scale, max_pixels=LARGEST_PIXELS)
    pictures = {
        name: srcore.upscale(lr, name, scale=options.scale, device=options.device) for name in options.methods
    }
    for text in options.results:
        name, equals, path = text.partition("=")
        if not equals:
            raise srcore.ImageError(f"{text}: results are given as NAME=FILE")
        wanted = Wanted(options.hr.stem.removesuffix("_HR"), hr.shape[1], hr.shape[0])
        pictures[name] = _finished(Path(path), wanted)
    region = Region(*options.region) if options.region else None
    made = srcore.sheet(hr, lr, pictures, region=region, zoom=options.zoom, columns=options.columns)
    srcore.write_image(options.out, made)
    print(options.out)


def _finished(path: Path, wanted: Wanted) -> srcore.Pixels:
    if not path.is_dir():
        return read_result(path, wanted, max_pixels=LARGEST_PIXELS)
    match = match_folder(path, [wanted], max_pixels=LARGEST_PIXELS)
    if match.problems:
        raise srcore.ImageError(match.problems[0])
    return read_result(match.files[wanted.name], wanted, max_pixels=LARGEST_PIXELS)


