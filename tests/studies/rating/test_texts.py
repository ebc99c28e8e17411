"""What is said to raters is said in every language that ships: the catalogues, held to templates, scripts and code."""

import gettext
import re

import pytest
from django.utils.functional import Promise

from studies.access import Refusal
from studies.protocol import catalogues
from tests import messages

PLURALS = {"de": 2, "fr": 2, "es": 2, "zh_Hans": 1}
_TAGS = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>|&\w+;", re.DOTALL)
_SENTENCE = re.compile(r'"[^"\n]*[A-Za-z]{2,} [a-z][^"\n]*"|`[^`\n]*[A-Za-z]{2,} [a-z][^`\n]*`')


def catalogue(language):
    path = catalogues.FOLDER / language / "LC_MESSAGES" / "django.po"
    return path, catalogues.read(path.read_text(encoding="utf-8"))


def test_the_template_of_all_catalogues_has_what_templates_scripts_and_code_say_and_nothing_else():
    assert len(catalogues.rater_messages()) > 100
    assert list(catalogues.rater_messages()) == messages.extracted(), "python -m tests.messages"


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_text_has_a_translation_that_can_stand_for_it(language):
    _, found = catalogue(language)
    translated = {message.key: message for message in found.messages if message.is_translated}
    wanted = {message.key for message in messages.extracted()}
    assert {"lacking": wanted - set(translated), "said nowhere": set(translated) - wanted} == {
        "lacking": set(),
        "said nowhere": set(),
    }
    for message in translated.values():
        catalogues.check(message, forms=PLURALS[language])


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_compiled_catalogue_which_the_site_reads_says_what_the_other_says(language):
    path, found = catalogue(language)
    assert path.with_suffix(".mo").read_bytes() == messages.compiled(found), "python -m tests.messages"
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in found.messages:
        if message.plural:
            forms = {compiled.ngettext(message.text, message.plural, number) for number in range(10)}
            assert forms == set(message.forms)
        elif message.context:
            assert compiled.pgettext(message.context, message.text) == message.forms[0]
        else:
            assert compiled.gettext(message.text) == message.forms[0]


def test_no_template_of_a_rater_says_a_word_past_the_translations():
    said = {}
    for path in messages.templates():
        source = messages._IN_TEMPLATES.sub("", path.read_text(encoding="utf-8"))
        source = re.sub(r"{% block body_class %}\w+{% endblock %}", "", source)
        attributes = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', source)
        words = " ".join([_TAGS.sub("", source), *(_TAGS.sub("", value) for value in attributes)])
        if found := re.findall(r"[A-Za-z]{2,}", words):
            said[path.name] = found
    assert said == {}


def test_no_script_of_a_rater_says_a_sentence_past_the_translations():
    said = {}
    for path in messages.scripts():
        source = re.sub(r"//.*|new Error\(.*\)", "", path.read_text(encoding="utf-8"))
        source = messages._IN_SCRIPTS.sub("", source)
        if found := _SENTENCE.findall(source):
            said[path.name] = found
    assert said == {}


def test_every_refusal_is_said_in_the_language_in_which_it_is_shown():
    import studies.rating.views  # noqa: F401  (defines the last of them)

    def below(kind):
        return {kind} | {deeper for sub in kind.__subclasses__() for deeper in below(sub)}

    refusals = below(Refusal)
    assert len(refusals) > 10
    assert [kind.__name__ for kind in refusals if not isinstance(kind.message, Promise)] == []


def test_a_text_that_a_translation_lacks_is_found(tmp_path):
    path, found = catalogue("de")
    text = path.read_text(encoding="utf-8")
    assert 'msgstr "Vielen Dank"' in text
    emptied = catalogues.read(text.replace('msgstr "Vielen Dank"', 'msgstr ""'))
    fuzzy = catalogues.read(text.replace('msgid "Thank you"', '#, fuzzy\nmsgid "Thank you"'))
    for broken in (emptied, fuzzy):
        assert [message.text for message in broken.messages if not message.is_translated] == ["Thank you"]
    assert len(found.messages) == len(emptied.messages) == len(fuzzy.messages)
