"""manage.py verify, on sites that something went wrong with."""

import os
import signal
import subprocess
import sys
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from studies.content.erased import FOLDER
from studies.models import Report, SourceImage, Stimulus
from studies.rating.withdrawal import withdraw
from tests import fresh
from tests.studies.factories import launch, make_benchmark, make_rater, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def run(*words):
    """What verify prints, and what it complains of at its end."""
    out = StringIO()
    try:
        call_command("verify", *words, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def age(name, *, hours):
    then = (timezone.now() - timedelta(hours=hours)).timestamp()
    os.utime(default_storage.path(name), (then, then))


def stray(name, *, hours=30):
    default_storage.save(name, ContentFile(b"nobody's"))
    age(name, hours=hours)
    return name


@pytest.fixture
def study():
    return make_study(benchmarks=[make_benchmark(images=2, height=32, width=32)])


def test_a_sound_site_has_no_problem(study):
    launch(study)
    rater = make_rater(study)
    withdraw(rater=rater, now=timezone.now())
    out, complaint = run()
    assert complaint == ""
    assert out == "10 files: all is well.\n"  # 2 sources with HR and LR, and 3 methods of each


def test_a_missing_and_an_altered_image_of_a_draft_are_made_again(study):
    missing, altered = Stimulus.objects.filter(method__name="bicubic")
    other = Stimulus.objects.filter(method__name="nearest", source=altered.source).get()
    default_storage.delete(missing.file.name)
    with other.file.open("rb") as file:
        default_storage.save(altered.file.name, ContentFile(file.read()))
    out, complaint = run()
    assert f"row without its file: {missing} ({missing.file.name})" in out
    assert f"file whose pixels are others: {altered} ({altered.file.name})" in out
    assert "2 problems" in complaint
    out, complaint = run("--repair")
    assert "2 mended" in out
    assert complaint == ""
    wanted = Stimulus.objects.filter(state="wanted", file="")
    assert set(wanted) == {missing, altered}


def test_what_a_launched_study_shows_is_reported_and_not_touched(study):
    launch(study)
    stimulus = Stimulus.objects.first()
    default_storage.delete(stimulus.file.name)
    out, complaint = run("--repair")
    assert "0 mended" in out
    assert "1 x row without its file" in complaint
    assert Stimulus.objects.get(pk=stimulus.pk).state == "done"


def test_half_a_png_and_half_a_report_are_damaged(study):
    source = SourceImage.objects.first()
    with default_storage.open(source.hr.name) as file:
        whole = file.read()
    default_storage.save(source.hr.name, ContentFile(whole[: len(whole) // 2]))
    report = Report.objects.create(study=study)
    name = default_storage.save("reports/x.zip", ContentFile(b"PK"))
    Report.objects.filter(pk=report.pk).update(state="done", file=name)
    out, complaint = run("--repair")
    assert f"file that is damaged: {source} ({source.hr.name})" in out
    assert "file that is damaged: report of" in out
    assert "1 x file that is damaged" in complaint  # the source; a report is made again
    assert Report.objects.get().state == "wanted"


def test_files_without_rows_and_leftovers_go_when_the_youngest_has_settled(study):
    strays = [stray("sources/old.png"), stray("stimuli/ab/old.png"), stray("stimuli/ab/.old.png.part")]
    out, complaint = run("--repair")
    assert "file without a row: sources/old.png" in out
    assert "leftover of a write: stimuli/ab/.old.png.part" in out
    assert complaint == ""
    assert not any(default_storage.exists(name) for name in strays)
    assert run() == ("10 files: all is well.\n", "")


def test_an_import_that_may_be_running_keeps_all_of_its_files(study):
    strays = [stray("sources/a.png", hours=40), stray("sources/b.png", hours=0)]
    out, complaint = run("--repair")
    assert "2 files without rows are too young to judge" in out
    assert complaint == ""
    assert all(default_storage.exists(name) for name in strays)


def test_a_job_whose_worker_is_dead_is_wanted_again(study):
    long_ago = timezone.now() - timedelta(hours=1)
    Stimulus.objects.filter(method__name="hr").update(state="running", claim=uuid.uuid4(), heartbeat_at=long_ago)
    out, complaint = run("--repair")
    assert out.count("job that nobody holds") == 2
    assert complaint == ""
    assert Stimulus.objects.filter(method__name="hr", state="wanted", claim=None).count() == 2


def test_a_withdrawal_that_the_storage_did_not_take_is_noted_later(study):
    rater = make_rater(launch(study))
    withdraw(rater=rater, now=timezone.now())
    (name,) = default_storage.listdir(FOLDER)[1]
    default_storage.delete(f"{FOLDER}/{name}")
    out, complaint = run("--repair")
    assert "withdrawal that the storage does not note" in out
    assert complaint == ""
    assert default_storage.exists(f"{FOLDER}/{name}")


KILLED_IMPORT = """
import os, signal, sys, django
django.setup()
from pathlib import Path
from studies.content import benchmarks
write, count = benchmarks.store, iter(range(1, 1000))
def killed(file, pixels):
    write(file, pixels)
    if next(count) == 32:
        os.kill(os.getpid(), signal.SIGKILL)
benchmarks.store = killed
benchmarks.import_benchmark(name="killed", path=Path(sys.argv[1]))
"""


@pytest.mark.once
def test_the_32_files_of_an_import_killed_by_sigkill_are_found_and_removed(tmp_path):
    import numpy as np

    from srcore.images import write_image
    from tests.conftest import ROOT

    (tmp_path / "photographs").mkdir()
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        write_image(tmp_path / "photographs" / f"p{number:02d}.png", pixels)
    env = {**os.environ, "MOSWEB_VAR": str(tmp_path / "var"), "DATABASE_URL": f"sqlite:///{tmp_path}/var/db.sqlite3",
           "PYTHONPATH": str(ROOT), "MOSWEB_HTTPS": "0", "DJANGO_SETTINGS_MODULE": "mosweb.settings"}  # fmt: skip

    def manage(*words):
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    fresh.database(tmp_path / "var")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IMPORT, str(tmp_path / "photographs")], env=env, cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert manage("verify", "--repair").stdout.startswith("32 files without rows are too young")
    repaired = manage("verify", "--repair", "--settled", "0")
    assert repaired.stdout.count("file without a row: sources/") == 32
    assert repaired.returncode == 0
    assert [p.name for p in (tmp_path / "var/images").rglob("*") if p.is_file()] == ["mosweb-storage.txt"]
