"""What a rater is sent: the very file that was stored, from the storage or this host's copy; else staff are told."""

from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from studies.models import Stimulus, StudyEvent
from studies.rating.images import ImageUnavailable, image_bytes
from studies.rating.statements import OwnTrial
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import NAME
from tests.studies import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    return factories.launch(factories.make_study())


@pytest.fixture
def stored(study) -> Path:
    """The file of the image that `trial` shows."""
    return Path(default_storage.path(Stimulus.objects.get(pk=shown(study).stimulus).file.name))


def shown(study) -> OwnTrial:
    stimulus = study.images.order_by("pk").first().stimulus
    nothing = dict.fromkeys(OwnTrial._fields)
    known = {"study": study.pk, "stimulus": stimulus.pk, "image": stimulus.file.name}
    return OwnTrial(**{**nothing, **known, "image_sha256": stimulus.file_sha256})


def test_it_is_the_stored_file(study, stored):
    assert image_bytes(shown(study)) == stored.read_bytes()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(lambda path: path.unlink(), "image missing"), (lambda path: path.write_bytes(b"other"), "image damaged")],
)
def test_a_missing_or_damaged_image_is_an_event_for_staff_once(study, stored, fault, kind):
    fault(stored)
    for _ in range(3):
        with pytest.raises(ImageUnavailable) as refused:
            image_bytes(shown(study))
        assert refused.value.status == 503
    event = StudyEvent.objects.get(study=study, kind=kind)
    assert event.detail["file"] == shown(study).image
    assert event.detail["image"] == str(Stimulus.objects.get(pk=shown(study).stimulus))


def test_a_storage_that_is_not_there_is_no_event_of_an_image(study, stored, settings):
    stored.unlink()
    Path(settings.MEDIA_ROOT, NAME).unlink()
    with pytest.raises(StorageUnavailable, match="no marker"):
        image_bytes(shown(study))
    assert not StudyEvent.objects.filter(kind__startswith="image").exists()


def test_a_copy_on_this_host_is_shown_while_the_storage_is_away(study, stored, settings, tmp_path):
    settings.IMAGE_CACHE_MB, settings.IMAGE_CACHE_DIR = 10, tmp_path / "cache"
    first = image_bytes(shown(study))
    stored.unlink()
    assert image_bytes(shown(study)) == first


def test_an_image_of_before_files_had_a_sha256_is_compared_by_its_pixels(study, stored):
    old = shown(study)._replace(image_sha256="")
    assert image_bytes(old) == stored.read_bytes()
    other = next(path for path in stored.parents[1].rglob("*.png") if path.read_bytes() != stored.read_bytes())
    stored.write_bytes(other.read_bytes())
    with pytest.raises(ImageUnavailable):
        image_bytes(old)
