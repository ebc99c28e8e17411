import pytest

from studies.protocol import languages, questionnaire, readiness
from studies.research import drafts, lifecycle
from studies.research.refusals import NotReady
from tests.studies.factories import launch, make_study

pytestmark = pytest.mark.services

BEFORE = """
age: How old are you? [number 18-99]
screen: What do you look at? [choice]
- A laptop
- A desktop screen
"""
AFTER = "remarks: Is there anything to tell us? [text 200, optional]"


def test_each_line_is_a_question_and_options_stand_below_theirs():
    age, screen = questionnaire.parse(BEFORE)
    assert (age.name, age.text, age.kind, age.low, age.high, age.required) == (
        "age", "How old are you?", "number", 18, 99, True,
    )  # fmt: skip
    assert (screen.kind, screen.options) == ("choice", ("A laptop", "A desktop screen"))
    (remarks,) = questionnaire.parse(AFTER)
    assert (remarks.kind, remarks.longest, remarks.required) == ("text", 200, False)
    (below,) = questionnaire.parse("t: What temperature: in or out? [number -10.5 to 30]")
    assert (below.text, below.low, below.high) == ("What temperature: in or out?", -10.5, 30)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("How old are you?", "Line 1, 'How old are you?': write a name"),
        ("\nage: How old? [nummer 1-2]", "Line 2: how it is answered is"),
        ("age: How old? [number 9-9]", "the lower bound comes first"),
        ("age: How old? [text 0]", "1 to 5000 characters"),
        ("age: How old? [text, perhaps]", "how it is answered"),
        ("Age: How old? [text]", "Age cannot be a name"),
        ("rater: Who? [text]", "rater cannot be a name"),
        ("a: b? [text]\na: c? [text]", "The name a is there twice."),
        ("a: b? [choice]\n- One", "a: write two options or more"),
        ("a: b? [choice]\n- One\n- One", "Line 3: an option needs words of its own"),
        ("- One", "Line 1: an option stands below"),
        ("a: b? [text]\n- One", "Line 2: an option stands below"),
        ("\n".join(f"a{n}: b? [text]" for n in range(31)), "At most 30 questions, not 31."),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_line(text, says):
    with pytest.raises(questionnaire.QuestionnaireError, match=".*") as error:
        questionnaire.parse(text)
    assert says in str(error.value)


@pytest.mark.django_db
def test_a_study_with_a_wrong_question_or_a_name_used_twice_is_not_launched():
    wrong = make_study(questions_before="What?")
    assert "Questions: Line 1" in readiness.check(wrong)[0]
    twice = drafts.clone(study=wrong, name="twice", title="Twice")
    twice.questions_before = twice.questions_after = AFTER
    twice.save()
    with pytest.raises(NotReady, match="the name remarks both"):
        lifecycle.launch(study=twice, now=None)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["session", "position", "simulated"])
def test_what_exports_call_a_column_of_their_own_is_no_name_but_where_it_was_launched_so(name):
    text = f"{name}: Which? [text]"
    with pytest.raises(questionnaire.QuestionnaireError, match=f"{name} cannot be a name: exports have a column"):
        questionnaire.parse_draft(text)
    assert f"{name} cannot be a name" in readiness.check(make_study(questions_after=text))[0]
    assert [question.name for question in questionnaire.parse(text)] == [name]


@pytest.mark.django_db
def test_another_language_needs_them_and_keeps_them_in_order():
    study = make_study(
        questions_before=BEFORE, questions_after=AFTER, languages=["en", "de"],
        translations={"de": {"title": "Bilder"}},
    )  # fmt: skip
    assert "would lack: questions." in readiness.check(study)[0]
    study.translations["de"]["questions"] = ["Wie alt?", "Worauf?", "Laptop", "Bildschirm", "Noch etwas?"]
    study.save()
    launch(study)
    said = languages.questions(study, "de")
    age, screen = questionnaire.asked(study, "before", said)
    (remarks,) = questionnaire.asked(study, "after", said)
    assert (age.text, screen.text, screen.options) == ("Wie alt?", "Worauf?", ("Laptop", "Bildschirm"))
    assert (age.name, remarks.text, remarks.longest) == ("age", "Noch etwas?", 200)
    assert languages.questions(study, "en")[1:3] == ["What do you look at?", "A laptop"]
    clone = drafts.clone(study=study, name="clone", title="Again")
    assert clone.questions_before == BEFORE
    assert clone.translations == {"de": {"title": "Bilder", "questions": said}}
