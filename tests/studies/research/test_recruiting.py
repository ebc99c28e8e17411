"""The staff's pages of the public link and of the endings."""

import io
import logging
import zipfile

import pytest
from django.test import Client
from django.urls import reverse

from studies.models import Ending, Outcome, PanelIds, PublicLink, Study
from studies.research import reporting
from studies.research.report_orders import order_report
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_joining import rate
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]

PAGES = ["public-link", "endings"]
FORM = {"is_open": "on", "quota": "20", "panel": "prolific", "names": "", "panel_study": "", "hold_minutes": "60"}


@pytest.fixture
def study():
    spoken = {"languages": ["en", "de"], "translations": {"de": {"title": "Bildqualität"}}}
    return launch(make_study(benchmarks=[make_benchmark(images=2)], **spoken))


def address(page):
    return reverse(page, args=["study"])


@pytest.mark.parametrize("page", PAGES)
def test_strangers_and_raters_are_sent_to_the_login(study, page):
    stranger, rater = Client(), Client()
    rater.get(reverse("invitation", args=[make_rater(study).token]))
    for client in (stranger, rater):
        for ask in (client.get, client.post):
            assert ask(address(page), FORM)["Location"].startswith(reverse("login"))
    assert not PublicLink.objects.exists()
    assert not Ending.objects.exists()


def test_a_link_is_made_and_says_what_to_give_to_prolific(study, staff):
    assert not PublicLink.objects.exists()
    assert staff.get(address("public-link")).status_code == 200
    shown = staff.post(address("public-link"), FORM, follow=True)
    link = PublicLink.objects.get()
    assert (link.is_open, link.quota, link.hold_minutes, link.late_go_on) == (True, 20, 60, False)
    there = f"http://testserver/join/{link.token}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&amp;STUDY_ID={{{{%STUDY_ID%}}}}"
    assert there in shown.text
    assert shown.headers["Cache-Control"] == "no-store"


def test_what_the_panel_hands_over_is_settled_once_somebody_has_come(study, staff):
    staff.post(address("public-link"), FORM)
    link = PublicLink.objects.get()
    Client().get(f"/join/{link.token}/", {"PROLIFIC_PID": "p", "STUDY_ID": "s", "SESSION_ID": "x"})
    shown = staff.post(address("public-link"), FORM | {"panel": "mturk", "quota": "21"}, follow=True)
    link.refresh_from_db()
    assert (link.panel, link.quota) == ("prolific", 21)
    assert "1 of 21 taken" in shown.text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"panel": "other"}, "Name at least the parameter"),
        ({"panel": "other", "names": "a b"}, "is no name of a parameter"),
        ({"panel": "other", "names": "pid, PID"}, "there twice"),
        ({"panel": "other", "names": "language"}, "own"),
        ({"quota": "0"}, "greater than or equal to 1"),
    ],
)
def test_it_refuses_a_link_that_cannot_work(study, staff, change, says):
    shown = staff.post(address("public-link"), FORM | change)
    assert shown.status_code == 422
    assert says in shown.text
    assert not PublicLink.objects.exists()


def test_names_of_ones_own_panel_are_kept_in_order(study, staff):
    staff.post(address("public-link"), FORM | {"panel": "other", "names": "who, wave"})
    assert PublicLink.objects.get().parameters == ("who", "wave")


def test_raters_of_a_public_link_have_no_link_on_the_page_of_links(study, staff):
    staff.post(address("public-link"), FORM)
    Client().get(f"/join/{PublicLink.objects.get().token}/", {"PROLIFIC_PID": "p", "STUDY_ID": "s", "SESSION_ID": "x"})
    invited = make_rater(study, label="somebody-invited")
    shown = staff.get(reverse("raters", args=["study"])).text
    came = study.raters.get(arrival__isnull=False)
    assert invited.token in shown
    assert came.token not in shown


def test_endings_are_kept_with_text_code_and_way_back(study, staff):
    way = "https://app.prolific.com/submissions/complete?cc=CODE"
    sent = {"completed-code": "C1", "completed-return_address": way, "full-text_de": "Alles voll."}
    staff.post(address("endings"), sent)
    completed = Ending.objects.get(outcome=Outcome.COMPLETED)
    assert (completed.code, completed.return_address, completed.own_code) == ("C1", way, False)
    assert Ending.objects.get(outcome=Outcome.FULL).texts == {"de": "Alles voll."}
    staff.post(address("endings"), sent | {"completed-code": "C2"})
    assert Ending.objects.filter(outcome=Outcome.COMPLETED).count() == 1
    assert "C2" in staff.get(address("endings")).text


@pytest.mark.parametrize(
    "way", ["http://app.prolific.com/x", "javascript:alert(1)", "https://a:b@evil.example/", "//app.prolific.com/"]
)
def test_a_way_back_is_https_and_nothing_else(study, staff, way):
    shown = staff.post(address("endings"), {"completed-code": "C", "completed-return_address": way})
    assert shown.status_code == 422
    assert not Ending.objects.exists()


def test_a_way_back_with_a_code_needs_one(study, staff):
    shown = staff.post(address("endings"), {"completed-return_address": "https://panel.example/?cc=CODE"})
    assert "there is no code" in shown.text


def test_a_draft_with_a_link_can_be_deleted(staff):
    draft = make_study(name="draft", benchmarks=[make_benchmark("b", images=1)])
    staff.post(reverse("public-link", args=["draft"]), FORM)
    draft.delete()
    assert not Study.objects.filter(name="draft").exists()


IDS = {"PROLIFIC_PID": "quaggapid7741", "STUDY_ID": "quaggastudy7742", "SESSION_ID": "quaggavisit7743"}
OF_STUDY = ["study", "raters", "raters-file", "results", "public-link", "endings", "consent", "quality"]


def test_no_id_is_in_any_page_export_report_or_log(study, staff, caplog):
    caplog.set_level(logging.DEBUG)
    staff.post(address("public-link"), FORM)
    link, person = PublicLink.objects.get(), Client()
    heard = [person.get(f"/join/{link.token}/", IDS)]
    heard += [person.get(f"/join/{link.token}/", IDS | {"SESSION_ID": ["quaggavisit7743", "two"]})]
    heard += [person.get(reverse("rater-home")), person.post(reverse("agree")), person.get(reverse("rater-home"))]
    rater = study.raters.get()
    for trial in rater.session.trials.all():
        answer = rate(person, trial)
        assert answer.status_code == 200
    heard += [answer, person.get(reverse("rater-home"))]
    heard += [staff.get(reverse(name, args=["study"])) for name in OF_STUDY]
    heard += [staff.get(reverse(name)) for name in ("study-list", "status")]
    heard += [staff.get(reverse("study-protocol", args=["study"]))]
    heard += [staff.get(reverse("download", args=["study", table, "csv"])) for table in ("ratings", "objective")]
    told = [part for response in heard for part in (response.getvalue(), str(response.headers).encode())]
    assert b"p0001" in b"".join(told), "the rater's label is in the pages"
    rate_all(study, "invited")
    order_report(study)
    reporting.make(study.reports.get().pk)
    archive = zipfile.ZipFile(io.BytesIO(study.reports.get().file.read()))
    told += [archive.read(name) for name in archive.namelist()]
    told.append(caplog.text.encode())
    assert [part[:80] for part in told if b"quagga" in part] == []
    assert PanelIds.objects.get().ids == IDS
