"""The marker tells this site's storage from every other place."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from studies.models import Installation
from studies.storage.marker import NAME, mark, why_not_ours
from tests.studies import factories

pytestmark = pytest.mark.django_db


def test_the_first_import_marks_the_storage_and_then_it_is_known(settings):
    assert "never marked" in why_not_ours()
    factories.make_benchmark(images=1)
    assert why_not_ours() == ""
    assert Path(settings.MEDIA_ROOT, NAME).read_text() == Installation.objects.get().storage_marker


def test_another_folder_is_not_the_storage_nor_can_it_be_marked(settings, tmp_path):
    factories.make_benchmark(images=1)
    settings.MEDIA_ROOT = tmp_path / "a folder of its own"
    assert "no marker" in why_not_ours()
    with pytest.raises(CommandError, match="lacks sources/"):
        call_command("mark_storage")
    assert not settings.MEDIA_ROOT.exists()


def test_the_storage_of_another_site_is_not_taken_over(settings):
    factories.make_benchmark(images=1)
    Path(settings.MEDIA_ROOT, NAME).write_text("0123456789abcdef0123456789abcdef")
    assert "the marker of another site" in why_not_ours()
    with pytest.raises(CommandError, match="another site's"):
        call_command("mark_storage")


def test_a_storage_to_which_the_images_were_moved_is_marked_by_hand(settings, tmp_path, capsys):
    factories.make_benchmark(images=1)
    Path(settings.MEDIA_ROOT, NAME).unlink()
    Path(settings.MEDIA_ROOT).rename(tmp_path / "moved")
    settings.MEDIA_ROOT = tmp_path / "moved"
    call_command("mark_storage")
    assert why_not_ours() == ""
    mark()  # twice is once
    assert (tmp_path / "moved" / NAME).read_text() == Installation.objects.get().storage_marker


def test_a_storage_that_does_not_answer_is_not_called_another(settings, monkeypatch):
    factories.make_benchmark(images=1)
    Path(settings.MEDIA_ROOT, NAME).unlink()
    Path(settings.MEDIA_ROOT, NAME).mkdir()
    assert why_not_ours().startswith("The image storage cannot be used: IsADirectoryError")
