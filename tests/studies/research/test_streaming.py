"""Exports that go out piece by piece: the same file as in one piece, whatever the pieces are."""

import io

import pandas as pd
import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from studies.models import MetricValue
from studies.research import streaming
from studies.research.answers import answers_frame
from studies.research.export import objective_frame, ratings_frame, serialise, with_pseudonyms
from studies.research.pair_export import pairs_frame
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_pairs import pair_study
from tests.studies.research.test_export import rate_all
from tests.studies.research.test_pairs import answer_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()


@pytest.fixture(params=[1, 10_000])
def _pieces(request, monkeypatch):
    """Of one rater, of all."""
    monkeypatch.setattr(streaming, "ROWS", request.param)
    monkeypatch.setattr(streaming, "ROWS_A_GROUP", request.param)
    monkeypatch.setattr(streaming, "RATERS", request.param)


@pytest.fixture
def study():
    study = launch(make_study(repeats=1, calibration=make_benchmark("anchors", images=1)))
    for number, label in enumerate(("=anna", "berta", "clara", "dora", "eva")):
        rate_all(study, label, shift=number % 2, limit=None if number else 2)
    make_rater(study, "idle")
    return study


def got(staff, table, kind, query=""):
    answer = staff.get(reverse("download", args=["study", table, kind]) + query)
    assert answer.streaming == (streaming.ROWS == 1)
    return answer.getvalue()


@pytest.mark.usefixtures("_pieces")
def test_ratings_are_the_same_file_in_pieces(staff, study):
    frame = ratings_frame(study)
    assert got(staff, "ratings", "csv") == serialise(frame, kind="csv")
    pd.testing.assert_frame_equal(
        pd.read_parquet(io.BytesIO(got(staff, "ratings", "parquet"))),
        pd.read_parquet(io.BytesIO(serialise(frame, kind="parquet"))),
    )


@pytest.mark.usefixtures("_pieces")
def test_so_are_they_under_pseudonyms(staff, study):
    told = with_pseudonyms(ratings_frame(study), study)
    assert got(staff, "ratings", "csv", "?pseudonyms") == serialise(told, kind="csv")


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("pseudonyms", [True, False])
def test_the_command_writes_the_same_files_in_pieces(study, tmp_path, kind, pseudonyms):
    study.metrics.create(metric="lpips")
    hr = study.images.filter(stimulus__method__name="hr").first().stimulus
    MetricValue.objects.create(stimulus=hr, metric="lpips", value=0.0)
    paths = [tmp_path / f"{name}.{kind}" for name in ("ratings", "objective")]
    said = io.StringIO()
    call_command("export_ratings", "study", out=paths[0], objective=paths[1], pseudonyms=pseudonyms, stdout=said)
    ratings, objective = ratings_frame(study), objective_frame(study)
    told = with_pseudonyms(ratings, study) if pseudonyms else ratings
    assert f"{len(told)} ratings" in said.getvalue()
    assert f"{2 * 6 + 1} objective scores" in said.getvalue()
    for path, frame in zip(paths, (told, objective), strict=True):
        if kind == "csv":
            assert path.read_bytes() == serialise(frame, kind="csv")
        else:
            whole = io.BytesIO(serialise(frame, kind="parquet"))
            pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(whole))


@pytest.mark.usefixtures("_pieces")
def test_so_is_the_table_of_metrics_also_of_a_study_without_images(staff, study):
    for of in (study, make_study(name="none", benchmarks=[])):
        answer = staff.get(reverse("download", args=[of.name, "objective", "csv"]))
        assert answer.getvalue() == serialise(objective_frame(of), kind="csv")


@pytest.mark.usefixtures("_pieces")
def test_so_are_choices_and_answers(staff):
    study = launch(pair_study(questions_before="age: How old are you? [number 18-99]"))
    for label, low in (("anna", "nearest"), ("berta", "hr"), ("clara", "bicubic")):
        answer_all(study, label, lambda left, right, source, low=low: 1 if left == low else -1)
        study.raters.get(label=label).session.answers.create(part="before", answers={"age": 20 + len(label)})
    assert got(staff, "pairs", "csv") == serialise(pairs_frame(study), kind="csv")
    assert got(staff, "answers", "csv") == serialise(answers_frame(study), kind="csv")
    told = with_pseudonyms(answers_frame(study), study)
    assert got(staff, "answers", "csv", "?pseudonyms") == serialise(told, kind="csv")
    assert len(pd.read_parquet(io.BytesIO(got(staff, "answers", "parquet")))) == 3


@pytest.mark.usefixtures("_pieces")
def test_a_moment_that_the_first_has_not_come_to_is_there_of_the_next(staff):
    questions = {
        "questions_before": "age: How old are you? [number 18-99]",
        "questions_after": "sure: How sure? [text, optional]",
    }
    study = launch(pair_study(**questions))
    for label, parts in (("anna", ["before"]), ("berta", ["before", "after"])):
        answer_all(study, label, lambda left, right, source: 1)
        for part in parts:
            answers = {"before": {"age": 30}, "after": {"sure": "yes"}}[part]
            study.raters.get(label=label).session.answers.create(part=part, answers=answers)
    found = pd.read_parquet(io.BytesIO(got(staff, "answers", "parquet", "?free-texts")))
    pd.testing.assert_frame_equal(found, answers_frame(study, free_texts=True), check_dtype=False)
    assert found["after_at"].isna().tolist() == [True, False]
    assert found["sure"].tolist()[1] == "yes"


def test_a_study_without_a_rating_gives_the_head_of_its_table(staff):
    study = launch(make_study())
    make_rater(study)
    assert got(staff, "ratings", "csv") == serialise(ratings_frame(study), kind="csv")
    assert pd.read_parquet(io.BytesIO(got(staff, "ratings", "parquet"))).empty


def test_what_is_wrong_with_the_table_is_no_half_a_file(staff, study, monkeypatch):
    def broken(frame):
        raise ValueError("no scores")

    monkeypatch.setattr("studies.research.export.validate_ratings", broken)
    with pytest.raises(ValueError, match="no scores"):
        staff.get(reverse("download", args=["study", "ratings", "csv"]))
