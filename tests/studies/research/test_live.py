"""The live page, the rule that ends a study, and what the panel is told."""

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from analysis.schema import counted
from studies.models import Arrival, PanelIds, Precision, PublicLink, Session, StudyEvent
from studies.research import stopping
from studies.research.decisions import decide
from studies.research.export import protocol_json
from studies.research.live import live
from studies.research.panel import forget_ids, panel_csv, short_reasons
from studies.research.quality import compact
from studies.research.stopping import look_at_all, note_precision, number_counted, stop_if_met
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.research.test_quality import NOW, rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
LATER = NOW + timedelta(hours=1)
LONG = (
    "You gave one score to all of the sixty images, the two whose score the instructions showed you among them; see 4."
)
OTHERS = {"nearest": 1, "bicubic": 3, "hr": 4}


def study_with(**protocol):
    study = launch(make_study(benchmarks=[make_benchmark(images=3)], **protocol))
    PublicLink.objects.create(study=study, is_open=True, panel="prolific")
    return study


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_user("eva", is_staff=True))
    return client


def is_open(study):
    return PublicLink.objects.get(study=study).is_open


def test_raters_are_counted_by_state_and_where_they_stopped():
    study = study_with(pay_each=2.5)
    rate_all(study, "anna")
    rate_all(study, "berta", limit=5)
    rate_all(study, "carl", limit=1)
    make_rater(study, "dora")
    Session.objects.filter(rater__label="carl").update(last_active_at=LATER)
    found = live(study, now=LATER)
    assert found.states == [("at work", 1), ("finished", 1), ("away", 1), ("invited", 1)]
    assert [(part, number) for part, number, _ in found.stops if number] == [("50 to 60 %", 1)]
    assert (found.finished, found.money) == (1, 2.5)
    decide(rater=study.raters.get(label="anna"), kind="reject", reason="x", by="eva", now=LATER)
    assert live(study, now=LATER).money == 0


def test_intervals_narrow_as_ratings_come_in():
    study = study_with()
    assert note_precision(study, now=NOW) is None
    for number in range(6):
        rate_all(study, f"r{number}", scores=OTHERS if number % 2 else {"nearest": 2, "bicubic": 2, "hr": 5})
        note_precision(study, now=NOW + timedelta(minutes=number))
    rows = list(Precision.objects.filter(widest__isnull=False))
    assert [row.ratings for row in Precision.objects.all()] == [9, 18, 27, 36, 45, 54]
    assert [row.raters for row in rows] == [3, 4, 5, 6]  # of one or two it says nothing
    assert rows[-1].widest < rows[0].widest
    assert rows[-1].median <= rows[-1].widest
    before = Precision.objects.count()
    assert note_precision(study, now=LATER).ratings == 54
    assert Precision.objects.count() == before


def test_what_counts_is_counted_in_the_database_as_in_the_table():
    study = study_with(repeats=1, traps_a_run=1)
    rate_all(study, "anna", scores=OTHERS | {"trap": 3})
    rate_all(study, "berta", scores=OTHERS | {"trap": 3})
    decide(rater=study.raters.get(label="berta"), kind="exclude", reason="x", by="eva", now=LATER)
    frame = compact(study)
    assert number_counted(study) == len(counted(frame)) < len(frame) / 2


def test_the_link_is_switched_off_once_each_image_has_its_ratings_and_not_before():
    study = study_with(stop_rule="targets", ratings_each=2)
    rate_all(study, "anna")
    look_at_all()
    assert is_open(study)
    rate_all(study, "berta")
    look_at_all()
    assert not is_open(study)
    assert stop_if_met(study, now=LATER) is False
    assert StudyEvent.objects.filter(kind="stop rule").count() == 1
    assert live(study, now=LATER).ended_by == "each image has the 2 ratings that it shall get"
    assert b'"ended_by": "each image has the 2 ratings' in protocol_json(study)


def test_the_link_is_switched_off_once_the_widest_interval_is_narrow_enough(monkeypatch):
    study = study_with(stop_rule="width", stop_half_width=3)
    for number in range(4):
        rate_all(study, f"r{number}", scores=OTHERS if number % 2 else {"nearest": 2, "bicubic": 2, "hr": 5})
    assert stop_if_met(study, now=LATER) is False  # four may agree by luck
    monkeypatch.setattr(stopping, "LEAST_RATERS", 4)
    assert stop_if_met(study, now=LATER)
    assert "with 4 raters, and it was to be at most ±3" in live(study, now=LATER).ended_by


def test_a_wide_interval_ends_nothing(monkeypatch):
    monkeypatch.setattr(stopping, "LEAST_RATERS", 3)
    study = study_with(stop_rule="width", stop_half_width=0.001)
    for number in range(3):
        rate_all(study, f"r{number}", scores=OTHERS if number % 2 else {"nearest": 2, "bicubic": 2, "hr": 5})
    assert stop_if_met(study, now=LATER) is False
    assert Precision.objects.get().widest > 0.001


def test_a_study_without_a_rule_goes_on():
    study = study_with(ratings_each=1)
    rate_all(study, "anna")
    look_at_all()
    assert stop_if_met(study, now=LATER) is False
    assert is_open(study)


def test_one_study_whose_rule_cannot_be_looked_at_keeps_no_other_from_it(monkeypatch):
    study = study_with(stop_rule="targets", ratings_each=1)
    rate_all(study, "anna")
    why = stopping.why_stop
    calls = []

    def fails_first(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise ValueError
        return why(*arguments, **options)

    monkeypatch.setattr(stopping, "why_stop", fails_first)
    look_at_all()
    assert is_open(study)
    look_at_all()
    assert not is_open(study)


def test_the_page_says_it_all_and_updates_itself(staff):
    study = study_with(stop_rule="targets", ratings_each=1)
    rate_all(study, "anna")
    page = staff.get(reverse("live", args=[study.name])).content.decode()
    assert f'data-url="{reverse("live-now", args=[study.name])}"' in page
    part = staff.get(reverse("live-now", args=[study.name]))
    assert "<html" not in part.content.decode()
    assert "The stop rule is met:" in part.content.decode()
    assert "The public link is off" in part.content.decode()


def from_panel(study, label, person):
    rater = rate_all(study, label)
    arrival = Arrival.objects.create(rater=rater, study=study, person=f"hash of {label}")
    PanelIds.objects.create(arrival=arrival, ids={"PROLIFIC_PID": person, "STUDY_ID": "s", "SESSION_ID": "x"})
    return rater


def test_the_panel_is_told_whom_to_approve_to_reject_and_why(staff):
    study = study_with()
    people = {label: from_panel(study, label, f"pid-{label}") for label in ("anna", "berta", "carl", "dora")}
    for label, kind, reason in (("anna", "accept", ""), ("berta", "reject", LONG), ("carl", "reject", "too fast")):
        decide(rater=people[label], kind=kind, reason=reason, by="eva", now=LATER)
    assert len(LONG) >= 100
    assert panel_csv(study, "approve") == "pid-anna\n"
    assert panel_csv(study, "bonus", amount="1.50") == "pid-anna,1.50\n"
    rows = list(csv.reader(io.StringIO(panel_csv(study, "reject"))))
    assert rows == [["PROLIFIC_PID", "reason"], ["pid-berta", LONG]]
    assert short_reasons(study) == ["carl"]
    page = staff.get(reverse("quality", args=[study.name])).content.decode()
    assert "which panels ask for: carl." in page
    assert "pid-" not in page
    address = reverse("panel-csv", args=[study.name, "bonus"])
    assert staff.get(address, {"amount": "2"}).content.decode() == "pid-anna,2\n"
    assert staff.get(address, {"amount": "much"}).status_code == 302
    staff.post(reverse("panel-forget", args=[study.name]))
    assert panel_csv(study, "approve") == ""
    assert forget_ids(study) == 0


def test_an_id_that_a_spreadsheet_would_run_is_defused():
    study = study_with()
    decide(rater=from_panel(study, "anna", "=1+1"), kind="accept", reason="", by="eva", now=LATER)
    assert panel_csv(study, "approve") == "'=1+1\n"
