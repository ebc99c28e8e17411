"""A study's public link: who comes, who comes again, from where, and what an id alone cannot do."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies.models import (
    Arrival,
    Ending,
    Outcome,
    PanelIds,
    PublicLink,
    Rater,
    Rating,
    Session,
    StudyEvent,
    Trial,
)
from studies.rating import arrivals, outcomes
from studies.rating.evidence import receipt
from studies.research import lifecycle
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_views import FACTS
from tests.studies.threads import at_once

pytestmark = [pytest.mark.services, pytest.mark.django_db]

PID = "5f0c1a2b3d4e5f6a7b8c9d0e"


@pytest.fixture
def study():
    return launch(make_study(benchmarks=[make_benchmark(images=1)], order="random"))


@pytest.fixture
def link(study):
    return make_link(study)


def make_link(study, **values):
    link = PublicLink.objects.create(study=study, **{"is_open": True, "quota": 3, "panel": "prolific", **values})
    Ending.objects.create(
        study=study,
        outcome=Outcome.COMPLETED,
        code="C1ODE",
        return_address="https://app.prolific.com/submissions/complete?cc=CODE",
    )
    return link


def of_prolific(pid=PID, **others):
    return {"PROLIFIC_PID": pid, "STUDY_ID": "s1", "SESSION_ID": "x1", **others}


def join(link, ids=None, client=None):
    client = client or Client()
    response = client.get(f"/join/{link.token}/", of_prolific() if ids is None else ids)
    return client, response


def page(client):
    return client.get(reverse("rater-home"))


def agree(client):
    return client.post(reverse("agree"))


def rate(client, trial, score=4):
    proof = receipt(token=trial.token, now=timezone.now())
    return client.post(reverse("rate", args=[trial.token]), {"score": score, "receipt": proof, **FACTS})


def open_trials(rater):
    return list(Trial.objects.filter(session__rater=rater, phase="rated", rating=None).order_by("position"))


def rate_all(client, rater):
    for trial in open_trials(rater):
        assert rate(client, trial).status_code == 200


def test_it_stores_what_the_panel_says_and_leads_to_an_address_without_it(link):
    client, response = join(link)
    assert (response.status_code, response.url) == (302, "/study/")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    arrival = Arrival.objects.get()
    assert arrival.panel_ids.ids == of_prolific()
    assert arrival.rater.label == "p0001"
    assert PID not in arrival.person
    assert PID not in page(client).text


def test_the_same_id_comes_back_to_the_same_rater_from_any_device(link):
    first, _ = join(link)
    agree(first)
    other, response = join(link)
    assert response.url == "/study/"
    rater = Rater.objects.get()
    assert rate(other, open_trials(rater)[0]).status_code == 200
    assert Arrival.objects.count() == 1


def test_an_id_alone_can_only_go_on_rating(link):
    first, _ = join(link)
    agree(first)
    rater = Rater.objects.get()
    other, _ = join(link)
    first_trial = open_trials(rater)[0]
    rate(other, first_trial)
    assert 'id="undo"' not in page(other).text
    undone = other.post(reverse("undo", args=[first_trial.token]), {"attempt": 1})
    assert undone.json()["code"] == "not-this-browser"
    for ask in (other.get, other.post):
        assert ask(reverse("withdraw")).status_code == 403
    assert Rating.objects.count() == 1
    rate_all(other, rater)
    last = page(other).text
    assert "C1ODE" not in last
    assert "complete?cc" not in last
    assert "only there it is shown" in last
    # The browser in which they agreed sees all of it.
    own = page(first).text
    assert "C1ODE" in own
    assert "https://app.prolific.com/submissions/complete?cc=C1ODE" in own


def test_the_code_is_told_only_when_the_last_rating_is_stored_and_again_after_a_reload(link):
    client, _ = join(link)
    agree(client)
    rater = Rater.objects.get()
    *before, last = open_trials(rater)
    for trial in before:
        assert "C1ODE" not in rate(client, trial).text
        assert "C1ODE" not in page(client).text
    rate(client, last)
    texts = [page(client).text for _ in range(3)]
    assert all("C1ODE" in text for text in texts)
    # Opened once more from the panel, in the same browser.
    join(link, client=client)
    assert "C1ODE" in page(client).text


def test_each_gets_a_code_of_their_own_where_the_study_says_so(link):
    Ending.objects.update(own_code=True, code="")
    codes = set()
    for number in range(2):
        client, _ = join(link, of_prolific(f"person{number}"))
        agree(client)
        rater = Rater.objects.get(label=f"p000{number + 1}")
        rate_all(client, rater)
        code = outcomes.code_of(rater, Outcome.COMPLETED)
        assert code in page(client).text
        assert f"cc={code}" in page(client).text
        codes.add(code)
    assert len(codes) == 2


BAD = {
    "no id": {},
    "an unknown parameter": of_prolific(workerId="w"),
    "one is missing": {"PROLIFIC_PID": PID, "STUDY_ID": "s1"},
    "two ids": {"PROLIFIC_PID": [PID, "other"], "STUDY_ID": "s1", "SESSION_ID": "x1"},
    "an id of 10,000 characters": of_prolific("a" * 10_000),
    "an id that was not filled in": of_prolific("{{%PROLIFIC_PID%}}"),
    "an empty id": of_prolific(""),
    "markup": of_prolific("<script>"),
    "digits of another script": of_prolific("١٢٣"),
    "another study of the panel": of_prolific(STUDY_ID="s2"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_link_that_the_panel_did_not_make_is_a_clear_page_and_stores_nothing(link, bad):
    PublicLink.objects.update(panel_study="s1")
    _, response = join(link, BAD[bad])
    assert response.status_code == 400
    assert "open " in response.text
    assert "from where you found it" in response.text
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "rater" not in response.cookies
    assert not Rater.objects.exists()
    assert not PanelIds.objects.exists()


def test_an_unknown_link_is_a_404(link):
    response = Client().get("/join/forged/", of_prolific())
    assert response.status_code == 404
    assert "not known here" in response.text
    assert not Rater.objects.exists()


def test_the_link_of_a_closed_study_lets_nobody_new_in_but_shows_who_completed_their_code(link, study):
    client, _ = join(link)
    agree(client)
    rate_all(client, Rater.objects.get())
    lifecycle.close(study=study, now=timezone.now())
    _, response = join(link, of_prolific("somebody-new"))
    assert response.status_code == 403
    assert "not open for ratings" in response.text
    assert Rater.objects.count() == 1
    join(link, client=client)
    assert "C1ODE" in page(client).text


def test_only_get_opens_it(link):
    assert Client().post(f"/join/{link.token}/", of_prolific()).status_code == 405


def test_what_mailing_systems_add_is_left_out(study):
    link = make_link(study, panel="none")
    client, response = join(link, {"utm_source": "mail", "fbclid": "IwAR-xyz"})
    assert response.url == "/study/"
    assert not PanelIds.objects.exists()
    join(link, {}, client=client)
    assert Rater.objects.count() == 1
    join(link, {})
    assert Rater.objects.count() == 2


def test_a_panel_of_ones_own_names_its_parameters(study):
    link = make_link(study, panel="other", names=["pid", "wave"])
    assert join(link, {"pid": "7", "wave": "2"})[1].status_code == 302
    assert join(link, {"pid": "8"})[1].status_code == 400
    assert PanelIds.objects.get().ids == {"pid": "7", "wave": "2"}


def test_the_quota_is_held_and_who_comes_too_late_is_told(link):
    Ending.objects.create(study=link.study, outcome=Outcome.FULL, code="FULL9", texts={"en": "We are full."})
    for number in range(3):
        join(link, of_prolific(f"person{number}"))
    client, response = join(link, of_prolific("person4"))
    assert response.url == f"/join/{link.token}/full/"
    told = client.get(response.url)
    assert "We are full." in told.text
    assert "FULL9" in told.text
    assert Rater.objects.count() == 3
    # Who was let in comes back.
    assert join(link, of_prolific("person0"))[1].url == "/study/"


def test_the_full_page_tells_nobody_its_code_while_there_are_places(link):
    Ending.objects.create(study=link.study, outcome=Outcome.FULL, code="FULL9")
    assert "FULL9" not in Client().get(f"/join/{link.token}/full/").text


def test_switched_off_it_lets_nobody_new_in(link):
    join(link)
    PublicLink.objects.update(is_open=False)
    assert join(link, of_prolific("late"))[1].url.endswith("/full/")
    assert join(link)[1].url == "/study/"
    assert Rater.objects.count() == 1


def test_a_place_goes_to_another_after_a_while_and_the_late_one_may_still_go_on(link):
    PublicLink.objects.update(quota=1)
    client, _ = join(link)
    agree(client)
    assert join(link, of_prolific("second"))[1].url.endswith("/full/")
    Session.objects.update(last_active_at=timezone.now() - timedelta(minutes=121))
    assert join(link, of_prolific("second"))[1].url == "/study/"
    assert page(client).status_code == 200
    assert rate(client, open_trials(Rater.objects.get(label="p0001"))[0]).status_code == 200


def test_the_late_one_is_told_so_where_the_study_says_that(link):
    PublicLink.objects.update(late_go_on=False)
    client, _ = join(link)
    agree(client)
    rater = Rater.objects.get()
    Session.objects.update(last_active_at=timezone.now() - timedelta(minutes=121))
    assert "your place was given to somebody else" in page(client).text
    assert rate(client, open_trials(rater)[0]).json()["code"] == "ended"
    rater.refresh_from_db()
    assert rater.outcome == Outcome.LATE
    # Whom staff let go on has the same time again.
    assert outcomes.reopen(rater=rater, now=timezone.now(), by="ada")
    join(link, client=client)
    assert rate(client, open_trials(rater)[0]).status_code == 200
    assert StudyEvent.objects.filter(kind="reopened", by="ada", detail={"outcome": "late"}).count() == 1


def test_who_only_read_loses_the_place_after_half_an_hour_and_agreeing_then_needs_one(link):
    PublicLink.objects.update(quota=1)
    slow, _ = join(link)
    Arrival.objects.update(arrived_at=timezone.now() - timedelta(minutes=31))
    quick, response = join(link, of_prolific("second"))
    assert response.url == "/study/"
    agree(slow)
    assert "All places in this study are taken" in page(slow).text
    agree(quick)
    assert Session.objects.get().rater.label == "p0002"


def test_who_took_part_in_a_named_study_is_turned_away_also_once_the_ids_are_deleted(link):
    agree(join(link)[0])
    declines, _ = join(link, of_prolific("declined"))
    declines.post(reverse("decline"))
    join(link, of_prolific("read-only"))
    PanelIds.objects.all().delete()
    second = launch(make_study(name="second", benchmarks=[make_benchmark("b2", images=1)], order="random"))
    there = make_link(second)
    there.turned_away.add(link.study)
    _, response = join(there)
    assert response.status_code == 403
    assert "earlier study" in response.text
    assert not second.raters.exists()
    for other in ("somebody-else", "declined", "read-only"):
        assert join(there, of_prolific(other))[1].status_code == 302


def test_declining_ends_it_and_drops_the_ids(link):
    Ending.objects.create(study=link.study, outcome=Outcome.DECLINED, code="NOCONSENT")
    client, _ = join(link)
    assert 'id="decline"' in page(client).text
    client.post(reverse("decline"))
    assert "NOCONSENT" in page(client).text
    assert not PanelIds.objects.exists()
    assert agree(client).status_code == 403
    assert not Session.objects.exists()
    assert join(link)[1].url == "/study/"
    assert Rater.objects.get().outcome == Outcome.DECLINED


def test_who_has_begun_does_not_decline(link):
    client, _ = join(link)
    agree(client)
    client.post(reverse("decline"))
    assert Rater.objects.get().outcome == ""


def test_checks_that_failed_are_told_in_place_of_the_code(link):
    client, _ = join(link)
    agree(client)
    rater = Rater.objects.get()
    rate_all(client, rater)
    assert outcomes.end(rater=rater, outcome=Outcome.CHECKS, now=timezone.now())
    text = page(client).text
    assert "C1ODE" not in text
    assert "known beforehand" in text
    outcomes.reopen(rater=rater, now=timezone.now())
    assert "C1ODE" in page(client).text


def test_the_last_page_has_a_code_to_withdraw_with_from_anywhere(link):
    client, _ = join(link)
    agree(client)
    rate_all(client, Rater.objects.get())
    code = re.search(r"<output translate=\"no\" dir=\"ltr\">([A-Z2-7]{4}(?:-[A-Z2-7]{4}){4})<", page(client).text)[1]
    # The next person at the computer is not told.
    assert code not in page(client).text
    join(link, client=client)
    assert code not in page(client).text
    assert client.get(reverse("withdraw")).status_code == 403
    stranger = Client()
    asked = stranger.post(reverse("withdraw-code"), {"code": code.lower().replace("-", " ")})
    assert "Your 3 ratings will be erased" in asked.text
    assert Rating.objects.count() == 3
    stranger.post(reverse("withdraw-code"), {"code": code, "sure": "1"})
    assert not Rating.objects.exists()
    assert not Arrival.objects.exists()
    assert not PanelIds.objects.exists()
    assert "Nothing that you rated is left here" in stranger.post(reverse("withdraw-code"), {"code": code}).text


@pytest.mark.parametrize("forged", ["AAAA-AAAA-AAAA-AAAA-AAAA", "", "x" * 61, "1", "٣"])
def test_a_forged_code_erases_nothing(link, forged):
    client, _ = join(link)
    agree(client)
    rate_all(client, Rater.objects.get())
    response = Client().post(reverse("withdraw-code"), {"code": forged, "sure": "1"})
    assert response.status_code == 404
    assert Rating.objects.count() == 3


def test_an_invited_rater_has_all_ways_as_before(study, link):
    rater = make_rater(study)
    client = Client()
    client.get(f"/i/{rater.token}/")
    agree(client)
    trial = open_trials(rater)[0]
    rate(client, trial)
    assert client.post(reverse("undo", args=[trial.token]), {"attempt": 1}).status_code == 200
    assert client.get(reverse("withdraw")).status_code == 200
    assert not Arrival.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_arrivals_at_the_same_moment_keep_the_quota_and_one_id_is_one_rater(link):
    def comes(pid):
        def call():
            ids = of_prolific(pid)
            found = PublicLink.objects.select_related("study").get(pk=link.pk)
            return arrivals.arrive(link=found, ids=ids, known="", now=timezone.now()).pk

        return call

    one = at_once(*[comes("same") for _ in range(6)])
    assert len(set(one)) == 1
    found = at_once(*[comes(f"person{number}") for number in range(8)])
    assert sum(isinstance(outcome, int) for outcome in found) == 2
    assert all(isinstance(outcome, int | arrivals.NoPlace) for outcome in found)
    assert Rater.objects.count() == 3
