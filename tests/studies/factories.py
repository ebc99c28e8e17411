"""Small, real studies for the tests: images on disk, rows in the database, a launched study, invited raters."""

import hashlib
from collections.abc import Sequence

import numpy as np
from django.core.files.base import ContentFile
from django.utils import timezone

from srcore.images import encode_png
from srcore.registry import METHODS
from srcore.resize import downscale, upscale_bicubic, upscale_nearest
from studies.content.sources import pixels_sha256, png_of
from studies.content.stimuli import generated_key
from studies.models import Benchmark, Method, Rater, SourceImage, Stimulus, Study
from studies.research import drafts, invitations, lifecycle
from studies.storage.marker import mark_new_storage

MAKERS = {"nearest": upscale_nearest, "bicubic": upscale_bicubic}


def photograph(seed: int, *, height: int = 64, width: int = 96) -> np.ndarray:
    """Smooth colour blobs with noise: RGB uint8 that every method renders differently."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    fine = rng.normal(0, 20, (height, width, 3))
    return np.clip(upscale_bicubic(coarse) + fine, 0, 255).astype(np.uint8)


def make_methods() -> dict[str, Method]:
    """The rows of srcore's methods; those that are not there yet are made, by one statement."""
    kept = {row.name: row for row in Method.objects.filter(name__in=METHODS)}
    missing = [
        Method(name=name, display_name=method.display_name, kind=method.kind, rank=rank)
        for rank, (name, method) in enumerate(METHODS.items())
        if name not in kept
    ]
    made = {row.name: row for row in Method.objects.bulk_create(missing)}
    return {name: (kept | made)[name] for name in METHODS}


def make_benchmark(name: str = "tiny", *, images: int = 2, height: int = 64, width: int = 96) -> Benchmark:
    """A benchmark of `images` photographs, each of another size so that no two sources look alike."""
    benchmark = Benchmark.objects.create(name=name)
    mark_new_storage()
    methods = make_methods()
    for number in range(images):
        seed = int.from_bytes(hashlib.sha256(f"{name}{number}".encode()).digest()[:4], "big")
        hr = photograph(seed, height=height + 4 * number, width=width)
        lr = downscale(hr)
        source = SourceImage(benchmark=benchmark, name=f"{name}_{number:03d}", mode="RGB")
        source.height, source.width = hr.shape[:2]
        source.hr_sha256, source.lr_sha256 = pixels_sha256(hr), pixels_sha256(lr)
        source.hr.save("", ContentFile(encode_png(hr)), save=False)
        source.lr.save("", ContentFile(encode_png(lr)), save=False)
        source.save()
        for method in ("nearest", "bicubic", "hr"):
            make_stimulus(source, methods[method], hr if method == "hr" else MAKERS[method](lr))
    return benchmark


def make_stimulus(source: SourceImage, method: Method, pixels: np.ndarray) -> Stimulus:
    png, facts = png_of(pixels)
    stimulus = Stimulus(source=source, method=method, **generated_key(method.name), **facts)
    stimulus.file.save("", ContentFile(png), save=False)
    stimulus.psnr, stimulus.ssim, stimulus.seconds = 30.0, 0.9, 0.01
    stimulus.state, stimulus.finished_at = Stimulus.State.DONE, timezone.now()
    stimulus.save()
    return stimulus


def make_study(
    *,
    name: str = "study",
    benchmarks: Sequence[Benchmark] | None = None,
    methods: Sequence[str] = ("nearest", "bicubic", "hr"),
    calibration: Benchmark | None = None,
    **protocol,
) -> Study:
    """A draft over every method of `methods` on every benchmark."""
    benchmarks = [make_benchmark()] if benchmarks is None else benchmarks
    rows = make_methods()
    return drafts.create_study(
        name=name,
        title=protocol.pop("title", "Image quality"),
        cells={benchmark: [rows[m] for m in methods] for benchmark in benchmarks},
        calibration=list(calibration.sources.all()) if calibration else [],
        seed=protocol.pop("seed", 1),
        # Without a pace: most tests answer as fast as they can.
        protocol={"announce_start": False, "least_view_ms": 0, "gap_ms": 0, **protocol},
    )


def launch(study: Study) -> Study:
    lifecycle.launch(study=study, now=timezone.now())
    return study


def make_rater(study: Study, label: str = "", **values) -> Rater:
    return invitations.invite(study=study, label=label, **values)
