"""Whether a worker may work: the site's code, its weights, its storage; and what becomes of a job where it may not."""

from pathlib import Path

import pytest

from srcore import registry
from studies.content.stimuli import generated_key
from studies.generation import render as generation
from studies.generation.render import render
from studies.generation.requests import request
from studies.jobs import attempts, fitness
from studies.jobs.fitness import CODE_VERSION, why_unfit
from studies.models import Installation, SourceImage, Stimulus
from studies.storage.guard import StorageUnavailable
from studies.storage.marker import NAME
from tests.studies import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture(autouse=True)
def _trust_nothing(monkeypatch):
    monkeypatch.setattr(fitness, "_fit_at", float("-inf"))
    monkeypatch.setattr(attempts, "STORAGE_OUTAGE_SECONDS", 0)


@pytest.fixture
def source() -> SourceImage:
    source = factories.make_benchmark(images=1).sources.get()
    Stimulus.objects.all().delete()
    return source


def want(source: SourceImage, name: str = "bicubic") -> Stimulus:
    assert request([(source, factories.make_methods()[name])]) == 1
    return Stimulus.objects.get()


def state(stimulus: Stimulus) -> tuple:
    stimulus.refresh_from_db()
    return stimulus.state, stimulus.attempts, stimulus.claim


def test_the_code_that_migrated_the_database_is_fit(source):
    assert Installation.objects.get().code_version == CODE_VERSION
    assert why_unfit(trusted_seconds=0) == ""


def test_old_code_is_unfit_and_its_worker_leaves_the_image_to_others(source):
    stimulus = want(source)
    Installation.objects.update(code_version="newer")
    assert "the site's is newer" in why_unfit()
    render(stimulus.pk)
    assert state(stimulus) == ("wanted", 0, None)


def test_a_host_without_the_storage_leaves_the_image_to_others(source, settings, tmp_path):
    stimulus = want(source)
    settings.MEDIA_ROOT = tmp_path / "a folder of its own"
    render(stimulus.pk)
    assert state(stimulus) == ("wanted", 0, None)


def test_lacking_weights_make_unfit_only_while_their_images_are_wanted(source, monkeypatch):
    stimulus = want(source, "srcnn")
    assert why_unfit(trusted_seconds=0) == ""
    monkeypatch.setenv("SRCORE_WEIGHTS", "/nowhere")
    assert "Images of srcnn are wanted, and this machine cannot make them: srcnn has no weights" in why_unfit(
        trusted_seconds=0
    )
    render(stimulus.pk)
    assert state(stimulus) == ("wanted", 0, None)
    Stimulus.objects.update(state="failed")
    assert why_unfit(trusted_seconds=0) == ""


def test_other_weights_are_not_the_sites(source):
    want(source, "srcnn")
    Installation.objects.update(weights={"srcnn": "0" * 64})
    assert "with other weights" in why_unfit(trusted_seconds=0)


def test_the_declared_weights_are_those_that_images_are_asked_for_with(source):
    want(source, "srcnn")
    assert Installation.objects.get().weights == {"srcnn": registry.weights_sha256("srcnn")}


def test_a_storage_that_vanishes_while_an_image_is_made_fails_nothing(source, settings, monkeypatch):
    stimulus = want(source)
    monkeypatch.setattr(generation, "read_source", lambda row: vanish(settings))
    render(stimulus.pk)
    assert state(stimulus) == ("wanted", 0, None)
    assert "no marker" in stimulus.error
    assert stimulus.sent_at is not None, "sent again only after a pause"


def vanish(settings):
    Path(settings.MEDIA_ROOT, NAME).unlink()
    raise FileNotFoundError("the picture")


def test_an_outage_of_the_storage_fails_nothing_and_is_no_death_of_a_worker(source, monkeypatch):
    stimulus = want(source)

    def away(*args):
        raise StorageUnavailable("The image storage cannot be used: it did not answer within 15 s")

    with monkeypatch.context() as patch:
        patch.setattr(generation, "read_source", away)
        for _ in range(7):
            render(stimulus.pk)
    assert state(stimulus) == ("wanted", 0, None)
    render(stimulus.pk)
    assert state(stimulus) == ("done", 1, None)
    assert stimulus.error == ""


def test_a_picture_that_is_lost_from_a_storage_that_is_there_does_fail(source, settings):
    stimulus = want(source)
    Path(settings.MEDIA_ROOT, source.lr.name).unlink()
    render(stimulus.pk)
    assert state(stimulus) == ("failed", 1, None)


def test_an_image_asked_for_with_weights_that_were_replaced_says_so(source):
    stimulus = want(source)
    Stimulus.objects.update(**{**generated_key("bicubic"), "code_version": "0.0"})
    render(stimulus.pk)
    assert state(stimulus)[0] == "failed"
