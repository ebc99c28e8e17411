"""The sample: a small benchmark from the photographs in scikit-image's wheel, a study of it, and a rater's link."""

import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from django.utils import timezone

from srcore.images import read_image, write_image
from srcore.registry import METHODS, is_available
from studies.content.benchmarks import import_benchmark
from studies.generation.requests import request_missing
from studies.models import Benchmark, Method, Rater, Study
from studies.research import drafts, invitations, lifecycle

NAME = "sample"
# Several seconds to minutes an image on a CPU: the first link must not wait for them.
SLOW = frozenset({"drcn", "selfexsr"})

Crop = tuple[str, int, int, int, int]
# File of the wheel (public domain or CC0), left, top, width, height: multiples of 4 with detail in them.
RATED: Mapping[str, Crop] = {
    "astronaut": ("astronaut.png", 92, 0, 256, 256),
    "cat": ("chelsea.png", 120, 28, 256, 256),
    "coffee": ("coffee.png", 300, 144, 256, 256),
    "rocket": ("rocket.jpg", 192, 164, 256, 256),
}
# Other parts of the same photographs, so that calibration shows nothing that is rated.
CALIBRATION: Mapping[str, Crop] = {
    "helmet": ("astronaut.png", 256, 256, 256, 256),
    "table": ("coffee.png", 0, 144, 256, 256),
    "tower": ("rocket.jpg", 448, 164, 192, 256),
}


def create_sample() -> Study | None:
    """Create the sample's benchmarks and draft, and want its images; return it, launched or not, as it stands.

    A study that exists is left alone. Where there are other studies and no sample, staff has removed it: None.
    """
    study = Study.objects.filter(name=NAME).first()
    if study is None and not Study.objects.exists():
        study = _create_draft()
    if study is not None and study.state == Study.State.DRAFT:
        request_missing(study)
    return study


def launch_when_ready(study: Study) -> None:
    """Launch the sample if it is still a draft. Raises refusals.NotReady, naming the images that are missing."""
    if study.state == Study.State.DRAFT:
        lifecycle.launch(study=study, now=timezone.now())


def open_rater(study: Study) -> Rater:
    """A rater of the sample whose link still leads to images; invites one if there is none."""
    unused = study.raters.filter(is_preview=False, revoked_at=None, withdrawn_at=None, session__finished_at=None)
    return unused.first() or invitations.invite(study=study)


def _create_draft() -> Study:
    benchmark = _import(NAME, RATED)
    calibration = _import(f"{NAME}-calibration", CALIBRATION)
    fast = [name for name in METHODS if name not in SLOW and is_available(name)]
    return drafts.create_study(
        name=NAME,
        title="Image quality",
        cells={benchmark: list(Method.objects.filter(name__in=fast))},
        calibration=list(calibration.sources.all()),
    )


def _import(name: str, crops: Mapping[str, Crop]) -> Benchmark:
    with tempfile.TemporaryDirectory() as folder:
        for image, (file, left, top, width, height) in crops.items():
            photograph = read_image(_photographs() / file)
            write_image(Path(folder) / f"{image}.png", photograph[top : top + height, left : left + width].copy())
        import_benchmark(name=name, path=Path(folder))
    return Benchmark.objects.get(name=name)


def _photographs() -> Path:
    """The data folder of scikit-image, found without importing it: it would load half of scipy."""
    package = find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("scikit-image is not installed: pip install -r requirements.txt")
    return Path(package.submodule_search_locations[0]) / "data"
