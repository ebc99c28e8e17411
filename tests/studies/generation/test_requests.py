"""Asking for images, and how far a study's images are."""

import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from srcore.registry import METHODS, why_unavailable
from studies.content.methods import sync_methods, why_not
from studies.generation.render import render
from studies.generation.requests import progress, request_missing, retry_failures
from studies.models import Method, Stimulus, Study
from tests.studies import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def study() -> Study:
    """2 rated sources by 4 methods, of which one cannot run here, and 1 calibration source; nothing is made yet."""
    benchmark, calibration = factories.make_benchmark("tiny", images=2), factories.make_benchmark("cal", images=1)
    Stimulus.objects.all().delete()
    assert why_unavailable("srgan-vgg22"), "this test needs a method without weights"
    methods = ("nearest", "bicubic", "srgan-vgg22", "hr")
    return factories.make_study(benchmarks=[benchmark], methods=methods, calibration=calibration)


@pytest.fixture(autouse=True)
def _without_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path))


def counts(study: Study) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """(benchmark, method) -> done, wanted, failed, missing"""
    cells = progress(study).cells
    return {(str(c.benchmark), c.method.name): (c.done, c.wanted, c.failed, c.missing) for c in cells}


def test_every_method_of_the_registry_has_a_row_in_the_order_of_the_paper():
    Method.objects.filter(name="nearest").update(display_name="old name", rank=77)
    Method.objects.filter(name="drcn").delete()
    Method.objects.create(name="mine", display_name="mine", kind="folder")
    sync_methods()
    assert list(Method.objects.values_list("name", flat=True)) == [*METHODS, "mine"]
    assert Method.objects.get(name="nearest").display_name == "nearest"


def test_the_missing_images_of_a_study_are_asked_for_once_calibration_included(study):
    assert progress(study).obtainable == 8
    assert request_missing(study) == 8
    assert request_missing(study) == 0
    assert counts(study) == {
        ("cal", "nearest"): (0, 1, 0, 0),
        ("cal", "hr"): (0, 1, 0, 0),
        ("tiny", "nearest"): (0, 2, 0, 0),
        ("tiny", "bicubic"): (0, 2, 0, 0),
        ("tiny", "srgan-vgg22"): (0, 0, 0, 2),
        ("tiny", "hr"): (0, 2, 0, 0),
    }


def test_a_method_that_cannot_run_here_is_not_asked_for_and_says_what_to_do(study):
    request_missing(study)
    found = progress(study)
    [cell] = [cell for cell in found.cells if cell.unavailable]
    assert cell.method.name == "srgan-vgg22"
    assert "train them" in cell.unavailable
    assert found.obtainable == 0
    assert not Stimulus.objects.filter(method__name="srgan-vgg22").exists()


def test_a_method_of_somebodys_own_is_asked_for_as_a_folder(study):
    Method.objects.create(name="esrgan", display_name="ESRGAN", kind="folder")
    assert "manage.py import_results esrgan" in why_not(Method.objects.get(name="esrgan"))


def test_an_image_that_is_rated_and_calibration_too_is_counted_once(study):
    study.calibration.add(*study.cells.first().benchmark.sources.all())
    assert progress(study).total == 2 * 4 + 2


def test_failures_are_listed_with_their_reason_and_can_be_tried_again(study):
    request_missing(study)
    Stimulus.objects.filter(method__name="bicubic").update(state="failed", error="the disk is full", attempts=5)
    found = progress(study)
    assert [str(f) + ": " + f.error for f in found.failures] == [
        "tiny/tiny_000 by bicubic: the disk is full",
        "tiny/tiny_001 by bicubic: the disk is full",
    ]
    assert (found.failed, found.pending) == (2, 6)
    assert retry_failures(study) == 2
    assert counts(study)["tiny", "bicubic"] == (0, 2, 0, 0)
    assert set(Stimulus.objects.values_list("attempts", "error")) == {(0, "")}


def test_trying_again_leaves_other_studies_failures_alone(study):
    elsewhere = factories.make_benchmark("other", images=1)
    Stimulus.objects.filter(source__benchmark=elsewhere).update(state="failed")
    request_missing(study)
    assert retry_failures(study) == 0


def test_progress_follows_the_work(study):
    request_missing(study)
    for stimulus in Stimulus.objects.filter(method__name="hr"):
        render(stimulus.pk)
    found = progress(study)
    assert (found.done, found.pending, found.total) == (3, 5, 10)


def test_new_code_makes_new_images_and_the_old_ones_count_no_more(study):
    request_missing(study)
    for stimulus in Stimulus.objects.all():
        render(stimulus.pk)
    Stimulus.objects.filter(method__name="bicubic").update(code_version="0.9")
    assert counts(study)["tiny", "bicubic"] == (0, 0, 0, 2)
    assert request_missing(study) == 2


def test_generate_asks_and_returns_at_once_if_told_so(study, capsys):
    call_command("generate", "study", no_wait=True)
    out, err = capsys.readouterr()
    asked, window = out.splitlines()
    assert asked == "study: 0 of 10 images are there, 8 to be made."
    assert window.startswith("The largest images have 96 x 68 pixels. With the bar below them they need a window of ")
    assert "srgan-vgg22 on tiny: 2 images cannot be made here. What to do: " in err


def test_generate_without_a_name_serves_every_draft(study, capsys):
    call_command("generate", no_wait=True)
    assert Stimulus.objects.count() == 8


def test_generate_ends_with_an_error_that_lists_what_failed(study, capsys):
    request_missing(study)
    first, *others = Stimulus.objects.all()
    for stimulus in others:
        render(stimulus.pk)
    Stimulus.objects.filter(pk=first.pk).update(state="failed", error="the disk is full")
    with pytest.raises(CommandError, match=r"1 images failed:\n- .*: the disk is full\nTry them again with --retry"):
        call_command("generate", "study")
    assert "7/10 done, 1 failed, 0 left" in capsys.readouterr().out


def test_generate_is_silent_about_workers_when_nothing_is_left(study, capsys):
    request_missing(study)
    for stimulus in Stimulus.objects.all():
        render(stimulus.pk)
    call_command("generate", "study")
    out, err = capsys.readouterr()
    assert "8/10 done, 0 failed, 0 left" in out
    assert "No worker" not in err


def test_generate_knows_the_studies_there_are(study):
    with pytest.raises(CommandError, match="There is no study 'stuby'; there are: study"):
        call_command("generate", "stuby")


def test_asking_for_images_loads_neither_torch_nor_the_methods_of_the_workers():
    code = (
        "import django, sys; django.setup(); import studies.generation.requests, studies.jobs.dispatch; "
        "sys.exit(str([m for m in sys.modules if m in ('torch', 'numba', 'studies.generation.render')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
