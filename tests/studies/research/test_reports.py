import html
import io
import json
import uuid
import zipfile
from datetime import timedelta

import pytest
from celery import current_app
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from studies.jobs.dispatch import MOST_ATTEMPTS, reconcile
from studies.models import Report
from studies.protocol import answers
from studies.rating.withdrawal import withdraw
from studies.research import reporting
from studies.research.monitoring import results_rows
from studies.research.reporting import make
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NAME = {"name": "study"}


@pytest.fixture
def study():
    told = {"payment": "12 euro an hour", "ethics": "Board 7 approved it."}
    return launch(make_study(calibration=make_benchmark("anchors", images=1), **told))


def test_a_report_is_a_zip_with_the_page_tables_figures_and_summary(study, staff):
    for number in range(3):
        rate_all(study, f"rater{number}", shift=number % 2)
    report = Report.objects.create(study=study)
    make(report.pk)
    response = staff.get(reverse("report", kwargs=NAME | {"pk": report.pk}))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    names = set(archive.namelist())
    assert {
        "study-report/report.html",
        "study-report/summary.json",
        "study-report/figures/score_distributions.svg",
    } <= names
    methods = archive.read("study-report/methods.txt").decode()
    assert "Before the first of them, raters saw examples of the two ends of the scale." in methods
    assert "Payment: 12 euro an hour." in methods
    page = archive.read("study-report/report.html").decode()
    for stated in (study.instructions.strip().splitlines()[0], "Board 7 approved it.", "agree to take part"):
        assert stated in html.unescape(page)
    assert "study-report/reproduce.py" in names
    assert json.loads(archive.read("study-report/data/protocol.json"))["order"] == study.order
    mos = {row["method"]: row["mos"] for row in json.loads(archive.read("study-report/summary.json"))["mos"]}
    # hr: 5, 4, 5 on both images.
    assert mos["hr"] == pytest.approx(14 / 3)
    assert "report of 18 ratings" in staff.get(reverse("results", kwargs=NAME)).content.decode()


def test_site_and_report_show_the_same_interval_for_the_same_number(study):
    for number in range(4):
        rate_all(study, f"rater{number}", shift=number % 3)
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    with report.file.open() as file, zipfile.ZipFile(file) as archive:
        printed = json.loads(archive.read("study-report/summary.json"))["mos"]
    numbers = ("n", "mos", "ci_low", "ci_high")
    on_the_site = {row["method"]: [row[name] for name in numbers] for row in results_rows(study)[1]}
    in_the_report = {row["method"]: [row[name] for name in numbers] for row in printed}
    assert on_the_site.keys() == in_the_report.keys()
    for method, values in on_the_site.items():
        assert values == pytest.approx(in_the_report[method], abs=1e-9)
    assert any(low < mos < high for _, mos, low, high in on_the_site.values())


def test_results_and_report_follow_the_scale_of_the_study(staff):
    study = launch(make_study(scale=answers.continuous()))
    for number, rater in enumerate(("anna", "berta", "clara")):
        rate_all(study, rater, scores={"nearest": 12.5 + number, "bicubic": 40.25 + number, "hr": 100})
    page = staff.get(reverse("results", kwargs=NAME)).content.decode()
    assert "41.25" in page
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    with report.file.open() as file:
        summary = json.loads(zipfile.ZipFile(file).read("study-report/summary.json"))
    mos = {row["method"]: row["mos"] for row in summary["mos"]}
    assert mos == pytest.approx({"nearest": 13.5, "bicubic": 41.25, "hr": 100})


def test_the_same_ratings_give_the_same_bytes(study):
    rate_all(study, "anna")
    rate_all(study, "berta", shift=1)
    made = []
    for _ in range(2):
        report = Report.objects.create(study=study)
        make(report.pk)
        report.refresh_from_db()
        with report.file.open() as file:
            made.append(file.read())
    assert made[0] == made[1]


def test_without_ratings_a_report_says_why_there_is_none(study):
    make_rater(study)
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    assert (report.state, report.error) == ("failed", "nobody has rated yet")


def test_a_report_that_is_done_is_not_made_again(study):
    rate_all(study, "anna")
    report = Report.objects.create(study=study)
    make(report.pk)
    rate_all(study, "berta")
    make(report.pk)
    report.refresh_from_db()
    assert report.ratings == 6


def test_a_broker_that_is_away_does_not_break_the_page_and_the_report_waits_for_it(
    study, staff, django_capture_on_commit_callbacks
):
    rate_all(study, "anna")
    with django_capture_on_commit_callbacks(execute=True):
        assert staff.post(reverse("report-order", kwargs=NAME)).status_code == 302
    assert "being made" in staff.get(reverse("results", kwargs=NAME)).content.decode()
    assert Report.objects.get().state == "wanted"


def test_asking_sends_one_message_for_the_report(study, staff, broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(reverse("report-order", kwargs=NAME))
    sent = message()
    assert sent.payload[0] == [Report.objects.get().pk]
    assert sent.headers["task"] == "studies.research.tasks.make_report"


def test_strangers_get_no_report(study, client):
    report = Report.objects.create(study=study)
    for answer in (
        client.get(reverse("report", kwargs=NAME | {"pk": report.pk})),
        client.post(reverse("report-order", kwargs=NAME)),
    ):
        assert answer["Location"].startswith(reverse("login"))
    assert Report.objects.count() == 1


def test_a_report_of_another_study_or_not_yet_made_is_not_found(study, staff):
    report = Report.objects.create(study=study)
    assert staff.get(reverse("report", kwargs=NAME | {"pk": report.pk})).status_code == 404
    make_study(name="other", benchmarks=[make_benchmark("b")])
    assert staff.get(reverse("report", kwargs={"name": "other", "pk": report.pk})).status_code == 404


def test_who_withdraws_is_in_no_stored_report(study, django_capture_on_commit_callbacks):
    rater = rate_all(study, "anna")
    rate_all(study, "berta")
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        withdraw(rater=rater, now=timezone.now())
    assert not Report.objects.exists()
    assert not default_storage.exists(report.file.name)


def test_a_report_that_was_erased_while_it_was_made_is_not_stored(study, monkeypatch):
    rater = rate_all(study, "anna")
    rate_all(study, "berta")
    report = Report.objects.create(study=study)

    def withdraw_meanwhile(frame_of):
        def wrapper(study):
            frame = frame_of(study)
            withdraw(rater=rater, now=timezone.now())
            return frame

        return wrapper

    monkeypatch.setattr(reporting, "ratings_frame", withdraw_meanwhile(reporting.ratings_frame))
    make(report.pk)
    assert not Report.objects.exists()
    assert not default_storage.exists(f"reports/{report.opaque_name.hex}.zip")


def test_a_report_whose_message_was_lost_is_sent_again(study, broker):
    lost = Report.objects.create(study=study)
    assert reconcile(watched_seconds=0) == 1
    assert message().payload[0] == [lost.pk]


def test_a_report_whose_worker_died_is_made_by_another_and_given_up_in_the_end(study, broker):
    rate_all(study, "anna")
    report = Report.objects.create(study=study)
    silent = {"state": "running", "claim": uuid.uuid4(), "heartbeat_at": timezone.now() - timedelta(seconds=30)}
    Report.objects.update(attempts=1, **silent)
    assert reconcile(watched_seconds=60) == 1
    make(message().payload[0][0])
    report.refresh_from_db()
    assert (report.state, report.ratings) == ("done", 6)
    Report.objects.update(attempts=MOST_ATTEMPTS, **silent)
    reconcile(watched_seconds=60)
    report.refresh_from_db()
    assert report.state == "failed"
    assert "The worker died 5 times while making this report" in report.error


def message():
    with current_app.connection_for_read() as connection:
        return current_app.amqp.queues["default"](connection.default_channel).get(no_ack=True)
