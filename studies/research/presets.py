"""The paper's own design as a preset."""

from collections.abc import Iterable

from srcore.registry import PAPER_METHODS
from srcore.scale import SCALE
from studies.models import Benchmark, Method, Study
from studies.research.drafts import create_study
from studies.research.refusals import StudyError

# Ledig et al. 2017: all 12 versions on Set5 and Set14, without these three on BSD100.
PAPER_LEFT_OUT = {"BSD100": {"srresnet-vgg22", "srgan-mse", "srgan-vgg22"}}
PAPER_BENCHMARKS = ("Set5", "Set14", "BSD100")
PAPER_CALIBRATION = "Calibration20"


# 75 minutes at once are too long: ITU-R BT.500 has sessions of up to 30.
PAPER_SITTINGS = {"sitting_minutes": 30, "rest_minutes": 10}


def create_paper_study(
    *, name: str, title: str, seed: int | None = None, methods: Iterable[Method] | None = None, by: str = ""
) -> Study:
    """The design of Ledig et al. 2017: 1128 rated images in completely random order after 20 pairs of calibration.

    Split into sittings. `methods`: of the paper's these alone; all, which need not exist yet. The benchmarks must be
    imported. Raises StudyError naming those that are not.
    """
    wanted = [*PAPER_BENCHMARKS, PAPER_CALIBRATION]
    benchmarks = {b.name: b for b in Benchmark.objects.filter(name__in=wanted)}
    missing = [name for name in wanted if name not in benchmarks]
    if missing:
        raise StudyError(f"The paper's design needs {', '.join(missing)}: import with 'manage.py import_benchmark'.")
    if other := [str(b) for b in benchmarks.values() if b.scale != SCALE]:
        raise StudyError(f"The paper's images are {SCALE} times larger than LR, and not so {', '.join(other)}.")
    wanted_methods = Method.objects.filter(name__in=PAPER_METHODS) if methods is None else methods
    rows = {m.name: m for m in wanted_methods}
    cells = {
        benchmarks[b]: [rows[m] for m in PAPER_METHODS if m in rows and m not in PAPER_LEFT_OUT.get(b, ())]
        for b in PAPER_BENCHMARKS
    }
    calibration = list(benchmarks[PAPER_CALIBRATION].sources.all())
    return create_study(
        name=name,
        title=title,
        cells=cells,
        calibration=calibration,
        seed=seed,
        protocol={"order": Study.Order.RANDOM, **PAPER_SITTINGS},
        by=by,
    )
