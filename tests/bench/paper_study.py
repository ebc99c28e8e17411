"""The paper's study on the real benchmarks, for the load runs: 12 versions, 1128 trials, stand-ins where needed.

Methods that cannot run here are supplied as folders, blends of the bicubic image with the original.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT

BENCHMARKS = ("Set5", "Set14", "BSD100", "Calibration20")
STAND_INS = {"srcnn": 0.1, "selfexsr": 0.15, "drcn": 0.3, "espcn": 0.2, "srresnet-mse": 0.4, "srresnet-vgg22": 0.45,
             "srgan-mse": 0.5, "srgan-vgg22": 0.6, "srgan-vgg54": 0.7}  # fmt: skip


def environment(var: Path, database: str) -> dict[str, str]:
    """Of the processes of a throw-away installation in `var`; `database` is a URL, or empty for SQLite."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    # One thread of arithmetic a process, as many as the machine has cores.
    extra = {"MOSWEB_VAR": str(var), "MOSWEB_HTTPS": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return {**kept, **extra, **({"DATABASE_URL": database} if database else {})}


def manage(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(env: dict[str, str], shared: Path, *, raters: int) -> list[str]:
    """Migrate, import, make every image, launch; returns the raters' invitation paths."""
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "collectstatic", "--noinput", "--verbosity", "0")
    for name in BENCHMARKS:
        manage(env, "import_benchmark", name, str(shared / "benchmarks" / name))
    # In a process of its own, since Django is set up once a process.
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.paper_study", str(raters)],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def _fill(raters: int) -> list[str]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosweb.settings")
    django.setup()

    from django.urls import reverse
    from django.utils import timezone

    from studies.content.bringing import look, take
    from studies.content.methods import sync_methods
    from studies.generation import requests as stimuli
    from studies.generation.render import render
    from studies.models import Benchmark, Stimulus
    from studies.protocol.slots import slots
    from studies.research import drafts, invitations, lifecycle, presets

    sync_methods()
    study = presets.create_paper_study(name="paper", title="Image quality", seed=1609_04802)
    stimuli.request((slot.source, slot.method) for slot in slots(study) if slot.method.name not in STAND_INS)
    for pk in Stimulus.objects.filter(state="wanted").values_list("pk", flat=True):
        render(pk)
    for benchmark in Benchmark.objects.exclude(name="Calibration20"):
        for method in drafts.cells_by_benchmark(study)[benchmark]:
            if method.name in STAND_INS:
                with tempfile.TemporaryDirectory() as folder:
                    _stand_in(benchmark, STAND_INS[method.name], Path(folder))
                    take(look(method=method.name, benchmark=benchmark.name, path=Path(folder)))
    lifecycle.launch(study=study, now=timezone.now())
    return [reverse("invitation", args=[invitations.invite(study=study).token]) for _ in range(raters)]


def _stand_in(benchmark: object, weight: float, folder: Path) -> None:
    import numpy as np

    from srcore.images import write_image
    from srcore.resize import upscale_bicubic
    from studies.content.sources import read_source

    for source in benchmark.sources.all():  # type: ignore[attr-defined]
        pixels, lr = read_source(source)
        hr, up = pixels.astype(np.float32), upscale_bicubic(lr).astype(np.float32)
        write_image(folder / f"{source.name}.png", np.round(up + weight * (hr - up)).astype(np.uint8))


if __name__ == "__main__":
    print("\n".join(_fill(int(sys.argv[1]))))
