"""Folders of results as they are found in the wild, made from Set5 and Set14 by the site's own methods.

Of seven all is well, each with names of another kind; five are odd: two pictures swapped, channels exchanged, JPEG,
made for twice the size, with a grid to compare beside them.
"""

import csv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from srcore import upscale
from srcore.benchmark import find_sources, load_source
from srcore.images import Pixels
from srcore.resize import downscale, upscale_bicubic

Pictures = dict[str, Pixels]


@dataclass(frozen=True)
class Folder:
    """Results of a method on a benchmark: `path` is a folder, or a zip; `mapping` a CSV where names do not tell.

    `says`: what the site says is strange about it; empty where nothing is.
    """

    name: str
    benchmark: str
    method: str
    path: Path
    says: str = ""
    mapping: Path | None = None


def benchmark_of(shared: Path, name: str) -> tuple[Pictures, Pictures]:
    """HR and LR by the pictures' names."""
    sources = find_sources(shared / "benchmarks" / name, scale=4)
    loaded = {source.name: load_source(source, scale=4) for source in sources}
    return {name: hr for name, (hr, _) in loaded.items()}, {name: lr for name, (_, lr) in loaded.items()}


def make(root: Path, shared: Path) -> list[Folder]:
    """All twelve."""
    hr, lr = {}, {}
    for name in ("Set5", "Set14"):
        hr[name], lr[name] = benchmark_of(shared, name)
    made = {(m, b): {n: upscale(p, m) for n, p in lr[b].items()} for b in lr for m in ("nearest", "srcnn", "espcn")}
    made["srresnet-mse", "Set5"] = {n: upscale(p, "srresnet-mse") for n, p in lr["Set5"].items()}
    five, fourteen = made["espcn", "Set5"], made["espcn", "Set14"]
    clean = [
        _folder(root, "plain", "Set5", "net-a", five, "{}.png"),
        _folder(root, "scale-at-the-end", "Set14", "net-a", fourteen, "{}x4.png"),
        _folder(root, "method-at-the-end", "Set5", "net-b", made["srcnn", "Set5"], "{}_x4_NetB.png"),
        _folder(root, "method-first", "Set14", "net-b", made["srcnn", "Set14"], "NetB-{}.tif"),
        _numbered(root, "numbers", "Set5", "net-c", made["nearest", "Set5"]),
        _zipped(root, "a-zip-of-two", "net-c", made["nearest", "Set14"], made["nearest", "Set5"]),
        _folder(root, "capitals", "Set5", "net-d", {n.upper(): p for n, p in made["srresnet-mse", "Set5"].items()},
                "{}.BMP"),
    ]  # fmt: skip
    return clean + _odd(root, five, fourteen, hr["Set5"])


def _odd(root: Path, five: Pictures, fourteen: Pictures, hr: Pictures) -> list[Folder]:
    one, other = _of_one_size(fourteen)
    twice = {name: upscale_bicubic(downscale(picture, 2), 2) for name, picture in hr.items()}
    return [
        _folder(root, "swapped", "Set14", "odd-swapped", {**fourteen, one: fourteen[other], other: fourteen[one]},
                "{}.png", says="Nearer to"),
        _folder(root, "channels", "Set5", "odd-channels", {n: p[..., ::-1] for n, p in five.items()}, "{}.png",
                says="channels"),
        _folder(root, "jpeg", "Set5", "odd-jpeg", five, "{}.jpg", says="JPEG"),
        _folder(root, "twice", "Set5", "odd-twice", twice, "{}_x2.png", says="results of 2x"),
        _grid(_folder(root, "grid", "Set5", "odd-grid", five, "{}_SR.png", says="no picture's"), five),
    ]  # fmt: skip


def _of_one_size(pictures: Pictures) -> tuple[str, str]:
    """Two pictures in colour of the same size."""
    seen: dict[tuple[int, ...], str] = {}
    for name, picture in pictures.items():
        if picture.ndim == 3 and np.ptp(picture, axis=2).max() > 60:
            if picture.shape in seen:
                return seen[picture.shape], name
            seen[picture.shape] = name
    raise AssertionError("no two pictures of one size")


def _folder(
    root: Path, name: str, benchmark: str, method: str, pictures: Mapping[str, Pixels], pattern: str, says: str = ""
) -> Folder:
    path = root / name
    path.mkdir(parents=True)
    for picture, pixels in pictures.items():
        Image.fromarray(np.ascontiguousarray(pixels)).save(path / pattern.format(picture), quality=85)
    (path / "Thumbs.db").write_bytes(b"what a file manager leaves")
    return Folder(name, benchmark, method, path, says)


def _numbered(root: Path, name: str, benchmark: str, method: str, pictures: Pictures) -> Folder:
    """Names that do not tell, and the table that does, with a heading and the mark that spreadsheets write first."""
    numbered = dict(enumerate(pictures.values()))
    made = _folder(root, name, benchmark, method, {f"{n:04d}": p for n, p in numbered.items()}, "out-{}.png")
    mapping = root / f"{name}.csv"
    with mapping.open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(["name", "file"])
        table.writerows((picture, f"out-{number:04d}.png") for number, picture in enumerate(pictures))
    return Folder(name, benchmark, method, made.path, mapping=mapping)


def _zipped(root: Path, name: str, method: str, fourteen: Pictures, five: Pictures) -> Folder:
    """Both benchmarks in one zip, in folders of their names."""
    path = root / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for benchmark, pictures in (("Set5", five), ("Set14", fourteen)):
            folder = _folder(root, f"{name}-{benchmark}", benchmark, method, pictures, "{}_x4.png").path
            for file in sorted(folder.iterdir()):
                archive.write(file, f"results/{benchmark}/{file.name}")
    return Folder(name, "Set14", method, path)


def _grid(folder: Folder, pictures: Pictures) -> Folder:
    """Beside the results a picture in which a paper compares them."""
    crops = [picture[:128, :128] for picture in pictures.values()]
    Image.fromarray(np.concatenate(crops, axis=1)).save(folder.path / "comparison_grid.png")
    return folder
