"""Pages of a large study show what a worker computed, which is what a small one's pages read by themselves."""

from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from studies.models import PublicLink, RaterNumbers, Rating, Tally
from studies.rating.places import given
from studies.rating.undo import take_back
from studies.rating.withdrawal import withdraw
from studies.research import invitations, stopping, tallies
from studies.research.answers import summary
from studies.research.decisions import decide
from studies.research.lifecycle import seen_by
from studies.research.monitoring import invited, results_rows, studies_with_counts
from studies.research.pair_results import kept_pair_results, pair_results
from studies.research.planning import coverage, coverage_of
from studies.research.quality import page_of_rows
from studies.research.refusals import StudyError
from studies.research.stopping import stop_if_met
from studies.research.tallies import numbers_of
from studies.research.tallying import make
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_pairs import pair_study
from tests.studies.research.test_export import rate_all
from tests.studies.research.test_pairs import answer_all, by_truth

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()
NAME = {"name": "study"}


@pytest.fixture
def study():
    study = launch(make_study(repeats=1, calibration=make_benchmark("anchors", images=1)))
    for number, label in enumerate(("anna", "berta", "clara", "dora")):
        rate_all(study, label, shift=number % 2, limit=None if number else 4)
    make_rater(study, "idle")
    return study


@pytest.fixture
def _large(monkeypatch):
    """Every study is."""
    monkeypatch.setattr(tallies, "IMMEDIATE", 0)


def tallied(study) -> Tally:
    make(tallies.tally_of(study, now=NOW).pk)
    return Tally.objects.get()


def rows_of(study, tally):
    page, flagged = page_of_rows(study, tally, number="1", each=10)
    told = [(row.progress.rater.label, row.flags, row.devices, row.numbers and row.numbers["minutes"]) for row in page]
    return told, flagged


def test_the_number_of_ratings_follows_from_the_sessions(study):
    assert given(study) == Rating.objects.count() == studies_with_counts(type(study).objects.all()).get().ratings_given
    undone = Rating.objects.filter(trial__session__rater__label="anna").order_by("pk").last()
    take_back(rater_token=undone.trial.session.rater.token, token=undone.trial.token, attempt=1, now=NOW)
    assert given(study) == Rating.objects.count()
    rate_all(study, "staff", is_preview=True)
    assert given(study) == Rating.objects.exclude(trial__session__rater__is_preview=True).count()
    numbers = numbers_of(study)
    assert (numbers.ratings, numbers.invited) == (given(study), invited(study).count())
    assert numbers.begun == seen_by(study)


def test_a_small_study_needs_no_worker(staff, study):
    page = staff.get(reverse("results", kwargs=NAME)).text
    assert "computed by a worker" not in page
    assert not Tally.objects.exists()


@pytest.mark.usefixtures("_large")
def test_a_large_one_shows_what_a_worker_found_and_of_how_many_ratings(staff, study):
    for name in ("results", "quality", "live", "study", "study-tally"):
        page = staff.get(reverse(name, kwargs=NAME)).text
        assert "A worker computes these numbers." in page, name
        assert "No worker is running" in page, name
    tally = tallied(study)
    assert (tally.state, tally.ratings) == ("done", given(study))
    for name in ("results", "quality", "live", "study", "study-tally"):
        page = staff.get(reverse(name, kwargs=NAME)).text
        assert f"Of {tally.ratings} ratings, computed by a worker at" in page, name
        assert "data-pending" not in page.partition("tally")[2], name
    assert "<td>bicubic</td>" in staff.get(reverse("results", kwargs=NAME)).text


@pytest.mark.usefixtures("_large")
def test_its_numbers_are_those_that_a_small_one_reads(study):
    decide(rater=study.raters.get(label="dora"), kind="exclude", reason="asleep", by="staff", now=NOW)
    tally = tallied(study)
    metrics, kept = results_rows(study, tally)
    assert (metrics, kept) == results_rows(study)
    assert all(low < mos < high for low, mos, high in ((r["ci_low"], r["mos"], r["ci_high"]) for r in kept[1:]))
    assert rows_of(study, tally) == rows_of(study, None)
    assert coverage_of(study, tally) == coverage(study)
    assert summary(study, tally) == summary(study) == []


@pytest.mark.usefixtures("_large")
def test_those_of_pairs_too():
    study = launch(pair_study())
    rng = np.random.default_rng(3)
    sources = {(s, m): 0.0 for s in range(10_000) for m in ("nearest", "bicubic", "hr")}
    for label in ("anna", "berta", "clara"):
        answer_all(study, label, by_truth(rng, sources=sources))
    tally = tallied(study)
    kept, read = kept_pair_results(tally), pair_results(study)
    assert (kept.choices, kept.ties, kept.sides, kept.against) == (read.choices, read.ties, read.sides, read.against)
    assert [row["method"] for row in kept.methods] == [row["method"] for row in read.methods]
    assert rows_of(study, tally) == rows_of(study, None)


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize("rule", ["width", "share"])
def test_a_large_study_of_pairs_ends_by_its_rule_too(monkeypatch, rule):
    monkeypatch.setattr(stopping, "LEAST_RATERS", 3)
    study = launch(pair_study(stop_rule=rule, stop_half_width=0.49))
    monkeypatch.setattr(stopping, "half_widths", lambda study: (np.array([0.1, 0.2]), 36, 3))
    PublicLink.objects.create(study=study, is_open=True)
    for label in ("anna", "berta", "clara"):
        answer_all(study, label, lambda left, right, source: 1)
    assert not stop_if_met(study, now=NOW)
    tallied(study)
    assert study.precision.get().widest == 0.2
    assert stop_if_met(study, now=NOW)


@pytest.mark.usefixtures("_large")
def test_it_is_computed_again_when_there_is_more_but_not_at_every_look(study):
    tallied(study)
    assert tallies.tally_of(study, now=NOW).state == "done"
    before = Tally.objects.get()
    rate_all(study, "eva")
    assert tallies.tally_of(study, now=before.finished_at + timedelta(seconds=5)).state == "done"
    due = tallies.tally_of(study, now=before.finished_at + timedelta(seconds=60))
    assert (due.state, due.ratings) == ("wanted", before.ratings)
    make(due.pk)
    assert Tally.objects.get().ratings == before.ratings + 7


@pytest.mark.usefixtures("_large")
def test_of_who_withdraws_nothing_is_kept_and_the_numbers_are_computed_at_once(study):
    tally = tallied(study)
    assert RaterNumbers.objects.count() == 4
    withdraw(rater=study.raters.get(label="berta"), now=NOW)
    assert sorted(RaterNumbers.objects.values_list("session__rater__label", flat=True)) == ["anna", "clara", "dora"]
    assert tallies.tally_of(study, now=tally.finished_at).state == "wanted"
    again = tallied(study)
    assert again.ratings == given(study) < tally.ratings


@pytest.mark.usefixtures("_large")
def test_one_that_fails_says_so_and_is_tried_again(staff, study, monkeypatch):
    monkeypatch.setattr("studies.research.tallying.scores_table", lambda study: 1 / 0)
    assert tallied(study).state == "failed"
    assert "could not compute them: ZeroDivisionError" in staff.get(reverse("results", kwargs=NAME)).text
    assert tallies.tally_of(study, now=timezone.now() + timedelta(hours=1)).state == "wanted"


@pytest.mark.usefixtures("_large")
def test_one_that_fails_after_a_withdrawal_is_not_begun_at_every_look(study, monkeypatch):
    tallied(study)
    withdraw(rater=study.raters.get(label="berta"), now=NOW)
    monkeypatch.setattr("studies.research.tallying.scores_table", lambda study: 1 / 0)
    failed = tallied(study)
    assert tallies.tally_of(study, now=failed.finished_at + timedelta(seconds=2)).state == "failed"
    assert tallies.tally_of(study, now=failed.finished_at + timedelta(hours=1)).state == "wanted"


@pytest.mark.usefixtures("_large")
def test_a_link_that_is_revoked_makes_it_again(study):
    tally = tallied(study)
    assert coverage_of(study, tally).highest == 4
    invitations.revoke(rater=study.raters.get(label="berta"), now=NOW)
    due = tallies.tally_of(study, now=tally.finished_at + timedelta(minutes=10))
    assert due.state == "wanted"
    make(due.pk)
    assert coverage_of(study, Tally.objects.get()) == coverage(study)
    assert coverage(study).highest == 3


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize("how", ["excluded", "withdrawn", "revoked"])
def test_no_rule_ends_a_study_by_numbers_of_before_who_was_left_out(how):
    study = launch(make_study(stop_rule="targets", ratings_each=3))
    link = PublicLink.objects.create(study=study, is_open=False)
    for label in ("anna", "berta", "clara"):
        rate_all(study, label)
    tallied(study)
    clara = study.raters.get(label="clara")
    {
        "excluded": lambda: decide(rater=clara, kind="exclude", reason="asleep", by="staff", now=NOW),
        "withdrawn": lambda: withdraw(rater=clara, now=NOW),
        "revoked": lambda: invitations.revoke(rater=clara, now=NOW),
    }[how]()
    PublicLink.objects.filter(pk=link.pk).update(is_open=True)
    assert not stop_if_met(study, now=NOW), "the tally still has clara's"
    make(tallies.tally_of(study, now=timezone.now() + timedelta(minutes=10)).pk)
    assert not stop_if_met(study, now=NOW)
    rate_all(study, "dora")
    make(tallies.tally_of(study, now=timezone.now() + timedelta(minutes=20)).pk)
    assert stop_if_met(study, now=NOW)
    assert not PublicLink.objects.get().is_open


def test_ten_thousand_are_invited_by_a_handful_of_queries(study, django_assert_max_num_queries):
    with django_assert_max_num_queries(200):  # SQLite takes a few dozen rows at a time
        invited = invitations.invite_all(study=study, labels=["one", *[""] * 9_998, "zed"])
    assert len({rater.token for rater in invited}) == 10_000
    assert (invited[1].label, invited[-1].label) == ("r001", "zed")


def test_a_list_with_a_label_twice_invites_nobody(study):
    before = study.raters.count()
    for labels in (["new", "new"], ["new", "anna"], ["x" * 61]):
        with pytest.raises(StudyError, match=f"^{labels[-1]}: "):
            invitations.invite_all(study=study, labels=labels)
    assert study.raters.count() == before
