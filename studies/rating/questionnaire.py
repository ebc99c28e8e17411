"""The study's questions as a rater meets them: which are due, the form, and the answers, stored once."""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy

from studies.access import RaterWithdrawn
from studies.models import QuestionnaireAnswers, Rater, Session
from studies.protocol import languages
from studies.protocol.questionnaire import Question, asked

Part = QuestionnaireAnswers.Part
# Python would read digits of other scripts too.
_NUMBER = re.compile(r"-?[0-9]{1,15}([.,][0-9]{1,6})?", re.ASCII)
_REQUIRED = gettext_lazy("Please answer this question.")


def due(session: Session) -> str:
    """The part whose questions come next, if any do now: those after the images once all are rated."""
    study = session.rater.study
    part = Part.AFTER if session.finished_at else Part.BEFORE
    questions = study.questions_after if part == Part.AFTER else study.questions_before
    if not questions.strip() or session.answers.filter(part=part).exists():
        return ""
    return str(part)


def record(*, rater: Rater, part: str, answers: dict[str, Any], now: datetime) -> None:
    """Store the answers, once: those that came first stand. Raises RaterWithdrawn."""
    with transaction.atomic():
        # Against a withdrawal at this moment, which would leave what is written here.
        if Rater.objects.select_for_update().get(pk=rater.pk).withdrawn_at:
            raise RaterWithdrawn
        session = Session.objects.get(rater=rater)
        values = {"answers": answers, "answered_at": now}
        QuestionnaireAnswers.objects.get_or_create(session=session, part=part, defaults=values)
        Session.objects.filter(pk=session.pk).update(last_active_at=now)


class NumberAnswer(forms.CharField):
    """A number within bounds, in ASCII digits, with a point or a comma; None where it is left out."""

    def __init__(self, *, low: float, high: float, **options: Any) -> None:
        super().__init__(max_length=30, **options)
        self.low, self.high = low, high

    def clean(self, value: Any) -> float | None:
        text = str(super().clean(value) or "")
        if not text:
            return None
        number = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None
        if number is None or not self.low <= number <= self.high:
            said = gettext_lazy("Please write a number from %(low)s to %(high)s, in digits.")
            raise ValidationError(said % {"low": f"{self.low:g}", "high": f"{self.high:g}"})
        return number + 0.0


class TextAnswer(forms.CharField):
    """A text whose line breaks count as one character, as the browser counts them."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(str(value or "").replace("\r\n", "\n")))


class QuestionsForm(forms.Form):
    """The questions of one part in the rater's language; each field has its `question`."""

    def __init__(self, data: Any = None, *, rater: Rater, part: str, language: str) -> None:
        super().__init__(data, prefix="q")
        self.part = part
        self._own = asked(rater.study, part)
        for question in asked(rater.study, part, languages.questions(rater.study, language)):
            field = _field(question)
            field.question = question  # type: ignore[attr-defined]
            self.fields[question.name] = field

    def answers(self) -> dict[str, Any]:
        """Question -> answer, of those that were answered; an option in the words of the study's first language."""
        found: dict[str, Any] = {}
        for question in self._own:
            value = self.cleaned_data[question.name]
            if value in (None, ""):
                continue
            found[question.name] = question.options[int(value)] if question.kind == "choice" else value
        return found


def _field(question: Question) -> forms.Field:
    options: dict[str, Any] = {"label": question.text, "required": question.required}
    options["error_messages"] = {"required": _REQUIRED}
    if question.kind == "choice":
        choices = [(str(place), option) for place, option in enumerate(question.options)]
        return forms.ChoiceField(choices=choices, widget=forms.RadioSelect, **options)
    if question.kind == "number":
        return NumberAnswer(low=question.low, high=question.high, **options)
    return TextAnswer(max_length=question.longest, widget=forms.Textarea, **options)
