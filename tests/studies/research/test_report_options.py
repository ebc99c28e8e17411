"""A report with options, and the supplement, from the results page to the zip."""

import io
import json
import zipfile

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from studies.models import Rater, Rating, Report, Trial
from studies.rating import sessions
from studies.research import screenshots
from studies.research.reporting import make
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.research.test_export import NOW, rate, rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NAME = {"name": "study"}
RATERS = ("anna", "berta", "clara", "dora")


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch):
    # Its requests would see nothing of the transaction in which a test lies.
    monkeypatch.setenv("MOSWEB_CHROMIUM", "no-such-browser")


@pytest.fixture
def study():
    study = launch(make_study())
    for number, rater in enumerate(RATERS):
        rate_all(study, rater, shift=number % 2)
    return study


def ordered(staff, **options):
    """The files of the report that the results page's form orders, by name, and the row."""
    assert staff.post(reverse("report-order", kwargs=NAME), options).status_code == 302
    report = Report.objects.latest("pk")
    make(report.pk)
    response = staff.get(reverse("report", kwargs=NAME | {"pk": report.pk}))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}, report


def test_without_options_the_report_is_the_usual_one(staff, study):
    files, report = ordered(staff)
    stated = json.loads(files["data/options.json"])["options"]
    assert (report.options, report.title) == ({}, "report")
    assert (stated["unit"], stated["interval"], stated["reference"], stated["exclude"]) == (
        "two_way",
        "two_way",
        "hr",
        [],
    )


def test_what_is_chosen_reaches_the_report_and_its_list(staff, study):
    files, _ = ordered(
        staff, unit="image", interval="student", reference="bicubic", leave_out="dora\n anna \n\n", metrics=["ssim"]
    )
    stated = json.loads(files["data/options.json"])["options"]
    assert (stated["unit"], stated["interval"], stated["reference"]) == ("image", "student", "bicubic")
    assert stated["exclude"] == ["dora", "anna"]
    summary = json.loads(files["summary.json"])
    assert {row["metric"] for row in summary["agreement"]} == {"ssim"}
    assert {row["n"] for row in summary["mos"]} == {4}, "two raters by two images"
    page = staff.get(reverse("results", kwargs=NAME)).text
    assert "interval: student; leave out: dora, anna; metrics: ssim; reference: bicubic; unit: image" in page


def test_who_is_excluded_by_a_decision_counts_only_where_that_is_asked_for(staff, study):
    Rater.objects.filter(label="dora").update(excluded="always pressed 3")
    for options, raters in (({}, 3), ({"decided": "counted"}, 4)):
        files, _ = ordered(staff, **options)
        assert {row["n"] for row in json.loads(files["summary.json"])["mos"]} == {2 * raters}
        assert ("always pressed 3" in files["report.html"].decode()) == (not options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"leave_out": "nobody"}, "No rater of this study is called nobody."),
        ({"unit": "pixels"}, "Tests take: Select a valid choice"),
        ({"reference": "srgan"}, "Hidden reference: Select a valid choice"),
        ({"metrics": ["lpips"]}, "Metrics beside MOS: Select a valid choice"),
    ],
)
def test_what_cannot_be_is_said_and_orders_nothing(staff, study, options, said):
    page = staff.post(reverse("report-order", kwargs=NAME), options, follow=True).text
    assert f"No report was ordered. {said}" in page or said in page
    assert not Report.objects.exists()


def test_a_supplement_names_nobody_and_no_day_and_holds_the_instructions(staff, study):
    make_rater(study, "never came")
    files, report = ordered(staff, supplement="1", leave_out="dora")
    assert report.title == "supplement"
    everything = b"\n".join(content for name, content in files.items() if not name.startswith("figures/")).decode(
        "latin-1"
    )
    for label in (*RATERS, "never came"):
        assert label not in everything
    ratings = files["data/ratings.csv"].decode().splitlines()
    assert "rated_at" not in ratings[0]
    assert "served_at" not in ratings[0]
    assert len(ratings) == 1 + 4 * 6
    assert len(json.loads(files["data/options.json"])["options"]["exclude"]) == 1
    assert files["raters/instructions-en.txt"].decode().strip() == study.instructions.strip()
    assert "no-such-browser" in files["raters/no-pictures.txt"].decode()
    assert "reproduce.py" in files


def test_who_has_rated_nothing_that_counts_can_be_left_out_too(staff, study):
    make_rater(study, "never came")
    for options in ({}, {"supplement": "1"}):
        files, report = ordered(staff, leave_out="never came\ndora", **options)
        report.refresh_from_db()
        assert (report.state, report.error) == ("done", "")
        assert len(json.loads(files["data/options.json"])["options"]["exclude"]) == 1


def test_before_anybody_has_rated_a_supplement_says_so_and_takes_no_pictures(staff, monkeypatch):
    study = launch(make_study(benchmarks=[make_benchmark(images=9)], stabilising=2))
    monkeypatch.setattr(screenshots, "pictures", lambda study: pytest.fail("there is nothing to show yet"))
    rater = make_rater(study, "anna")
    sessions.agree(rater=rater, now=NOW)
    for settled in (0, 2):
        for trial in rater.session.trials.order_by("position")[:settled]:
            rate(rater, trial, score=3)
        assert Rating.objects.filter(trial__phase=Trial.Phase.STABILISING).count() == Rating.objects.count() == settled
        report = Report.objects.create(study=study, options={"supplement": "1"})
        make(report.pk)
        report.refresh_from_db()
        assert (report.state, report.error) == ("failed", "nobody has rated yet")


def test_of_a_study_without_images_the_window_is_the_usual_one():
    assert screenshots._window(make_study(benchmarks=[])) == (screenshots.WIDTH, screenshots.HEIGHT)


def test_a_report_is_deleted_with_its_file_and_others_stay(staff, study):
    (_, one), (_, two) = ordered(staff), ordered(staff)
    one.refresh_from_db()
    assert "deleted" in staff.post(reverse("report-delete", kwargs=NAME | {"pk": one.pk}), follow=True).text
    assert list(Report.objects.all()) == [two]
    assert not default_storage.exists(one.file.name)
    assert staff.post(reverse("report-delete", kwargs=NAME | {"pk": one.pk})).status_code == 404
