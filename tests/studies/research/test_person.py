"""All data of one person: handed over whole, and erased from every table, by an owner, on a page and from a shell."""

import json

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from studies.models import (
    Agreement,
    Arrival,
    DeviceCheck,
    Outcome,
    PanelIds,
    QuestionnaireAnswers,
    Rater,
    RaterNumbers,
    Rating,
    Session,
    StudyEvent,
    TakenBack,
    Trial,
)
from studies.rating import outcomes
from studies.rating.undo import take_back
from studies.rating.withdrawal import withdraw
from studies.research import decisions, invitations, person
from tests.studies.factories import launch, make_study
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
now = timezone.now
LABEL, PANEL_ID, SAID, REASON = "Anna Example", "5f0c1234panel", "I am Anna", "looked away at the third"


@pytest.fixture
def study():
    return launch(make_study())


@pytest.fixture
def anna(study):
    """One who did all that can be done, so that each table has something of hers."""
    rater = rate_all(study, LABEL, limit=4)
    rate_all(study, "ben", limit=2)
    last = Trial.objects.filter(session__rater=rater, rating__isnull=False).order_by("position").last()
    take_back(rater_token=rater.token, token=last.token, attempt=1, now=now())
    session = Session.objects.get(rater=rater)
    DeviceCheck.objects.create(session=session, checked_at=now(), screen_width=1280, screen_height=720)
    QuestionnaireAnswers.objects.create(session=session, part="before", answers={"remarks": SAID})
    RaterNumbers.objects.create(session=session, numbers={"minutes": 2.5})
    arrival = Arrival.objects.create(study=study, rater=rater, person="a" * 64, device="b" * 64)
    PanelIds.objects.create(arrival=arrival, ids={"PROLIFIC_PID": PANEL_ID})
    Agreement.objects.get_or_create(rater=rater, version=0, language="en", defaults={"sha256": "c", "text": "I agree."})
    decisions.decide(rater=rater, kind="exclude", reason=REASON, by="ada", now=now())
    invitations.revoke(rater=rater, now=now(), by="ada")
    StudyEvent.objects.create(study=study, kind="conflict", rater=LABEL, detail={"stored": 1, "refused": 5})
    return rater


@pytest.fixture
def ada(client):
    client.force_login(User.objects.create_superuser("ada"))
    return client


def leads_to_a_rater(model: type[models.Model], seen: frozenset[type[models.Model]] = frozenset()) -> list[str]:
    """The way along foreign keys from a row to a rater, told by the models' own fields; [] if there is none."""
    for field in model._meta.concrete_fields:
        if field.is_relation and field.related_model is Rater:
            return [field.name]
        known = not field.is_relation or field.related_model in seen | {model}
        if not known and (way := leads_to_a_rater(field.related_model, seen | {model})):
            return [field.name, *way]
    return []


def of_raters() -> dict[type[models.Model], str]:
    found = {model: "__".join(leads_to_a_rater(model)) for model in apps.get_app_config("studies").get_models()}
    # A rater's next part is a rater of another study.
    return {model: way for model, way in found.items() if way and model is not Rater}


def whole_database() -> str:
    return "".join(serializers.serialize("json", model.objects.all()) for model in apps.get_models())


def test_every_table_with_a_way_to_a_rater_is_known(anna):
    assert set(of_raters()) | {Rater} == set(person.models_of_raters())
    assert len(of_raters()) >= 10
    for model, way in of_raters().items():
        assert model.objects.filter(**{way: anna}).exists(), f"the test has no {model.__name__} of hers"


def test_all_of_it_is_in_the_file_and_nothing_of_others_nor_a_secret(anna, ada):
    answer = ada.get(reverse("person-everything", args=["study", anna.pk]))
    told = json.loads(answer.content)
    for model, way in of_raters().items():
        rows = told[str(model._meta.verbose_name_plural)]
        assert len(rows) == model.objects.filter(**{way: anna}).count(), model
    assert len(told["ratings"]) == 3
    assert {row["score"] for row in told["ratings"]} <= {1, 2, 5}
    assert told["panel ids"][0]["ids"] == {"PROLIFIC_PID": PANEL_ID}
    assert told["questionnaire answers"][0]["answers"] == {"remarks": SAID}
    assert any(row["detail"].get("reason") == REASON for row in told["study events"])
    assert told["trials"][0]["stimulus"].startswith("tiny/")
    text = answer.content.decode()
    secrets = [anna.token, *Trial.objects.values_list("token", flat=True)]
    assert not [secret for secret in secrets if secret in text]
    assert "ben" not in text


def test_the_file_asks_no_more_for_more_trials(anna, study, django_assert_num_queries):
    with CaptureQueriesContext(connection) as few:
        person.as_json(anna)
    trial = Trial.objects.filter(session__rater=anna).last()
    for number in range(1, 40):
        Trial(session=trial.session, position=1000 + number, phase="rated", stimulus=trial.stimulus).save()
    with django_assert_num_queries(len(few)):
        person.as_json(anna)


def test_an_owner_erases_all_of_it_from_every_table_and_the_event_says_who(anna, ada, study):
    path = reverse("person-erase", args=["study", anna.pk])
    page = ada.get(path).text
    assert "3 ratings" in page
    assert "1 session" in page
    assert "1 sessions" not in page
    assert ada.post(path, {"typed": "anna"}).status_code == 422
    assert Rating.objects.filter(trial__session__rater=anna).exists()
    before = whole_database()
    assert all(value in before for value in (LABEL, PANEL_ID, SAID, REASON))
    assert ada.post(path, {"typed": LABEL}).status_code == 302
    for model, way in of_raters().items():
        assert not model.objects.filter(**{way: anna}).exists(), model
    after = whole_database()
    assert not [value for value in (LABEL, PANEL_ID, SAID, REASON, "b" * 64) if value in after]
    events = list(study.events.filter(rater=f"erased-{anna.pk}").order_by("pk").values_list("kind", "by", "detail"))
    assert events == [("revoke", "ada", {}), ("withdrawal", "ada", {"ratings_erased": 3})]
    assert Rating.objects.count() == 2, "others' stay"
    assert "All data of this rater is erased." in ada.get(reverse("person", args=["study", anna.pk])).text
    assert "erased already" in ada.get(path).text


def test_who_withdraws_leaves_no_value_in_the_events(anna, study):
    withdraw(rater=anna, now=now())
    rows = study.events.filter(rater=LABEL).order_by("pk")
    assert list(rows.values_list("kind", "detail")) == [("revoke", {}), ("withdrawal", {"ratings_erased": 3})]
    assert REASON not in whole_database()
    assert TakenBack.objects.count() == 0


def test_how_their_part_ended_goes_too_also_what_a_version_of_before_left_of_one_who_withdrew(anna, study):
    outcomes.end(rater=anna, outcome=Outcome.CHECKS, now=now())
    withdraw(rater=anna, now=now())
    anna.refresh_from_db()
    assert (anna.outcome, anna.outcome_at, anna.verdict, anna.excluded) == ("", None, "", "")
    left = {"outcome": "checks", "reason": REASON}
    StudyEvent.objects.create(study=study, kind="ended", rater=LABEL, detail=left)
    Rater.objects.filter(pk=anna.pk).update(outcome="checks", outcome_at=now())
    person.erase(Rater.objects.get(pk=anna.pk), by="ada", now=now())
    after = whole_database()
    assert not [value for value in (LABEL, REASON) if value in after]
    anna.refresh_from_db()
    assert anna.outcome == ""


def test_the_same_from_a_shell(anna, tmp_path, capsys):
    out = tmp_path / "anna.json"
    call_command("rater_data", "study", LABEL, "--out", str(out))
    assert len(json.loads(out.read_text())["ratings"]) == 3
    with pytest.raises(CommandError, match="--really"):
        call_command("rater_data", "study", LABEL, "--erase", "--really", "anna")
    with pytest.raises(CommandError, match="no rater called"):
        call_command("rater_data", "study", "nobody")
    call_command("rater_data", "study", LABEL, "--erase", "--really", LABEL)
    assert f"called erased-{anna.pk} from now on" in capsys.readouterr().out
    assert LABEL not in whole_database()


def test_what_an_owner_erased_does_not_come_back_under_its_label_with_a_rater_of_that_name(anna, study):
    person.erase(anna, by="ada", now=now())
    again = invitations.invite(study=study, label=LABEL)
    assert person.counts_of(again) == []
