"""Generation with its parts killed by kill -9: nothing is lost, nothing is made twice, nothing is left lying about.

Every part is real and the test's own. What each run took after the restart is printed (pytest -s shows it).
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from srcore.images import read_image, write_image
from srcore.metrics import measure
from studies.content.sources import pixels_sha256
from tests.e2e.plant import Cluster, Plant, Sqlite, Worker, wait_for
from tests.variants import variants

# What issue 2 promises: complete within a minute of the restart.
RECOVERY = 60
NEW_STUDY = """
from studies.research import drafts
from studies.models import *
benchmark = Benchmark.objects.get(name="{benchmark}")
methods = list(Method.objects.filter(name__in={methods}))
drafts.create_study(name="run", title="run", cells={{benchmark: methods}})
"""


def set_up(plant: Plant, *, benchmark: str, path: Path, methods: tuple[str, ...]) -> None:
    plant.manage("migrate", "-v0")
    plant.manage("import_benchmark", benchmark, str(path))
    plant.manage("shell", "-v0", "-c", NEW_STUDY.format(benchmark=benchmark, methods=methods))


@pytest.fixture(scope="module")
def set14_on_sqlite(shared, tmp_path_factory) -> Path:
    """A folder var/ with Set14 and a study of 42 images, none of them made; to be copied."""
    var = tmp_path_factory.mktemp("template")
    set_up(
        Plant(var, Sqlite(var / "db.sqlite3")),
        benchmark="Set14",
        path=shared / "benchmarks/Set14",
        methods=("nearest", "bicubic", "hr"),
    )
    return var


@pytest.fixture
def plant(set14_on_sqlite, tmp_path):
    var = tmp_path / "var"
    shutil.copytree(set14_on_sqlite, var)
    made = Plant(var, Sqlite(var / "db.sqlite3"))
    yield made
    made.close()


def start(plant: Plant, *, until: int = 18) -> Worker:
    """Broker, worker and requests; returns when `until` images are done and others are under work."""
    plant.broker.start()
    plant.manage("generate", "run", "--no-wait")
    worker = plant.start_worker()
    wait_for(
        lambda: plant.count("state = 'done'") >= until and plant.count("state = 'running'"), seconds=90, what="it runs"
    )
    assert plant.count("state = 'wanted'") > 10, "it must be the middle of the run"
    return worker


def finish(plant: Plant, fault: str, images: int) -> None:
    """Wait for the promised time at most, and say how long it took.

    A worker that leaves is started again, as systemd does: kombu's close of a dead connection sometimes ends one.
    """

    def all_made() -> bool:
        plant.keep_a_worker()
        return plant.count("state = 'done'") == images

    took = wait_for(
        all_made,
        seconds=RECOVERY,
        what=f"{images} images after {fault}\n{plant.logs()}",
    )
    print(f"\n{fault}: all {images} images {took:.1f} s after the restart")


def assert_made_once(plant: Plant, *, interrupted: int) -> None:
    """All rows are done, the files are exactly theirs and hold their pixels; only the interrupted were begun again."""
    rows = plant.database.query("SELECT file, pixels_sha256, attempts FROM studies_stimulus")
    assert plant.stored() == sorted(file for file, _, _ in rows)
    for file, sha256, _ in rows:
        pixels = read_image(plant.var / "images" / file)
        grey = np.ascontiguousarray(pixels[:, :, 0])
        assert sha256 in (pixels_sha256(pixels), pixels_sha256(grey))
    again = [attempts for _, _, attempts in rows if attempts != 1]
    assert len(again) <= interrupted
    assert set(again) <= {2}
    assert "taken over" not in plant.logs()


def kill_worker(plant: Plant, worker: Worker) -> None:
    worker.kill()
    plant.start_worker()


def kill_broker(plant: Plant, worker: Worker) -> None:
    plant.broker.kill()
    plant.broker.start()


def kill_both(plant: Plant, worker: Worker) -> None:
    plant.broker.kill()
    worker.kill()
    plant.broker.start()
    plant.start_worker()


def kill_main_process(plant: Plant, worker: Worker) -> None:
    """Its children find out, and end when they like."""
    worker.kill_main_process()
    plant.start_worker()


FAULTS = variants((kill_both, 2), more=((kill_main_process, 2), (kill_worker, 2), (kill_broker, 0)))


@pytest.mark.parametrize(("fault", "interrupted"), FAULTS)
def test_a_run_that_lost_a_part_is_completed_by_the_next(
    plant, fault: Callable[[Plant, Worker], None], interrupted: int
):
    worker = start(plant)
    fault(plant, worker)
    finish(plant, fault.__name__, 42)
    assert_made_once(plant, interrupted=interrupted)


def test_images_asked_for_while_the_broker_is_down_are_made_when_it_is_back(plant):
    plant.start_worker()
    plant.manage("generate", "run", "--no-wait")
    assert plant.count("state = 'wanted' AND sent_at IS NULL") == 42
    plant.broker.start()
    finish(plant, "requests without a broker", 42)
    assert_made_once(plant, interrupted=0)


def test_a_gpu_worker_alone_makes_everything(plant):
    """The messages went to the cpu queue, as nobody was there to read any; nothing may wait where nobody reads."""
    plant.broker.start()
    plant.manage("generate", "run", "--no-wait")
    plant.start_worker("gpu", "--pool", "solo", queues="gpu", processes=1)
    finish(plant, "a solo worker on the gpu queue alone", 42)
    assert_made_once(plant, interrupted=0)


def test_a_database_killed_during_generation_comes_back_and_nothing_is_lost(own_postgresql: Cluster, shared, tmp_path):
    plant = Plant(tmp_path / "var", own_postgresql)
    try:
        set_up(plant, benchmark="Set14", path=shared / "benchmarks/Set14", methods=("nearest", "bicubic", "hr"))
        start(plant)
        own_postgresql.kill()
        wait_for(own_postgresql.is_ready, seconds=60, what="PostgreSQL is back")
        finish(plant, "kill -9 of PostgreSQL", 42)
        assert_made_once(plant, interrupted=2)
    finally:
        plant.close()


def size_that_takes(seconds: float) -> int:
    """Width and height of a picture that takes about so long to measure: the window of SSIM grows with the height."""
    trial = np.random.default_rng(14).integers(0, 256, (800, 800, 3), dtype=np.uint8)
    measure(trial, trial)  # makes the dither, which is kept
    begun = time.perf_counter()
    measure(trial, trial)
    return round(800 * (seconds / (time.perf_counter() - begun)) ** (1 / 3)) // 4 * 4


@pytest.fixture
def slow_plant(tmp_path):
    """Two images to make: of a picture that takes by far longer than a worker may be silent, and of a small one."""
    plant = Plant(tmp_path / "var", Sqlite(tmp_path / "var/db.sqlite3"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    size = size_that_takes(50)
    noise = np.random.default_rng(14).integers(0, 256, (size, size, 3), dtype=np.uint8)
    write_image(folder / "large.png", noise)
    write_image(folder / "small.png", noise[:64, :96].copy())
    set_up(plant, benchmark="sizes", path=folder, methods=("bicubic",))
    yield plant
    plant.close()


def row(plant: Plant, picture: str) -> tuple:
    [found] = plant.database.query(
        "SELECT t.id, t.state, t.attempts, t.claim, t.error FROM studies_stimulus t "
        f"JOIN studies_sourceimage s ON s.id = t.source_id WHERE s.name = '{picture}'"
    )
    return found


def test_an_image_that_takes_long_is_never_made_by_two_workers(slow_plant):
    plant = slow_plant
    plant.broker.start()
    plant.manage("generate", "run", "--no-wait")
    large = row(plant, "large")[0]
    for name in ("one", "two", "three"):
        plant.start_worker(name, processes=1)
    wait_for(lambda: row(plant, "large")[1] == "running", seconds=60, what="it begins")
    begun = time.monotonic()
    claims = set()
    while (found := row(plant, "large"))[1] == "running":
        claims.add(found[3])
        plant.send(large)  # as a broker does that has waited long enough for an answer
        time.sleep(1)
    took = time.monotonic() - begun
    print(f"\nan image of {took:.0f} s, its message sent again each second: claimed {len(claims)} time(s)")
    assert took > 20, "no test unless it takes longer than a worker may be silent"
    assert len(claims) == 1
    assert row(plant, "large")[1:3] == ("done", 1)
    assert_made_once(plant, interrupted=0)


def test_a_method_that_takes_too_long_is_stopped_with_a_reason_and_the_others_go_on(slow_plant):
    plant = slow_plant
    plant.manage("generate", "run", "--no-wait")  # without a broker: noted, not sent
    plant.broker.start()
    plant.send(row(plant, "large")[0], soft_time_limit=2)
    worker = plant.start_worker(processes=1)
    wait_for(lambda: row(plant, "large")[1] == "failed", seconds=60, what="it is stopped")
    assert row(plant, "large")[4] == "It took longer than the time limit and was stopped."
    wait_for(lambda: row(plant, "small")[1] == "done", seconds=60, what="the other one is made")
    worker.stop()
    assert plant.database.query("SELECT count(*) FROM studies_worker") == [(0,)]
