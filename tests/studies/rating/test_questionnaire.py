"""The study's questions on a rater's way: before the first image, after the last, stored once and never in the way."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analysis.methodology import questions as asked
from studies.access import RaterWithdrawn, invited_rater
from studies.models import Ending, Membership, QuestionnaireAnswers, Rating, Role, Session
from studies.protocol import questionnaire as questions
from studies.rating import questionnaire, sessions
from studies.rating.withdrawal import withdraw
from studies.research.answers import answers_frame, summary
from studies.research.export import with_pseudonyms
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.protocol.test_questionnaire import AFTER, BEFORE
from tests.studies.rating.test_joining import join, make_link
from tests.studies.rating.test_views import FACTS
from tests.studies.threads import at_once

pytestmark = [pytest.mark.services, pytest.mark.django_db]

HOME = "/study/"
GIVEN = {"q-age": "31", "q-screen": "1"}
DE = ["Wie alt sind Sie?", "Worauf schauen Sie?", "Ein Laptop", "Ein Bildschirm", "Noch etwas?"]


@pytest.fixture
def study():
    return launch(
        make_study(
            benchmarks=[make_benchmark(images=1)], order="random", questions_before=BEFORE, questions_after=AFTER,
            languages=["en", "de"], translations={"de": {"title": "Bilder", "questions": DE}},
        )
    )  # fmt: skip


@pytest.fixture
def rater(study):
    return make_rater(study)


def arrive(rater, **wishes):
    client = Client(**wishes)
    client.get(reverse("invitation", args=[rater.token]))
    client.post(reverse("agree"))
    return client


def answer(client, part, **given):
    return client.post(reverse("questions"), {"part": part, **given})


def rate_all(client):
    standing = client.get(reverse("upcoming")).json()
    while standing["upcoming"]:
        trial = standing["upcoming"][0]
        receipt = client.get(trial["url"]).headers["Receipt"]
        fields = {"score": 3, "receipt": receipt, **FACTS}
        standing = client.post(reverse("rate", args=[trial["token"]]), fields).json()


def through(rater, remarks=""):
    client = arrive(rater)
    answer(client, "before", **GIVEN)
    rate_all(client)
    answer(client, "after", **{"q-remarks": remarks})
    return client


def stored():
    return {row.part: row.answers for row in QuestionnaireAnswers.objects.all()}


def test_questions_come_after_the_consent_and_before_the_first_image(rater):
    client = Client()
    client.get(reverse("invitation", args=[rater.token]))
    assert "How old are you?" not in client.get(HOME).text
    client.post(reverse("agree"))
    page = client.get(HOME).text
    assert "How old are you?" in page
    assert 'id="stage"' not in page
    refused = client.get(reverse("upcoming"))
    assert (refused.status_code, refused.json()["code"]) == (409, "not-due")
    assert answer(client, "before", **GIVEN).headers["Location"] == HOME
    assert 'id="stage"' in client.get(HOME).text
    assert stored() == {"before": {"age": 31, "screen": "A desktop screen"}}


def test_after_the_last_rating_is_stored_they_come_before_the_code_and_wait_for_who_leaves(study, rater):
    Ending.objects.create(
        study=study, outcome="completed", code="C0DE1", return_address="https://panel.example/?c=CODE"
    )
    client = arrive(rater)
    answer(client, "before", **GIVEN)
    rate_all(client)
    assert (Rating.objects.count(), Session.objects.get().finished_at is not None) == (3, True)
    for again in (client, Client()):
        page = again.get(reverse("invitation", args=[rater.token]), follow=True).text
        assert "anything to tell us" in page
        assert "C0DE1" not in page
        assert "panel.example" not in page
    assert answer(client, "after", **{"q-remarks": "  none\r\nat all "}).status_code == 302
    page = client.get(HOME).text
    assert "C0DE1" in page
    assert stored()["after"] == {"remarks": "none\nat all"}


def test_what_is_optional_can_be_left_out(rater):
    client = through(rater)
    assert "Thank you" in client.get(HOME).text
    assert stored()["after"] == {}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"q-age": ""}, "Please answer this question."),
        ({"q-screen": ""}, "Please answer this question."),
        ({"q-age": "17"}, "Please write a number from 18 to 99, in digits."),
        ({"q-age": "99.1"}, "from 18 to 99"),
        ({"q-age": "３１"}, "from 18 to 99"),
        ({"q-age": "1_9"}, "from 18 to 99"),
        ({"q-age": "inf"}, "from 18 to 99"),
        ({"q-age": "3e1"}, "from 18 to 99"),
        ({"q-age": "9" * 5000}, "at most 30 characters"),
        ({"q-screen": "2"}, "Select a valid choice"),
        ({"q-screen": "A laptop"}, "Select a valid choice"),
    ],
)
def test_the_server_takes_no_other_answer_and_keeps_what_was_written(rater, given, says):
    client = arrive(rater)
    response = answer(client, "before", **(GIVEN | given))
    assert response.status_code == 422
    assert says in response.text
    assert stored() == {}
    if "q-age" not in given:
        assert 'value="31"' in response.text


@pytest.mark.parametrize("text", ["x" * 201, "a\0b"])
def test_a_text_has_its_bound_and_no_nul(rater, text):
    client = arrive(rater)
    answer(client, "before", **GIVEN)
    rate_all(client)
    assert answer(client, "after", **{"q-remarks": text}).status_code in (400, 422)
    assert "after" not in stored()
    answer(client, "after", **{"q-remarks": "日" * 200})
    assert stored()["after"] == {"remarks": "日" * 200}


def test_a_comma_is_a_decimal_point(rater):
    answer(arrive(rater), "before", **(GIVEN | {"q-age": "30,5"}))
    assert stored()["before"]["age"] == 30.5


def test_answers_that_came_first_stand_and_a_part_that_is_not_due_is_not_taken(rater):
    client = arrive(rater)
    assert answer(client, "after", **{"q-remarks": "early"}).status_code == 302
    assert stored() == {}
    answer(client, "before", **GIVEN)
    answer(client, "before", **(GIVEN | {"q-age": "50"}))
    assert stored() == {"before": {"age": 31, "screen": "A desktop screen"}}


@pytest.mark.django_db(transaction=True)
def test_sent_from_two_windows_at_once_they_are_stored_once(rater):
    arrive(rater)
    mine = invited_rater(token=rater.token)
    send = lambda age: questionnaire.record(rater=mine, part="before", answers={"age": age}, now=timezone.now())  # noqa: E731
    at_once(lambda: send(20), lambda: send(30))
    assert QuestionnaireAnswers.objects.count() == 1


def test_another_language_says_its_own_and_stores_the_same(rater):
    client = arrive(rater, headers={"accept-language": "de"})
    page = client.get(HOME).text
    assert 'lang="de"' in page
    for said in DE[:4]:
        assert said in page
    assert "Eine Zahl von 18 bis 99." in page
    answer(client, "before", **GIVEN)
    assert stored() == {"before": {"age": 31, "screen": "A desktop screen"}}


def test_each_question_is_named_for_who_cannot_see_it(rater):
    client = arrive(rater)
    page = answer(client, "before", **{"q-age": "5"}).text
    assert '<label for="id_q-age">How old are you?' in page
    assert re.search(r'id="id_q-age"[^>]*aria-describedby="id_q-age_hint id_q-age_error"[^>]*aria-invalid="true"', page)
    assert re.search(r'<fieldset aria-describedby="id_q-screen_error">\s*<legend>What do you look at\?', page)
    assert 'role="alert"' in page


def test_the_page_before_agreeing_says_that_answers_are_stored_where_there_are_questions(rater):
    client = Client()
    client.get(reverse("invitation", args=[rater.token]))
    assert "What you answer to the questions" in client.get(HOME).text
    plain = make_rater(launch(make_study(name="plain", benchmarks=[make_benchmark("other")])))
    client.get(reverse("invitation", args=[plain.token]))
    assert "What you answer to the questions" not in client.get(HOME).text


def test_withdrawing_erases_them_and_a_late_answer_of_another_window_brings_nothing_back(rater):
    client = through(rater, "personal")
    known = invited_rater(token=rater.token)
    withdraw(rater=rater, now=timezone.now())
    assert stored() == {}
    with pytest.raises(RaterWithdrawn):
        questionnaire.record(rater=known, part="after", answers={}, now=timezone.now())
    assert answer(client, "after", **{"q-remarks": "late"}).status_code in (302, 403)
    assert stored() == {}


def test_by_a_public_link_who_left_before_the_last_questions_finds_them_again(study):
    link = make_link(study)
    client, _ = join(link)
    client.post(reverse("agree"))
    answer(client, "before", **GIVEN)
    rate_all(client)
    assert "anything to tell us" in client.get(HOME).text
    client, _ = join(link, client=client)
    assert "anything to tell us" in client.get(HOME).text
    answer(client, "after")
    assert "C1ODE" in client.get(HOME).text


def test_the_table_has_a_row_a_rater_and_free_texts_only_when_asked(study, admin_client, tmp_path):
    through(make_rater(study, "anna"), "I am Anna")
    answer(arrive(make_rater(study, "boris")), "before", **(GIVEN | {"q-age": "44.5", "q-screen": "0"}))
    arrive(make_rater(study, "chloe"))
    preview = make_rater(study, "", is_preview=True)
    through(preview, "staff")
    table = answers_frame(study)
    assert list(table.columns) == ["study", "rater", "language", "before_at", "after_at", "age", "screen"]
    assert table[["rater", "age", "screen"]].values.tolist() == [
        ["anna", 31, "A desktop screen"], ["boris", 44.5, "A laptop"],
    ]  # fmt: skip
    assert table["after_at"].notna().tolist() == [True, False]
    assert answers_frame(study, free_texts=True)["remarks"].dropna().tolist() == ["I am Anna"]
    address = reverse("download", args=[study.name, "answers", "csv"])
    assert "I am Anna" not in admin_client.get(address).text
    assert "I am Anna" in admin_client.get(f"{address}?free-texts").text
    for role in Role.values:
        colleague = Client()
        colleague.force_login(User.objects.create_user(role))
        Membership.objects.create(study=study, user=User.objects.get(username=role), role=role)
        got, page = colleague.get(f"{address}?free-texts"), colleague.get(reverse("results", args=[study.name]))
        assert ("anna" in got.text) == (role != "blind")
        assert ("I am Anna" in got.text) == ("?free-texts" in page.text) == (role in ("editor", "owner"))
    hidden = admin_client.get(f"{address}?free-texts&pseudonyms").text
    assert "I am Anna" in hidden
    assert ",anna," not in hidden
    assert admin_client.get(reverse("download", args=[study.name, "answers", "parquet"])).status_code == 200
    files = {name: tmp_path / f"{name}.csv" for name in ("ratings", "answers")}
    call_command("export_ratings", study.name, out=files["ratings"], answers=files["answers"], verbosity=0)
    assert "anna" in files["answers"].read_text()
    assert "I am Anna" not in files["answers"].read_text() + files["ratings"].read_text()


def test_questions_that_are_called_as_columns_of_ratings_keep_their_answers_under_pseudonyms():
    study = launch_as_before(
        make_study(questions_before="session: Which? [number 0-99]\nposition: Where? [number 0-9]")
    )
    for label, session, position in (("anna", "40", "9"), ("boris", "30", "1"), ("chloe", "40", "5")):
        answer(arrive(make_rater(study, label)), "before", **{"q-session": session, "q-position": position})
    told = with_pseudonyms(answers_frame(study), study)
    assert told["rater"].is_monotonic_increasing
    assert sorted(told[["session", "position"]].values.tolist()) == [[30, 1], [40, 5], [40, 9]]


def launch_as_before(study):
    """As when a question could still be called so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "OF_EXPORTS", ())
        return launch(study)


def test_staff_see_in_short_what_was_answered_and_no_free_text(study, admin_client):
    through(make_rater(study, "anna"), "I am Anna")
    told = {one.question.name: (one.answered, one.said) for one in summary(study)}
    assert told == {
        "age": (1, "median 31, 31 to 31"), "screen": (1, "A laptop: 0, A desktop screen: 1"), "remarks": (1, ""),
    }  # fmt: skip
    page = admin_client.get(reverse("results", args=[study.name])).text
    assert "A desktop screen: 1" in page
    assert "I am Anna" not in page


def test_the_methods_paragraph_names_what_was_asked(study):
    told = {"questions_before": BEFORE, "questions_after": AFTER}
    assert list(asked(told)) == [
        "Before the first image raters answered 2 questions (age and screen).",
        "After the last image raters answered 1 question (remarks).",
    ]
    assert list(asked({})) == []


def test_a_mistake_in_the_design_is_said_beside_its_field(admin_client):
    study = make_study()
    response = admin_client.post(
        reverse("study-edit", args=[study.name]), {"questions_before": "What?", "questions_after": AFTER}
    )
    assert "Line 1, &#x27;What?&#x27;: write a name" in response.text


def test_agreeing_again_after_a_long_time_asks_nothing_twice(rater):
    client = arrive(rater)
    answer(client, "before", **GIVEN)
    sessions.agree(rater=invited_rater(token=rater.token), now=timezone.now())
    assert 'id="stage"' in client.get(HOME).text


def test_nobody_answers_for_another(rater, study):
    client = arrive(rater)
    other = make_rater(study)
    for sent, who in ((Client(), {}), (client, {"who": "f" * 24})):
        assert answer(sent, "before", **GIVEN, **who).status_code in (403, 409)
    unread = Client()
    unread.get(reverse("invitation", args=[other.token]))
    assert answer(unread, "before", **GIVEN).headers["Location"] == HOME
    assert client.get(reverse("questions")).status_code == 405
    assert stored() == {}
