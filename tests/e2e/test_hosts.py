"""Workers on several hosts, each a folder: only who has the site's code and storage makes images, and none fails."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from srcore.images import write_image
from tests.e2e.plant import ROOT, Plant, Sqlite, Worker, wait_for
from tests.e2e.test_generation_faults import assert_made_once, set_up

PICTURES, METHODS = 14, ("nearest", "bicubic", "hr")
IMAGES = PICTURES * len(METHODS)


def write_pictures(folder: Path, *, count: int = PICTURES, size: int = 320) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(15)
    for number in range(count):
        write_image(folder / f"p{number}.png", rng.integers(0, 256, (size, size, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def plant(tmp_path):
    plant = Plant(tmp_path / "var", Sqlite(tmp_path / "var/db.sqlite3"))
    set_up(plant, benchmark="noise", path=write_pictures(tmp_path / "pictures"), methods=METHODS)
    yield plant
    plant.close()


class Host:
    """A machine: a folder with its own var/, in which images/ is a mount of the site's storage, or is not."""

    def __init__(self, plant: Plant, name: str, *, mounted: bool, code: Path = ROOT) -> None:
        self.name, self.images = f"{name}@test", plant.var.parent / name / "images"
        self.images.parent.mkdir()
        if mounted:
            self.images.symlink_to(plant.var / "images")
        else:
            self.images.mkdir()
        location = json.dumps({"location": str(self.images)})
        self.worker: Worker = plant.start_worker(
            name, processes=1, code=code, MOSWEB_IMAGE_STORAGE_OPTIONS=location, PYTHONPATH=str(code)
        )
        self._plant = plant

    def unmount(self) -> None:
        self.images.unlink()
        self.images.mkdir()

    def row(self) -> tuple[list[str], str] | None:
        """The queues that the worker reads, and why none."""
        found = self._plant.database.query(f"SELECT queues, unfit FROM studies_worker WHERE name = '{self.name}'")
        return (json.loads(found[0][0]), found[0][1]) if found else None

    def reads(self) -> bool:
        return self.row() == (["cpu", "default"], "")


def older_code(folder: Path) -> Path:
    """The site's programs as another version of them."""
    for package in ("analysis", "mosweb", "srcore", "studies"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    with (folder / "srcore" / "resize.py").open("a") as file:
        file.write("\n# as it was before\n")
    return folder


def test_two_good_workers_one_unfit_one_whose_storage_vanishes_and_one_of_old_code(plant, tmp_path):
    plant.broker.start()
    old = Host(plant, "old", mounted=True, code=older_code(tmp_path / "older"))
    unfit = Host(plant, "unfit", mounted=False)
    good = [Host(plant, name, mounted=True) for name in ("good1", "good2")]
    vanishing = Host(plant, "vanishing", mounted=True)
    wait_for(
        lambda: all(host.row() for host in (old, unfit)) and all(host.reads() for host in (*good, vanishing)),
        seconds=180, what=f"all know where they stand\n{plant.logs()}",
    )  # fmt: skip
    plant.manage("generate", "run", "--no-wait")
    wait_for(lambda: plant.count("state = 'done'") >= 6, seconds=90, what="it runs")
    vanishing.unmount()
    wait_for(lambda: plant.count("state = 'done'") == IMAGES, seconds=180, what=f"{IMAGES} images\n{plant.logs()}")
    wait_for(lambda: vanishing.worker.has_left, seconds=90, what=f"who lost the storage leaves\n{plant.logs()}")

    assert plant.count("state = 'failed'") == 0
    assert "failed" not in plant.logs().replace("0 failed", "")
    assert_made_once(plant, interrupted=0)
    assert not list(unfit.images.rglob("*.png"))
    # What was written into the empty folder just after the storage had gone counts nowhere: it was made again.
    astray = [path.relative_to(vanishing.images) for path in vanishing.images.rglob("*.png")]
    assert all((plant.var / "images" / path).is_file() for path in astray)
    assert "has no marker" in unfit.row()[1]
    assert "has no marker" in vanishing.row()[1]
    assert "the site's is" in old.row()[1]
    print(f"\n{IMAGES} images by two good workers of five: each once, none failed")
    print(f"{len(astray)} had been written where the storage was gone")
