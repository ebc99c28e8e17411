"""What a launch freezes follows from the models: a field that is added tomorrow is frozen, or named as editable."""

import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone

from analysis.scale import Scale
from studies.access import invited_rater
from studies.models import Rating, Session, SourceImage, Stimulus, Study
from studies.models.fields import ScaleField
from studies.models.study import WITH_UNDO, WITHOUT_UNDO
from studies.rating import sessions
from studies.rating.evidence import receipt
from studies.rating.recording import record_rating
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()


def another(field: models.Field, value):
    """A value that the column takes and that is not this one."""
    if field.choices:
        return next(choice for choice, _ in field.choices if choice != value)
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.DateTimeField):
        return (value or NOW) - timedelta(hours=1)
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, ScaleField):
        return Scale(0, 100, None)
    if isinstance(field, models.JSONField):
        return {"another": "value"}
    if isinstance(field, models.IntegerField | models.FloatField | models.ForeignKey):
        return (value or 0) + 1
    return f"{value}x"[-(field.max_length or 1000) :]


def refusal(row: models.Model, values: dict) -> str:
    """What the database says to this change, which is undone; empty if it takes it."""
    try:
        with transaction.atomic():
            assert type(row).objects.filter(pk=row.pk).update(**values) == 1
            transaction.set_rollback(True)
    except DatabaseError as error:
        return str(error)
    return ""


def fields(model):
    # The key is no column of a design; a task with one value only cannot be another.
    return [f for f in model._meta.concrete_fields if not f.primary_key and (not f.choices or len(f.choices) > 1)]


@pytest.mark.parametrize("model", [Study, Stimulus, SourceImage])
def test_once_a_study_is_launched_every_field_is_frozen_but_those_named_as_editable(model):
    study = launch(make_study())
    row = {
        Study: study,
        Stimulus: study.images.first().stimulus,
        SourceImage: study.images.first().stimulus.source,
    }[model]
    changes = {field.name: {field.attname: another(field, getattr(row, field.attname))} for field in fields(model)}
    said = {name: refusal(row, change) for name, change in changes.items()}
    if model is Study:
        # Any other state but that of a draft is open to it.
        assert not refusal(row, {"state": "closed"})
        del said["state"]
    editable = {name for name, words in said.items() if not words}
    assert editable == (set(model.EDITABLE) - {"state" if model is Study else ""})
    assert all("does not change" in words for words in said.values() if words)


def test_a_draft_and_images_that_no_study_shows_are_free():
    study = make_study()
    for row in (study, Stimulus.objects.first(), SourceImage.objects.first()):
        for field in fields(type(row)):
            if not (field.unique or field.choices or field.is_relation):
                assert not refusal(row, {field.attname: another(field, getattr(row, field.attname))}), field.name


def test_a_launched_study_that_somebody_has_seen_does_not_become_a_draft_again():
    study = launch(make_study())
    sessions.agree(rater=make_rater(study), now=timezone.now())
    with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(state="draft")


@pytest.mark.parametrize(
    ("scale", "taken", "refused"),
    [
        (Scale(0, 10), [0, 7, 10], [-1, 0.5, 11]),
        (Scale(0, 100, None), [0, 33.37, 100], [-0.01, 100.01]),
        (Scale(-3, 3, 0.5), [-3, -0.5, 2.5], [0.25, 3.5]),
    ],
)
def test_the_database_takes_the_scores_of_the_studys_scale_and_no_others(scale, taken, refused):
    study = launch(make_study(scale=scale))
    rater = make_rater(study)
    session = sessions.finish_calibration(rater=_agreed(rater))
    trials = iter(session.trials.filter(phase="rated"))
    for score in taken:
        Rating.objects.create(trial=next(trials), score=score, **vars(DISPLAY))
    for score in refused:
        with pytest.raises(DatabaseError, match="not on the scale"), transaction.atomic():
            Rating.objects.create(trial=next(trials), score=score, **vars(DISPLAY))
    assert sorted(Rating.objects.values_list("score", flat=True)) == sorted(taken)


@pytest.mark.django_db(transaction=True)
def test_a_database_of_the_version_before_rooms_migrates_with_a_launched_study_whose_rater_goes_on():
    study = launch(make_study(calibration=make_benchmark("anchors", images=1)))
    rater = make_rater(study)
    session = sessions.finish_calibration(rater=_agreed(rater))
    _rate(rater, session, 4)
    draft = make_study(name="draft", benchmarks=[], undo=False)
    assert WITHOUT_UNDO in draft.instructions
    try:
        call_command("migrate", "studies", "0003", verbosity=0)
        assert "scale" not in _columns("studies_study")
    finally:
        call_command("migrate", verbosity=0)
    draft.refresh_from_db()
    assert (draft.undo, WITH_UNDO in draft.instructions) == (True, True)
    migrated = Study.objects.get(pk=study.pk)
    assert not migrated.undo
    assert not Session.objects.get().needs_receipts
    assert migrated.scale == study.scale
    assert (migrated.announce_start, migrated.least_view_ms, migrated.gap_ms) == (False, 0, 0), "it keeps its way"
    assert not migrated.examples_again
    assert Rating.objects.get().score == 4
    session.refresh_from_db()
    _rate(rater, session, 2)
    assert list(Rating.objects.order_by("pk").values_list("score", flat=True)) == [4, 2]
    with pytest.raises(DatabaseError, match="does not change"):
        Study.objects.update(title="Another")


def _agreed(rater):
    sessions.agree(rater=rater, now=NOW)
    return invited_rater(token=rater.token)


def _rate(rater, session, score):
    token = sessions.standing(session, now=NOW).upcoming[0].token
    record_rating(
        rater_token=rater.token,
        token=token,
        score=score,
        display=DISPLAY,
        receipt=receipt(token=token, now=NOW),
        now=NOW,
    )


def _columns(table):
    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, table)}
