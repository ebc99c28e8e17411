"""What raters read of the colour check: in every language that ships no diagnosis, and a line of its own in the consent
exactly where the check is on.
"""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from studies.models import DeviceCheck
from studies.protocol import catalogues
from studies.protocol.languages import is_shipped
from studies.rating import consent
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_device_check import ALL, WRONG, send

pytestmark = [pytest.mark.services, pytest.mark.django_db]

# Heading of the consent's line, and what a doctor, or a patient, would say.
HEADINGS = {"en": "Colours", "de": "Farben", "fr": "Couleurs", "es": "Colores", "zh-hans": "颜色"}
EVERYWHERE = ["diagnos", "blind", "dalton", "prot[aeé]n", "deut[eé]r", "trit[aeé]n", "ishihara", "anomal"]
WORDS = {
    "en": ["deficien", "disorder", "disease", "impair", "defect", "disabilit", "abnormal", "patient", "colou?r vision"],
    "de": ["schwäche", "fehlsicht", "störung", "krank", "behinder", "farbsinn", "farbsehen", "sehtest", "befund"],
    "fr": ["déficien", "trouble", "maladie", "handicap", "aveugle", "dyschromat", "vision des couleurs", "patient"],
    "es": ["deficien", "trastorno", "enfermedad", "discapacidad", "ceg", "ciego", "visión del? col", "paciente"],
    "zh-hans": ["诊断", "色盲", "色弱", "色觉", "缺陷", "障碍", "疾病", "异常", "患者", "视力"],
}


def diagnoses(text, language):
    return [found[0] for word in EVERYWHERE + WORDS[language] for found in re.finditer(word, text, re.IGNORECASE)]


def study_in(language, **rules):
    return launch(make_study(benchmarks=[make_benchmark(images=1)], languages=[language], order="random", **rules))


def words_of(response):
    """What is read on a page: its tags aside, and with the texts that its scripts say."""
    return re.sub(r"<[^>]*>", " ", response.text)


def test_the_words_are_those_of_every_language_that_ships():
    assert all(is_shipped(language) for language in WORDS)
    folders = {path.name for path in catalogues.FOLDER.iterdir() if path.is_dir()}
    assert {name.replace("_", "-").lower() for name in folders} | {"en"} == set(WORDS) == set(HEADINGS)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("You may be colour-blind.", "en"),
        ("Ihre Rot-Grün-Schwäche", "de"),
        ("un trouble de la vision", "fr"),
        ("daltónico: deficiencia", "es"),
        ("您可能有色弱", "zh-hans"),
    ],
)
def test_a_diagnosis_would_be_found(text, language):
    assert diagnoses(text, language)


@pytest.mark.parametrize("language", list(WORDS))
def test_no_page_of_the_check_has_a_diagnosis_in_its_words(language):
    client = Client()
    rater = make_rater(study_in(language, **ALL, device_rule="end"))
    read = [client.get(reverse("invitation", args=[rater.token]), follow=True)]
    client.post(reverse("agree"))
    read += [client.get(reverse("device")), client.post(reverse("device"), {})]
    send(client, **WRONG["colour"])
    assert DeviceCheck.objects.get().colour == "fail"
    read.append(client.get(reverse("rater-home")))
    assert all(f'<html lang="{language}"' in page.text for page in read)
    assert read[-1].text.count("<li>") == 1, "the last says why"
    for page in read:
        assert diagnoses(words_of(page), language) == []


@pytest.mark.parametrize("language", list(WORDS))
def test_nor_has_any_other_text_that_ships(language):
    texts = [text for message in catalogues.rater_messages() for text in (message.text, message.plural)]
    if language != "en":
        texts = [form for message in catalogues.shipped(language).messages for form in message.forms]
    assert len(texts) > 100
    assert [text for text in texts if diagnoses(text, language)] == []


@pytest.mark.parametrize("language", list(HEADINGS))
@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("on", [False, True])
def test_the_consent_has_a_line_of_its_own_for_it_exactly_when_it_is_on(language, others, on):
    study = study_in(language, **((ALL if others else {}) | {"colour_vision": on}))
    with override(language):
        read = consent.statement(study, language=language, images=3, minutes=1)
    lines = [said for head, said in read.facts if head == HEADINGS[language]]
    assert len(lines) == on
    assert (f"\n{HEADINGS[language]}: " in read.whole) == on
    page = Client().get(reverse("invitation", args=[make_rater(study).token]), follow=True).text
    assert page.count(f"<dt>{HEADINGS[language]}</dt>") == on
    assert not on or lines[0] in page.replace("&#x27;", "'")
