"""The staff's page of a study's languages: what is written there, brought there, refused there."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from analysis.schema import read_ratings
from studies.models import Study
from studies.protocol import catalogues, languages
from studies.research.export import ratings_frame, serialise
from tests.studies.factories import launch, make_study
from tests.studies.protocol.test_languages import every_text, with_titles
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def study():
    return make_study(languages=["en", "de", "ar"])


def address(study):
    return reverse("study-languages", args=[study.name])


def send(client, study, language, file=None, **words):
    fields = {f"{language}-{name}": value for name, value in words.items()}
    if file is not None:
        fields[f"{language}-file"] = SimpleUploadedFile("texts.po", file.encode())
    return client.post(address(study), {"language": language, **fields})


def test_what_no_native_speaker_has_read_is_marked(study, admin_client):
    page = admin_client.get(address(study)).text
    sections = dict(re.findall(r'<section class="card" id="([^"]*)">(.*?)</section>', page, re.DOTALL))
    marked = {code for code, section in sections.items() if "No native speaker" in section}
    assert (list(sections), marked) == (["en", "de", "ar"], {"de"})
    assert "stand in the design" in sections["en"]
    assert "en-title" not in sections["en"]
    assert "Ausgezeichnet" in sections["de"]
    assert "Sie sehen ein Bild nach dem anderen." in sections["de"]
    assert "Still missing: title." in sections["de"]
    assert f"{len(languages.texts_of_pages(study))} missing" in sections["ar"]


def test_words_are_kept_for_their_language_and_what_the_site_says_is_not(study, admin_client):
    german = languages.instructions(study, "de")
    sent = send(admin_client, study, "de", title="Bilder", instructions=german, labels="a\r\nb\r\n\r\nc\r\nd\r\ne")
    assert sent.status_code == 302
    assert Study.objects.get().translations == {"de": {"title": "Bilder", "labels": list("abcde")}}


def test_a_file_is_downloaded_filled_and_brought_back(study, admin_client):
    response = admin_client.get(reverse("study-texts", args=[study.name, "ar"]))
    assert response["Content-Disposition"] == 'attachment; filename="study-ar.po"'
    assert 'msgid "Thank you"\nmsgstr ""' in response.text
    filled = catalogues.write(every_text("ar"))
    send(admin_client, study, "ar", title="t", instructions="i", labels="a\nb\nc\nd\ne", file=filled)
    assert languages.missing(Study.objects.get(), "ar") == []
    again = admin_client.get(reverse("study-texts", args=[study.name, "ar"])).text
    assert 'msgid "Thank you"\nmsgstr "ar Thank you"' in again


def test_words_alone_leave_the_texts_that_were_brought(study, admin_client):
    words = {"title": "t", "instructions": "i", "labels": "a\nb\nc\nd\ne"}
    send(admin_client, study, "ar", file=catalogues.write(every_text("ar")), **words)
    send(admin_client, study, "ar", **words | {"title": "another"})
    study = Study.objects.get()
    assert (languages.title(study, "ar"), languages.missing(study, "ar")) == ("another", [])


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"file": "a letter"}, "Line 1 is none of a PO file"),
        ({"file": 'msgid "Thank you"\nmsgstr "<i>"\n'}, "holds one of"),
        ({"labels": "a\nb"}, "The scale has 5 labels, not 2."),
        ({"title": "t" * 121}, "at most 120 characters"),
    ],
)
def test_what_cannot_be_taken_is_said_beside_its_field_and_nothing_is_kept(study, admin_client, sent, says):
    response = send(admin_client, study, "ar", **sent)
    assert (response.status_code, says in response.text) == (422, True)
    assert Study.objects.get().translations == {}


def test_a_launched_study_is_shown_and_not_changed(admin_client):
    study = launch(with_titles(make_study(languages=["en", "de"])))
    page = admin_client.get(address(study)).text
    assert "Save German" not in page
    assert "Choose the file here" not in page
    assert "A title" in page
    assert send(admin_client, study, "de", title="Later").status_code == 422
    assert Study.objects.get().translations["de"]["title"] == "A title"


def test_a_language_that_the_study_does_not_have_has_no_file(study, admin_client):
    assert admin_client.get(reverse("study-texts", args=[study.name, "fr"])).status_code == 404


def test_strangers_are_sent_to_the_login(study, client):
    for page in (address(study), reverse("study-texts", args=[study.name, "de"])):
        assert client.get(page)["Location"] == f"{reverse('login')}?next={page}"
    assert send(client, study, "de", title="x").status_code == 302
    assert Study.objects.get().translations == {}


def test_the_overview_says_languages_and_no_limit_in_words(study, admin_client):
    page = admin_client.get(reverse("study", args=[study.name])).text
    assert "<dd>English, German, Arabic</dd>" in page
    assert page.count("<dd>no limit</dd>") == 2
    assert "Raters who read Arabic (ar) would lack" in page


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_language_of_each_rating_is_exported_and_read_without_loss(tmp_path, kind):
    study = launch(with_titles(make_study(languages=["en", "de", "zh-hans"])))
    for label, language in (("anna", "zh-hans"), ("boris", "de"), ("chloe", "")):
        rate_all(study, label, language=language)
    path = tmp_path / f"ratings.{kind}"
    path.write_bytes(serialise(ratings_frame(study), kind=kind))
    read = read_ratings(path)
    spoken = read.groupby("rater")["language"].unique().map(list).to_dict()
    assert spoken == {"anna": ["zh-hans"], "boris": ["de"], "chloe": ["en"]}
