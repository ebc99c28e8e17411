"""Comparisons and degradation for the researcher: form, tables, pages, reports, and what simulated people do."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.urls import reverse

from analysis import read_ratings
from analysis.pairs import read_pairs
from studies.models import Report, Study, Task
from studies.models.study import instructions_for
from studies.models.task import comparison_scale, degradation_scale
from studies.protocol import readiness
from studies.rehearsal.opinions import Model, Person, Seen, world
from studies.research import drafts
from studies.research.export import ratings_frame
from studies.research.monitoring import protocol_rows, results_table
from studies.research.pair_results import pair_results
from studies.research.quality import quality
from studies.research.reporting import make
from tests.studies.factories import launch
from tests.studies.rating.test_tasks_of_two import two_study
from tests.studies.research.test_pairs import NAME, answer_all, form_of

pytestmark = [pytest.mark.services, pytest.mark.django_db]
WORTH = {"nearest": 0, "bicubic": 1, "hr": 3}


def by_worth(left, right, source):
    return WORTH[right] - WORTH[left]


def annoyance(left, right, source):
    return {"nearest": 1, "bicubic": 3}[right]


@pytest.fixture
def compared():
    study = launch(two_study(Task.COMPARISON, repeats=3))
    answer_all(study, "anna", by_worth)
    answer_all(study, "berta", lambda *shown: min(max(by_worth(*shown), -1), 1))
    return study


@pytest.fixture
def degraded():
    study = launch(two_study(Task.DEGRADATION, repeats=2))
    answer_all(study, "anna", annoyance)
    answer_all(study, "berta", lambda *shown: annoyance(*shown) + 1)
    return study


def report_of(study, **options):
    report = Report.objects.create(study=study, options=options)
    make(report.pk)
    report.refresh_from_db()
    assert report.error == ""
    with report.file.open() as file:
        archive = zipfile.ZipFile(io.BytesIO(file.read()))
    return {name.split("/", 1)[1]: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}


def test_the_graded_answer_is_in_the_table_of_pairs_and_says_who_was_chosen(compared, tmp_path):
    path = tmp_path / "pairs.csv"
    call_command("export_ratings", compared.name, out=path)
    read = read_pairs(path)
    anna = read[read["rater"] == "anna"]
    worth = anna["right"].map(WORTH) - anna["left"].map(WORTH)
    assert (anna["comparison"] == worth).all()
    assert (anna["chosen"] == np.where(worth > 0, anna["right"], anna["left"])).all()


def test_means_of_every_two_methods_stand_on_the_page_in_the_report_and_in_latex(compared, staff):
    found = pair_results(compared)
    rows = {(row["method_a"], row["method_b"]): (row["n"], row["cmos"]) for row in found.compared}
    assert rows == {("hr", "nearest"): (8, 2), ("hr", "bicubic"): (8, 1.5), ("bicubic", "nearest"): (8, 1)}
    page = staff.get(reverse("results", kwargs=NAME)).content.decode()
    for said in ("Comparison scores", "CMOS", "Choices between two"):
        assert said in page
    files = report_of(compared)
    table = pd.read_csv(io.StringIO(files["tables/comparison_scores.csv"]))
    assert table["cmos"].tolist() == [2, 1.5, 1]
    assert "CMOS" in files["tables/comparison_scores.tex"]
    assert "Comparison mean opinion scores" in files["report.html"]
    assert "in seven steps from -3 to 3, labelled -3 Much worse" in files["methods.txt"]
    assert "(CMOS) of every two methods" in files["methods.txt"]
    assert json.loads(files["summary.json"])["comparison_scores"][0]["cmos"] == 2
    assert "comparison" in files["data/pairs.csv"].splitlines()[0]


def test_degradation_is_a_table_of_ratings_of_the_image_beside_the_original_and_names_its_task(degraded, tmp_path):
    path = tmp_path / "ratings.csv"
    call_command("export_ratings", degraded.name, out=path)
    read = read_ratings(path)
    assert set(read["task"]) == {"degradation"}
    first = read[read["repeat"] == 0]
    assert first.groupby(["rater", "method"])["score"].agg(["size", "mean"]).to_numpy().tolist() == [
        [4, 3], [4, 1], [4, 4], [4, 2],
    ]  # fmt: skip
    assert set(ratings_frame(degraded)["method_title"]) == {"bicubic", "nearest"}
    assert results_table(degraded)[["method", "mos"]].to_numpy().tolist() == [["nearest", 1.5], ["bicubic", 3.5]]
    assert len(quality(degraded)) == 2


def test_its_mean_is_called_dmos_wherever_it_stands(degraded, staff):
    page = staff.get(reverse("results", kwargs=NAME)).content.decode()
    assert "Degradation mean opinion scores" in page
    assert ">DMOS<" in page
    assert ">MOS<" not in page
    files = report_of(degraded)
    for name in ("report.html", "methods.txt", "tables/table_2.tex"):
        told = pd.Series(files[name]).str.replace(r"base64,[A-Za-z0-9+/=]+", "", regex=True).iloc[0]
        assert "DMOS" in told, name
        assert not pd.Series(told).str.contains(r"\bMOS\b").iloc[0], name
    assert "each beside its original" in files["methods.txt"]
    assert "degradation category rating, ITU-T P.910" in files["methods.txt"]
    assert "No method is called hr" not in files["report.html"]
    assert json.loads(files["summary.json"])["task"] == "degradation"


@pytest.mark.parametrize("fixture", ["compared", "degraded"])
def test_every_page_of_such_a_study_is_there_and_a_clone_is_of_the_same_task(request, staff, fixture):
    study = request.getfixturevalue(fixture)
    for name in ("results", "quality", "live", "study"):
        assert staff.get(reverse(name, kwargs=NAME)).status_code == 200
    assert "Ratings of a pair" in staff.get(reverse("live", kwargs=NAME)).content.decode()
    clone = drafts.clone(study=study, name="copy", title="Copy")
    assert (clone.task, clone.scale) == (study.task, study.scale)
    rows = dict(protocol_rows(study))
    assert rows["What each rater rates"] == "every pair"
    assert ("Each method against" in rows) == (fixture == "compared")
    assert ("Least correlation with the others" in rows) == (fixture == "degraded")


@pytest.mark.parametrize(("task", "scale", "pairs"), [
    ("comparison", comparison_scale(), 12), ("degradation", degradation_scale(), 8),
])  # fmt: skip
def test_the_form_makes_such_a_study_with_instructions_that_say_so(staff, task, scale, pairs):
    response = staff.post(reverse("study-new"), form_of(task=task))
    assert response.status_code == 302, response.context["form"].errors
    study = Study.objects.get()
    assert (study.task, study.scale) == (task, scale)
    assert study.instructions.split() == instructions_for(scale, task=task).split()
    assert readiness.check(study) == []
    assert f"{pairs} pairs" in staff.get(reverse("study", kwargs={"name": "chosen"})).content.decode()
    page = staff.get(reverse("study-edit", kwargs={"name": "chosen"}))
    assert page.context["form"].initial["scale_labels"] == ""
    own = "\n".join(f"word {number}" for number in range(len(scale.labels)))
    edited = form_of(task=task, instructions=study.instructions, scale_labels=own)
    assert staff.post(reverse("study-edit", kwargs={"name": "chosen"}), edited).status_code == 302
    study.refresh_from_db()
    assert study.scale.labels[0] == (scale.low, "word 0")
    assert "word 0" in study.instructions
    wrong = staff.post(reverse("study-edit", kwargs={"name": "chosen"}), edited | {"scale_labels": "a\nb"})
    assert "labels" in str(wrong.context["form"].errors["scale_labels"])
    assert staff.post(reverse("study-edit", kwargs={"name": "chosen"}), form_of(task="rating")).status_code == 302
    study.refresh_from_db()
    assert study.scale.text == "1 to 5 in steps of 1"


STIMULI = {key: (key % 4, 20.0 + 3 * (key % 4)) for key in range(200)}


def people(scale, seen, *, kind="honest", number=200):
    there = world(scale, Model(), STIMULI, seed=0)
    return [Person(there, kind, np.random.default_rng(seed)).score(seen) for seed in range(number)]


def test_simulated_people_compare_and_see_what_is_left_of_the_original():
    scale = comparison_scale()
    better, worse = people(scale, Seen(0, 0, None, 3, 3)), people(scale, Seen(3, 3, None, 0, 0))
    same = people(scale, Seen(3, 3, None, 3, 3))
    assert np.mean(better) > 2.5
    assert np.mean(worse) < -2.5
    assert abs(np.mean(same)) < 0.2
    assert all(scale.contains(score) for score in better + worse + same)
    scale = degradation_scale()
    means = [np.mean(people(scale, Seen(3, 3, None, method, method))) for method in range(4)]
    assert means == sorted(means)
    assert means[0] < 2
    assert means[3] > 4.4


@pytest.mark.parametrize(("kind", "sign"), [("honest", 1), ("gold", -1)])
def test_simulated_people_pass_a_trap_of_a_comparison_or_fail_it(kind, sign):
    for expected in (-1.0, 1.0):
        given = people(comparison_scale(), Seen(0, 0, expected, 3, 3), kind=kind)
        assert {np.sign(score) for score in given} == {sign * expected}
