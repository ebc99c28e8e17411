"""The scales a study can ask for, and how they are put before raters."""

import pytest

from analysis.scale import ACR, Scale, ScaleError
from studies.models.study import instructions_for
from studies.protocol import answers


def test_the_five_categories_are_those_of_the_standard_unless_relabelled():
    assert answers.five() == ACR
    assert answers.five(["a", "b", "c", "d", "e"]).labels[4] == (5.0, "e")


def test_eleven_categories_carry_five_words_two_or_eleven():
    assert answers.eleven().labels == ((1.0, "Bad"), (3.0, "Poor"), (5.0, "Fair"), (7.0, "Good"), (9.0, "Excellent"))
    assert answers.eleven(["none", "all"]).labels == ((0.0, "none"), (10.0, "all"))
    assert [option.key for option in answers.options(answers.eleven())] == [*"0123456789", "x"]


def test_a_line_has_its_words_in_the_middle_of_equal_intervals():
    scale = answers.continuous()
    assert [value for value, _ in scale.labels] == [10, 30, 50, 70, 90]
    assert answers.options(scale) == []
    assert answers.marks(scale)[0] == ("0 to 20", "Bad")
    assert [(option.score, option.label) for option in answers.examples(scale)] == [("0", "Bad"), ("100", "Excellent")]


def test_own_categories_begin_at_one_with_the_first_label():
    assert answers.own(["no", "yes"]) == Scale(1, 2, 1, labels=((1, "no"), (2, "yes")))


@pytest.mark.parametrize(
    ("kind", "labels", "words"),
    [
        ("five", ["one"], "5 labels"),
        ("eleven", ["a", "b", "c"], "2, 5 or 11 labels"),
        ("continuous", ["only"], "2 to 11 labels"),
        ("own", [], "one in each line"),
        ("own", list("abcdefghijk"), "2 to 10 labels"),
    ],
)
def test_labels_that_do_not_fit_the_scale_are_refused_with_what_fits(kind, labels, words):
    with pytest.raises(ScaleError, match=words):
        answers.CHOICES[kind].make(labels)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("five", []),
        ("five", list("abcde")),
        ("eleven", []),
        ("eleven", ["low", "high"]),
        ("continuous", []),
        ("continuous", ["low", "middle", "high"]),
        ("own", ["no", "perhaps", "yes"]),
    ],
)
def test_a_stored_scale_fills_the_form_from_which_it_came(kind, labels):
    scale = answers.CHOICES[kind].make(labels)
    assert answers.CHOICES[answers.choice_of(scale)[0]].make(answers.choice_of(scale)[1]) == scale


def test_the_instructions_name_the_ends_of_the_scale_and_how_to_answer():
    assert "from 1 (bad) to 5 (excellent)" in instructions_for(ACR)
    assert "keys 1 to 5" in instructions_for(ACR)
    assert "from 0 (bad) to 100 (excellent)" in instructions_for(answers.continuous())
    assert "keys 0 to 9, and x for 10" in instructions_for(answers.eleven())
    assert "Click on the line" in instructions_for(answers.continuous())
