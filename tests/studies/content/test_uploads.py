"""Images by the browser: pieces that come in any order and twice, a look, a taking; nothing half whatever dies."""

import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone
from PIL import Image

from srcore.resize import upscale_bicubic, upscale_nearest
from studies.content import incoming as worker
from studies.content import uploads
from studies.content.sources import read_hr, read_lr
from studies.content.unpacking import UploadRefused
from studies.jobs.dispatch import reconcile
from studies.models import Benchmark, Import, ImportFile, ImportLine, ImportPiece, Method, SourceImage, Stimulus
from studies.models import incoming as rows
from studies.storage.marker import mark_new_storage
from tests import fresh
from tests.conftest import ROOT
from tests.studies import factories
from tests.studies.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(rows, "PIECE_BYTES", 5000)


@pytest.fixture
def benchmark():
    return factories.make_benchmark("own")


def png(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def results(benchmark, method=upscale_bicubic, *, under="") -> dict[str, bytes]:
    return {f"{under}{s.name}_x4.png": png(method(read_lr(s))) for s in benchmark.sources.all()}


def begin(**values) -> Import:
    usual = {"kind": "results", "benchmark": "own", "method": "esrgan", "display_name": "ESRGAN", "by": "staff"}
    return Import.objects.create(**usual | values)


def announced(incoming, files, stamp="1"):
    listed = [[path, len(content), stamp] for path, content in files.items()]
    return uploads.announce(incoming, json.dumps(listed))["files"]


def send(incoming, files, *, leave_out=()):
    """All pieces that are missing, but those of `leave_out`, a set of (path, number)."""
    for key, path, _, numbers in announced(incoming, files):
        for number in numbers:
            if (path, number) not in leave_out:
                content = files[path][number * rows.PIECE_BYTES : (number + 1) * rows.PIECE_BYTES]
                uploads.receive(incoming, file=key, number=number, content=content)


def looked(files, **values) -> Import:
    incoming = begin(**values)
    send(incoming, files)
    uploads.finish(incoming)
    return run(incoming)


def run(incoming) -> Import:
    worker.run(incoming.pk)
    incoming.refresh_from_db()
    return incoming


def taken(incoming) -> Import:
    uploads.take_it(incoming, confirmed=list(uploads.warnings_of(incoming)))
    return run(incoming)


def stored(folder) -> list[str]:
    return sorted(path.name for path in Path(default_storage.path(folder)).rglob("*") if path.is_file())


def test_results_are_looked_at_and_nothing_counts_before_they_are_taken(benchmark):
    incoming = looked(results(benchmark))
    assert (incoming.stage, incoming.state, incoming.error) == ("look", "done", "")
    assert not Method.objects.filter(name="esrgan").exists()
    line = incoming.lines.first()
    assert (line.source, line.file, line.size, line.mode, line.fate) == (
        "own_000", "own_000_x4.png", "96 x 64", "RGB", "new",
    )  # fmt: skip
    assert line.psnr == line.bicubic > 10
    assert Image.open(io.BytesIO(bytes(line.thumbnail))).size == (96, 64)
    assert incoming.seen["pattern"] == "<name>_x4"
    assert list(uploads.warnings_of(incoming)) == ["the very pixels of bicubic"]
    taken(incoming)
    assert incoming.said == "ESRGAN on own: 0 replaced, 2 new, 0 unchanged."
    assert incoming.is_taken
    assert [s.source.name for s in Stimulus.objects.filter(method__name="esrgan")] == ["own_000", "own_001"]
    assert stored("imports") == []


def test_a_folder_and_a_zip_give_what_the_command_line_gives(benchmark, tmp_path):
    files = results(benchmark, upscale_nearest)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    call_command("import_results", "by-hand", "own", str(tmp_path), confirm=True)
    taken(looked(results(benchmark, upscale_nearest, under="SRGAN/Set5/"), method="by-folder"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files.items():
            opened.writestr(f"deep/{name}", content)
    taken(looked({"results.zip": archive.getvalue()}, method="by-zip"))
    keys = ("source", "pixels_sha256", "psnr", "ssim", "file_sha256", "origin", "state", "code_version")
    by_hand, folder, by_zip = (
        list(Stimulus.objects.filter(method__name=name).values(*keys)) for name in ("by-hand", "by-folder", "by-zip")
    )
    assert by_hand == folder == by_zip
    assert len(by_hand) == 2


def test_pieces_come_in_any_order_and_twice_and_an_interrupted_upload_goes_on(benchmark):
    files, incoming = results(benchmark), begin()
    send(incoming, files, leave_out={("own_000_x4.png", 0), ("own_001_x4.png", 2)})
    with pytest.raises(UploadRefused, match="Not all has come yet: own_000_x4.png, own_001_x4.png"):
        uploads.finish(incoming)
    assert [numbers for *_, numbers in announced(incoming, files)] == [[0], [2]]
    first = ImportFile.objects.get(path="own_001_x4.png")
    uploads.receive(incoming, file=first.pk, number=0, content=files[first.path][:5000])  # again
    send(incoming, files)
    uploads.finish(incoming)
    assert run(incoming).lines.count() == 2


def test_a_file_that_changed_meanwhile_and_one_that_is_not_chosen_again_are_not_mixed_in(benchmark):
    incoming, old = begin(), results(benchmark, upscale_nearest)
    send(incoming, {**old, "other.png": b"x" * 9000})
    new = results(benchmark)
    missing = announced(incoming, new, stamp="2")
    assert [(path, numbers) for _, path, _, numbers in missing] == [
        (path, list(range(-(-len(content) // 5000)))) for path, content in new.items()
    ]
    assert not ImportPiece.objects.exists()
    assert stored("imports") == []


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("", "cannot be read"),
        ("[1]", "cannot be read"),
        ('[["a.png", "x", 1]]', "cannot be read"),
        ('[["a.png", Infinity, 1]]', "cannot be read"),
        ('[["a.png", NaN, 1]]', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "No file was chosen"),
        ('[[".DS_Store", 5, 1]]', "No file was chosen"),
        ('[["../a.png", 5, 1]]', "leads out"),
        ('[["a.png", -1, 1]]', "is it a picture"),
        ('[["a.png", 700000000, 1]]', "is it a picture"),
        ('[["a.zip", 5000000000, 1]]', "in parts"),
        (json.dumps([[f"{n}.png", 1, 1] for n in range(5001)]), "at most 5000"),
    ],
)
def test_a_list_that_cannot_be_is_refused_and_changes_nothing(benchmark, listed, said):
    incoming = begin()
    send(incoming, {"a.png": b"x"})
    with pytest.raises(UploadRefused, match=said):
        uploads.announce(incoming, listed)
    assert [file.path for file in incoming.files.all()] == ["a.png"]


def test_pieces_that_were_not_announced_or_are_not_as_long_are_refused(benchmark):
    incoming, other = begin(), begin()
    (key, *_), *_ = announced(incoming, {"a.png": b"x" * 7000})
    for file, number, length in ((key, 2, 5000), (key, 0, 4999), (key, 1, 5000), (key + 1, 0, 5000)):
        with pytest.raises(UploadRefused):
            uploads.receive(incoming, file=file, number=number, content=b"x" * length)
    with pytest.raises(UploadRefused, match="not announced"):
        uploads.receive(other, file=key, number=0, content=b"x" * 5000)
    assert not ImportPiece.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_windows_that_announce_the_same_files_at_once_both_go_on():
    incoming, files = begin(), {f"{number}.png": b"x" for number in range(300)}
    mark_new_storage()
    both = at_once(*[lambda: announced(incoming, files)] * 4)
    assert [len(missing) for missing in both] == [300] * 4
    assert incoming.files.count() == 300


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": b"hello"}, "There is no picture among what was sent (readme.txt)"),
        ({"x.zip": b"no zip"}, "x.zip is no zip"),
    ],
)
def test_what_cannot_be_looked_at_says_why(benchmark, files, said):
    incoming = looked(files)
    assert incoming.state == "failed"
    assert incoming.error.startswith(said)


def test_a_file_that_is_no_picture_is_a_problem_of_its_line_and_nothing_can_be_taken(benchmark):
    files = results(benchmark) | {"own_001_x4.png": b"no picture"}
    incoming = looked(files)
    assert [bool(line.problem) for line in incoming.lines.all()] == [False, True]
    problem = incoming.lines.last().problem
    assert problem.startswith("own_001_x4.png")
    assert "/tmp" not in problem
    with pytest.raises(UploadRefused, match="cannot be taken"):
        uploads.take_it(incoming, confirmed=["the very pixels of bicubic"])


def test_of_several_folders_the_one_with_the_benchmarks_name_is_taken_or_somebody_chooses(benchmark):
    one, two = results(benchmark, under="all/Own/"), results(benchmark, upscale_nearest, under="all/Set14/")
    assert looked(one | two).inside == "all/Own"
    incoming = looked({path.replace("Own", "A"): content for path, content in one.items()} | two)
    assert (incoming.state, incoming.folders, incoming.lines.count()) == ("done", ["all/A", "all/Set14"], 0)
    with pytest.raises(UploadRefused, match="Choose one of the folders"):
        uploads.look_again(incoming, inside="/etc")
    uploads.look_again(incoming, inside="all/Set14")
    assert list(uploads.warnings_of(run(incoming))) == ["the very pixels of nearest"]


def test_every_warning_has_to_be_read(benchmark):
    incoming = looked(results(benchmark, upscale_nearest) | {"grid.png": png(np.zeros((9, 9, 3), np.uint8))})
    warnings = uploads.warnings_of(incoming)
    assert warnings["files that are no picture's and stay out: grid.png"] == []
    assert warnings["the very pixels of nearest"] == ["own_000_x4.png", "own_001_x4.png"]
    with pytest.raises(UploadRefused, match="tick each"):
        uploads.take_it(incoming, confirmed=list(warnings)[:1])
    assert (incoming.stage, incoming.state) == ("look", "done")


def test_what_changed_between_look_and_take_is_not_taken(benchmark):
    incoming = looked(results(benchmark))
    taken(looked(results(benchmark, upscale_nearest)))  # of the same method, by somebody else
    before = list(Stimulus.objects.values())
    taken(incoming)
    assert incoming.state == "failed"
    assert "have changed since this was looked at" in incoming.error
    assert list(Stimulus.objects.values()) == before
    uploads.look_again(incoming)
    assert {line.fate for line in run(incoming).lines.all()} == {"replaced"}
    assert taken(incoming).said == "ESRGAN on own: 2 replaced, 0 new, 0 unchanged."


def test_a_second_attempt_after_one_that_died_when_all_was_taken_takes_nothing_twice(benchmark):
    incoming = looked(results(benchmark))
    uploads.take_it(incoming, confirmed=list(uploads.warnings_of(incoming)))
    kept, worker._store = worker._store, lambda *what: (_ for _ in ()).throw(KeyboardInterrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.run(incoming.pk)
    finally:
        worker._store = kept
    before = list(Stimulus.objects.filter(method__name="esrgan").values())
    Import.objects.filter(pk=incoming.pk).update(state="wanted", claim=None)
    assert run(incoming).said == "ESRGAN on own: 0 replaced, 2 new, 0 unchanged."
    assert list(Stimulus.objects.filter(method__name="esrgan").values()) == before
    assert len(before) == 2


def test_a_benchmark_comes_with_its_lr_from_another_folder(benchmark, tmp_path):
    sources = list(benchmark.sources.all())
    files = {f"HR/Own/{s.name}.png": png(read_hr(s)) for s in sources}
    files |= {f"LR/LR_bicubic/X4/{s.name}x4.png": png(read_lr(s)) for s in sources}
    incoming = looked(files, kind="benchmark", benchmark="again", method="")
    assert [(line.source, line.fate, line.done) for line in incoming.lines.all()] == [
        ("own_000", "new", []), ("own_001", "new", []),
    ]  # fmt: skip
    assert not Benchmark.objects.filter(name="again").exists()
    assert taken(incoming).said == "again: 2 images imported, 0 were there already."
    made = SourceImage.objects.filter(benchmark__name="again")
    assert [(s.name, s.hr_sha256, s.lr_sha256) for s in made] == [(s.name, s.hr_sha256, s.lr_sha256) for s in sources]


def test_a_benchmark_of_photographs_has_its_lr_made_and_other_pixels_of_a_name_are_a_problem(benchmark):
    photographs = {f"HR/p{seed}.png": png(factories.photograph(seed)) for seed in (1, 2)}
    incoming = looked(photographs, kind="benchmark", benchmark="photos", method="")
    assert incoming.lines.first().done == ["LR is made from it"]
    taken(incoming)
    other = {"HR/p1.png": png(factories.photograph(3))}
    incoming = looked(other, kind="benchmark", benchmark="photos", method="")
    assert incoming.lines.get().problem.startswith("HR/p1.png: photos has an image p1 with other pixels")


def test_discarded_it_leaves_no_row_and_no_file(benchmark):
    incoming = looked(results(benchmark))
    assert stored("imports") != []
    uploads.discard(incoming)
    assert stored("imports") == []
    assert [model.objects.count() for model in (Import, ImportFile, ImportPiece, ImportLine)] == [0, 0, 0, 0]


def test_it_cannot_be_discarded_while_it_is_taken(benchmark):
    incoming = looked(results(benchmark))
    uploads.take_it(incoming, confirmed=list(uploads.warnings_of(incoming)))
    with pytest.raises(UploadRefused, match="just now"):
        uploads.discard(incoming)


def test_what_nobody_goes_on_with_is_given_up_after_a_week(benchmark):
    fresh, old = begin(), begin()
    send(old, {"a.png": b"x"})
    Import.objects.filter(pk=fresh.pk).update(touched_at=timezone.now() - timedelta(days=6))
    Import.objects.filter(pk=old.pk).update(touched_at=timezone.now() - timedelta(days=8))
    uploads.discard_abandoned()
    assert list(Import.objects.all()) == [fresh]
    assert stored("imports") == []


def test_verify_finds_a_damaged_piece_a_missing_one_and_an_abandoned_import(benchmark):
    incoming, old = begin(), begin()
    send(incoming, {"a.png": b"x" * 12_000})
    Import.objects.filter(pk=old.pk).update(touched_at=timezone.now() - timedelta(days=8))
    first, second, third = ImportPiece.objects.all()
    default_storage.delete(first.file.name)
    default_storage.save(second.file.name, ContentFile(b"y" * 5000))
    out = io.StringIO()
    call_command("verify", "--repair", stdout=out)
    assert f"row without its file: piece 0 of a.png ({first.file.name})" in out.getvalue()
    assert f"file that is damaged: piece 1 of a.png ({second.file.name})" in out.getvalue()
    assert "import that nobody goes on with: esrgan on own" in out.getvalue()
    assert "3 mended." in out.getvalue()
    assert list(ImportPiece.objects.all()) == [third]
    assert [numbers for *_, numbers in uploads.missing(incoming)] == [[0, 1]]


def test_a_piece_that_is_damaged_in_the_storage_is_never_taken_for_the_file(benchmark):
    incoming = begin()
    send(incoming, results(benchmark))
    piece = ImportPiece.objects.first()
    default_storage.save(piece.file.name, ContentFile(b"y" * 5000))
    uploads.finish(incoming)
    assert run(incoming).error == "A part of own_000_x4.png is damaged or gone. Choose the files again."


def test_a_worker_that_is_not_there_yet_and_one_that_dies_leave_it_wanted(benchmark):
    incoming = begin()
    send(incoming, results(benchmark))
    uploads.finish(incoming)
    stale = timezone.now() - timedelta(minutes=5)
    Import.objects.filter(pk=incoming.pk).update(
        state="running", claim="00000000-0000-0000-0000-000000000001", heartbeat_at=stale, attempts=1
    )
    with pytest.raises(Exception, match="broker"):
        reconcile(watched_seconds=60)
    incoming.refresh_from_db()
    assert (incoming.state, incoming.claim) == ("wanted", None)
    assert run(incoming).state == "done"


KILLED = """
import os, signal, sys
import django; django.setup()
from studies.content import bringing, incoming
PLACE
incoming.run(1)
"""
AT = {
    "in the look": "looks = iter(range(9)); see = bringing._see\n"
    "def die(*a):\n    next(looks) and os.kill(os.getpid(), signal.SIGKILL)\n    see(*a)\nbringing._see = die",
    "with one image stored": "made = iter(range(9)); make = bringing._stimulus\n"
    "def die(*a):\n    next(made) and os.kill(os.getpid(), signal.SIGKILL)\n    return make(*a)\n"
    "bringing._stimulus = die",
    "with all images stored": "bringing.require_ours = lambda: os.kill(os.getpid(), signal.SIGKILL)",
    "after the commit": "incoming._store = lambda *a: os.kill(os.getpid(), signal.SIGKILL)",
}
SET_UP = """
import django; django.setup()
from tests.studies import factories; from tests.studies.content import test_uploads as t
from studies.content import incoming, uploads; from studies.models import Import
own = factories.make_benchmark("own"); files = t.results(own); one = t.begin()
rows = uploads.announce(one, t.json.dumps([[p, len(c), "1"] for p, c in files.items()]))["files"]
for key, path, _, numbers in rows:
    for n in numbers:
        uploads.receive(one, file=key, number=n, content=files[path][n * 1000000:(n + 1) * 1000000])
uploads.finish(one)
if TAKE:
    incoming.run(1); one.refresh_from_db(); uploads.take_it(one, confirmed=list(uploads.warnings_of(one)))
"""
AGAIN = """
import django; django.setup()
from studies.content import incoming, uploads; from studies.models import Import, Stimulus
print(Stimulus.objects.filter(method__name="esrgan").count(), Import.objects.get().state)
Import.objects.update(state="wanted", claim=None); incoming.run(1); one = Import.objects.get()
if one.stage == "look":
    uploads.take_it(one, confirmed=list(uploads.warnings_of(one))); incoming.run(1); one = Import.objects.get()
print(Stimulus.objects.filter(method__name="esrgan").count(), one.state, one.said)
"""


def python_of(folder):
    env = {**os.environ, "MOSWEB_VAR": str(folder / "var"), "DATABASE_URL": f"sqlite:///{folder}/var/db.sqlite3",
           "PYTHONPATH": str(ROOT), "MOSWEB_HTTPS": "0", "DJANGO_SETTINGS_MODULE": "mosweb.settings"}  # fmt: skip

    def python(*words):
        return subprocess.run([sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    return python


@pytest.mark.once
@pytest.mark.parametrize("place", AT)
def test_a_worker_killed_by_sigkill_leaves_nothing_half_and_the_next_does_it(tmp_path, place):
    fresh.database(tmp_path / "var")
    python = python_of(tmp_path)
    done = python("-c", SET_UP.replace("TAKE", str(place != "in the look")))
    assert done.returncode == 0, done.stderr
    killed = python("-c", KILLED.replace("PLACE", AT[place]))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = python("-c", AGAIN)
    before = 2 if place == "after the commit" else 0
    said = "2 done ESRGAN on own: 0 replaced, 2 new, 0 unchanged."
    assert done.stdout.splitlines() == [f"{before} running", said], done.stderr
    left = {"with one image stored": 1, "with all images stored": 2}.get(place, 0)
    repaired = python("manage.py", "verify", "--repair", "--settled", "0")
    assert repaired.stdout.count("file without a row: stimuli/") == left
    assert repaired.returncode == 0
    assert not list((tmp_path / "var/images/imports").rglob("*.*"))

