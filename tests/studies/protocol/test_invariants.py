"""What the database itself refuses, whoever asks: raw updates, as a careless script or a console would send them."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from studies.access import invited_rater
from studies.models import Rating, SourceImage, Stimulus, Study, StudyImage, StudyMethod, Trial
from studies.rating import sessions
from studies.rating.evidence import receipt
from studies.rating.recording import record_rating
from tests.studies.factories import launch, make_benchmark, make_methods, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()


@pytest.fixture
def study():
    return launch(make_study(calibration=make_benchmark("anchors", images=1)))


@pytest.fixture
def rating(study):
    rater = make_rater(study)
    sessions.agree(rater=rater, now=NOW)
    session = sessions.finish_calibration(rater=invited_rater(token=rater.token))
    trial = sessions.standing(session, now=NOW).upcoming[0]
    record_rating(
        rater_token=rater.token,
        token=trial.token,
        score=3,
        display=DISPLAY,
        receipt=receipt(token=trial.token, now=NOW),
        now=NOW,
    )
    return Rating.objects.get()


def refused(write, *, match=None):
    with pytest.raises((IntegrityError, DatabaseError), match=match), transaction.atomic():
        write()


@pytest.mark.parametrize("score", [0, 6, 99, 2.5])
def test_a_score_off_the_scale_is_refused(rating, score):
    trial = Trial.objects.filter(phase="rated", rating=None).first()
    row = {field: getattr(rating, field) for field in ("response_ms", "device_pixel_ratio", "visual_viewport_scale")}
    sizes = dict.fromkeys(("viewport_width", "viewport_height", "screen_width", "screen_height"), 100)
    refused(lambda: Rating.objects.create(trial=trial, score=score, **row, **sizes), match="not on the scale")


def test_a_second_rating_of_a_trial_is_refused(rating):
    rating.pk = None
    refused(lambda: rating.save(force_insert=True), match=r"trial_id|UNIQUE")


def test_a_rating_that_was_given_does_not_change(rating):
    refused(lambda: Rating.objects.update(score=5), match="stands once it is given")


def test_two_trials_at_one_position_are_refused(rating):
    first = rating.trial
    refused(lambda: Trial.objects.filter(position=first.position + 1).update(position=first.position))


def test_a_rated_stimulus_cannot_be_deleted(rating):
    stimulus = rating.trial.stimulus
    with pytest.raises(ProtectedError):
        stimulus.delete()

    def raw_delete():
        Stimulus.objects.filter(pk=stimulus.pk)._raw_delete("default")
        transaction.get_connection().check_constraints()

    refused(raw_delete)


@pytest.mark.parametrize(
    "change",
    [{"order": "random"}, {"seed": 2}, {"repeats": 3}, {"instructions": "other"}, {"title": "other"}, {"name": "other"},
     {"pause_minutes": 5}, {"reminder_minutes": 5}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_the_design_of_a_launched_study_does_not_change(study, change):
    refused(lambda: Study.objects.filter(pk=study.pk).update(**change), match="does not change; clone")


def test_the_design_of_a_closed_study_does_not_change_either(study):
    Study.objects.filter(pk=study.pk).update(state="closed")
    refused(lambda: Study.objects.filter(pk=study.pk).update(seed=2), match="clone the study")


def test_a_draft_may_change():
    draft = make_study()
    assert Study.objects.filter(pk=draft.pk).update(seed=2, order="random", title="other") == 1
    assert draft.cells.all().delete()[0] == 3


@pytest.mark.parametrize("table", [StudyMethod, StudyImage, Study.calibration.through])
def test_cells_images_and_calibration_of_a_launched_study_are_neither_removed_nor_moved(study, table):
    draft = make_study(name="draft", benchmarks=[make_benchmark("other")])
    rows = table.objects.filter(study=study)
    assert rows.exists()
    refused(lambda: rows._raw_delete("default"), match="does not change")
    refused(lambda: rows.update(study=draft), match="does not change")


def test_nothing_is_added_to_a_launched_study(study):
    srcnn = make_methods()["srcnn"]
    benchmark = study.cells.first().benchmark
    refused(lambda: StudyMethod.objects.create(study=study, benchmark=benchmark, method=srcnn), match="clone the study")
    image = study.images.first()
    refused(lambda: StudyImage.objects.create(study=study, stimulus=image.stimulus, role="high"), match="clone")
    refused(lambda: study.calibration.add(benchmark.sources.first()), match="clone")


def test_an_image_of_a_launched_study_does_not_change(study):
    shown = study.images.first().stimulus
    for change in ({"file": "other.png"}, {"pixels_sha256": "0"}, {"state": "wanted"}, {"psnr": 1.0}):
        refused(lambda change=change: Stimulus.objects.filter(pk=shown.pk).update(**change), match="does not change")
    refused(lambda: SourceImage.objects.filter(pk=shown.source_id).update(hr="other.png"), match="does not change")


def test_a_launched_study_is_not_deleted(study):
    refused(lambda: Study.objects.filter(pk=study.pk)._raw_delete("default"), match="not deleted")


def test_a_done_stimulus_has_a_file_and_its_measurements(study):
    unshown = Stimulus.objects.exclude(pk__in=study.images.values("stimulus")).first()
    refused(lambda: Stimulus.objects.filter(pk=unshown.pk).update(psnr=None), match="done_means_stored_and_measured")
    refused(lambda: Stimulus.objects.filter(pk=unshown.pk).update(file=""), match="done_means_stored_and_measured")
