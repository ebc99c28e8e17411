"""What raters answered to the study's questions, as a table of its own and in short."""

from collections import Counter
from collections.abc import Collection
from statistics import median
from typing import Any, NamedTuple

import pandas as pd

from studies.models import QuestionnaireAnswers, Study, Tally
from studies.protocol.questionnaire import OF_THE_TABLE, Question, asked
from studies.research.export import moments


class Told(NamedTuple):
    """Of one question: how many answered it, and what in short; free texts are only counted."""

    question: Question
    answered: int
    said: str


def questions_of(study: Study) -> list[Question]:
    """Those before the images, then those after them."""
    return [question for part in QuestionnaireAnswers.Part for question in asked(study, part)]


def answers_frame(study: Study, raters: Collection[int] | None = None, *, free_texts: bool = False) -> pd.DataFrame:
    """A row for each rater who answered something: OF_THE_TABLE, then a column a question by its name.

    Numbers are float64, options and texts text; both are empty where there is no answer. Free texts, which may say
    who wrote them, are left out unless asked for. Staff's previews are not in it. `raters`: of these alone.
    """
    rows: dict[int, dict[str, Any]] = {}
    found = _rows(study) if raters is None else _rows(study).filter(session__rater__in=raters)
    for given in found.order_by("session__rater_id", "answered_at"):
        rater = given.session.rater
        row = rows.setdefault(rater.pk, {"study": study.name, "rater": rater.label, "language": given.session.language})
        row[f"{given.part}_at"] = given.answered_at
        row |= given.answers
    questions = [question for question in questions_of(study) if free_texts or question.kind != "text"]
    frame = pd.DataFrame.from_records(
        list(rows.values()), columns=[*OF_THE_TABLE, *(question.name for question in questions)]
    )
    for moment in ("before_at", "after_at"):
        frame[moment] = moments(frame[moment])
    # Of one type also where nobody has answered.
    frame = frame.astype({one.name: "float64" if one.kind == "number" else "str" for one in questions})
    return frame.assign(simulated=True) if study.simulated else frame


def summary(study: Study, tally: Tally | None = None) -> list[Told]:
    """Each question with what was answered, in the order of asking; of a large study as its tally has it."""
    if tally is not None:
        kept = {name: (answered, said) for name, answered, said in tally.found.get("answers", [])}
        return [Told(question, *kept.get(question.name, (0, ""))) for question in questions_of(study)]
    given = [answers.answers for answers in _rows(study)]
    return [
        _told(question, [one[question.name] for one in given if question.name in one])
        for question in questions_of(study)
    ]


def _rows(study: Study) -> Any:
    rows = QuestionnaireAnswers.objects.filter(session__rater__study=study, session__rater__is_preview=False)
    return rows.select_related("session__rater")


def _told(question: Question, values: list[Any]) -> Told:
    if not values or question.kind == "text":
        return Told(question, len(values), "")
    if question.kind == "number":
        return Told(question, len(values), f"median {median(values):g}, {min(values):g} to {max(values):g}")
    counts = Counter(values)
    return Told(question, len(values), ", ".join(f"{option}: {counts[option]}" for option in question.options))
