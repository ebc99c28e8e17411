"""The page of a large draft shows what a worker found, which is what a small one's page finds by itself."""

import re
import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from srcore.resize import upscale_bicubic, upscale_nearest
from studies.generation.requests import request_missing, retry_failures
from studies.models import Method, SourceImage, Stimulus, Study, StudyRegion, Tally
from studies.protocol.chosen import chosen_of
from studies.research import draft_state, drafts, lifecycle, regions
from studies.research.draft_state import draft_stamp, draft_tally, look, state_of, stored_state
from studies.research.refusals import NotReady
from studies.research.tallying import make
from tests.studies.factories import launch, make_benchmark, make_methods, make_stimulus, make_study
from tests.studies.research.test_image_versions import bring
from tests.studies.research.test_life import act, ask, text

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _large(monkeypatch):
    """Every draft is."""
    monkeypatch.setattr(draft_state, "IMMEDIATE", 0)


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_user("ada", is_staff=True))
    return client


def checked(study: Study) -> Tally:
    make(draft_tally(study, now=NOW).pk)
    return Tally.objects.get(study=study)


def page(client, study: Study) -> str:
    return client.get(reverse("study", args=[study.name])).content.decode()


def without_tally(html: str) -> str:
    """The page without what says when it was checked."""
    html = re.sub(r'<div class="soft small".*?</div>', "", html, count=1, flags=re.DOTALL)
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", html)


def original_with_newer_images(tmp_path) -> Study:
    """A clone whose original's images of one method were brought anew since."""
    benchmark = make_benchmark()
    bring(tmp_path, upscale_bicubic)
    original = launch(make_study(benchmarks=[benchmark], methods=("srcnn", "nearest")))
    bring(tmp_path, upscale_nearest)
    return drafts.clone(study=original, name="copy", title="Again")


def with_failures(tmp_path) -> Study:
    study = make_study(methods=("nearest", "bicubic", "srcnn", "hr"), practice="tiny/none bicubic 1")
    request_missing(study)
    Stimulus.objects.filter(method__name="srcnn").update(state="failed", error="out of memory")
    return study


def with_regions(tmp_path) -> Study:
    study = make_study(region_width=64, region_height=48)
    regions.set_by_hand(study=study, places={SourceImage.objects.first().pk: (8, 4)})
    return study


@pytest.mark.parametrize("made", [make_study, original_with_newer_images, with_failures, with_regions])
def test_a_worker_finds_what_the_page_of_a_small_draft_finds(made, tmp_path, staff, monkeypatch):
    study = made() if made is make_study else made(tmp_path)
    tally = checked(study)
    kept = state_of(study, now=NOW)
    assert (kept.tally.pk, kept.is_current) == (tally.pk, True)
    assert stored_state(kept) == stored_state(look(study))
    large = page(staff, study)
    monkeypatch.setattr(draft_state, "IMMEDIATE", 10**6)
    assert "checked by a worker" in large
    assert without_tally(large) == re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page(staff, study))


def test_before_a_worker_has_looked_the_page_says_so_and_a_launch_looks_itself(staff):
    study = make_study(methods=("nearest", "srcnn"))
    found = page(staff, study)
    assert "A worker checks its images." in found
    assert "No worker is running" in found
    assert "Everything is there" not in found
    assert "Not ready" not in found
    assert "Its images are not checked since something was changed" in ask(staff, study, "launch")
    assert "srcnn on tiny: 2 of 2 images are missing" in text(act(staff, study, "launch"))
    assert Study.objects.get().state == "draft"


def test_what_was_found_before_a_change_keeps_nobody_from_a_launch(staff):
    study = make_study(methods=("nearest", "srcnn"))
    checked(study)
    assert "<button disabled>Launch</button>" in page(staff, study)
    benchmark, original = study.cells.first().benchmark, Method.objects.get(name="hr")
    drafts.save_draft(study=study, cells={benchmark: [original]}, calibration=[])
    changed = page(staff, study)
    assert "<button disabled>Launch</button>" not in changed
    assert "being checked again" in changed
    assert Tally.objects.get().state == "wanted", "at once"
    assert "It cannot be done" not in ask(staff, study, "launch")
    act(staff, study, "launch")
    assert Study.objects.get().state == "launched"


def test_a_launch_finds_what_was_lost_since_a_worker_looked():
    study = make_study()
    checked(study)
    Stimulus.objects.filter(method__name="bicubic").delete()
    with pytest.raises(NotReady, match="bicubic on tiny"):
        lifecycle.launch(study=study, now=NOW)


def test_the_launch_throws_it_away():
    study = make_study()
    checked(study)
    launch(study)
    assert not Tally.objects.exists()


CHANGES = {
    "protocol": lambda study: Study.objects.filter(pk=study.pk).update(repeats=1),
    "practice": lambda study: Study.objects.filter(pk=study.pk).update(practice="tiny/tiny_000 hr 5"),
    "cells": lambda study: study.cells.first().delete(),
    "calibration": lambda study: study.calibration.add(make_benchmark("anchors", images=1).sources.get()),
    "a source": lambda study: _copied(SourceImage.objects.first(), name="another", hr_sha256="other"),
    "an image asked for": lambda study: request_missing(study),
    "an image made": lambda study: Stimulus.objects.filter(state="failed").update(state="done", finished_at=NOW),
    "an image asked for again": lambda study: retry_failures(study),
    "an image brought": lambda study: _copied(
        Stimulus.objects.filter(method__name="nearest").first(), origin="folder", content_sha256="another",
        opaque_name=uuid.uuid4(), finished_at=timezone.now(),
    ),
    "a region": lambda study: regions.set_by_hand(study=study, places={_source(study): (0, 0)}),
    "a region cut": lambda study: StudyRegion.objects.update(state="done"),
    "newest images": lambda study: drafts.take_newest_images(study),
}  # fmt: skip


def _source(study) -> int:
    return SourceImage.objects.filter(benchmark__name="tiny").first().pk


def _copied(row, **values) -> None:
    row.pk = None
    for name, value in values.items():
        setattr(row, name, value)
    row.save(force_insert=True)


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_draft_depends_on_is_noticed(change):
    study = make_study(methods=("nearest", "hr", "srcnn", "selfexsr"), region_width=64, region_height=48)
    failed = make_stimulus(SourceImage.objects.first(), make_methods()["srcnn"], np.zeros((64, 96, 3), np.uint8))
    Stimulus.objects.filter(pk=failed.pk).update(state="failed", finished_at=None)
    regions.set_by_hand(study=study, places={_source(study): (8, 4)})
    before = draft_stamp(study, chosen_of(study))
    assert draft_stamp(study, chosen_of(study)) == before
    CHANGES[change](study)
    study = Study.objects.get(pk=study.pk)
    assert draft_stamp(study, chosen_of(study)) != before


def test_what_is_made_for_another_study_changes_nothing():
    study = make_study(practice="other/other_000 hr 5")
    before = draft_stamp(study, chosen_of(study))
    make_benchmark("elsewhere", images=1)
    assert draft_stamp(study, chosen_of(study)) == before
    make_benchmark("other", images=1)  # which its practice names
    assert draft_stamp(study, chosen_of(study)) != before


def test_a_launch_that_is_taken_back_begins_anew():
    study = launch(make_study())
    Tally.objects.create(study=study, found={"coverage": None}, made_at=NOW)  # of a page that was asked for meanwhile
    lifecycle.take_back(study=study, now=NOW)
    assert not state_of(study, now=NOW).is_current
    assert state_of(study, now=NOW).problems == []


def test_images_that_come_one_by_one_have_it_looked_at_again_now_and_then():
    study = make_study()
    tally = checked(study)
    Stimulus.objects.filter(method__name="bicubic").update(state="failed")
    soon, later = tally.finished_at + timedelta(seconds=5), tally.finished_at + timedelta(seconds=60)
    assert draft_tally(study, now=soon).state == "done"
    assert not state_of(study, now=soon).is_current
    assert draft_tally(study, now=later).state == "wanted"
