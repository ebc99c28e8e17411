"""Long tables by a process of its own: the same file, and an end to it whatever breaks."""

import io
import os

import pandas as pd
import pytest
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from studies.research import elsewhere, export_views, streaming
from studies.research.export import ratings_frame, serialise
from tests.process_tools import children, database_url, eventually
from tests.studies.factories import launch, make_benchmark, make_study
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def study():
    study = launch(make_study(repeats=1, calibration=make_benchmark("anchors", images=1)))
    for label in ("anna", "berta"):
        rate_all(study, label)
    return study


@pytest.fixture
def running():
    """The processes that make a table: not those that other tests have started here, a broker, say."""
    others = set(children(os.getpid()))
    return lambda: set(children(os.getpid())) - others


@pytest.fixture
def _long(monkeypatch):
    """Each rater is a piece, and nothing is made in this process."""
    monkeypatch.setattr(streaming, "ROWS", 1)
    monkeypatch.setattr(export_views, "table_file", None)
    monkeypatch.setenv("DATABASE_URL", database_url())
    monkeypatch.setenv("SECRET_KEY", settings.SECRET_KEY)


def speaking(monkeypatch, tmp_path, program):
    """In place of manage.py."""
    path = tmp_path / "program.py"
    path.write_text(f"import sys, time\n{program}\n")
    monkeypatch.setattr(elsewhere, "_MANAGE", path)


@pytest.mark.usefixtures("_long")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_file_is_the_one_that_is_made_here(staff, study, running, kind):
    answer = staff.get(reverse("download", args=["study", "ratings", kind]) + "?pseudonyms")
    made = b"".join(streaming.table_file(study, "ratings", kind=kind, pseudonyms=True))
    if kind == "csv":
        assert answer.getvalue() == made
        answer = staff.get(reverse("download", args=["study", "ratings", kind]))
        assert answer.getvalue() == serialise(ratings_frame(study), kind="csv")
    else:
        found, wanted = (pd.read_parquet(io.BytesIO(file)) for file in (answer.getvalue(), made))
        pd.testing.assert_frame_equal(found, wanted)
    assert not running()


@pytest.mark.usefixtures("_long")
def test_what_is_wrong_at_once_is_an_error_and_no_file(staff, study, monkeypatch, tmp_path):
    speaking(monkeypatch, tmp_path, "sys.exit('no such table')")
    with pytest.raises(elsewhere.ExportBroke, match="no such table"):
        staff.get(reverse("download", args=["study", "ratings", "csv"]))
    assert study.events.filter(kind="downloaded").count() == 0


@pytest.mark.usefixtures("_long")
def test_what_breaks_on_the_way_ends_no_file_as_if_it_were_whole(staff, study, monkeypatch, tmp_path):
    speaking(monkeypatch, tmp_path, "sys.stdout.write('x' * 300_000); sys.stdout.flush(); sys.exit('killed')")
    answer = staff.get(reverse("download", args=["study", "ratings", "csv"]))
    assert "Content-Length" not in answer
    with pytest.raises(elsewhere.ExportBroke, match="killed"):
        answer.getvalue()


def test_the_process_ends_with_who_asked_and_makes_place(running, monkeypatch, tmp_path):
    speaking(monkeypatch, tmp_path, "while True: sys.stdout.write('x' * 100_000)")
    first, second = (elsewhere.table(["study", "ratings", "csv"]) for _ in range(2))
    assert len(next(first)) == len(next(second)) == 1 << 16
    assert len(running()) == 2
    assert elsewhere.table(["study", "ratings", "csv"]) is None  # a third is made where it is asked for
    first.close()
    eventually(lambda: len(running()) == 1)
    third = elsewhere.table(["study", "ratings", "csv"])
    assert next(third)
    for one in (second, third):
        one.close()
    eventually(lambda: not running())


def test_inside_a_transaction_it_is_made_here():
    with transaction.atomic():
        assert elsewhere.table(["study", "ratings", "csv"]) is None
