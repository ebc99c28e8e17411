"""In which language a rater is spoken to: wished, chosen before the first image, kept for all that follows."""

import re
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from studies.models import Rater, Session
from studies.protocol import answers, catalogues
from studies.rating import speech
from studies.research import invitations, lifecycle, wording
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.protocol.test_languages import every_text, with_titles
from tests.studies.rating.test_views import rate, trials

pytestmark = [pytest.mark.services, pytest.mark.django_db]

FIRST_WORDS = {"en": "You will see", "de": "Sie sehen ein Bild", "fr": "Vous verrez", "zh-hans": "您将依次看到"}


@pytest.fixture
def study():
    return launch(with_titles(make_study(languages=["en", "de", "fr", "zh-hans"], calibration=make_benchmark("cal"))))


@pytest.fixture
def rater(study):
    return make_rater(study)


@pytest.fixture
def arabic_rater():
    scale = answers.five(["سيئ", "ضعيف", "مقبول", "جيد", "ممتاز"])
    study = make_study(languages=["ar"], title="جودة الصور", instructions="قيّم كل صورة.", scale=scale)
    wording.write(study=study, language="ar", file=every_text("ar"))
    return make_rater(launch(study))


def arrive(rater, wish=""):
    client = Client(headers={"accept-language": wish})
    client.get(reverse("invitation", args=[rater.token]))
    return client


def home(client, **query):
    return client.get(reverse("rater-home"), query).text


def language_of(page):
    return re.search(r'<html lang="([^"]*)"', page)[1]


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("it,fr;q=0.5", "fr"),
        ("zh-CN", "zh-hans"),
        ("zh-TW,zh;q=0.9", "zh-hans"),
        ("ja", "en"),
        ("", "en"),
        ("*", "en"),
        ("de;q=nonsense,fr", "en"),
    ],
)
def test_the_browsers_wish_chooses_among_the_studys_languages(rater, wish, language):
    page = home(arrive(rater, wish))
    assert language_of(page) == language
    assert FIRST_WORDS[language] in page


def test_without_a_wish_that_can_be_met_it_is_the_studys_first_language():
    rater = make_rater(launch(with_titles(make_study(languages=["de", "en"]))))
    assert language_of(home(arrive(rater, "ja"))) == "de"


def test_the_rater_can_choose_another_before_the_start_and_is_remembered(rater):
    client = arrive(rater, "de")
    page = home(client)
    assert re.findall(r'href="\?language=([^"]*)"', page) == ["en", "de", "fr", "zh-hans"]
    assert ">Français<" in page.replace("français", "Français")
    assert language_of(home(client, language="fr")) == "fr"
    assert language_of(home(client)) == "fr"
    assert "Se retirer de l&#x27;étude" in client.get(reverse("withdraw")).text.replace("'", "&#x27;")


def test_a_language_that_the_study_does_not_have_cannot_be_chosen(rater):
    assert language_of(home(arrive(rater, "de"), language="es")) == "de"


def test_the_language_is_the_sessions_from_the_start_on_whatever_is_asked_and_in_every_browser(rater):
    client = arrive(rater, "en")
    client.post(reverse("agree"), {"language": "de"})
    assert Session.objects.get().language == "de"
    for other in (client, arrive(rater, "fr")):
        page = home(other, language="fr")
        assert language_of(page) == "de"
        assert "?language=" not in page
        assert "Beispiel" in page
    Session.objects.update(last_active_at=timezone.now() - timedelta(hours=3))
    page = home(arrive(rater, "fr"))
    assert "Willkommen zurück" in page
    assert "?language=" not in page


def test_the_scripts_get_their_texts_with_the_page_and_english_needs_none(rater):
    def texts(client):
        return client.get(reverse("rater-home")).context["data"].get("texts")

    assert texts(arrive(rater, "en")) is None
    german = texts(arrive(rater, "de"))
    assert german["Start rating"] == "Mit dem Bewerten beginnen"
    assert set(german) == {message.text for message in catalogues.rater_messages() if message.is_of_scripts}


@pytest.mark.parametrize(("language", "rule"), [("de", lambda n: n != 1), ("fr", lambda n: n > 1)])
def test_a_script_finds_the_form_of_every_number(language, rule):
    with translation.override(language):
        said = speech.script_texts()
        assert speech.script_texts() is said
    forms = said["texts"]["%(number)s rating not yet saved - retrying"]
    assert len(said["plural"]) == 200
    assert forms[0] != forms[1]
    singular = int(said["plural"][1])
    assert [int(digit) != singular for digit in said["plural"]] == [bool(rule(n)) for n in range(200)]


def test_a_language_of_six_plural_forms_gives_scripts_all_six(arabic_rater):
    data = arrive(arabic_rater).get(reverse("rater-home")).context["data"]
    forms = data["texts"]["%(number)s rating not yet saved - retrying"]
    said = {number: forms[int(data["plural"][number])].split()[0] for number in (0, 1, 2, 3, 11, 100, 103, 199)}
    assert said == {0: "ar0", 1: "ar1", 2: "ar2", 3: "ar3", 11: "ar4", 100: "ar5", 103: "ar3", 199: "ar4"}


def test_json_for_scripts_is_in_the_sessions_language(rater):
    client = arrive(rater, "de")
    client.post(reverse("agree"), {"language": "de"})
    client.post(reverse("calibrated"))
    first, *_ = trials(rater)
    rate(client, first, score=4)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "fr"
    conflict = rate(client, first, score=2).json()
    assert conflict["message"].startswith("Dieses Bild wurde schon mit 4 bewertet")
    invitations.revoke(rater=rater, now=timezone.now())
    refused = rate(client, first).json()
    assert refused == {
        "code": "revoked",
        "message": "Diese Einladung wurde von den Forschenden zurückgezogen. Bitte bitten Sie sie um einen neuen Link.",
    }


def test_a_closed_study_and_a_withdrawal_are_said_in_the_sessions_language(study, rater):
    client = arrive(rater, "de")
    client.post(reverse("agree"), {"language": "de"})
    lifecycle.close(study=study, now=timezone.now())
    page = home(arrive(rater, "fr"))
    assert "nicht für Bewertungen offen" in page
    assert "Teilnahme an der Studie widerrufen?" in client.get(reverse("withdraw")).text
    assert "0 Bewertungen gelöscht." in " ".join(client.post(reverse("withdraw")).text.split())
    assert "Sie haben Ihre Teilnahme an dieser Studie widerrufen" in home(client)


def test_a_study_in_a_language_that_does_not_ship_says_not_a_word_of_its_own(arabic_rater):
    client = arrive(arabic_rater, "de")
    page = home(client)
    assert 'lang="ar" dir="rtl"' in page
    assert "قيّم كل صورة." in page
    assert "ar I have read this and agree to take part" in page
    client.post(reverse("agree"), {"language": "ar"})
    assert Session.objects.get().language == "ar"
    assert all(text in home(client) for text in ("ممتاز", "ar Pause", "ar Quality of the image"))
    Rater.objects.update(revoked_at=timezone.now())
    assert "ar This invitation was withdrawn" in home(client)


def test_the_scales_words_are_not_for_the_browsers_translator(rater):
    client = arrive(rater, "de")
    assert '<td translate="no">Ausgezeichnet</td>' in home(client)
    client.post(reverse("agree"))
    client.post(reverse("calibrated"))
    assert re.search(r'data-score="5"[^>]*translate="no" aria-label="5 Ausgezeichnet"', home(client))


# where no study is known


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/i/no-such-link/", 404, "Dieser Link ist hier nicht bekannt"),
        ("/study/", 403, "Dieser Browser kennt Sie noch nicht"),
        ("/i/", 404, "Unter dieser Adresse gibt es keine Seite"),
        ("/", 200, "Wurden Sie eingeladen, Bilder zu bewerten?"),
    ],
)
def test_a_stranger_is_answered_in_the_browsers_language(address, status, says):
    response = Client(headers={"accept-language": "de"}).get(address)
    assert (response.status_code, says in response.text) == (status, True)


def test_a_form_without_its_secret_is_refused_in_the_raters_language(rater):
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "de"})
    client.get(reverse("invitation", args=[rater.token]))
    response = client.post(reverse("agree"))
    assert (response.status_code, "Diese Seite war zu lange offen" in response.text) == (403, True)


@pytest.mark.parametrize(("verb", "address"), [("post", "/study/agree/"), ("get", "/i/")])
def test_where_no_page_answers_a_researchers_texts_are_said_too(arabic_rater, verb, address):
    client = Client(enforce_csrf_checks=True)
    client.get(reverse("invitation", args=[arabic_rater.token]))
    response = getattr(client, verb)(address)
    assert 'lang="ar" dir="rtl"' in response.text
    assert "ar This cannot go on here" in response.text


def test_what_is_asked_in_a_way_that_cannot_be_read_is_answered_in_the_browsers_language():
    stranger = Client(raise_request_exception=False)
    answer = stranger.get("/i/%25%25/?" + "a=1&" * 2000, headers={"accept-language": "de"})
    assert answer.status_code == 404
    assert 'lang="de"' in answer.content.decode()


def test_while_the_database_is_away_the_last_language_of_the_browser_is_spoken(rater, monkeypatch):
    client = arrive(rater, "en")
    home(client, language="de")

    def away(*args, **kwargs):
        raise OperationalError("gone")

    monkeypatch.setattr(speech.Rater.objects, "select_related", away)
    response = client.get(reverse("rater-home"), headers={"accept": "text/html"})
    assert (response.status_code, "antwortet im Moment nicht" in response.text) == (503, True)


def test_staffs_pages_stay_english_whatever_the_browser_wishes(rater, admin_client):
    client = admin_client
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    client.get(reverse("invitation", args=[rater.token]))
    home(client)
    for address in (reverse("study-list"), reverse("study-new"), "/admin/", "/studies/nothing/", reverse("status")):
        page = client.get(address).text
        assert language_of(page).startswith("en"), address
        assert "Speichern" not in page
    assert translation.get_language() == "en"
