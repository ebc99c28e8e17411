"""How raters work, as staff see it, and what they decide."""

import json
from datetime import timedelta

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from analysis.page import write_report
from analysis.report import analyse
from analysis.schema import counted
from studies.access import invited_rater
from studies.models import Decision, Rater, Rating, Trial
from studies.rating import sessions
from studies.rating.evidence import receipt
from studies.rating.places import stored
from studies.rating.recording import record_rating
from studies.rating.withdrawal import withdraw
from studies.research.decisions import decide
from studies.research.export import protocol_json, ratings_frame
from studies.research.monitoring import results_table
from studies.research.quality import quality, rater_rows
from studies.research.refusals import StudyError
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY

pytestmark = [pytest.mark.services, pytest.mark.django_db]
REASON = "gave one score to every image"
NOW = timezone.now()
SCORES = {"nearest": 1, "bicubic": 2, "hr": 5}


def rate_all(study, label, *, scores=SCORES, limit=None):
    """At a person's pace: two seconds an image, half of one of them looked at."""
    rater = make_rater(study, label)
    sessions.agree(rater=rater, now=NOW)
    session = sessions.finish_calibration(rater=invited_rater(token=rater.token))
    trials = session.trials.filter(phase__in=("rated", "gold", "trap")).select_related("stimulus__method")[:limit]
    for number, trial in enumerate(trials):
        sent = NOW + timedelta(seconds=2 * number)
        record_rating(
            rater_token=rater.token,
            token=trial.token,
            score=scores[trial.stimulus.method.name],
            display=DISPLAY,
            receipt=receipt(token=trial.token, now=sent),
            now=sent + timedelta(seconds=1),
        )
    return rater


def rate_due(rater):
    """Every image as it comes due, also of a part; checks as they ask, the others by SCORES."""
    second = 0
    while trial := (
        Trial.objects.filter(session__rater=rater, position=F("session__next_position"))
        .select_related("stimulus__method")
        .first()
    ):
        sent, second = NOW + timedelta(seconds=second), second + 2
        score = SCORES.get(trial.stimulus.method.name) if trial.expected is None else trial.expected
        record_rating(
            rater_token=rater.token,
            token=trial.token,
            score=score,
            display=DISPLAY,
            receipt=receipt(token=trial.token, now=sent),
            now=sent + timedelta(seconds=1),
        )


@pytest.fixture
def study():
    """Two honest raters and one who gives 3 to everything; 12 images each."""
    study = launch(make_study(benchmarks=[make_benchmark(images=4)]))
    rate_all(study, "anna")
    rate_all(study, "berta")
    rate_all(study, "carl", scores=dict.fromkeys(("nearest", "bicubic", "hr"), 3))
    return study


@pytest.fixture
def carl(study):
    return study.raters.get(label="carl")


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_user("eva", is_staff=True))
    return client


def after(carl, kind, reason=""):
    decide(rater=carl, kind=kind, reason=reason, by="eva", now=timezone.now())
    carl.refresh_from_db()
    return carl


def test_who_is_flagged_stands_first_with_the_reason(study, staff):
    assert [row.progress.rater.label for row in rater_rows(study)] == ["carl", "anna", "berta"]
    page = staff.get(reverse("quality", args=[study.name])).content.decode()
    assert "12 equal scores in a row" in page
    assert "scores spread by 0.00 categories, the limit is 0.15" in page
    assert "not enough" in page
    assert "3 raters, 1 flagged" in page


def test_the_limits_are_those_of_the_study(carl):
    study = launch(make_study(name="other", benchmarks=[make_benchmark("other")], least_spread=3.0, longest_run=50))
    rate_all(study, "anna")
    rate_all(study, "berta", limit=4)
    assert json.loads(protocol_json(study))["least_spread"] == 3.0
    assert set(quality(study)["run_limit"]) == {50}
    assert rater_rows(study)[0].flags == []  # six ratings are too few


def test_it_asks_the_database_as_often_for_many_raters_as_for_few(study, staff, django_assert_max_num_queries):
    for number in range(20):
        make_rater(study, f"more{number}")
    with django_assert_max_num_queries(16):
        staff.get(reverse("quality", args=[study.name]))


@pytest.mark.parametrize(
    ("kind", "back", "field", "value"),
    [
        ("accept", "reopen", "verdict", "accepted"),
        ("reject", "reopen", "verdict", "rejected"),
        ("exclude", "include", "excluded", REASON),
        ("give_back", "keep", "places_back_at", None),
    ],
)
def test_every_decision_can_be_taken_back_and_stays_on_record(carl, kind, back, field, value):
    before = getattr(carl, field)
    assert getattr(after(carl, kind, REASON), field) == value or kind == "give_back"
    assert decide(rater=carl, kind=kind, reason=REASON, by="eva", now=timezone.now()) is False
    assert getattr(after(carl, back), field) == before
    assert [(d.kind, d.by, d.reason) for d in Decision.objects.all()] == [(back, "eva", ""), (kind, "eva", REASON)]
    assert Rating.objects.filter(trial__session__rater=carl).count() == 12


@pytest.mark.parametrize("kind", ["reject", "exclude"])
def test_what_goes_against_a_rater_needs_a_reason(carl, kind):
    with pytest.raises(StudyError, match="needs a reason"):
        after(carl, kind, "  ")
    assert not Decision.objects.exists()


def test_who_is_excluded_is_in_the_export_and_in_no_result(study, carl, staff):
    everybody = results_table(study)
    after(carl, "exclude", REASON)
    frame = ratings_frame(study)
    assert len(frame) == 36
    assert frame.groupby("rater")["excluded"].first().to_dict() == {"anna": "", "berta": "", "carl": REASON}
    assert set(counted(frame)["rater"]) == {"anna", "berta"}
    assert list(results_table(study)["n"]) == [8, 8, 8]
    assert list(everybody["n"]) == [12, 12, 12]
    page = staff.get(reverse("results", args=[study.name])).content.decode()
    assert f"1 rater excluded from the analysis: carl ({REASON})." in page
    after(carl, "include")
    pd.testing.assert_frame_equal(results_table(study), everybody)


def test_the_report_says_how_many_are_excluded_and_why(study, carl, tmp_path):
    after(carl, "exclude", REASON)
    results = analyse(ratings_frame(study))
    assert results.options.exclude == ("carl",)
    assert set(results.tables["mos"]["n"]) == {8}
    assert not results.effects["exclude"].empty
    write_report(ratings_frame(study), out=tmp_path)
    assert f"1 rater left out:</strong> carl ({REASON})" in (tmp_path / "report.html").read_text()
    assert f"Left out: 1 rater ({REASON})." in (tmp_path / "methods.txt").read_text()
    assert "3 raters scored" in (tmp_path / "methods.txt").read_text()


def test_places_that_are_given_back_are_missing_again(study, carl):
    assert set(stored(study).values()) == {3}
    after(carl, "give_back")
    assert set(stored(study).values()) == {2}


def test_withdrawal_erases_what_was_decided(study, carl):
    after(carl, "exclude", REASON)
    withdraw(rater=carl, now=timezone.now())
    assert not Decision.objects.exists()
    assert Rater.objects.get(pk=carl.pk).excluded == ""
    with pytest.raises(StudyError, match="nothing to decide"):
        after(carl, "accept")


def test_staff_decide_on_the_page(study, carl, staff):
    address = reverse("rater-decide", args=[study.name, carl.pk])
    page = staff.post(address, {"kind": "reject", "reason": REASON}, follow=True).content.decode()
    assert ">rejected</span>" in page
    assert f"reject ({REASON})" in page
    assert "needs a reason" in staff.post(address, {"kind": "exclude"}, follow=True).content.decode()
    assert "Choose what to decide" in staff.post(address, {"kind": "burn"}, follow=True).content.decode()
    assert Decision.objects.get().by == "eva"
