"""PO files: what is read is what was written, and a file that cannot be shown says where and why."""

import time

import pytest
from django.conf.locale import LANG_INFO

from studies.protocol import catalogues
from studies.protocol.catalogues import Catalogue, CatalogueError, Message

ARABIC = "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;"


def translated(text, *forms, rule="nplurals=2; plural=(n != 1);"):
    message = next(m for m in catalogues.rater_messages() if m.text == text)
    return Catalogue({"Plural-Forms": rule}, (Message(text=text, plural=message.plural, forms=forms),))


def test_what_was_written_is_read_back():
    catalogue = Catalogue(
        {"Language": "xx", "Plural-Forms": "nplurals=2; plural=(n != 1);"},
        (
            Message(text='A "quoted" \\ text\nin two lines', forms=('Ein "Text" \\\nzwei',), places=("a.py", "b.js")),
            Message(text="Good", context="category", forms=("Gut",)),
            Message(text="%(n)s image", plural="%(n)s images", forms=("%(n)s Bild", "%(n)s Bilder")),
            Message(text="Perhaps", forms=("Vielleicht",), is_fuzzy=True),
            Message(text="Untranslated"),
        ),
    )
    assert catalogues.read(catalogues.write(catalogue)) == catalogue


def test_what_editors_write_is_read():
    text = (
        '\ufeff# Translators\r\nmsgid ""\r\nmsgstr ""\r\n"Language: de\\n"\r\n\r\n'
        '#. a remark\n#: a.html:12\n#, fuzzy, python-format\n#| msgid "Old"\nmsgid ""\n"Thank "\n"you"\n'
        'msgstr "Danke"\n'
        '#~ msgid "Gone"\n#~ msgstr "Weg"\n'
    )
    found = catalogues.read(text)
    assert (found.header, len(found.messages)) == ({"Language": "de"}, 1)
    message = found.messages[0]
    assert (message.text, message.forms, message.is_fuzzy) == ("Thank you", ("Danke",), True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("an email", "Line 1 is none of a PO file: 'an email'"),
        ('msgid "A"\nmsgstr "B"\n\nmsgid "C\n', "Line 4"),
        ('"B"', "Line 1"),
    ],
)
def test_a_file_of_another_kind_is_told_by_its_line(text, says):
    with pytest.raises(CatalogueError, match=says):
        catalogues.read(text)


def test_a_translators_file_has_every_text_but_the_studys_with_the_languages_own_plurals():
    found = catalogues.read(catalogues.for_translator("ar", {"Thank you": ["شكرًا"]}))
    texts = {message.text: message for message in found.messages}
    assert texts["Thank you"].forms == ("شكرًا",)
    assert catalogues.number_of_forms(found.plural_forms) == 6
    assert not texts["%(erased)s rating erased."].is_translated
    assert not {"Excellent", "You can stop at any time and go on later with the same link."} & set(texts)
    assert len(found.messages) == len(catalogues.for_researchers()) > 100


def test_a_shipped_languages_file_holds_what_ships():
    found = catalogues.read(catalogues.for_translator("de", {}))
    assert all(message.is_translated for message in found.messages)
    assert {m.text: m.forms for m in found.messages}["Thank you"] == ("Vielen Dank",)


@pytest.mark.parametrize(
    ("catalogue", "says"),
    [
        (translated("Thank you", "<b>Danke</b>"), 'holds one of < > "'),
        (translated("Thank you", 'Dan"ke'), 'holds one of < > "'),
        (translated("Image %(place)s of %(total)s", "Bild %(place)s"), r"must hold %\(place\)s, %\(total\)s"),
        (translated("Thank you", "Danke %(name)s"), "must hold none"),
        (translated("%(erased)s rating erased.", "eine", "%(erased)s", "zu viel"), "has 3 forms"),
        (translated("%(erased)s rating erased.", "a", "b", rule="nplurals=9"), "Plural-Forms cannot be read"),
        (translated("%(erased)s rating erased.", "a", "b", rule="nplurals=2; plural=os.exit;"), "cannot be read"),
        (Catalogue({}, (Message(text="of another program", forms=("x",)),)), "None of the site's texts"),
    ],
)
def test_what_cannot_stand_in_a_page_is_refused_with_its_text(catalogue, says):
    with pytest.raises(CatalogueError, match=says):
        catalogues.taken(catalogue)


LEFT = "%(images)s image is left to rate."
CONFLICT = "This image was already rated {score}, in another window or on another device. That rating stands."


@pytest.mark.parametrize(
    ("text", "forms", "sign"),
    [
        (LEFT, ["%(images) de imagenes", "%(images)s"], "%"),
        (LEFT, ["%(images)s", "%(images)d"], "%"),
        (LEFT, ["una", "%(images)s, 100 %"], "%"),
        (LEFT, ["una", "%%(images)s"], "%"),
        (LEFT, ["una", "{%(images)s}"], "{"),
        ("Image %(place)s of %(total)s", ["%(place)s / %(total)s %"], "%"),
        (CONFLICT, ["{score} {"], "{"),
        (CONFLICT, ["{score}}"], "}"),
        (CONFLICT, ["{{score}}"], "{"),
    ],
)
def test_what_formatting_would_fail_over_is_refused_with_how_to_write_it(text, forms, sign):
    with pytest.raises(CatalogueError) as refused:
        catalogues.taken(translated(text, *forms))
    said = str(refused.value)
    assert said.startswith(f"The translation of {text[:60]!r} holds a {sign} outside its placeholders. Write each of ")
    assert said.endswith("whole, as the English text does, and no other %, { or }: a word for percent, round brackets.")


def test_a_text_that_is_not_formatted_may_hold_a_percent_sign():
    assert catalogues.taken(translated("Thank you", "100 % Danke")) == {"Thank you": ["100 % Danke"]}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("nplurals=2; plural=n%0;", "fails for the number 0: "),
        ("nplurals=2; plural=0%(n-150);", "fails for the number 150: "),
        ("nplurals=2; plural=n>99 ? 2 : 0;", "gives the number 100 the form 2; with nplurals=2 they are 0 to 1"),
        ("nplurals=2; plural=n-1;", "gives the number 0 the form -1"),
        (f"nplurals=2; plural={'n+' * 250}0;", "has 521 characters, and 500 at most"),
        ("nplurals=2; plural= ;", "cannot be read"),
    ],
)
def test_a_rule_of_plurals_that_would_fail_in_a_page_is_refused(rule, says):
    with pytest.raises(CatalogueError, match=says):
        catalogues.taken(translated(LEFT, "una", "%(images)s", rule=rule))


def test_a_rule_of_plurals_is_read_with_spaces_around_its_parts():
    assert catalogues.number_of_forms(" nplurals = 2 ;  plural = ( n != 1 ) ; ") == 2


@pytest.mark.parametrize("rule", ["nplurals=2; plural={};;", "nplurals=2; plural=n;{}x", "nplurals=2;{}x"])
def test_spaces_in_a_rule_of_plurals_take_no_time(rule):
    begun = time.process_time()
    for spaces in (400, 2000):
        with pytest.raises(CatalogueError, match="cannot be read"):
            catalogues.number_of_forms(rule.format(" " * spaces))
    assert time.process_time() - begun < 0.5


def test_every_rule_of_plurals_that_django_knows_is_taken():
    for language in LANG_INFO:
        rule = catalogues.plural_forms(language)
        forms = ["%(images)s"] * catalogues.number_of_forms(rule)
        assert catalogues.taken(translated(LEFT, *forms, rule=rule))


def test_a_plural_may_leave_its_number_out_and_each_number_has_its_form():
    forms = ["لا شيء", "واحد", "اثنان", "%(erased)s قليل", "%(erased)s كثير", "%(erased)s آخر"]
    taken = catalogues.taken(translated("%(erased)s rating erased.", *forms, rule=ARABIC))
    own = catalogues.OwnTexts(taken, ARABIC)
    said = [own.ngettext("%(erased)s rating erased.", "%(erased)s ratings erased.", n) for n in (0, 1, 2, 3, 11, 100)]
    assert said == forms
