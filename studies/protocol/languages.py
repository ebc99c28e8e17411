"""A study in its languages: title, instructions and labels in each, and all else that its raters read.

Title, instructions, labels and questions of the first language are the study's own. Whatever the researcher has written
for the others stands in `Study.translations`, by language: `title`, `instructions`, `labels` (lowest first),
`questions` (each and its options, as `questionnaire.texts`), and for the texts of the pages, of whatever language,
`texts` (by English text, a form for each kind of number) with the rule `plural` that says which. A launch writes down
what a language then has from the site, so that no later version changes what a rater of the study reads in title,
instructions and labels.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation import override, pgettext, trans_real

from analysis.scale import Scale
from studies.models import OF_TWO, Study, Task
from studies.models.languages import english_name
from studies.models.study import instructions_for
from studies.protocol import catalogues, questionnaire
from studies.protocol import wording as words_of_tasks

OF_STUDY = ("title", "instructions", "labels", "questions")


def is_shipped(language: str) -> bool:
    """Whether the site brings every text in this language."""
    return language in dict(settings.LANGUAGES)


@contextmanager
def speaking(study: Study, language: str) -> Iterator[None]:
    """gettext says what the researcher brought for this language, else what the site has, in the words of the task."""
    texts, plural = _in_place(study, language)
    if not texts:
        with override(language):
            yield
        return
    # Django has a function to activate a language, and none for a catalogue of one's own; this is what it does itself.
    active: Any = trans_real._active  # type: ignore[attr-defined]
    before = getattr(active, "value", None)
    active.value = _translation(language, json.dumps([texts, plural]))
    try:
        yield
    finally:
        if before is None:
            del active.value
        else:
            active.value = before


def _in_place(study: Study, language: str) -> tuple[dict[str, Sequence[str]], str]:
    """What is said in place of the site's texts in this language, and the rule of its plurals."""
    own = written(study, language)
    texts: dict[str, Sequence[str]] = dict(own.get("texts", {}))
    plural = str(own["plural"]) if texts else catalogues.plural_forms(language)
    of_task = words_of_tasks.shipped(study.task, language) if plural == catalogues.plural_forms(language) else {}
    return texts | dict(of_task) | words_of_tasks.brought(study.task, texts), plural


@lru_cache(maxsize=128)
def _translation(language: str, own: str) -> trans_real.DjangoTranslation:
    texts, plural_forms = json.loads(own)
    translation = trans_real.DjangoTranslation(language)
    translation.merge(catalogues.OwnTexts(texts, plural_forms))
    return translation


def written(study: Study, language: str) -> Mapping[str, Any]:
    """What the researcher has written for this language, or a launch has written down."""
    found: Mapping[str, Any] = study.translations.get(language, {})
    return found


def title(study: Study, language: str) -> str:
    """Empty where nobody has written one."""
    return _words(study, language).get("title") or str(_given(study, language)["title"])


def instructions(study: Study, language: str) -> str:
    """Empty where nobody has written them."""
    return _words(study, language).get("instructions") or str(_given(study, language)["instructions"])


def labels(study: Study, language: str) -> list[str]:
    """The scale's words, lowest first; empty where nobody has written them, or too few or too many."""
    own = _words(study, language).get("labels")
    return list(own) if own and len(own) == len(study.scale.labels) else list(_given(study, language)["labels"])


def questions(study: Study, language: str) -> list[str]:
    """What stands for `questionnaire.texts` in this language; empty where nobody has written it, or too few lines."""
    own = _words(study, language).get("questions")
    return (
        list(own) if own and len(own) == len(questionnaire.texts(study)) else list(_given(study, language)["questions"])
    )


def scale(study: Study, language: str) -> Scale:
    """The study's scale with its words in this language."""
    return _relabelled(study.scale, labels(study, language))


def _words(study: Study, language: str) -> Mapping[str, Any]:
    """`written`, but of a draft's first language: what was written for it before it became the first has no say."""
    is_own = study.state == Study.State.DRAFT and language == study.languages[0]
    return {} if is_own else written(study, language)


def _given(study: Study, language: str) -> dict[str, Any]:
    """Title, instructions, labels and questions as they are without the researcher's words for this language."""
    first = language == study.languages[0]
    words = [word for _, word in study.scale.labels]
    if set(words) <= set(_labels(study.task)):
        words = _shipped_labels(study.task, words, language) if is_shipped(language) else []
    elif not first:
        words = []
    told = study.instructions if first else ""
    if has_default_instructions(study):
        told = ""
        if is_shipped(language) and (words or not study.scale.labels):
            with override(language):
                told = instructions_for(
                    _relabelled(study.scale, words),
                    undo=study.undo,
                    task=study.task,
                    examples=study.calibration.exists(),
                )
    asked = questionnaire.texts(study) if first else []
    return {"title": study.title if first else "", "instructions": told.strip(), "labels": words, "questions": asked}


def has_default_instructions(study: Study) -> bool:
    """Whether nobody has rewritten them; they are then said in each language that the site brings."""
    with override("en"):
        known = [instructions_for(study.scale, undo=study.undo, task=study.task, examples=one) for one in (True, False)]
    return study.instructions.split() in [text.split() for text in known]


def _labels(task: str) -> dict[str, str]:
    """The labels of the site's own answers to this task: English -> the language that is active."""
    if task == Task.PAIR:
        return {
            "Left": pgettext("choice", "Left"),
            "No difference": pgettext("choice", "No difference"),
            "Right": pgettext("choice", "Right"),
        }
    if task == Task.COMPARISON:
        return {
            "Much worse": pgettext("comparison", "Much worse"),
            "Worse": pgettext("comparison", "Worse"),
            "Slightly worse": pgettext("comparison", "Slightly worse"),
            "About the same": pgettext("comparison", "About the same"),
            "Slightly better": pgettext("comparison", "Slightly better"),
            "Better": pgettext("comparison", "Better"),
            "Much better": pgettext("comparison", "Much better"),
        }
    if task == Task.DEGRADATION:
        return {
            "Very annoying": pgettext("impairment", "Very annoying"),
            "Annoying": pgettext("impairment", "Annoying"),
            "Slightly annoying": pgettext("impairment", "Slightly annoying"),
            "Perceptible but not annoying": pgettext("impairment", "Perceptible but not annoying"),
            "Imperceptible": pgettext("impairment", "Imperceptible"),
        }
    return {
        "Bad": pgettext("category", "Bad"),
        "Poor": pgettext("category", "Poor"),
        "Fair": pgettext("category", "Fair"),
        "Good": pgettext("category", "Good"),
        "Excellent": pgettext("category", "Excellent"),
    }


def _shipped_labels(task: str, words: list[str], language: str) -> list[str]:
    with override(language):
        known = _labels(task)
    return [known[word] for word in words]


def _relabelled(scale: Scale, words: list[str]) -> Scale:
    if len(words) != len(scale.labels):
        return scale
    values = (value for value, _ in scale.labels)
    return replace(scale, labels=tuple(zip(values, words, strict=True)))


def missing_texts(study: Study, language: str) -> list[str]:
    """The English texts of the pages that raters would read in English, though their language is another."""
    if is_shipped(language):
        return []
    have = written(study, language).get("texts", {})
    return [message.text for message in texts_of_pages(study) if message.key not in have]


def texts_of_pages(study: Study) -> list[catalogues.Message]:
    """What a researcher's language needs; what is said of two images in place of others only where two are shown, and
    what is said of the original on a key where it is on one."""
    aside: tuple[str, ...] = () if study.task in OF_TWO else (words_of_tasks.PLACE,)
    aside += () if study.original_on_key else ("rating/original_on_key.html",)
    return [m for m in catalogues.for_researchers() if not all(place.endswith(aside) for place in m.places)]


def missing(study: Study, language: str) -> list[str]:
    """What a rater would have to read in another language: title, instructions, labels, some texts of the pages."""
    found = [name for name, value in (("title", title), ("instructions", instructions)) if not value(study, language)]
    if study.scale.labels and not labels(study, language):
        found.append("labels of the scale")
    if questionnaire.texts(study) and not questions(study, language):
        found.append("questions")
    if texts := missing_texts(study, language):
        found.append(f"{len(texts)} text{'' if len(texts) == 1 else 's'} of the pages")
    return found


def problems(study: Study) -> list[str]:
    """What keeps the study from being launched in its languages, one sentence each."""
    lacking = {language: missing(study, language) for language in study.languages}
    return [
        f"Raters who read {english_name(language)} ({language}) would lack: {', '.join(what)}. "
        f"{_where(study, language)}, or take the language out of the design."
        for language, what in lacking.items()
        if what
    ]


def _where(study: Study, language: str) -> str:
    if language == study.languages[0]:
        return "Write instructions and labels in the design, bring texts of the pages on the page Languages"
    return "Write or bring them on the page Languages"


def at_launch(study: Study) -> dict[str, Any]:
    """`Study.translations` with what each of the study's languages has from the site written down."""
    said: dict[str, Callable[[Study, str], Any]] = {"title": title, "instructions": instructions, "labels": labels}
    if questionnaire.texts(study):
        said["questions"] = questions
    found = {
        language: {**written(study, language), **{name: value(study, language) for name, value in said.items()}}
        for language in study.languages
    }
    return in_order(found)


def by_hand(study: Study) -> dict[str, Any]:
    """`Study.translations` without what the site would say itself, so that it follows a clone's changed design."""
    found = {}
    for language, own in study.translations.items():
        given = _given(study, language)
        found[language] = {name: value for name, value in own.items() if value != given.get(name)}
    return in_order({language: own for language, own in found.items() if own})


def in_order(words: dict[str, Any]) -> dict[str, Any]:
    """With keys as PostgreSQL keeps them, the shortest first: a backup of either database has the same text."""
    keys = sorted(words, key=lambda key: (len(key.encode()), key.encode()))
    return {key: in_order(words[key]) if isinstance(words[key], dict) else words[key] for key in keys}


def summary(study: Study) -> str:
    """For staff: what was written in which language."""
    own = by_hand(study)
    lines = [
        f"{english_name(language)}: {', '.join(name for name in (*OF_STUDY, 'texts') if name in own[language])}"
        for language in study.languages
        if language in own
    ]
    return "\n".join(lines)
