"""After how many failed checks a rater's part ends, where the study states it."""

import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analysis.quality import rater_quality
from analysis.scale import ACR, Scale
from studies.models import Ending, Outcome, Rater, Rating, StudyEvent, Trial
from studies.rating import outcomes
from studies.rating.failed_checks import is_failed
from tests import fresh
from tests.conftest import ROOT
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_views import FACTS

pytestmark = [pytest.mark.services, pytest.mark.django_db]


BEGIN = """
import os, signal
import django; django.setup()
from studies.rating import failed_checks
from tests.studies.rating import test_failed_checks as here
"""
DIES = f"""{BEGIN}
failed_checks.outcomes.end = lambda **_: os.kill(os.getpid(), signal.SIGKILL)
here.go(here.make_rater(here.study_with(undo=False)), fails=9)
"""
GOES_ON = f"""{BEGIN}
from studies.models import Rater, Rating
checks = lambda: Rating.objects.filter(trial__expected__isnull=False).count()
print(checks(), Rater.objects.get().outcome or "at work")
rated = here.go(Rater.objects.get(), fails=9)[1]
print(rated, checks(), Rater.objects.get().outcome)
"""


def study_with(**protocol):
    make_benchmark("anchors", images=2)
    gold = "anchors/anchors_000 hr 5\nanchors/anchors_001 nearest 1"
    values = {"gold": gold, "gold_a_run": 2, "end_after_failed": 2, **protocol}
    study = launch(make_study(benchmarks=[make_benchmark(images=8)], **values))
    Ending.objects.create(study=study, outcome="checks", code="SCREENED")
    return study


def go(rater, *, fails):
    """Rate until nothing more is given, failing so many checks; the browser, and how many were rated."""
    client = Client()
    client.get(reverse("invitation", args=[rater.token]))
    client.post(reverse("agree"))
    standing, rated = client.get(reverse("upcoming")).json(), 0
    while standing["upcoming"]:
        trial = standing["upcoming"][0]
        expected = Trial.objects.get(token=trial["token"]).expected
        score = 3
        if expected is not None:
            score = expected if fails <= 0 else 6 - expected
            fails -= 1
        fields = {"score": score, "receipt": client.get(trial["url"]).headers["Receipt"], **FACTS}
        answer = client.post(reverse("rate", args=[trial["token"]]), fields)
        standing, rated = answer.json(), rated + 1
    return client, rated


def test_the_part_ends_once_so_many_failed_and_says_why_in_plain_words():
    rater = make_rater(study_with())
    client, rated = go(rater, fails=9)
    rater.refresh_from_db()
    assert rater.outcome == Outcome.CHECKS
    assert Rating.objects.filter(trial__expected__isnull=False).count() == 2
    assert rated == Rating.objects.count() < 24 + 6
    page = client.get("/study/").text
    assert "too many of your answers were others" in page
    assert "SCREENED" in page
    assert client.get(reverse("upcoming")).json()["code"] == "ended"


def test_after_the_page_that_says_so_the_next_person_at_the_computer_cannot_withdraw_for_the_rater():
    rater = make_rater(study_with())
    client, rated = go(rater, fails=9)
    code = re.search(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){4}", client.get("/study/").text)[0]
    again = client.get("/study/").text
    assert "too many of your answers were others" in again
    assert code not in again
    for verb in (client.get, client.post):
        assert verb(reverse("withdraw")).status_code == 403
    assert client.get(reverse("upcoming")).json()["code"] == "ended"
    assert Rating.objects.count() == rated
    # The link, or staff who let the rater go on and the link, open the study again.
    outcomes.reopen(rater=rater, now=timezone.now())
    assert client.get("/study/").status_code == 403
    client.get(reverse("invitation", args=[rater.token]))
    assert client.get(reverse("upcoming")).status_code == 200
    assert client.post(reverse("withdraw")).status_code == 200
    assert not Rating.objects.exists()


@pytest.mark.parametrize(("fails", "outcome"), [(0, ""), (1, ""), (9, Outcome.CHECKS)])
def test_whom_staff_let_go_on_is_judged_by_the_checks_that_come_after(staff, fails, outcome):
    rater = make_rater(study_with(undo=False))
    go(rater, fails=9)
    assert "Let them go on" in staff.get(reverse("raters", args=["study"])).text
    staff.post(reverse("rater-go-on", args=["study", rater.pk]))
    assert "Let them go on" not in staff.get(reverse("raters", args=["study"])).text
    client, _ = go(rater, fails=fails)
    rater.refresh_from_db()
    assert rater.outcome == outcome
    assert bool(rater.session.finished_at) == (not outcome)
    assert ("SCREENED" in client.get("/study/").text) == bool(outcome)


def test_nobody_is_let_go_on_who_is_at_work_or_has_withdrawn():
    rater = make_rater(study_with())
    assert not outcomes.reopen(rater=rater, now=timezone.now())
    go(rater, fails=9)
    Rater.objects.update(withdrawn_at=timezone.now())
    assert not outcomes.reopen(rater=rater, now=timezone.now())
    assert Rater.objects.get().outcome == Outcome.CHECKS
    assert not StudyEvent.objects.filter(kind="reopened").exists()


@pytest.mark.parametrize(("undo", "more"), [(True, 1), (False, 0)])
def test_a_rating_that_can_be_taken_back_does_not_count_yet(undo, more):
    go(make_rater(study_with(undo=undo)), fails=9)
    last = Rating.objects.order_by("trial__position").last()
    checks = Rating.objects.filter(trial__expected__isnull=False).order_by("trial__position")
    second = checks[1].trial.position
    assert last.trial.position == second + more


@pytest.mark.once
def test_a_server_killed_by_sigkill_before_the_part_has_ended_has_not_stored_the_rating_that_ends_it(tmp_path):
    environment = {"MOSWEB_VAR": str(tmp_path / "var"), "DATABASE_URL": f"sqlite:///{tmp_path}/var/db.sqlite3",
                   "MOSWEB_HOSTS": "testserver", "MOSWEB_HTTPS": "0", "DJANGO_SETTINGS_MODULE": "mosweb.settings",
                   "PYTHONPATH": str(ROOT)}  # fmt: skip

    def python(*words):
        said = {"capture_output": True, "text": True, "check": False}
        return subprocess.run([sys.executable, *words], cwd=ROOT, env={**os.environ, **environment}, **said)

    fresh.database(tmp_path / "var")
    killed = python("-c", DIES)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    went_on = python("-c", GOES_ON)
    # The browser sends it again, and with it the part ends: not one rating later.
    assert went_on.stdout.splitlines() == ["1 at work", "1 2 checks"], went_on.stderr


def test_one_failure_in_many_and_a_study_without_the_rule_end_nobody():
    rater = make_rater(study_with())
    _, rated = go(rater, fails=1)
    rater.refresh_from_db()
    assert (rater.outcome, rated) == ("", 30)


def test_off_by_default():
    rater = make_rater(study_with(end_after_failed=0))
    go(rater, fails=9)
    rater.refresh_from_db()
    assert rater.outcome == ""


def test_what_fails_is_what_the_quality_calls_failed():
    for scale in (ACR, Scale(0, 100, None), Scale(0, 10, 1)):
        for phase in ("gold", "trap"):
            for share in range(0, 101, 5):
                score = scale.low + scale.width * share / 100
                if not scale.contains(score):
                    continue
                table = pd.DataFrame(
                    {"rater": "a", "source": "s", "method": "m", "score": [score], "check": phase,
                     "expected": scale.high}
                )  # fmt: skip
                found = rater_quality(table, scale=scale).iloc[0]
                said = bool(found["gold_failed"] + found["traps_failed"])
                assert is_failed(phase, scale.high, score, scale=scale) == said, (scale, phase, score)


def test_raters_are_told_beforehand_and_the_rule_needs_checks():
    rater = make_rater(study_with())
    page = Client().get(reverse("invitation", args=[rater.token]), follow=True).text
    assert "Your part ends early if several of your answers" in page
    with pytest.raises(ValidationError, match="There are no checks"):
        make_study(name="none", benchmarks=[], end_after_failed=2)
