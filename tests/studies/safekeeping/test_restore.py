"""A backup comes back elsewhere: on SQLite and PostgreSQL, after kills, from an earlier version, without the erased."""

import io
import json
import re
import shutil
import signal
import zipfile
from functools import cache

import pytest

from studies.safekeeping import sealing
from studies.safekeeping.errors import SafekeepingError
from tests import fresh
from tests.e2e.plant import Sqlite
from tests.studies.safekeeping.conftest import PostgresqlDatabase
from tests.studies.safekeeping.installations import Installation
from tests.variants import variants

KINDS = ["sqlite", "postgresql"]
TABLES = [f"studies_{name}" for name in ("rater", "session", "trial", "rating", "stimulus", "sourceimage", "study",
                                         "studyimage", "studyevent", "sitekey")]  # fmt: skip
FILL = """
from django.utils import timezone
from studies.models import Rater, Rating
from studies.rating import sessions
from tests.studies.factories import *
benchmark = make_benchmark(images=2, height=32, width=32)
study = launch(make_study(benchmarks=[benchmark], calibration=make_benchmark("cal", images=1, height=32, width=32)))
for number in range(2):
    rater = make_rater(study)
    session = sessions.agree(rater=rater, now=timezone.now())
    sessions.finish_calibration(rater=Rater.objects.get(pk=rater.pk))
    for trial in session.trials.filter(phase="rated")[:2]:
        Rating.objects.create(trial=trial, score=3, response_ms=1, device_pixel_ratio=1, visual_viewport_scale=1,
                              viewport_width=1, viewport_height=1, screen_width=1, screen_height=1)
        session.trials.model.objects.filter(pk=trial.pk)
        type(session).objects.filter(pk=session.pk).update(next_position=trial.position + 1)
"""


def fill(site: Installation) -> None:
    """A launched study, and two raters in the middle of it, for an installation with empty tables."""
    done = site.python(FILL)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def migrated(request, tmp_path_factory):
    """For each kind an installation with empty tables, to copy."""

    @cache
    def make(kind):
        var = tmp_path_factory.mktemp(f"migrated_{kind}") / "var"
        if kind == "sqlite":
            fresh.database(var)
            return Installation(var, Sqlite(var / "db.sqlite3"))
        site = Installation(var, PostgresqlDatabase(request.getfixturevalue("_server"), "migrated"))
        site.manage("migrate", "-v0")
        return site

    return make


@pytest.fixture(scope="session")
def _filled(request, tmp_path_factory, migrated):
    """For each kind one with a launched study and two raters in the middle of it: to fill one takes long."""

    @cache
    def make(kind):
        var = tmp_path_factory.mktemp(f"filled_{kind}") / "var"
        shutil.copytree(migrated(kind).var, var)
        if kind == "sqlite":
            database = Sqlite(var / "db.sqlite3")
        else:
            database = PostgresqlDatabase(request.getfixturevalue("_server"), "filled", template="migrated")
        site = Installation(var, database)
        fill(site)
        return site

    return make


@pytest.fixture
def filled(install, _filled):
    def make(kind, **options) -> Installation:
        return install(kind, "origin", like=_filled(kind), **options)

    return make


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def rows_of(archive, table):
    """The rows of a table in a backup; JSON in them as objects, for PostgreSQL's jsonb keeps no order of keys."""
    found = [json.loads(line) for line in archive.read(f"tables/{table}.jsonl").decode().splitlines()]
    return [[json.loads(v) if isinstance(v, str) and v.startswith(("{", "[")) else v for v in row] for row in found]


@pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "postgresql")]
)
def test_every_row_and_file_comes_back_on_either_database(filled, install, migrated, tmp_path, source, target):
    origin = filled(source)
    other = install(target, "other", like=migrated(target))  # empty tables are no data
    origin.manage("backup", str(tmp_path / "x.zip"))
    assert (tmp_path / "x.zip").stat().st_mode & 0o777 == 0o600
    out = other.manage("restore", str(tmp_path / "x.zip"))
    assert f"mosweb 0.1.0 on {source}" in out
    assert other.files() == origin.files()
    assert len(other.table("studies_rating")) == 4
    if source == target:
        assert {name: other.table(name) for name in TABLES} == {name: origin.table(name) for name in TABLES}
    # What neither database writes as the other does: the backup of the copy is the backup of the original.
    other.manage("backup", str(tmp_path / "y.zip"))
    with zipfile.ZipFile(tmp_path / "x.zip") as first, zipfile.ZipFile(tmp_path / "y.zip") as second:
        for table in TABLES:
            assert rows_of(first, table) == rows_of(second, table)
    # A launched study is as frozen as before, and the next row gets a key that is free.
    assert "does not change" in other.python("from studies.models import *; Study.objects.update(seed=5)").stderr
    assert other.python("from studies.models import *; StudyEvent.objects.create(study_id=1, kind='x')").returncode == 0


def test_equal_files_are_stored_once(filled, tmp_path):
    origin = filled("sqlite")
    origin.manage("backup", str(tmp_path / "x.zip"))
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        stored = [name for name in archive.namelist() if name.startswith("files/")]
    contents = list(origin.files().values())
    # The hidden reference of each source is the source itself.
    assert len(stored) == len(set(contents)) == len(contents) - 3


def test_a_site_with_data_is_left_as_it_is(filled, tmp_path):
    origin = filled("sqlite")
    origin.manage("backup", str(tmp_path / "x.zip"))
    before = origin.table("studies_rater")
    assert "There is data here already (in studies_" in origin.refused("restore", str(tmp_path / "x.zip"))
    assert origin.table("studies_rater") == before


def test_a_damaged_and_a_cut_off_backup_restore_nothing(filled, install, tmp_path):
    whole = tmp_path / "x.zip"
    filled("sqlite").manage("backup", str(whole))
    content = bytearray(whole.read_bytes())
    with zipfile.ZipFile(whole) as archive:
        place = archive.getinfo(next(n for n in archive.namelist() if n.startswith("files/"))).header_offset
    (tmp_path / "cut.zip").write_bytes(content[: len(content) // 2])
    content[place + 200] ^= 1
    (tmp_path / "flipped.zip").write_bytes(content)
    other = install("sqlite", "other")
    assert "cut off" in other.refused("restore", str(tmp_path / "cut.zip"))
    assert "damaged: files/" in other.refused("restore", str(tmp_path / "flipped.zip"))
    assert other.files() == {}
    assert not (other.var / "db.sqlite3").exists() or other.database.query("SELECT * FROM sqlite_master") == []
    assert "whole." in other.manage("restore", "--check", str(whole))


def test_a_backup_of_a_newer_version_says_to_update(filled, install, tmp_path):
    origin = filled("sqlite")
    row = "('studies', '9999_future', '2030-01-01')"
    origin.database.query(f"INSERT INTO django_migrations (app, name, applied) VALUES {row}")
    refused = origin.refused("backup", str(tmp_path / "x.zip"))
    assert "Update mosweb first" in refused
    assert "studies.9999_future" in refused
    assert list(tmp_path.glob("*.zip")) == list(tmp_path.glob(".*.part")) == []


KILLED = """
import os, signal, sys
from itertools import count
from importlib import import_module
from django.core.management import call_command
def killed(place, number):
    module, name = place.rsplit(".", 1)
    owner = import_module(module) if module.islower() else getattr(import_module(module.rsplit(".", 1)[0]), module.rsplit(".", 1)[1])
    original, calls = getattr(owner, name), count(1)
    def replacement(*args, **kwargs):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(owner, name, replacement)
killed({place!r}, {number})
call_command(*{words!r})
"""  # noqa: E501


def kill_during(site, *words, place, number):
    done = site.python(KILLED.format(place=place, number=number, words=words))
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("place", "number", "sealed"),
    variants(
        ("studies.safekeeping.archive.Writer.add_file", 3, True), ("os.fsync", 1, False),
        more=(("studies.safekeeping.archive.Writer.add_table", 5, False), ("os.fsync", 1, True)),
    ),
)  # fmt: skip
def test_a_killed_backup_leaves_nothing_that_looks_whole(filled, tmp_path, sealed, place, number):
    origin, folder = filled("sqlite"), tmp_path / "backups"
    folder.mkdir()
    (tmp_path / "words").write_text("correct horse battery staple")
    words = ["backup", str(folder / "x"), *(["--encrypt", f"--passphrase-file={tmp_path / 'words'}"] if sealed else [])]
    kill_during(origin, *words, place=place, number=number)
    assert names_in(folder) == [".x.part"]
    origin.manage(*words)
    assert names_in(folder) == ["erased.txt", "x"]


@pytest.mark.parametrize(
    ("kind", "place", "number"),
    variants(
        ("sqlite", "_restore_file", 3), ("sqlite", "fill", 20), ("postgresql", "_erase_again", 1),
        more=(("sqlite", "_erase_again", 1), ("postgresql", "fill", 20)),
    ),
)  # fmt: skip
def test_a_killed_restore_leaves_an_empty_site_and_is_done_again(filled, install, tmp_path, kind, place, number):
    origin, other = filled("sqlite"), install(kind, "other")
    origin.manage("backup", str(tmp_path / "x.zip"))
    kill_during(other, "restore", str(tmp_path / "x.zip"), place=f"studies.safekeeping.restore.{place}", number=number)
    catalogue = "sqlite_master" if kind == "sqlite" else "pg_tables WHERE schemaname = 'public'"
    assert not (other.var / "db.sqlite3").exists() or other.database.query(f"SELECT * FROM {catalogue}") == []
    other.manage("restore", str(tmp_path / "x.zip"))
    assert other.files() == origin.files()
    assert len(other.table("studies_rating")) == 4
    assert other.manage("verify") == "15 files: all is well.\n"


EARLIER = """
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
executor = MigrationExecutor(connection)
apps = executor.loader.project_state([("studies", "0003_reports")]).apps
get = lambda name: apps.get_model("studies", name).objects
benchmark = get("Benchmark").create(name="b")
files = {"hr": "sources/h.png", "lr": "sources/l.png"}
source = get("SourceImage").create(benchmark=benchmark, name="s", width=4, height=4, mode="RGB", **files)
method = get("Method").create(name="old", display_name="old", kind="folder")
from django.core.files.storage import default_storage as storage
from django.core.files.base import ContentFile
for name in ("sources/h.png", "sources/l.png", "stimuli/s.png"):
    storage.save(name, ContentFile(name.encode()))
stimulus = get("Stimulus").create(source=source, method=method, state="done", file="stimuli/s.png",
                                  psnr=float("inf"), ssim=1.0)
study = get("Study").create(name="s", title="t", seed=2**60)
get("StudyImage").create(study=study, stimulus=stimulus, role="rated")
from django.utils import timezone
get("Study").filter(pk=study.pk).update(state="launched", launched_at=timezone.now())
rater = get("Rater").create(study=study, label="r001", token="the-token")
session = get("Session").create(rater=rater, seed=1, calibration_trials=0, trials_total=2, next_position=2)
for position in (1, 2):
    shown = {"phase": "rated", "stimulus": stimulus, "token": f"trial{position}"}
    get("Trial").create(session=session, position=position, **shown)
trial = get("Trial").get(position=1)
get("Rating").create(trial=trial, score=4, response_ms=1, device_pixel_ratio=1, visual_viewport_scale=1,
                     viewport_width=1, viewport_height=1, screen_width=1, screen_height=1)
from django.utils.crypto import salted_hmac
print("KEY", salted_hmac("studies.outbox", rater.token).hexdigest()[:24])
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_made_at_migration_0003_restores_into_this_version(install, tmp_path, kind):
    """As before an update: today's code on yesterday's database. The browser's key of then is the key of now."""
    origin, other = install(kind, "origin", secret="the first"), install(kind, "other", secret="another")
    origin.manage("migrate", "-v0", "studies", "0003")
    earlier = origin.python(EARLIER)
    assert earlier.returncode == 0, earlier.stderr
    origin.manage("backup", str(tmp_path / "x.zip"))
    assert other.manage("restore", str(tmp_path / "x.zip"))
    assert "[ ]" not in other.manage("showmigrations", "studies")
    assert other.database.query("SELECT score FROM studies_rating") == [(4.0,)]
    # It keeps its way: each rates every image, all places were written at once, no number of ratings was promised.
    kept = other.database.query("SELECT allocation, trials, ratings_each FROM studies_study")
    assert kept == [("all", 0, 0)]
    assert other.database.query("SELECT DISTINCT run FROM studies_trial") == [(None,)]
    assert other.files() == origin.files()
    code = "from studies.models import Rater; from studies.rating.views import outbox_key; r = Rater.objects.get()"
    found = other.python(f"{code}; print('KEY', outbox_key(r))")
    assert found.stdout.split() == earlier.stdout.split()[-2:], found.stderr


WITHDRAW = """
from django.utils import timezone
from studies.models import Rater
from studies.rating.withdrawal import withdraw
withdraw(rater=Rater.objects.get(label="r001"), now=timezone.now())
"""


@pytest.mark.parametrize("way", ["beside", "named", "by the storage"])
def test_what_was_erased_after_the_backup_does_not_come_back(filled, install, tmp_path, way):
    origin, other = filled("sqlite"), install("sqlite", "other")
    origin.manage("backup", str(tmp_path / "x.zip"))
    assert origin.python(WITHDRAW).returncode == 0
    words = ["restore", str(tmp_path / "x.zip")]
    if way == "beside":
        origin.manage("backup", str(tmp_path / "later.zip"))
    elif way == "named":
        (tmp_path / "list").write_text(origin.manage("erased"))
        words.append(f"--erased={tmp_path / 'list'}")
    else:
        (origin.var / "images").rename(other.var / "images")
    assert "1 raters who withdrew later erased again" in other.manage(*words)
    rows = other.database.query("SELECT label, withdrawn_at IS NULL FROM studies_rater ORDER BY label")
    assert rows == [("r001", False), ("r002", True)]
    assert other.database.query("SELECT count(*) FROM studies_rating") == [(2,)]
    assert other.database.query("SELECT count(*) FROM studies_session") == [(1,)]


def test_the_list_of_the_erased_holds_no_data(filled):
    origin = filled("sqlite")
    assert origin.python(WITHDRAW).returncode == 0
    (token,) = origin.database.query("SELECT token FROM studies_rater WHERE label = 'r001'")[0]
    (line,) = [line for line in origin.manage("erased").splitlines() if not line.startswith("#")]
    fingerprint, _when = line.split()
    assert len(fingerprint) == 64
    assert token not in line


def test_secret_key_travels_only_under_a_passphrase(filled, install, tmp_path):
    origin, other = filled("sqlite", secret="a very secret key"), install("sqlite", "other", secret="")
    words = tmp_path / "words"
    words.write_text("correct horse battery staple\n")
    assert "without SECRET_KEY" in origin.manage("backup", str(tmp_path / "plain.zip"))
    sealed = origin.manage("backup", "--encrypt", f"--passphrase-file={words}", str(tmp_path / "sealed"))
    assert "SECRET_KEY" not in sealed
    with zipfile.ZipFile(tmp_path / "plain.zip") as archive:
        assert "secret_key" not in archive.namelist()
        assert not any(b"a very secret key" in archive.read(name) for name in archive.namelist())
    assert not zipfile.is_zipfile(tmp_path / "sealed")
    other.manage("restore", f"--passphrase-file={words}", str(tmp_path / "sealed"))
    assert (other.var / "secret_key").read_text() == "a very secret key\n"
    assert (other.var / "secret_key").stat().st_mode & 0o777 == 0o600
    assert len(other.table("studies_rating")) == 4


@pytest.mark.parametrize(
    ("damage", "words", "why"),
    [
        (lambda sealed: sealed, "another passphrase", "the passphrase is another"),
        (lambda sealed: sealed[: len(sealed) // 2], "the passphrase", "damaged or cut off|the file is damaged"),
        (lambda sealed: sealed[:20], "the passphrase", "the file is damaged"),
        (lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]), "the passphrase", "damaged"),
    ],
    ids=["wrong passphrase", "cut", "cut in its head", "altered"],
)
def test_a_sealed_backup_that_cannot_be_opened_restores_nothing(filled, install, tmp_path, damage, words, why):
    given, tried = tmp_path / "given", tmp_path / "tried"
    given.write_text("the passphrase\n")
    tried.write_text(words + "\n")
    filled("sqlite").manage("backup", "--encrypt", f"--passphrase-file={given}", str(tmp_path / "sealed"))
    (tmp_path / "damaged").write_bytes(damage((tmp_path / "sealed").read_bytes()))
    other = install("sqlite", "other")
    said = other.refused("restore", f"--passphrase-file={tried}", str(tmp_path / "damaged"))
    assert re.search(f"cannot be decrypted: .*({why})", said), said
    assert other.files() == {}
    assert not (other.var / "db.sqlite3").exists() or other.database.query("SELECT * FROM sqlite_master") == []


def test_a_sealed_file_cut_between_two_pieces_is_seen(monkeypatch):
    """Each piece that is left is whole: only the chain tells."""
    monkeypatch.setattr(sealing, "PIECE", 1000)
    plain = bytes(range(256)) * 20
    sealed = io.BytesIO()
    sealing.seal(io.BytesIO(plain), sealed, passphrase="words")
    whole, out = sealed.getvalue(), io.BytesIO()
    sealing.unseal(io.BytesIO(whole), out, passphrase="words")
    assert out.getvalue() == plain
    head = len(sealing.MAGIC) + sealing.SALT + sealing.PREFIX
    piece = 1000 + sealing.TAG
    swapped = (
        whole[:head] + whole[head + piece : head + 2 * piece] + whole[head : head + piece] + whole[head + 2 * piece :]
    )
    for altered in (whole[: head + 3 * piece], whole[:head] + whole[head + piece :], swapped):
        with pytest.raises(SafekeepingError, match="cannot be decrypted"):
            sealing.unseal(io.BytesIO(altered), io.BytesIO(), passphrase="words")


def test_a_schedule_keeps_the_newest_and_removes_what_a_killed_run_left(filled, tmp_path):
    origin, folder = filled("sqlite"), tmp_path / "backups"
    folder.mkdir()
    for name in ("mosweb-20200101-000000.zip", "mosweb-20200102-000000.zip", ".mosweb-20200103-000000.zip.part"):
        (folder / name).touch()
    (folder / "mine.zip").touch()
    origin.manage("backup", "--keep", "2", str(folder))
    names = names_in(folder)
    assert names[:3] == ["erased.txt", "mine.zip", "mosweb-20200102-000000.zip"]
    assert len(names) == 4
    assert zipfile.is_zipfile(folder / names[3])
    file_name, encrypted = origin.database.query("SELECT file_name, encrypted FROM studies_backup")[0]
    assert (file_name, encrypted) == (names[3], 0)


# A row in every table that a study can have, beside FILL.
EVERYTHING = """
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone
from studies.content.sources import cut_of
from studies.models import *
from studies.models.precision import Precision
from studies.rating import outcomes
from tests.studies.factories import *
study = Study.objects.get()
first, second = Rater.objects.order_by("pk")
other = make_study(name="other", benchmarks=[make_benchmark("others", images=1, height=32, width=32)], images_of=study)
link = PublicLink.objects.create(study=study, is_open=True, panel="prolific")
link.turned_away.add(other)
for number, rater in enumerate((first, second)):
    arrival = Arrival.objects.create(rater=rater, study=study, person=str(number) * 64, device="d" * 64)
    PanelIds.objects.create(arrival=arrival, ids={"PROLIFIC_PID": "äöü"})
    Agreement.objects.create(rater=rater, version=1, language="en", sha256="a" * 64, text="text")
    Decision.objects.create(rater=rater, kind="exclude", reason="bad", by="staff")
    QuestionnaireAnswers.objects.create(session=rater.session, part="after", answers={"age": 31.5, "remarks": "äöü"})
    DeviceCheck.objects.create(session=rater.session, failed=["phone"], is_phone=True, colour="skip")
    trial = rater.session.trials.filter(phase="rated").first()
    same = {f.name: getattr(trial.rating, f.name) for f in Rating._meta.fields if f.name not in ("id", "trial")}
    TakenBack.objects.create(trial=trial, **(same | {"attempt": 7}))
ConsentText.objects.create(study=study, version=1, texts={"en": "x"})
Ending.objects.create(study=study, outcome="completed", texts={"en": "thanks"}, code="C1")
outcomes.end(rater=second, outcome="checks", now=timezone.now(), reason="2 of 3 failed")
Precision.objects.create(study=study, ratings=4, raters=2, widest=.3, median=.2)
MetricValue.objects.create(stimulus=Stimulus.objects.first(), metric="lpips", value=.5)
StudyMetric.objects.create(study=study, metric="lpips", state="done")
source = other.cells.first().benchmark.sources.first()
region = StudyRegion.objects.create(study=other, source=source, left=8, top=0, width=16, height=16, state="done")
stimulus = Stimulus.objects.filter(source=source).first()
png, facts = cut_of(region, stimulus)
cut = Cut(region=region, stimulus=stimulus, **facts)
cut.file.save("x.png", ContentFile(png), save=False)
cut.save()
Report.objects.create(study=study)
Backup.objects.create(file_name="x", size=1, encrypted=False)
user = User.objects.create_user("staff", password="a password", is_staff=True)
Membership.objects.create(study=study, user=user, role="owner")
Colleague.objects.create(study=study, role="blind", by="staff")
"""
WITHOUT_ROWS = {"auth_group", "auth_group_permissions", "auth_user_groups", "auth_user_user_permissions",
                "django_admin_log"}  # fmt: skip
OF_A_RATER = ("agreement", "decision", "arrival", "panelids", "takenback", "session", "trial", "rating",
              "questionnaireanswers", "devicecheck")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_table_comes_back_and_of_the_erased_no_row_in_any(filled, install, tmp_path, kind):
    origin, other, erased = filled(kind), install(kind, "other"), install(kind, "erased")
    done = origin.python(EVERYTHING)
    assert done.returncode == 0, done.stderr
    origin.manage("backup", str(tmp_path / "x.zip"))
    other.manage("restore", str(tmp_path / "x.zip"))
    other.manage("backup", str(tmp_path / "y.zip"))
    with zipfile.ZipFile(tmp_path / "x.zip") as first, zipfile.ZipFile(tmp_path / "y.zip") as second:
        tables = {name for name in first.namelist() if name.startswith("tables/")}
        assert tables == {name for name in second.namelist() if name.startswith("tables/")}
        assert {name for name in tables if first.read(name) != second.read(name)} == set()
        empty = {name.removeprefix("tables/").removesuffix(".jsonl") for name in tables if not first.read(name).strip()}
    assert empty <= WITHOUT_ROWS  # a new table needs a row in EVERYTHING
    assert other.files() == origin.files()
    # A cut that is lost is missed, and made again of its image.
    (cut,) = (other.var / "images/cuts").rglob("*.png")
    content = cut.read_bytes()
    cut.unlink()
    assert cut.name in other.run("manage.py", "verify").stdout
    other.run("manage.py", "verify", "--repair")
    assert cut.read_bytes() == content
    # Of both raters there is a row in each of these tables; who withdrew after the backup does not come back in any.
    assert origin.python(WITHDRAW).returncode == 0
    (tmp_path / "list").write_text(origin.manage("erased"))
    erased.manage("restore", str(tmp_path / "x.zip"), f"--erased={tmp_path / 'list'}")
    for name in OF_A_RATER:
        left = origin.database.query(f"SELECT count(*) FROM studies_{name}")[0][0]
        assert 0 < left < other.database.query(f"SELECT count(*) FROM studies_{name}")[0][0], name
        assert erased.database.query(f"SELECT count(*) FROM studies_{name}")[0][0] == left, name
