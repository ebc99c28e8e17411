"""The images in a real object store that is killed and frozen: nothing fails, no rating waits, nothing is lost."""

import asyncio
import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from studies.rating import evidence
from tests.e2e.plant import Plant, Sqlite, wait_for
from tests.e2e.scripted import FACTS, Rater, Site, all_go, check
from tests.e2e.test_generation_faults import set_up
from tests.e2e.test_hosts import write_pictures

IMAGES = 14 * 3
FROZEN_SECONDS = 20
LAUNCH = """
from django.utils import timezone
from studies.models import Study
from studies.research import lifecycle
try:
    lifecycle.launch(study=Study.objects.get(name="run"), now=timezone.now())
    print("launched")
except lifecycle.NotReady as refused:
    print(refused)
"""
IMPORT = """
import pathlib, time
from studies.content import bringing
flag, whole = pathlib.Path({flag!r}), bringing._stimulus
def stored(method, line):
    if line.source.name == "p5":
        flag.touch()  # so that the test can kill the storage here
        time.sleep(3)
    return whole(method, line)
bringing._stimulus = stored
try:
    bringing.take(bringing.look(method="mine", benchmark="noise", path=pathlib.Path({path!r})))
    print("taken")
except bringing.ImportRefused as refused:
    print("refused", refused.problems)
"""


def test_an_import_whose_bucket_dies_in_the_middle_brings_nothing_and_all_when_it_is_back(bucket, tmp_path):
    plant = Plant(tmp_path / "var", Sqlite(tmp_path / "var/db.sqlite3"), **bucket.environment)
    try:
        pictures = write_pictures(tmp_path / "pictures")
        set_up(plant, benchmark="noise", path=pictures, methods=("nearest", "bicubic", "hr"))
        before = plant.count()
        flag = tmp_path / "five are stored"
        with ThreadPoolExecutor(1) as beside:
            code = IMPORT.format(flag=str(flag), path=str(pictures))
            said = beside.submit(plant.manage, "shell", "-v0", "-c", code)
            wait_for(flag.exists, seconds=120, what="five are stored")
            bucket.kill()
            assert "Run it again when the storage is back" in said.result(timeout=120)
        assert plant.count() == before
        bucket.start()
        plant.manage("verify", "--repair")  # what was stored before the fall is nobody's
        plant.manage("verify")
        assert "taken" in plant.manage("shell", "-v0", "-c", code)
        assert plant.count() == before + len(list(pictures.iterdir()))
        plant.manage("verify")
    finally:
        plant.close()


def test_a_bucket_that_dies_and_freezes_while_images_are_made_fails_none_and_launch_says_what_is_away(bucket, tmp_path):
    plant = Plant(tmp_path / "var", Sqlite(tmp_path / "var/db.sqlite3"), **bucket.environment)
    try:
        pictures = write_pictures(tmp_path / "pictures")
        set_up(plant, benchmark="noise", path=pictures, methods=("nearest", "bicubic", "hr"))
        plant.broker.start()
        plant.keep_a_worker()
        plant.manage("generate", "run", "--no-wait")
        wait_for(lambda: made(plant, 8), seconds=120, what="it runs")
        bucket.kill()
        time.sleep(3)
        bucket.start()
        wait_for(lambda: made(plant, 20), seconds=180, what="it goes on")
        bucket.freeze()
        time.sleep(5)
        assert plant.count("state = 'failed'") == 0
        bucket.thaw()
        took = wait_for(lambda: made(plant, IMAGES), seconds=180, what="all")
        assert plant.count("state = 'failed'") == 0
        print(f"\nS3 killed and frozen: {IMAGES} images, none failed; the last {took:.0f} s after it was back")

        bucket.freeze()
        said = plant.manage("shell", "-v0", "-c", LAUNCH)
        assert "The files cannot be looked at. The image storage cannot be used" in said
        bucket.thaw()
        bucket.kill()
        said = plant.manage("shell", "-v0", "-c", LAUNCH)
        assert "The files cannot be looked at. The image storage cannot be used" in said
        bucket.start()
        assert "launched" in plant.manage("shell", "-v0", "-c", LAUNCH)
    finally:
        plant.close()


def made(plant: Plant, images: int) -> bool:
    """Whether so many are done; a worker that has left is started again meanwhile, as systemd does."""
    plant.keep_a_worker()
    return plant.count("state = 'done'") >= images


def _signed_before(token: str) -> str:
    return evidence.receipt(token=token, now=datetime.now(UTC))


class Hurried(Rater):
    """Rates whatever becomes of the image, and counts both: as one who was sent all images before the storage went."""

    def __init__(self, port: int, link: str) -> None:
        super().__init__(port, link)
        self.images: dict[int, int] = {}
        self.rated: list[tuple[float, float]] = []

    async def go(self) -> None:
        await self._until_answered(lambda: self.browser.get(self.link))
        await self._until_answered(lambda: self.browser.get("/study/"))
        await self._until_answered(lambda: self.browser.post("/study/agree/", {}))
        standing = json.loads((await self._until_answered(lambda: self.browser.get("/study/upcoming/"))).body)
        while standing["upcoming"]:
            trial = standing["upcoming"][0]
            image = await self.browser.get(trial["url"], keep_body=False)
            self.images[image.status] = self.images.get(image.status, 0) + 1
            assert image.status == 200 or b"Retry-After: " in image.head
            score = sum(trial["token"].encode()) % 5 + 1
            begun = time.monotonic()
            signed = image.header("Receipt") if image.status == 200 else _signed_before(trial["token"])
            fields = {"score": score, "receipt": signed, **FACTS}
            answer = await self.browser.post(f"/study/rate/{trial['token']}/", fields)
            self.rated.append((begun, time.monotonic() - begun))
            assert answer.status == 200, answer.body[:300]
            self.acknowledged[trial["token"]] = score
            standing = json.loads(answer.body)
            await asyncio.sleep(0.3)


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_while_the_bucket_is_frozen_no_rating_waits_and_images_are_asked_for_later(bucket, tmp_path, monkeypatch):
    var = tmp_path / "var"
    # Without copies on the web server's disk, so that every image is asked of the bucket.
    site = Site(var, Sqlite(var / "db.sqlite3"), MOSWEB_IMAGE_CACHE_MB="0", **bucket.environment)
    key = site.manage("shell", "-v0", "-c", "from studies.models import *; print(site_key('receipts').hex())")
    monkeypatch.setattr(evidence, "_key", lambda: bytes.fromhex(key.split()[-1]))
    site.start()
    health: list[float] = []
    thawed = threading.Event()

    def ask_for_health() -> None:
        while not thawed.wait(0.2):
            begun = time.monotonic()
            assert status_of(f"http://127.0.0.1:{site.port}/health") == 200
            health.append(time.monotonic() - begun)

    async def freeze_for_a_while() -> None:
        await asyncio.sleep(3)
        size = site.log.stat().st_size
        bucket.freeze()
        asking = asyncio.create_task(asyncio.to_thread(ask_for_health))
        try:
            await asyncio.sleep(FROZEN_SECONDS - 4)
            ready = await asyncio.to_thread(status_of, f"http://127.0.0.1:{site.port}/ready")
            await asyncio.sleep(4)
        finally:
            bucket.thaw()
            thawed.set()
        await asking
        logged.append((ready, site.log.stat().st_size - size))

    logged: list[tuple[int, int]] = []
    raters = [Hurried(site.port, link) for link in site.links]
    try:
        wait_for(lambda: _answers(site.port), seconds=60, what=f"the site starts, see {site.log}")
        begun = time.monotonic()

        async def run() -> None:
            await asyncio.gather(all_go(raters), freeze_for_a_while())

        asyncio.run(run())
        frozen = (begun + 3, begun + 3 + FROZEN_SECONDS)
        waits = sorted(s for rater in raters for at, s in rater.rated if frozen[0] <= at <= frozen[1])
        images = {status: sum(rater.images.get(status, 0) for rater in raters) for status in (200, 503)}
        [(ready, log_bytes)] = logged
        check(site, raters, f"S3 frozen for {FROZEN_SECONDS} s while 6 rate")
        print(
            f"{len(waits)} ratings meanwhile, the longest wait {waits[-1]:.2f} s; /health at most {max(health):.2f} s; "
            f"images {images}; {log_bytes} bytes of log"
        )
        assert ready == 503
        assert images[503] > 0
        assert len(waits) > 30
        # What asks a frozen bucket waits for the 15 s that an answer may take; a busy machine takes some by itself.
        assert waits[len(waits) // 2] < 1
        assert waits[-1] < 8
        assert max(health) < 8
        assert log_bytes < 20_000
        assert status_of(f"http://127.0.0.1:{site.port}/ready") == 200
    finally:
        thawed.set()
        site.kill()


def test_a_bucket_killed_while_raters_rate_costs_no_rating(bucket, tmp_path):
    """With the web server's own copies of images, as a site with a bucket has them unless it is told otherwise."""
    var = tmp_path / "var"
    site = Site(var, Sqlite(var / "db.sqlite3"), **bucket.environment)
    site.start()
    raters = [Rater(site.port, link) for link in site.links]

    async def kill_and_start_again() -> None:
        await asyncio.sleep(2)
        bucket.kill()
        await asyncio.sleep(6)
        await asyncio.to_thread(bucket.start)

    async def run() -> None:
        await asyncio.gather(all_go(raters), kill_and_start_again())

    try:
        wait_for(lambda: _answers(site.port), seconds=60, what=f"the site starts, see {site.log}")
        asyncio.run(run())
        check(site, raters, "S3 killed for 6 s while 6 rate")
        assert "Traceback" not in site.log.read_text()
    finally:
        site.kill()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return status_of(f"http://127.0.0.1:{port}/health") == 200
    return False
