"""A study's questions to its raters, as `Study.questions_before` and `questions_after` say them line by line.

    age: How old are you? [number 18-99]
    screen: What do you look at? [choice]
    - A laptop
    - A desktop screen
    remarks: Is there anything that you want to tell us? [text 500, optional]

The name heads the column of the answers. Other languages have the same texts, questions and options, in the same order
(`texts`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from studies.models import QuestionnaireAnswers, Study

MOST_QUESTIONS, MOST_OPTIONS = 30, 50
USUAL_TEXT, LONGEST_TEXT = 500, 5000
OF_THE_TABLE = ("study", "rater", "language", "before_at", "after_at")
"""What heads other columns of the table of answers."""
OF_EXPORTS = ("session", "position", "simulated")
"""What exports take for columns of their own. A study launched when they could be names has them still."""
_LINE = re.compile(r"(?P<name>\w+)\s*:\s*(?P<text>\S.*?)\s*\[(?P<how>[^\[\]]*)\]")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}", re.ASCII)
_HOW = re.compile(
    r"(?P<kind>choice)|(?P<number>number)\s+(?P<low>-?\d+(?:\.\d+)?)\s*(?:-|to)\s*(?P<high>-?\d+(?:\.\d+)?)"
    r"|(?P<words>text)(?:\s+(?P<longest>\d{1,6}))?",
    re.ASCII,
)
_EXAMPLE = "age: How old are you? [number 18-99]"


class QuestionnaireError(ValueError):
    """A line that cannot be understood; the message says which and what to write."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """`kind` is choice, number or text; of a number `low` and `high` can be answered too."""

    name: str
    text: str
    kind: str
    required: bool
    options: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    longest: int = 0


def parse(text: str) -> list[Question]:
    """The questions in their order. Raises QuestionnaireError."""
    found: list[Question] = []
    for number, line in enumerate(text.splitlines(), start=1):
        said = line.strip()
        if said.startswith("-"):
            _add_option(found, number, said[1:].strip())
        elif said:
            found.append(_question(number, said))
    names = [question.name for question in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise QuestionnaireError(f"The name {twice} is there twice.")
    if len(found) > MOST_QUESTIONS:
        raise QuestionnaireError(f"At most {MOST_QUESTIONS} questions, not {len(found)}.")
    for question in found:
        if question.kind == "choice" and len(question.options) < 2:
            raise QuestionnaireError(f"{question.name}: write two options or more below it, each after a - of its own.")
    return found


def parse_draft(text: str) -> list[Question]:
    """As `parse`, of questions that can still be changed: OF_EXPORTS are no names. Raises QuestionnaireError."""
    found = parse(text)
    if taken := next((question.name for question in found if question.name in OF_EXPORTS), ""):
        raise QuestionnaireError(f"{taken} cannot be a name: exports have a column that is called so. Take another.")
    return found


def problems(study: Study) -> list[str]:
    """What is wrong with the study's questions, one sentence each."""
    try:
        names = [one.name for text in (study.questions_before, study.questions_after) for one in parse_draft(text)]
    except QuestionnaireError as error:
        return [f"Questions: {error}"]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [
        f"Questions: before and after have the name {name} both; each answer needs one of its own." for name in twice
    ]


def asked(study: Study, part: str, words: Sequence[str] = ()) -> list[Question]:
    """The questions of this part. `words`: what stands for all `texts` of the study, in another language."""
    before = parse(study.questions_before)
    found = before if part == QuestionnaireAnswers.Part.BEFORE else parse(study.questions_after)
    if not words:
        return found
    mine = iter(words if found is before else words[len(list(_texts_of(before))) :])
    return [
        replace(question, text=next(mine), options=tuple(next(mine) for _ in question.options)) for question in found
    ]


def texts(study: Study) -> list[str]:
    """All that is to be said in each language: each question and its options; empty where a line is wrong."""
    try:
        return [text for part in QuestionnaireAnswers.Part for text in _texts_of(asked(study, part))]
    except QuestionnaireError:
        return []


def _texts_of(questions: Sequence[Question]) -> Iterator[str]:
    for question in questions:
        yield question.text
        yield from question.options


def _add_option(found: list[Question], number: int, option: str) -> None:
    if not found or found[-1].kind != "choice":
        raise QuestionnaireError(f"Line {number}: an option stands below a question that ends with [choice].")
    last = found[-1]
    if not option or option in last.options:
        raise QuestionnaireError(f"Line {number}: an option needs words of its own.")
    if len(last.options) == MOST_OPTIONS:
        raise QuestionnaireError(f"Line {number}: at most {MOST_OPTIONS} options.")
    found[-1] = replace(last, options=(*last.options, option))


def _question(number: int, line: str) -> Question:
    match = _LINE.fullmatch(line)
    if match is None:
        raise QuestionnaireError(f"Line {number}, {line!r}: write a name, the question, how it is answered: {_EXAMPLE}")
    if not _NAME.fullmatch(match["name"]) or match["name"] in OF_THE_TABLE:
        raise QuestionnaireError(
            f"Line {number}: {match['name']} cannot be a name: small letters a to z, digits and _, a letter first, and "
            f"none of {', '.join(OF_THE_TABLE)}."
        )
    ways = [way.strip() for way in match["how"].split(",")]
    how = _HOW.fullmatch(ways[0])
    if how is None or ways[1:] not in ([], ["optional"]):
        raise QuestionnaireError(
            f"Line {number}: how it is answered is [choice], [number 18-99], [text] or [text 500], and may end with "
            "optional, as [text, optional]."
        )
    question = Question(
        name=match["name"],
        text=match["text"],
        kind=how["kind"] or how["number"] or how["words"],
        required=len(ways) == 1,
    )
    if question.kind == "number":
        question = replace(question, low=float(how["low"]), high=float(how["high"]))
        if question.low >= question.high:
            raise QuestionnaireError(f"Line {number}: the lower bound comes first.")
    if question.kind == "text":
        question = replace(question, longest=int(how["longest"] or USUAL_TEXT))
        if not 1 <= question.longest <= LONGEST_TEXT:
            raise QuestionnaireError(f"Line {number}: a text has 1 to {LONGEST_TEXT} characters.")
    return question
