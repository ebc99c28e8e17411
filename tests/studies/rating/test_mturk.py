"""Mechanical Turk: its parameters, by a link out of the HIT; and every rater page, which no other page can frame."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies.models import Arrival, DeviceCheck, Ending, Outcome, PublicLink, Rater, Rating, Session, Trial
from studies.rating import outcomes
from studies.rating.urls import urlpatterns
from studies.research.decisions import decide
from studies.research.panel import panel_csv
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_device_check import FACTS as DEVICE_FACTS
from tests.studies.rating.test_device_check import look
from tests.studies.rating.test_joining import agree, join, make_link, page, rate_all
from tests.studies.rating.test_views import FACTS
from tests.studies.research.test_regions import SIZE, place_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]

WORKER = "A2WORKEREXAMPLE0"


def of_mturk(worker=WORKER, **others):
    return {"workerId": worker, "assignmentId": "3ASSIGNMENT1", "hitId": "3HITEXAMPLE", **others}


@pytest.fixture
def link():
    study = launch(make_study(benchmarks=[make_benchmark(images=1)], order="random"))
    link = make_link(study, panel="mturk", panel_study="3HITEXAMPLE")
    Ending.objects.filter(outcome=Outcome.COMPLETED).update(own_code=True, code="", return_address="")
    return link


def test_its_three_parameters_are_stored_and_gone_from_the_address_and_the_worker_gets_a_code_of_their_own(link):
    client, response = join(link, of_mturk())
    assert (response.status_code, response.url) == (302, "/study/")
    arrival = Arrival.objects.get()
    assert arrival.panel_ids.ids == of_mturk()
    assert WORKER not in arrival.person
    agree(client)
    rate_all(client, arrival.rater)
    text = page(client).text
    assert outcomes.code_of(Rater.objects.get(), Outcome.COMPLETED) in text
    assert not any(identity in text for identity in of_mturk().values())


def test_a_worker_who_takes_the_hit_again_comes_back_to_the_same_session(link):
    own, _ = join(link, of_mturk())
    agree(own)
    again, response = join(link, of_mturk(assignmentId="3OTHERDEVICE"))
    assert response.url == "/study/"
    assert 'id="stage"' in page(again).text
    assert Rater.objects.count() == 1
    join(link, of_mturk("A2ANOTHERWORKER"))
    assert Rater.objects.count() == 2


def test_the_assignment_that_is_paid_is_that_of_the_last_visit_by_the_browser_in_which_the_worker_agreed(link):
    own, _ = join(link, of_mturk())
    agree(own)
    join(link, of_mturk(assignmentId="3FORGED"))
    assert Arrival.objects.get().panel_ids.ids == of_mturk()
    returned = of_mturk(assignmentId="3ASSIGNMENT2")
    join(link, returned, client=own)
    assert Arrival.objects.get().panel_ids.ids == returned
    study, now = link.study, timezone.now()
    decide(rater=Rater.objects.get(), kind="accept", reason="", by="eva", now=now)
    assert panel_csv(study, "approve") == "3ASSIGNMENT2\n"
    assert panel_csv(study, "bonus", amount="0.50") == f"{WORKER},3ASSIGNMENT2,0.50\n"
    decide(rater=Rater.objects.get(), kind="reject", reason="r" * 100, by="eva", now=now)
    assert panel_csv(study, "reject") == f"assignmentId,reason\n3ASSIGNMENT2,{'r' * 100}\n"


def test_who_comes_again_after_the_end_is_paid_for_the_assignment_that_they_finished(link):
    own, _ = join(link, of_mturk())
    agree(own)
    rate_all(own, Rater.objects.get())
    join(link, of_mturk(assignmentId="3LATER"), client=own)
    assert Arrival.objects.get().panel_ids.ids == of_mturk()
    decide(rater=Rater.objects.get(), kind="accept", reason="", by="eva", now=timezone.now())
    assert panel_csv(link.study, "approve") == "3ASSIGNMENT1\n"


def test_who_comes_again_after_an_early_end_stays_with_the_assignment_in_which_it_ended(link):
    own, _ = join(link, of_mturk())
    agree(own)
    assert outcomes.end(rater=Rater.objects.get(), outcome=Outcome.CHECKS, now=timezone.now())
    join(link, of_mturk(assignmentId="3LATER"), client=own)
    assert Arrival.objects.get().panel_ids.ids == of_mturk()


def test_who_comes_again_too_late_stays_with_the_assignment_that_they_began(link):
    own, _ = join(link, of_mturk())
    agree(own)
    PublicLink.objects.update(late_go_on=False)
    Session.objects.update(last_active_at=timezone.now() - timedelta(days=1))
    join(link, of_mturk(assignmentId="3LATER"), client=own)
    assert Rater.objects.get().outcome == Outcome.LATE
    assert Arrival.objects.get().panel_ids.ids == of_mturk()


PREVIEW = {
    "before the HIT is accepted": of_mturk(worker="", assignmentId="ASSIGNMENT_ID_NOT_AVAILABLE"),
    "no worker": {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE", "hitId": "3HITEXAMPLE"},
    "what MTurk adds for forms": of_mturk(turkSubmitTo="https://www.mturk.com"),
    "another HIT": of_mturk(hitId="3ANOTHERHIT"),
    "Prolific's parameters": {"PROLIFIC_PID": "p", "STUDY_ID": "s", "SESSION_ID": "x"},
    "another case": {"workerid": WORKER, "assignmentId": "3ASSIGNMENT1", "hitId": "3HITEXAMPLE"},
}


@pytest.mark.parametrize("what", PREVIEW)
def test_what_the_hit_did_not_hand_over_whole_is_a_clear_page_and_stores_nothing(link, what):
    _, response = join(link, PREVIEW[what])
    assert response.status_code == 400
    assert "open " in response.text
    assert not Rater.objects.exists()


class Kept(Client):
    """Keeps every answer, with the name of its address."""

    def __init__(self):
        super().__init__()
        self.answers = []

    def request(self, **request):
        response = super().request(**request)
        self.answers.append((response.resolver_match.url_name, response))
        return response


def study_with_every_page():
    anchors = make_benchmark("anchors", images=1)
    study = make_study(
        benchmarks=[make_benchmark(images=1)],
        calibration=anchors, practice="anchors/anchors_000 hr 5", order="random", colour_vision=True, greys=True,
        orientation_ms=500, **SIZE,
        questions_before="age: How old? [number 18-99]", questions_after="said: Anything? [text 20, optional]",
    )  # fmt: skip
    place_all(study)
    return launch(study)


def walk(study):
    """What a browser gets on whole walks, refusals too: (name of the address, answer)."""
    link = make_link(study, panel="mturk", quota=2)
    client = Kept()
    join(link, {}, client=client)  # refused
    join(link, of_mturk(), client=client)
    page(client)
    agree(client)
    page(client)
    client.post(reverse("device"), {})
    seen = look(client)
    client.get(reverse("device-drawing", args=[seen["token"], "greys"]))
    client.post(reverse("device"), {**seen, **DEVICE_FACTS})
    assert DeviceCheck.objects.exclude(checked_at=None).exists()
    page(client)
    client.post(reverse("questions"), {"part": "before", "q-age": "x"})
    client.post(reverse("questions"), {"part": "before", "q-age": "40"})
    page(client)
    client.post(reverse("calibrated"))
    page(client)
    client.post(reverse("practised"))
    page(client)
    _rate(client)
    page(client)
    client.post(reverse("questions"), {"part": "after", "q-said": "no"})
    page(client)
    join(link, of_mturk(), client=client)
    client.post(reverse("withdraw-code"), {"code": "AAAA"})
    client.get(reverse("withdraw-code"))
    declines = Kept()
    join(link, of_mturk("A2ANOTHERWORKER"), client=declines)
    declines.post(reverse("decline"))
    page(declines)
    client.get(reverse("join-full", args=[link.token]))
    invited = Kept()
    invited.get(reverse("invitation", args=[make_rater(study).token]))
    invited.get(reverse("invitation", args=["forged"]))
    invited.get(reverse("withdraw"))
    stranger = Kept()
    page(stranger)
    return client.answers + declines.answers + invited.answers + stranger.answers


def _rate(client):
    trials = Trial.objects.filter(phase="rated", session__rater__arrival__isnull=False).order_by("position")
    for number, trial in enumerate(trials):
        sent = client.get(reverse("image", args=[trial.token]))
        client.get(reverse("whole-image", args=[trial.token]))
        client.get(reverse("right-image", args=[trial.token]))
        client.get(reverse("original-image", args=[trial.token]))
        client.get(reverse("upcoming"))
        fields = {"score": 3, "receipt": sent.headers["Receipt"], **FACTS}
        client.post(reverse("rate", args=[trial.token]), fields)
        if number == 0:
            client.post(reverse("undo", args=[trial.token]), {"attempt": 1})
            client.post(reverse("rate", args=[trial.token]), fields | {"attempt": 2})
    assert Rating.objects.count() == len(trials)


def test_no_answer_to_a_rater_can_be_framed():
    answers = walk(study_with_every_page())
    assert {name for name, _ in answers} == {pattern.name for pattern in urlpatterns}
    statuses = {response.status_code for _, response in answers}
    assert {200, 302, 400, 403, 404, 422} <= statuses
    for name, response in answers:
        assert response.headers["X-Frame-Options"] == "DENY", name
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], name
