"""render: one row, one image, whoever tries and whatever fails."""

import shutil
import threading
import uuid
from datetime import timedelta
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.db.models.functions import Now
from django.utils import timezone

from srcore.images import encode_png, read_image
from srcore.methods.running import Output
from srcore.metrics import measure
from srcore.resize import upscale_bicubic, upscale_nearest
from studies.content.benchmarks import import_benchmark
from studies.content.methods import sync_methods
from studies.content.sources import read_source
from studies.content.stimuli import generated_key
from studies.generation import render as generation
from studies.generation.render import Made, render
from studies.generation.requests import request, retry
from studies.jobs import attempts
from studies.jobs.attempts import Heartbeat
from studies.models import Method, SourceImage, Stimulus
from studies.models.content import stimulus_path
from tests.studies import factories
from tests.studies.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def source(settings) -> SourceImage:
    """A source of which no image was made yet."""
    benchmark = factories.make_benchmark(images=1)
    Stimulus.objects.all().delete()
    shutil.rmtree(Path(settings.MEDIA_ROOT, "stimuli"))
    return benchmark.sources.get()


def want(source: SourceImage, name: str = "bicubic") -> Stimulus:
    sync_methods()
    return Stimulus.objects.create(source=source, method=Method.objects.get(name=name), **generated_key(name))


def stored_stimuli(settings) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT, "stimuli").rglob("*") if path.is_file()]


def pixels(stimulus: Stimulus) -> np.ndarray:
    with stimulus.file.open() as file:
        return read_image(file, name="stimulus")


def test_it_makes_measures_and_stores_an_image(source, settings):
    stimulus = want(source)
    render(stimulus.pk)
    stimulus.refresh_from_db()
    hr, lr = read_source(source)
    np.testing.assert_array_equal(pixels(stimulus), upscale_bicubic(lr))
    assert (stimulus.psnr, stimulus.ssim) == measure(hr, upscale_bicubic(lr), recipe="paper")
    assert (stimulus.state, stimulus.attempts, stimulus.device, stimulus.claim) == ("done", 1, "cpu", None)
    assert 0 < stimulus.seconds < 60
    assert stored_stimuli(settings) == [Path(settings.MEDIA_ROOT, stimulus.file.name)]
    assert stimulus.file.name == f"stimuli/{stimulus.opaque_name.hex[:2]}/{stimulus.opaque_name.hex}.png"


def test_set5_scores_what_the_paper_prints(shared):
    import_benchmark(name="Set5", path=shared / "benchmarks/Set5")
    sources = SourceImage.objects.all()
    for name, psnr, ssim in (("nearest", 26.26, 0.7552), ("bicubic", 28.43, 0.8211)):
        rows = [want(source, name) for source in sources]
        for row in rows:
            render(row.pk)
            row.refresh_from_db()
        assert round(fmean(row.psnr for row in rows), 2) == psnr
        assert round(fmean(row.ssim for row in rows), 4) == ssim


def test_the_reference_is_the_original(source):
    stimulus = want(source, "hr")
    render(stimulus.pk)
    stimulus.refresh_from_db()
    np.testing.assert_array_equal(pixels(stimulus), read_source(source)[0])
    assert (stimulus.psnr, stimulus.ssim) == (float("inf"), 1)


def test_a_grey_source_is_enlarged_in_grey_and_measured_as_the_paper_did(source):
    grey = factories.photograph(5)[:, :, 0]
    source.mode = "L"
    source.hr.save("", ContentFile(encode_png(grey)), save=False)
    source.lr.save("", ContentFile(encode_png(grey[::4, ::4])), save=False)
    source.save()
    stimulus = want(source)
    render(stimulus.pk)
    stimulus.refresh_from_db()
    made = upscale_bicubic(np.ascontiguousarray(grey[::4, ::4]))
    np.testing.assert_array_equal(pixels(stimulus), np.repeat(made[:, :, None], 3, axis=2))
    assert stimulus.psnr == measure(grey, made).psnr


def test_a_second_message_is_a_no_op(source):
    stimulus = want(source)
    render(stimulus.pk)
    before = Stimulus.objects.values().get(pk=stimulus.pk)
    render(stimulus.pk)
    assert Stimulus.objects.values().get(pk=stimulus.pk) == before


def test_a_message_for_a_row_that_is_gone_is_a_no_op():
    render(12345)
    assert not Stimulus.objects.exists()


def test_of_many_that_start_at_once_one_makes_it(source, settings):
    stimulus = want(source)
    assert at_once(*[lambda: render(stimulus.pk)] * 6) == [None] * 6
    stimulus.refresh_from_db()
    assert (stimulus.state, stimulus.attempts) == ("done", 1)
    assert len(stored_stimuli(settings)) == 1


def test_what_a_killed_attempt_left_is_replaced(source, settings):
    stimulus = want(source)
    path = Path(settings.MEDIA_ROOT, stimulus_path(stimulus, ""))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"written, but the row was never told")
    path.with_name(f".{path.name}.part").write_bytes(b"half wri")
    render(stimulus.pk)
    stimulus.refresh_from_db()
    assert stored_stimuli(settings) == [path]
    assert pixels(stimulus).shape == (source.height, source.width, 3)


def test_a_row_that_somebody_works_on_is_left_alone(source):
    running = want(source)
    values = {"state": "running", "claim": uuid.uuid4(), "heartbeat_at": timezone.now(), "attempts": 1}
    Stimulus.objects.filter(pk=running.pk).update(**values)
    render(running.pk)
    assert Stimulus.objects.filter(pk=running.pk, **values).exists()


def test_an_attempt_that_was_taken_over_touches_neither_row_nor_file(source, settings):
    stimulus = want(source)
    other = uuid.uuid4()
    Stimulus.objects.filter(pk=stimulus.pk).update(state="running", claim=other, heartbeat_at=Now())
    before = Stimulus.objects.values().get(pk=stimulus.pk)
    made = Made(Output(read_source(source)[0], 1.0, "cpu"), psnr=1.0, ssim=0.1)
    generation._store(stimulus, Stimulus.objects.filter(pk=stimulus.pk, claim=uuid.uuid4()), made)
    assert Stimulus.objects.values().get(pk=stimulus.pk) == before
    assert stored_stimuli(settings) == []


def test_heartbeats_stop_when_the_claim_is_lost(source, monkeypatch):
    monkeypatch.setattr(attempts, "HEARTBEAT_SECONDS", 0.01)
    stimulus, claim = want(source), uuid.uuid4()
    old = timezone.now() - timedelta(hours=1)
    row = Stimulus.objects.filter(pk=stimulus.pk)
    row.update(state="running", claim=claim, heartbeat_at=old)
    with Heartbeat(row.filter(claim=claim)):
        wait_until(lambda: row.get().heartbeat_at > old)
    row.update(claim=uuid.uuid4(), heartbeat_at=old)
    with Heartbeat(row.filter(claim=claim)) as beating:
        wait_until(lambda: beating.beats >= 3)
    assert row.get().heartbeat_at == old


def wait_until(condition) -> None:
    deadline = threading.Event()
    for _ in range(1000):
        if condition():
            return
        deadline.wait(0.01)
    pytest.fail("it did not happen within ten seconds")


def test_one_image_that_fails_says_why_and_the_others_go_on(source, settings):
    good, bad = want(source, "nearest"), want(source, "bicubic")
    lr = Path(settings.MEDIA_ROOT, source.lr.name)
    whole = lr.read_bytes()
    lr.write_bytes(whole[:100])
    render(bad.pk)
    lr.write_bytes(whole)
    render(good.pk)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == ("failed", "done")
    assert source.lr.name in bad.error
    assert "cut off" in bad.error
    assert "Traceback" not in bad.error
    assert bad.finished_at is not None


def test_a_failed_image_is_made_when_it_is_tried_again(source, settings):
    stimulus = want(source)
    lr = Path(settings.MEDIA_ROOT, source.lr.name)
    whole = lr.read_bytes()
    lr.unlink()
    render(stimulus.pk)
    assert Stimulus.objects.get(pk=stimulus.pk).state == "failed"
    lr.write_bytes(whole)
    assert retry(Stimulus.objects.all()) == 1
    render(stimulus.pk)
    stimulus.refresh_from_db()
    assert (stimulus.state, stimulus.error, stimulus.attempts) == ("done", "", 1)
    np.testing.assert_array_equal(pixels(stimulus), upscale_bicubic(read_source(source)[1]))


def test_a_network_that_takes_too_long_is_ended_where_celery_cannot_do_it(source, monkeypatch):
    """A worker with --pool=solo ignores Celery's time limits, and so does this call: only srcore's is left."""
    monkeypatch.setattr(Stimulus, "seconds_allowed", 0)
    stimulus = want(source, "srresnet-mse")
    render(stimulus.pk)
    stimulus.refresh_from_db()
    assert (stimulus.state, stimulus.claim) == ("failed", None)
    assert stimulus.error == "It took longer than the time limit and was stopped."


def test_an_image_asked_for_with_other_code_is_not_passed_off_as_made_by_it(source):
    stimulus = want(source)
    Stimulus.objects.update(code_version="0.0")
    render(stimulus.pk)
    stimulus.refresh_from_db()
    assert stimulus.state == "failed"
    assert "other weights or code of bicubic than are installed now" in stimulus.error


def test_asked_twice_it_is_made_once(source):
    sync_methods()
    method = Method.objects.get(name="nearest")
    assert request([(source, method)]) == 1
    render(Stimulus.objects.get().pk)
    assert request([(source, method), (source, method)]) == 0
    stimulus = Stimulus.objects.get()
    assert (stimulus.state, stimulus.attempts) == ("done", 1)
    np.testing.assert_array_equal(pixels(stimulus), upscale_nearest(read_source(source)[1]))
