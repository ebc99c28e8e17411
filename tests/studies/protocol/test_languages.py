"""A study in its languages: what is said in each, what is lacking, and what a launch writes down."""

import re
from dataclasses import replace

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from studies.models import Study
from studies.models.languages import LanguagesFormField, code_of
from studies.protocol import answers, catalogues, languages, readiness
from studies.research import drafts, wording
from tests.studies.factories import launch, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]

FIVE = ["en", "de", "fr", "es", "zh-hans"]
# The five categories as the literature has them in these languages (shared/PROTOCOL.md, section 6), the best first.
CATEGORIES = {
    "en": ["Excellent", "Good", "Fair", "Poor", "Bad"],
    "de": ["Ausgezeichnet", "Gut", "Ordentlich", "Dürftig", "Schlecht"],
    "fr": ["Excellent", "Bon", "Assez bon", "Médiocre", "Mauvais"],
    "es": ["Excelente", "Buena", "Aceptable", "Mediocre", "Mala"],
    "zh-hans": ["优", "良", "中", "差", "劣"],
}


def with_titles(study, **words):
    for language in study.languages[1:]:
        wording.write(study=study, language=language, title="A title", **{"instructions": "", **words})
    return study


def every_text(language):
    """A researcher's file with every text; `language` stands before each, with its number before a plural form."""
    rule = catalogues.plural_forms(language)
    forms = catalogues.number_of_forms(rule)
    found = catalogues.read(catalogues.for_translator(language, {}))
    said = [
        tuple(f"{language}{n} {m.plural}" for n in range(forms)) if m.plural else (f"{language} {m.text}",)
        for m in found.messages
    ]
    messages = tuple(replace(m, forms=forms) for m, forms in zip(found.messages, said, strict=True))
    return catalogues.Catalogue({"Plural-Forms": rule}, messages)


@pytest.mark.parametrize("language", FIVE)
def test_the_five_categories_are_called_as_in_the_literature(language):
    study = make_study(languages=FIVE)
    assert languages.labels(study, language)[::-1] == CATEGORIES[language]
    scale = languages.scale(study, language)
    assert (scale.low, scale.high, scale.levels) == (1, 5, study.scale.levels)


@pytest.mark.parametrize("language", FIVE[1:])
def test_instructions_that_nobody_rewrote_are_said_in_each_language_with_its_own_labels(language):
    said = languages.instructions(make_study(languages=FIVE), language)
    assert CATEGORIES[language][0].lower() in said
    assert "quality" not in said


def test_what_the_researcher_writes_for_a_language_holds_there_alone():
    study = make_study(languages=["en", "de"])
    wording.write(study=study, language="de", title="Bilder", instructions="Bewerten Sie.", labels=list("abcde"))
    study = Study.objects.get()
    assert languages.title(study, "de") == "Bilder"
    assert languages.instructions(study, "de") == "Bewerten Sie."
    assert languages.labels(study, "de") == list("abcde")
    assert languages.title(study, "en") == "Image quality"
    assert languages.labels(study, "en")[0] == "Bad"


def test_own_words_are_the_first_languages_and_are_asked_for_in_the_others():
    study = with_titles(make_study(languages=["en", "de"], scale=answers.own(["dull", "crisp"])))
    assert languages.labels(study, "en") == ["dull", "crisp"]
    assert languages.missing(study, "de") == ["instructions", "labels of the scale"]
    wording.write(study=study, language="de", title="A title", instructions="", labels=["matt", "scharf"])
    assert "scharf" in languages.labels(study, "de")


def test_a_language_that_does_not_ship_lacks_all_until_it_is_brought():
    study = make_study(languages=["en", "ar"])
    texts = languages.texts_of_pages(study)
    assert 100 < len(texts) < len(catalogues.for_researchers())
    assert languages.missing(study, "ar") == [
        "title", "instructions", "labels of the scale", f"{len(texts)} texts of the pages",
    ]  # fmt: skip
    (problem,) = readiness.check(study)
    assert problem.startswith("Raters who read Arabic (ar) would lack: title, instructions,")
    own = {"title": "t", "instructions": "i", "labels": list("abcde")}
    wording.write(study=study, language="ar", file=every_text("ar"), **own)
    assert languages.missing(study, "ar") == []
    assert readiness.check(study) == []


def test_a_study_whose_only_language_does_not_ship_has_its_words_in_the_design():
    study = make_study(languages=["ar"])
    lacks = r"Arabic \(ar\) would lack: instructions, labels of the scale, \d+ texts of the pages"
    assert re.search(lacks, readiness.check(study)[0])
    study.instructions, study.scale = "قيّم كل صورة.", answers.own(["سيئ", "جيد"])
    wording.write(study=study, language="ar", file=every_text("ar"))
    assert languages.problems(study) == []
    assert languages.labels(study, "ar") == ["سيئ", "جيد"]


def test_what_was_written_for_a_language_before_it_became_the_first_has_no_say():
    study = make_study(languages=["en", "de"])
    wording.write(study=study, language="de", title="Bilder", instructions="Bewerten Sie.", labels=list("abcde"))
    study.languages = ["de", "en"]
    assert (languages.title(study, "de"), languages.labels(study, "de")[0]) == ("Image quality", "Schlecht")


def test_a_text_that_the_file_left_out_is_counted():
    study = make_study(languages=["en", "ar"])
    whole = every_text("ar")
    part = catalogues.Catalogue(whole.header, whole.messages[1:])
    wording.write(study=study, language="ar", title="t", instructions="i", labels=list("abcde"), file=part)
    assert languages.missing(study, "ar") == ["1 text of the pages"]
    assert languages.missing_texts(study, "ar") == [whole.messages[0].text]


def test_a_launch_writes_down_what_the_languages_then_say_and_freezes_it():
    study = launch(with_titles(make_study(languages=["en", "de"])))
    study.refresh_from_db()
    assert study.translations["de"]["labels"] == CATEGORIES["de"][::-1]
    assert study.translations["de"]["instructions"].startswith("Sie sehen ein Bild nach dem anderen.")
    with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
        Study.objects.update(translations={})
    with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
        Study.objects.update(languages=["de"])


def test_a_clone_takes_over_what_was_written_and_follows_its_own_design_in_the_rest():
    study = with_titles(make_study(languages=["en", "de"]), labels=list("abcde"))
    copy = drafts.clone(study=launch(study), name="copy", title="Copy")
    assert copy.languages == ["en", "de"]
    assert copy.translations == {"de": {"title": "A title", "labels": list("abcde")}}
    copy.undo = False
    assert "zurücknehmen" not in languages.instructions(copy, "de")
    assert "zurücknehmen" in languages.instructions(study, "de")


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        ("en, de", ["en", "de"]),
        ("German; Deutsch, ARABIC", ["de", "ar"]),
        ("Simplified Chinese", ["zh-hans"]),
        ("zh", ["zh-hans"]),
        ("pt_BR", ["pt-br"]),
        ("", ["en"]),
    ],
)
def test_languages_are_written_as_codes_or_names(written, codes):
    assert LanguagesFormField(required=False).clean(written) == codes


@pytest.mark.parametrize("wrong", [["english please"], ["x"], ["en", "en"], "en", [3], ["a" * 30]])
def test_what_is_no_list_of_languages_is_refused(wrong):
    study = make_study()
    study.languages = wrong
    with pytest.raises(ValidationError, match="languages"):
        study.full_clean()


def test_a_code_that_nobody_knows_stays_as_it_is():
    assert code_of("gsw") == "gsw"
