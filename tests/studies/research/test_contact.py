"""The contact sheet: every version of a source, for staff, before the launch and after."""

import uuid

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from studies.models import Stimulus
from studies.protocol.slots import slots
from studies.research.contact import sheet
from tests.studies.factories import launch, make_benchmark, make_methods, make_rater, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]
RUNNING = {"claim": uuid.UUID(int=1), "heartbeat_at": timezone.now()}


@pytest.fixture
def study():
    return make_study(methods=("nearest", "bicubic", "srgan-vgg54"))


def picture(study, stimulus) -> str:
    return reverse("study-picture", args=[study.name, stimulus.pk])


def test_it_shows_one_source_by_every_method_and_what_is_missing(study, staff):
    found = sheet(study)
    page = staff.get(reverse("study-sheet", args=[study.name])).content.decode()
    assert [slot.method.name for slot in found.versions] == ["nearest", "bicubic", "srgan-vgg54"]
    for slot in found.there:
        assert page.count(f'src="{picture(study, slot.stimulus)}" width="96" height="64"') == 1
    assert page.count("There is no image yet.") == 1
    assert "1 of 2, 96 x 64 pixels" in page


def test_from_one_source_to_the_next_and_back(study, staff):
    first, second = sheet(study).sources
    assert [(s.previous, s.following) for s in (sheet(study), sheet(study, second.pk))] == [
        (None, second.pk),
        (first.pk, None),
    ]
    page = staff.get(reverse("study-sheet", args=[study.name]), {"source": second.pk}).content.decode()
    assert f'href="?source={first.pk}"' in page
    assert "2 of 2, 96 x 68 pixels" in page


@pytest.mark.parametrize("launched", [False, True])
def test_a_picture_is_the_file_that_raters_get(staff, launched):
    study = make_study()
    if launched:
        launch(study)
    stimulus = next(slot.stimulus for slot in slots(study))
    answer = staff.get(picture(study, stimulus))
    assert answer.content == default_storage.read(stimulus.file.name)
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("image/png", "no-store")


def test_no_picture_of_another_study_is_handed_out(study, staff):
    other = make_benchmark("other")
    foreign = Stimulus.objects.filter(source__benchmark=other).first()
    own = Stimulus.objects.get(source__name="tiny_000", method__name="hr")  # a method that the study does not have
    for stimulus in (foreign, own):
        assert staff.get(picture(study, stimulus)).status_code == 404
    for source in (other.sources.first().pk, 10**30, "x"):
        status = staff.get(reverse("study-sheet", args=[study.name]), {"source": source}).status_code
        assert status == (200 if source == "x" else 404)


def test_strangers_and_raters_see_neither_sheet_nor_pictures(client):
    study = launch(make_study())
    stimulus = study.images.first().stimulus
    for address in (reverse("study-sheet", args=[study.name]), picture(study, stimulus)):
        assert client.get(address)["Location"].startswith(reverse("login"))
        client.get(reverse("invitation", args=[make_rater(study).token]))
        assert client.get(address)["Location"].startswith(reverse("login"))


def test_a_file_that_is_gone_is_not_found(study, staff):
    stimulus = sheet(study).there[0].stimulus
    default_storage.delete(stimulus.file.name)
    assert staff.get(picture(study, stimulus)).status_code == 404


def test_a_design_without_images_says_so(staff):
    study = make_study(benchmarks=[], methods=())
    assert "The design has no images yet." in staff.get(reverse("study-sheet", args=[study.name])).content.decode()


def test_what_waits_for_a_worker_is_counted_by_source_for_the_page_to_refresh(study, staff):
    first, second = sheet(study).sources
    missing = study.cells.get(method__name="srgan-vgg54").method
    waits = Stimulus.objects.create(source_id=first.pk, method=missing, state="running", **RUNNING)
    Stimulus.objects.create(source_id=second.pk, method=make_methods()["drcn"], state="wanted")  # of no cell
    page, part = reverse("study-sheet", args=[study.name]), reverse("study-waiting", args=[study.name])
    for answer in (staff.get(page), staff.get(part, {"source": first.pk})):
        assert "1 image of it waits for a worker or is being made." in answer.text
        assert answer.text.count("data-pending") == 1
    assert f'data-url="{part}?source={first.pk}"' in staff.get(page).text
    assert staff.get(part, {"source": second.pk}).text.strip() == ""
    assert "1 image waits" in staff.get(part).text
    Stimulus.objects.filter(pk=waits.pk).update(state="failed")
    assert staff.get(part).text.strip() == ""
