"""What raters read before they agree, in which version, and what is stored of it."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies.models import Agreement, ConsentText, PublicLink, Session, Trial
from studies.rating import consent
from studies.rating.evidence import receipt
from studies.rating.recording import record_rating
from studies.rating.withdrawal import withdraw
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY
from tests.studies.research.test_quality import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]

FACTS = {
    "payment": "12 euro an hour",
    "institution": "Institute of Optics, Jena",
    "contact": "Dr Ada Example, ada@example.org",
    "ethics": "Board of Jena, number 2026-17",
    "kept": "ten years",
}
OWN = {"en": "I agree to <all> of it.", "de": "Ich stimme allem zu."}


@pytest.fixture
def study():
    spoken = {"languages": ["en", "de"], "translations": {"de": {"title": "Bildqualität"}}}
    return launch(make_study(benchmarks=[make_benchmark(images=2)], **spoken, **FACTS))


@pytest.fixture
def rater(study):
    return make_rater(study)


def arrive(rater, **wishes):
    client = Client(**wishes)
    client.get(f"/i/{rater.token}/")
    return client


def read(client):
    text = client.get(reverse("rater-home")).text
    return text, {name: re.search(rf'name="{name}" value="(\w*)"', text)[1] for name in ("read", "images", "minutes")}


def test_the_page_says_all_of_it_before_anybody_agrees(rater):
    text, _ = read(arrive(rater))
    assert "You will rate 6 images. It takes about 1 minute." in text
    for said in FACTS.values():
        assert said in text
    assert "sizes of your screen" in text
    assert "I take part of my own free will" in text
    assert "panel" not in text


def test_what_was_read_is_stored_word_by_word_with_its_hash(rater):
    client = arrive(rater)
    _, shown = read(client)
    client.post(reverse("agree"), shown)
    agreement = Agreement.objects.get()
    assert (agreement.rater, agreement.version, agreement.language) == (rater, 0, "en")
    assert agreement.sha256 == shown["read"] == hashlib.sha256(agreement.text.encode()).hexdigest()
    assert "What you are given: 12 euro an hour\n" in agreement.text
    assert "I take part of my own free will" in agreement.text


def test_in_the_raters_language(rater):
    client = arrive(rater, headers={"accept-language": "de"})
    text, shown = read(client)
    assert "Ich nehme freiwillig teil" in text
    client.post(reverse("agree"), shown | {"language": "de"})
    assert "Was Sie dafür bekommen: 12 euro an hour" in Agreement.objects.get(language="de").text


def test_the_researchers_own_text_in_its_version(study, rater):
    consent.write(study=study, texts=OWN, now=timezone.now())
    client = arrive(rater)
    text, shown = read(client)
    assert "I agree to &lt;all&gt; of it." in text
    client.post(reverse("agree"), shown)
    assert Agreement.objects.get().version == 1
    assert Agreement.objects.get().text.endswith("\nI agree to <all> of it.\n")


def test_a_text_that_changed_meanwhile_is_read_again(study, rater):
    client = arrive(rater)
    _, shown = read(client)
    consent.write(study=study, texts=OWN, now=timezone.now())
    refused = client.post(reverse("agree"), shown)
    assert refused.status_code == 409
    assert "was changed while you read it" in refused.text
    assert not Session.objects.exists()
    assert not Agreement.objects.exists()
    assert client.post(reverse("agree"), read(client)[1]).status_code == 302
    assert Agreement.objects.get().version == 1


def test_who_comes_back_agrees_though_ratings_came_in_since_the_page_was_made(study):
    rater = rate_all(study, "anna", limit=2)
    Session.objects.update(last_active_at=timezone.now() - timedelta(days=2))
    client = arrive(rater)
    text, shown = read(client)
    assert "4 images are left to rate" in text
    due = Trial.objects.get(session__rater=rater, position=F("session__next_position"))
    now = timezone.now()
    sent = receipt(token=due.token, now=now)
    record_rating(rater_token=rater.token, token=due.token, score=3, display=DISPLAY, receipt=sent, now=now)
    assert client.post(reverse("agree"), shown).status_code == 302
    assert "You will rate 4 images." in Agreement.objects.get().text


@pytest.mark.parametrize(
    "forged", [{"read": "0" * 64}, {"read": "x"}, {"minutes": "9" * 7}, {"minutes": "-1"}, {"images": "-1"}]
)
def test_what_no_page_sends_is_no_agreement(rater, forged):
    client = arrive(rater)
    _, shown = read(client)
    assert client.post(reverse("agree"), shown | forged).status_code == 409
    assert not Session.objects.exists()


def test_who_comes_by_a_panel_reads_of_its_id_and_of_what_stays(study):
    link = PublicLink.objects.create(study=study, is_open=True, panel="prolific")
    client = Client()
    client.get(f"/join/{link.token}/", {"PROLIFIC_PID": "p", "STUDY_ID": "s", "SESSION_ID": "x"})
    assert "kept apart from your ratings and deleted afterwards" in read(client)[0]


def test_withdrawing_erases_it(rater):
    client = arrive(rater)
    client.post(reverse("agree"), read(client)[1])
    withdraw(rater=rater, now=timezone.now())
    assert not Agreement.objects.exists()


def test_a_change_is_a_new_version_and_no_change_is_none(study):
    now = timezone.now()
    assert consent.write(study=study, texts={}, now=now) is None
    assert consent.write(study=study, texts=OWN, now=now).version == 1
    assert consent.write(study=study, texts=OWN, now=now) is None
    assert consent.write(study=study, texts={}, now=now).version == 2
    assert ConsentText.objects.count() == 2


def test_staff_write_it_in_every_language_or_in_none(study, rater, client):
    address = reverse("consent", args=["study"])
    assert client.post(address, OWN)["Location"].startswith(reverse("login"))
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert "missing: German" in client.post(address, {"en": "Only this."}).text
    assert not ConsentText.objects.exists()
    client.post(address, OWN)
    assert ConsentText.objects.get().texts == OWN
    browser = arrive(rater)
    browser.post(reverse("agree"), read(browser)[1])
    shown = client.get(address).text
    assert re.search(r"<td>1</td><td>[^<]*</td><td class=\"number\">1</td>", shown)


def test_who_withdraws_in_the_moment_of_agreeing_leaves_nothing(rater, monkeypatch):
    browser = arrive(rater)
    _, sent = read(browser)
    statement = consent.statement

    def withdrawn_meanwhile(*arguments, **options):
        withdraw(rater=rater, now=timezone.now())
        return statement(*arguments, **options)

    monkeypatch.setattr(consent, "statement", withdrawn_meanwhile)
    response = browser.post(reverse("agree"), sent)
    assert response.status_code == 403
    assert "You have withdrawn" in response.text
    assert not Agreement.objects.exists()
    assert not Session.objects.exists()
