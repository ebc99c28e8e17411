"""Every text that the site says to raters, taken from its templates, scripts and code.

    python -m tests.messages

writes studies/rating/locale/raters.pot anew, brings every catalogue up to it (what is new there has no translation yet)
and compiles them. It needs none of gettext's programs.
"""

import ast
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.utils.translation import to_locale

import tests.database  # noqa: F401  (sets Django up)
from studies.protocol.catalogues import FOLDER, Catalogue, Message, read, write
from tests.conftest import ROOT

LANGUAGES = [to_locale(code) for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
TEMPLATES = ("studies/rating/templates", "studies/templates/studies")
_STRING = r'"((?:[^"\\]|\\.)*)"'
_IN_SCRIPTS = re.compile(rf"\bgettext\({_STRING}\)|\bcount\(\s*{_STRING},\s*{_STRING},")
_IN_TEMPLATES = re.compile(
    r"""{%\s*translate\s+(?P<quote>["'])(?P<text>.*?)(?P=quote)(?:\s+as\s+\w+)?\s*%}"""
    r"|{%\s*blocktranslate trimmed[^%]*%}(?P<one>.*?)(?:{%\s*plural\s*%}(?P<many>.*?))?{%\s*endblocktranslate\s*%}",
    re.DOTALL,
)
_CALLS = {"gettext": 0, "gettext_lazy": 0, "gettext_noop": 0, "pgettext": 1}
_COUNTING = {"ngettext", "ngettext_noop"}


def templates() -> list[Path]:
    """What raters meet; staff's pages are English."""
    found = (path for folder in TEMPLATES for path in (ROOT / folder).rglob("*.html"))
    return sorted(path for path in found if path.name != "no_access.html")


def scripts() -> list[Path]:
    return sorted((ROOT / "studies/rating/static").rglob("*.js"))


def code() -> list[Path]:
    return sorted(path for package in ("mosweb", "studies") for path in (ROOT / package).rglob("*.py"))


def extracted() -> list[Message]:
    """As a catalogue has them: each once, with the files that say it, in the order of these."""
    found: dict[tuple[str, str], Message] = {}
    finders = ((templates(), _of_template), (scripts(), _of_script), (code(), _of_code))
    for paths, find in finders:
        for path in paths:
            place = str(path.relative_to(ROOT))
            for context, text, plural in find(path.read_text(encoding="utf-8")):
                known = found.get((context, text), Message(text=text, plural=plural, context=context))
                places = known.places if place in known.places else (*known.places, place)
                found[context, text] = replace(known, plural=known.plural or plural, places=places)
    return list(found.values())


def _of_template(source: str) -> Iterator[tuple[str, str, str]]:
    for match in _IN_TEMPLATES.finditer(source):
        yield "", match["text"] or _trimmed(match["one"]), _trimmed(match["many"] or "")


def _trimmed(text: str) -> str:
    lines = " ".join(line.strip() for line in text.strip().splitlines())
    return re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", lines)


def _of_script(source: str) -> Iterator[tuple[str, str, str]]:
    for text, one, many in _IN_SCRIPTS.findall(source):
        yield "", text or one, many


def _of_code(source: str) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(ast.parse(source)):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name in _CALLS and all(isinstance(argument, ast.Constant) for argument in node.args):
            *context, text = [argument.value for argument in node.args]
            yield "".join(context), text, ""
        elif name in _COUNTING and isinstance(node, ast.Call):
            one, many = node.args[:2]
            if isinstance(one, ast.Constant) and isinstance(many, ast.Constant):
                yield "", one.value, many.value


def compiled(catalogue: Catalogue) -> bytes:
    """The catalogue as gettext's .mo file: the texts in order, without a hash table."""
    header = "".join(f"{name}: {value}\n" for name, value in catalogue.header.items())
    entries = {"": header}
    for message in catalogue.messages:
        key = f"{message.key}\0{message.plural}" if message.plural else message.key
        if message.is_translated:
            entries[key] = "\0".join(message.forms)
    pairs = sorted((key.encode(), value.encode()) for key, value in entries.items())
    tables, texts, start = [b"", b""], b"", 28 + 16 * len(pairs)
    for column in (0, 1):
        for pair in pairs:
            tables[column] += struct.pack("<II", len(pair[column]), start + len(texts))
            texts += pair[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 28 + 16 * len(pairs))
    return head + tables[0] + tables[1] + texts


def main() -> None:
    wanted = extracted()
    (FOLDER / "raters.pot").write_text(write(Catalogue({"Content-Type": "text/plain; charset=UTF-8"}, tuple(wanted))))
    for language in LANGUAGES:
        path = FOLDER / language / "LC_MESSAGES" / "django.po"
        before = read(path.read_text(encoding="utf-8"))
        known = {message.key: message for message in before.messages}
        forms = {key: message.forms for key, message in known.items() if not message.is_fuzzy}
        catalogue = Catalogue(before.header, tuple(replace(m, forms=forms.get(m.key, ())) for m in wanted))
        path.write_text(write(catalogue), encoding="utf-8")
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        lacking = sum(not message.is_translated for message in catalogue.messages)
        print(f"{language}: {len(wanted) - lacking} of {len(wanted)} texts are translated")


if __name__ == "__main__":
    main()
