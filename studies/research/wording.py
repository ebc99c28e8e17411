"""What a researcher writes for a language of a draft."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from studies.models import Study, changes, tell
from studies.protocol import catalogues, languages
from studies.research.refusals import require_draft


def write(
    *,
    study: Study,
    language: str,
    title: str = "",
    instructions: str = "",
    labels: list[str] | None = None,
    questions: list[str] | None = None,
    file: catalogues.Catalogue | None = None,
    by: str = "",
) -> None:
    """Keep these words for the language. What is empty, or as the site would say it, is not: it follows the design.

    A file's texts replace those of an earlier one. Raises StudyError for a launched study.
    """
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        require_draft(locked)
        before = _told(languages.written(locked, language))
        own: dict[str, Any] = dict(languages.written(locked, language))
        own |= {"title": title, "instructions": instructions, "labels": labels or [], "questions": questions or []}
        if file is not None:
            own |= {"texts": catalogues.taken(file), "plural": file.plural_forms}
        locked.translations[language] = {name: value for name, value in own.items() if value}
        locked.translations = languages.by_hand(locked)
        locked.save(update_fields=["translations"])
        if changed := changes(before, _told(languages.written(locked, language))):
            tell(locked, "texts", by=by, detail={"language": language, **changed})
    study.translations = locked.translations


def _told(written: Mapping[str, Any]) -> dict[str, Any]:
    """As an event tells it: of a file's texts their number and what identifies them."""
    texts = written.get("texts", {})
    file = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:12] if texts else ""
    told = {name: written.get(name) or "" for name in ("title", "instructions", "labels", "questions", "plural")}
    return told | {"file": f"{len(texts)} texts, {file}" if texts else ""}


def file_of(study: Study, language: str) -> str:
    """All texts of the pages as a PO file, those translated so far with their translations."""
    own = languages.written(study, language)
    return catalogues.for_translator(language, own.get("texts", {}), own.get("plural", ""))
