"""Where two images are shown raters read of pairs, and where one is chosen of choices, in every language."""

import re

import pytest
from django.utils.translation import gettext, ngettext

from studies.models import Task
from studies.models.task import GRADED, pair_scale
from studies.protocol import catalogues, languages, wording
from studies.rating import speech
from studies.research import wording as researchers
from tests.studies.factories import make_study
from tests.studies.protocol.test_languages import every_text

pytestmark = [pytest.mark.services, pytest.mark.django_db]
SHIPPED = ["en", "de", "fr", "es", "zh-hans"]
# What a word for "rating" looks like in each language; "image" may stand where images are meant.
RATING = {"en": r"\brat(e|ed|ing|ings)\b", "de": "[Bb]ewert", "fr": r"\bnotes?\b|\bnoter\b",
          "es": r"\bnotas?\b|calific", "zh-hans": "评分"}  # fmt: skip
CHOICE = {"en": "hoice|hoos|hos", "de": "ntscheidung|ähl|Wahl", "fr": "choi|réponse", "es": "lecci|eli[gj]|legi",
          "zh-hans": "选择"}  # fmt: skip
# Of these the pair's words are those of all tasks of two images.
OF_BOTH = wording._TWO.keys() - wording._CHOICES.keys()


def study_of(task, **protocol):
    scale = GRADED[task](()) if task in GRADED else pair_scale(ties=True) if task == Task.PAIR else None
    return make_study(task=task, **({"scale": scale} if scale else {}), **protocol)


def plain(task, language):
    return {text: " ".join(forms) for text, forms in wording.shipped(task, language).items()}


@pytest.mark.parametrize("table", [wording._TWO, wording._CHOICES])
def test_what_is_said_in_place_of_a_text_is_said_of_one_that_raters_read(table):
    known = {message.key: message for message in catalogues.rater_messages()}
    assert set(table) <= set(known)
    for text, said in table.items():
        assert bool(known[text].plural) == isinstance(said, tuple), text
        assert wording._key(said) in known


@pytest.mark.parametrize("language", SHIPPED)
def test_raters_who_choose_read_nothing_of_ratings_in_the_words_in_place(language):
    for text, said in plain(Task.PAIR, language).items():
        assert not re.search(RATING[language], re.sub(r"%\(\w+\)s", "", said)), (text, said)
        if text not in OF_BOTH:
            assert re.search(CHOICE[language], said), said


@pytest.mark.parametrize("language", SHIPPED)
@pytest.mark.parametrize("task", [Task.PAIR, Task.COMPARISON, Task.DEGRADATION])
def test_every_text_in_place_has_the_forms_that_the_language_needs(task, language):
    number = catalogues.number_of_forms(catalogues.plural_forms(language))
    forms = wording.shipped(task, language)
    assert set(forms) == set(wording.in_place(task))
    for text, said in wording.in_place(task).items():
        assert len(forms[text]) == (number if isinstance(said, tuple) else 1)


def test_templates_scripts_and_code_say_it_where_the_study_is_spoken_of_and_not_before_or_after():
    study = study_of(Task.PAIR, languages=["de", "en"])
    with languages.speaking(study, "de"):
        assert gettext("All ratings are saved") == "Alle Entscheidungen sind gespeichert"
        one, many = "%(erased)s rating erased.", "%(erased)s ratings erased."
        assert [ngettext(one, many, number) for number in (1, 2)] == [
            "%(erased)s Entscheidung gelöscht.",
            "%(erased)s Entscheidungen gelöscht.",
        ]
        assert gettext("Pause") == "Pause"
        assert speech.script_texts()["texts"]["All ratings are saved"] == "Alle Entscheidungen sind gespeichert"
    with languages.speaking(study, "en"):
        told = speech.script_texts()
        assert told["texts"]["All ratings are saved"] == "All choices are saved"
        forms = told["texts"]["%(number)s rating not yet saved - retrying"]
        assert [forms[int(told["plural"][n])] for n in (1, 2)] == [
            "%(number)s choice not yet saved - retrying",
            "%(number)s choices not yet saved - retrying",
        ]
    with languages.speaking(make_study(name="scores", benchmarks=[study.cells.first().benchmark]), "en"):
        assert gettext("All ratings are saved") == "All ratings are saved"
        assert speech.script_texts() == {}
    assert gettext("All ratings are saved") == "All ratings are saved"


@pytest.mark.parametrize("task", [Task.COMPARISON, Task.DEGRADATION])
def test_where_a_pair_is_rated_it_is_a_rating_of_a_pair(task):
    with languages.speaking(study_of(task), "en"):
        assert gettext("All ratings are saved") == "All ratings are saved"
        assert gettext("The image comes back when you go on.") == "The images come back when you go on."


def test_a_researchers_file_says_it_too_and_its_texts_of_pairs_are_asked_for_where_two_are_shown():
    study = study_of(Task.PAIR, languages=["en", "cs"])
    researchers.write(study=study, language="cs", file=every_text("cs"))
    with languages.speaking(study, "cs"):
        assert gettext("All ratings are saved") == "cs All choices are saved"
        assert ngettext("%(erased)s rating erased.", "", 5).endswith("%(erased)s choices erased.")
    bare = make_study(name="scores", benchmarks=[study.cells.first().benchmark], languages=["en", "cs"])
    assert "All choices are saved" not in languages.missing_texts(bare, "cs")
    assert "All ratings are saved" in languages.missing_texts(bare, "cs")
    pairs = study_of(Task.PAIR, languages=["en", "cs"], name="pairs", benchmarks=[study.cells.first().benchmark])
    assert {"All choices are saved", "All ratings are saved"} <= set(languages.missing_texts(pairs, "cs"))


LABELS = {
    Task.COMPARISON: {
        "en": "Much worse, Worse, Slightly worse, About the same, Slightly better, Better, Much better",
        "de": "Viel schlechter, Schlechter, Etwas schlechter, Etwa gleich, Etwas besser, Besser, Viel besser",
        "fr": "Bien moins bonne, Moins bonne, Légèrement moins bonne, À peu près identique, Légèrement meilleure, "
        "Meilleure, Bien meilleure",
        "es": "Mucho peor, Peor, Ligeramente peor, Más o menos igual, Ligeramente mejor, Mejor, Mucho mejor",
        "zh-hans": "差很多, 较差, 稍差, 差不多, 稍好, 较好, 好很多",
    },
    Task.DEGRADATION: {
        "en": "Very annoying, Annoying, Slightly annoying, Perceptible but not annoying, Imperceptible",
        "de": "Sehr störend, Störend, Leicht störend, Wahrnehmbar, aber nicht störend, Nicht wahrnehmbar",
        "fr": "Très gênantes, Gênantes, Légèrement gênantes, Perceptibles mais non gênantes, Imperceptibles",
        "es": "Muy molestas, Molestas, Ligeramente molestas, Perceptibles, pero no molestas, Imperceptibles",
        "zh-hans": "非常讨厌, 讨厌, 稍有些讨厌, 可察觉但不讨厌, 不可察觉",
    },
}


@pytest.mark.parametrize("language", SHIPPED)
@pytest.mark.parametrize("task", list(LABELS))
def test_labels_and_instructions_are_said_in_each_language(task, language):
    study = study_of(task, languages=SHIPPED)
    assert languages.missing(study, language) == (["title"] if language != "en" else [])
    assert ", ".join(languages.labels(study, language)) == LABELS[task][language]
    told = languages.instructions(study, language)
    assert languages.labels(study, language)[-1].lower() in told
    assert not re.search("%|1 1", told)


@pytest.mark.parametrize("task", list(LABELS))
def test_labels_of_ones_own_hold_in_the_first_language_and_are_asked_for_in_the_others(task):
    number = len(LABELS[task]["zh-hans"].split(", "))
    study = make_study(task=task, scale=GRADED[task]([f"word {n}" for n in range(number)]), languages=["en", "de"])
    assert languages.labels(study, "en")[0] == "word 0"
    assert languages.missing(study, "de") == ["title", "instructions", "labels of the scale"]
