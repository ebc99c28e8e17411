import sys

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from srcore.registry import METHODS
from studies.generation.render import render
from studies.models import Benchmark, SourceImage, Stimulus, Study
from studies.research import drafts, invitations, refusals, sample

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture(autouse=True)
def _no_broker(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def quick(monkeypatch):
    """The sample without networks: which methods it shows does not matter for who may see it and when."""
    monkeypatch.setattr(sample, "SLOW", frozenset(METHODS) - {"nearest", "bicubic", "hr"})


def launched() -> Study:
    study = sample.create_sample()
    for pk in Stimulus.objects.values_list("pk", flat=True):
        render(pk)
    sample.launch_when_ready(study)
    return study


def test_the_sample_is_four_photographs_by_the_fast_methods_with_calibration_of_its_own():
    study = sample.create_sample()
    assert {s.name for s in study.calibration.all()} == {"helmet", "table", "tower"}
    assert sorted(Benchmark.objects.get(name="sample").sources.values_list("name", "width", "height")) == [
        ("astronaut", 256, 256),
        ("cat", 256, 256),
        ("coffee", 256, 256),
        ("rocket", 256, 256),
    ]
    methods = set(study.cells.values_list("method__name", flat=True))
    assert {"nearest", "bicubic", "hr"} <= methods
    assert methods.isdisjoint({"drcn", "selfexsr"})


def test_calibration_shows_no_pixel_that_is_rated():
    for rated_file, left, top, width, height in sample.RATED.values():
        for file, left_2, top_2, width_2, height_2 in sample.CALIBRATION.values():
            apart = (
                left + width <= left_2 or left_2 + width_2 <= left or top + height <= top_2 or top_2 + height_2 <= top
            )
            assert file != rated_file or apart


def test_asked_twice_it_is_made_once():
    first = sample.create_sample()
    counts = SourceImage.objects.count(), Stimulus.objects.count()
    assert sample.create_sample() == first
    assert (SourceImage.objects.count(), Stimulus.objects.count()) == counts


def test_it_is_launched_when_its_images_are_made_and_not_before(quick):
    study = sample.create_sample()
    with pytest.raises(refusals.NotReady, match="nearest, bicubic, hr on sample: 4 of 4 images are missing"):
        sample.launch_when_ready(study)
    assert launched().state == Study.State.LAUNCHED


def test_it_needs_no_import_of_scikit_image():
    sample.create_sample()
    assert "skimage.data" not in sys.modules


def test_the_link_is_that_of_a_rater_who_can_still_rate(quick):
    study = launched()
    first = sample.open_rater(study)
    assert sample.open_rater(study) == first
    invitations.revoke(rater=first, now=timezone.now())
    assert sample.open_rater(study) != first


def test_a_sample_that_staff_has_removed_is_not_made_again():
    drafts.create_study(name="another", title="Another", cells={})
    assert sample.create_sample() is None
    with pytest.raises(CommandError, match="it was removed"):
        call_command("create_sample")
