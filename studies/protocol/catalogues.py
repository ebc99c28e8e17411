"""Texts for raters as PO files: those that come with the site, and those that researchers bring.

A PO file is what gettext and every translator's editor read. It is read and written here, so that a site needs neither
gettext's programs nor a library for a file that a researcher brings.
"""

import gettext
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.translation import to_locale, trans_real

FOLDER = Path(__file__).resolve().parent.parent / "rating" / "locale"
# The contexts of the labels of each task.
OF_LABELS = ("category", "choice", "comparison", "impairment")
# Between a context and its text, as in gettext's own files.
_OF_CONTEXT = "\x04"
_TEXT = re.compile(
    r'(?:(?P<word>msgctxt|msgid_plural|msgid|msgstr)(?:\[(?P<form>\d)\])?\s+)?"(?P<text>(?:[^"\\]|\\.)*)"'
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
# No two repetitions in it can match the same signs: it takes a time in proportion to the header.
_NPLURALS = re.compile(r"nplurals\s*=\s*([1-9])\s*;\s*plural\s*=([^;]+);?")
_TWO_FORMS = "nplurals=2; plural=(n != 1);"
# The longest that Django knows, Breton's, has 319.
LONGEST_RULE = 500
# All that differ to a rule of plurals: no language's grammar looks further than at the last two digits of a larger one.
NUMBERS = range(200)


class CatalogueError(ValueError):
    """A file that is no PO file, or a translation that cannot be taken; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """An English text with its translation: none, one, or a form for each kind of number where there is a `plural`."""

    text: str
    plural: str = ""
    context: str = ""
    places: tuple[str, ...] = ()
    """The files that say it."""
    forms: tuple[str, ...] = ()
    is_fuzzy: bool = False

    @property
    def key(self) -> str:
        """As gettext's catalogues name it."""
        return f"{self.context}{_OF_CONTEXT}{self.text}" if self.context else self.text

    @property
    def is_translated(self) -> bool:
        return bool(self.forms) and all(self.forms) and not self.is_fuzzy

    @property
    def is_of_scripts(self) -> bool:
        return any(place.endswith(".js") for place in self.places)

    @property
    def is_of_the_study(self) -> bool:
        """Of the instructions or the scale, which the researcher writes for each language."""
        of_models = ("models/study.py", "models/task.py")
        return self.context in OF_LABELS or all(place.endswith(of_models) for place in self.places)


@dataclass(frozen=True)
class Catalogue:
    """A PO file: its header's fields, and its messages in order."""

    header: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()

    @property
    def plural_forms(self) -> str:
        return self.header.get("Plural-Forms", _TWO_FORMS)


def read(text: str) -> Catalogue:
    """The catalogue of a PO file's text; obsolete entries are left out. Raises CatalogueError with the line."""
    entries = list(_entries(text))
    header: dict[str, str] = {}
    if entries and not entries[0].text and entries[0].forms:
        lines = (line.partition(":") for line in entries.pop(0).forms[0].splitlines())
        header = {name.strip(): value.strip() for name, _, value in lines}
    return Catalogue(header, tuple(entries))


def _entries(text: str) -> Iterator[Message]:
    for block, first in _blocks(text.removeprefix("\ufeff").splitlines()):
        parts: dict[str, str] = {}
        places: list[str] = []
        fuzzy, last = False, ""
        for number, line in enumerate(block, first):
            if line.startswith("#:"):
                places += line[2:].split()
            fuzzy |= line.startswith("#,") and "fuzzy" in line
            if line.startswith("#"):
                continue
            match = _TEXT.fullmatch(line.strip())
            if match is None or not (match["word"] or last):
                raise CatalogueError(f"Line {number} is none of a PO file: {line.strip()[:60]!r}.")
            last = f"{match['word']}{match['form'] or ''}" if match["word"] else last
            parts[last] = parts.get(last, "") + _unescaped(match["text"])
        if "msgid" in parts:
            forms = tuple(parts[name] for name in sorted(parts) if name.startswith("msgstr"))
            yield Message(
                text=parts["msgid"],
                plural=parts.get("msgid_plural", ""),
                context=parts.get("msgctxt", ""),
                places=tuple(places),
                forms=forms if any(forms) else (),
                is_fuzzy=fuzzy,
            )


def _blocks(lines: Sequence[str]) -> Iterator[tuple[list[str], int]]:
    """Each entry's lines with the number of the first; an entry ends before the next comment or context or text."""
    block: list[str] = []
    first, has_translation = 1, False
    for number, line in enumerate(lines, 1):
        begins = line.startswith(("#", "msgctxt", "msgid "))
        if not line.strip() or (has_translation and begins):
            if block:
                yield block, first
            block, has_translation = [], False
        if line.strip():
            first = first if block else number
            block.append(line)
            has_translation |= line.startswith("msgstr")
    if block:
        yield block, first


def write(catalogue: Catalogue) -> str:
    """As a PO file's text, which `read` reads."""
    header = "".join(f"{name}: {value}\n" for name, value in catalogue.header.items())
    lines = ['msgid ""', *_written("msgstr", header)]
    for message in catalogue.messages:
        lines += ["", *(f"#: {place}" for place in message.places)]
        lines += ["#, fuzzy"] if message.is_fuzzy else []
        lines += _written("msgctxt", message.context) if message.context else []
        lines += _written("msgid", message.text)
        if message.plural:
            lines += _written("msgid_plural", message.plural)
            for number, form in enumerate(message.forms or ("", "")):
                lines += _written(f"msgstr[{number}]", form)
        else:
            lines += _written("msgstr", message.forms[0] if message.forms else "")
    return "\n".join(lines) + "\n"


def _written(word: str, text: str) -> list[str]:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    lines = [f'"{part}"' for part in re.findall(r"[^\n]*\n|[^\n]+", escaped)]
    lines = [line.replace("\n", "\\n") for line in lines]
    return [f"{word} {lines[0]}"] if len(lines) == 1 else [f'{word} ""', *lines]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text)


@lru_cache(maxsize=1)
def rater_messages() -> tuple[Message, ...]:
    """Every text that the site says to raters, in English; held to templates, scripts and code by a test."""
    return read((FOLDER / "raters.pot").read_text(encoding="utf-8")).messages


@lru_cache(maxsize=16)
def shipped(language: str) -> Catalogue:
    """The catalogue that comes with the site; empty where there is none."""
    path = FOLDER / to_locale(language) / "LC_MESSAGES" / "django.po"
    is_there = language in dict(settings.LANGUAGES) and path.exists()
    return read(path.read_text(encoding="utf-8")) if is_there else Catalogue()


def is_read_by_a_native_speaker(language: str) -> bool:
    return language == settings.LANGUAGE_CODE or shipped(language).header.get("X-Read-By-A-Native-Speaker") == "yes"


def plural_forms(language: str) -> str:
    """The rule of the language's plurals as a PO file's header has it, as far as Django knows it."""
    known = trans_real.translation(language).info().get("plural-forms", "")
    return str(shipped(language).header.get("Plural-Forms") or known or _TWO_FORMS)


def number_of_forms(plural_forms: str) -> int:
    """How many forms a text has for different numbers. Raises CatalogueError for what is no rule."""
    return _rule(plural_forms)[0]


def _rule(plural_forms: str) -> tuple[int, Callable[[int], int]]:
    """The number of forms, and which of them a number takes. Raises CatalogueError for what is no rule."""
    stripped = plural_forms.strip()
    if len(stripped) > LONGEST_RULE:
        raise CatalogueError(
            f"The header's Plural-Forms cannot be read: it has {len(stripped)} characters, and {LONGEST_RULE} at most "
            f"are read; such as {_TWO_FORMS!r}."
        )
    match = _NPLURALS.fullmatch(stripped)
    if match is None:
        raise CatalogueError(f"The header's Plural-Forms cannot be read: {plural_forms!r}; such as {_TWO_FORMS!r}.")
    try:
        return int(match[1]), gettext.c2py(match[2].strip())
    except Exception as error:  # it compiles the rule as Python, which has limits of its own
        raise CatalogueError(f"The header's Plural-Forms cannot be read: {error}.") from None


def _try_out(forms: int, form_of: Callable[[int], int]) -> None:
    """Raises CatalogueError for a rule that fails for a number, or names a form that no text has."""
    for number in NUMBERS:
        try:
            form = form_of(number)
        except Exception as error:  # whatever the rule's arithmetic comes to
            raise CatalogueError(f"The header's Plural-Forms fails for the number {number}: {error}.") from None
        if not 0 <= form < forms:
            raise CatalogueError(
                f"The header's Plural-Forms gives the number {number} the form {form}; with nplurals={forms} they are "
                f"0 to {forms - 1}."
            )


def for_translator(language: str, texts: Mapping[str, Sequence[str]], rule: str = "") -> str:
    """A PO file of all texts that raters read but those of the study, with their translations so far."""
    rule = rule or plural_forms(language)
    empty = ("",) * number_of_forms(rule)
    known = {message.key: message.forms for message in shipped(language).messages}
    known |= {key: tuple(forms) for key, forms in texts.items()}
    header = {
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": rule,
    }
    messages = [
        replace(message, forms=known.get(message.key) or (empty if message.plural else ()))
        for message in for_researchers()
    ]
    return write(Catalogue(header, tuple(messages)))


def for_researchers() -> list[Message]:
    """The texts that a language needs beside those of the study."""
    return [message for message in rater_messages() if not message.is_of_the_study]


def taken(catalogue: Catalogue) -> dict[str, list[str]]:
    """Key -> forms of what is translated in a researcher's file. Raises CatalogueError for what cannot be shown.

    What the site does not say, what is empty and what is marked fuzzy is left out.
    """
    number, form_of = _rule(catalogue.plural_forms)
    _try_out(number, form_of)
    wanted = {message.key: message for message in for_researchers()}
    found: dict[str, list[str]] = {}
    for message in catalogue.messages:
        if message.key in wanted and message.is_translated:
            check(replace(wanted[message.key], forms=message.forms), forms=number)
            found[message.key] = list(message.forms)
    if not found:
        raise CatalogueError("None of the site's texts is translated in this file. Fill in the file from this page.")
    return found


def check(message: Message, *, forms: int) -> None:
    """Raises CatalogueError for a translation that cannot stand in a page for its English text."""
    where = f"The translation of {message.text[:60]!r}"
    if len(message.forms) != (forms if message.plural else 1):
        raise CatalogueError(f"{where} has {len(message.forms)} forms; the header's Plural-Forms asks for {forms}.")
    for form in message.forms:
        # A page shows it as it is, also within an attribute.
        if any(sign in form for sign in '<>"'):
            raise CatalogueError(f'{where} holds one of < > ". Write other quotation marks, such as “ ”.')
        allowed = _placeholders(message.text, message.plural)
        if _placeholders(form) - allowed or (not message.plural and _placeholders(form) != allowed):
            raise CatalogueError(f"{where} must hold {_listed(allowed)}, as the English text does, and no others.")
        # Such a text is formatted, and Python fails over half a placeholder.
        if (allowed or message.plural) and (stray := re.search("[%{}]", _PLACEHOLDER.sub("", form))):
            raise CatalogueError(
                f"{where} holds a {stray[0]} outside its placeholders. Write each of {_listed(allowed)} whole, as the "
                "English text does, and no other %, { or }: a word for percent, round brackets."
            )


def _placeholders(*texts: str) -> set[str]:
    return {found for text in texts for found in _PLACEHOLDER.findall(text)}


def _listed(placeholders: Iterable[str]) -> str:
    return ", ".join(sorted(placeholders)) or "none of the names in %( )s"


class OwnTexts(gettext.GNUTranslations):
    """Translations that were brought in a researcher's file."""

    def __init__(self, texts: Mapping[str, Sequence[str]], plural_forms: str) -> None:
        super().__init__()
        # What GNUTranslations keeps of a compiled file, and Django's DjangoTranslation.merge takes over.
        _, self.plural = _rule(plural_forms)
        plurals = {message.key for message in rater_messages() if message.plural}
        self._catalog = {
            key: forms[0] for key, forms in texts.items() if key not in plurals
        } | {(key, number): form for key in plurals & set(texts) for number, form in enumerate(texts[key])}
