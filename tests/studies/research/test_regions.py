"""Regions of images larger than a screen: their size, their place by hand or by seed, what is cut, what freezes."""

import json

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from analysis import read_ratings
from srcore.images import read_image
from studies.access import invited_rater
from studies.content.sources import read_stimulus
from studies.generation.cutting import cut, most_different
from studies.generation.render import render
from studies.generation.requests import request_missing
from studies.generation.traps import make_traps
from studies.models import Cut, SourceImage, Stimulus, Study, StudyRegion
from studies.protocol import readiness
from studies.protocol.regions import standings
from studies.protocol.slots import slots
from studies.rating import sessions
from studies.research import drafts, lifecycle, regions
from studies.research.export import protocol_json, ratings_frame, serialise
from studies.research.refusals import StudyError
from tests.studies.factories import launch, make_benchmark, make_methods, make_rater, make_study
from tests.studies.rating.test_sessions import rate

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()
SIZE = {"region_width": 64, "region_height": 48}


@pytest.fixture
def study():
    """Images of 96 x 64 and 96 x 68 pixels by 3 methods, as a draft that shows 64 x 48 of them."""
    return make_study(**SIZE)


def work():
    """What a worker does with the regions that wait."""
    for pk in StudyRegion.objects.filter(state="wanted").values_list("pk", flat=True):
        cut(pk)


def place_all(study, left=8, top=4):
    sources = [one.source.pk for one in standings(study, slots(study)) if not one.is_whole]
    regions.set_by_hand(study=study, places=dict.fromkeys(sources, (left, top)))
    work()


def pixels_of(row):
    with row.file.open("rb") as file:
        return read_image(file, name="a cut")


def test_a_study_names_the_regions_that_are_missing_and_launches_once_they_are_cut(study):
    assert readiness.check(study) == [
        "Of 2 images no region is set (tiny/tiny_000, tiny/tiny_001): see to it on the page Regions."
    ]
    sources = list(SourceImage.objects.order_by("pk"))
    assert regions.set_by_hand(study=study, places={sources[0].pk: (8, 4), sources[1].pk: (32, 20)}) == 2
    (problem,) = readiness.check(study)
    assert "Of 2 images the region is not cut yet" in problem
    with pytest.raises(StudyError, match="not cut yet"):
        launch(study)
    work()
    assert readiness.check(study) == []
    for of in Cut.objects.select_related("region", "stimulus__source"):
        left, top = of.region.left, of.region.top
        whole = read_stimulus(of.stimulus)
        assert np.array_equal(pixels_of(of), whole[top : top + 48, left : left + 64])
    assert Cut.objects.count() == 6
    assert len(set(Cut.objects.values_list("file_bytes", flat=True))) == 1
    launch(study)


def test_a_raters_image_is_the_cut_and_nothing_else_of_the_image(study, client):
    place_all(study)
    rater = make_rater(launch(study))
    client.get(reverse("invitation", args=[rater.token]))
    sessions.agree(rater=rater, now=NOW)
    session = invited_rater(token=rater.token).session
    shown = sessions.standing(session, now=NOW).upcoming
    assert {(trial.width, trial.height) for trial in shown} == {(64, 48)}
    for trial in shown:
        of = Cut.objects.get(stimulus=session.trials.get(token=trial.token).stimulus_id)
        answer = client.get(reverse("image", args=[trial.token]))
        assert answer.content == of.file.open("rb").read()
        assert client.get(reverse("whole-image", args=[trial.token])).status_code == 404
    assert sessions.largest_images(study) == [(64, 48)]


def test_the_whole_image_comes_small_where_the_study_wants_it_and_is_the_same_for_every_method(client):
    study = make_study(**SIZE, orientation_ms=1500)
    place_all(study)
    rater = make_rater(launch(study))
    client.get(reverse("invitation", args=[rater.token]))
    sessions.agree(rater=rater, now=NOW)
    page = client.get(reverse("rater-home"))
    data = page.context["data"]
    assert data["orientation_ms"] == 1500
    first = data["standing"]["upcoming"][0]
    source = SourceImage.objects.get(stimuli__trials__token=first["token"])
    assert first["whole"]["frame"] == [8 / 96, 4 / source.height, 64 / 96, 48 / source.height]
    sent = client.get(first["whole"]["url"])
    assert sent.content == source.lr.open("rb").read()
    assert set(sent.headers["Cache-Control"].split(", ")) == {"no-store", "no-transform"}
    late = rater.session.trials.order_by("position").last()
    assert client.get(reverse("whole-image", args=[late.token])).status_code == 409


def test_an_image_no_larger_than_a_region_is_shown_whole_and_one_larger_one_way_is_cut_that_way():
    small = make_benchmark("b", images=2, height=48, width=64)
    study = make_study(benchmarks=[small], region_width=64, region_height=50)
    whole, cut_off = standings(study, slots(study))
    assert (whole.is_whole, cut_off.is_whole) == (True, False)  # 64 x 48 and 64 x 52
    assert cut_off.size == (64, 50)
    with pytest.raises(StudyError, match="shows no region of this image"):
        regions.set_by_hand(study=study, places={whole.source.pk: (0, 0)})
    regions.set_by_hand(study=study, places={cut_off.source.pk: (0, 2)})
    work()
    rater = make_rater(launch(study))
    sessions.agree(rater=rater, now=NOW)
    shown = sessions.standing(invited_rater(token=rater.token).session, now=NOW).upcoming
    assert {(trial.width, trial.height) for trial in shown} == {(64, 48), (64, 50)}


@pytest.mark.parametrize("place", [(33, 0), (0, 21), (10**9, 0)])
def test_a_region_outside_of_the_image_is_refused(study, place):
    source = SourceImage.objects.last()
    with pytest.raises(StudyError, match="left is 0 to 32, top 0 to 20"):
        regions.set_by_hand(study=study, places={source.pk: place})
    assert not StudyRegion.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"region_width": 64}, "region_height"),
        ({"region_width": 31, "region_height": 64}, "region_width"),
        ({"orientation_ms": 500}, "orientation_ms"),
        ({**SIZE, "orientation_ms": 60_000}, "orientation_ms"),
    ],
)
def test_half_a_size_and_a_whole_image_before_none_are_refused_at_their_field(fields, field):
    with pytest.raises(ValidationError) as refused:
        make_study(**fields)
    assert list(refused.value.message_dict) == [field]


def test_moving_a_region_cuts_it_anew_and_removes_what_was_cut(study, django_capture_on_commit_callbacks):
    place_all(study)
    before = [of.file for of in Cut.objects.all()]
    storage = before[0].storage
    with transaction.atomic():
        assert regions.set_by_hand(study=study, places=dict.fromkeys(_sources(), (8, 4))) == 0
    assert Cut.objects.count() == 6
    with django_capture_on_commit_callbacks(execute=True):
        regions.set_by_hand(study=study, places=dict.fromkeys(_sources(), (9, 4)))
    assert Cut.objects.count() == 0
    assert not [file for file in before if storage.exists(file.name)]
    work()
    assert Cut.objects.count() == 6
    assert not {of.file.name for of in Cut.objects.all()} & {file.name for file in before}
    assert storage.exists(Cut.objects.first().file.name)


def _sources():
    return list(SourceImage.objects.values_list("pk", flat=True))


def test_an_attempt_whose_region_was_moved_meanwhile_leaves_nothing(study, monkeypatch):
    regions.set_by_hand(study=study, places={_sources()[0]: (0, 0)})
    (old,) = StudyRegion.objects.all()
    from studies.generation import cutting

    def slow(row, stimulus, really=cutting.cut_of):
        if StudyRegion.objects.filter(pk=old.pk).exists():
            regions.set_by_hand(study=study, places={_sources()[0]: (5, 5)})
        return really(row, stimulus)

    monkeypatch.setattr(cutting, "cut_of", slow)
    cut(old.pk)
    assert Cut.objects.count() == 0
    work()
    assert set(Cut.objects.values_list("region__left", flat=True)) == {5}


def test_a_new_size_keeps_no_region_and_another_design_forgets_those_it_does_not_need(study):
    place_all(study)
    study.region_width = 40
    drafts.save_draft(study=study, cells=drafts.cells_by_benchmark(study), calibration=[])
    assert "another size" in readiness.check(study)[0]
    study.region_width = study.region_height = 0
    drafts.save_draft(study=study, cells=drafts.cells_by_benchmark(study), calibration=[])
    assert not StudyRegion.objects.exists()
    assert readiness.check(study) == []


def test_images_that_are_made_later_are_cut_too(study):
    place_all(study)
    assert readiness.check(study) == []
    row = Stimulus.objects.get(method__name="bicubic", source=_sources()[0])
    Cut.objects.filter(stimulus=row).delete()
    Stimulus.objects.filter(pk=row.pk).update(state="wanted", file="")
    render(row.pk)
    assert StudyRegion.objects.filter(state="wanted").count() == 1
    work()
    assert readiness.check(study) == []


def test_a_method_that_joins_has_its_regions_cut_at_once_and_what_is_missing_can_be_asked_for(study, staff):
    (benchmark, methods), *_ = drafts.cells_by_benchmark(study).items()
    drafts.save_draft(study=study, cells={benchmark: methods[:2]}, calibration=[])
    place_all(study)
    assert Cut.objects.count() == 4
    drafts.save_draft(study=study, cells={benchmark: methods}, calibration=[])
    assert "The regions of 2 images are being cut" in staff.get(reverse("study-images", args=["study"])).text
    work()
    assert readiness.check(study) == []
    assert Cut.objects.count() == 6
    Cut.objects.filter(stimulus__method__name="hr").delete()  # as if its results had been imported since
    assert "Cut the regions that are missing" in staff.get(reverse("study-images", args=["study"])).text
    request_missing(study)
    work()
    assert readiness.check(study) == []


def test_a_seed_draws_where_the_methods_differ_most():
    flat = np.full((100, 200), 128, np.uint8)
    differing = flat.copy()
    differing[30:50, 120:150] = 140
    places = {most_different([flat, differing], width=40, height=30, seed=seed, name="a") for seed in range(40)}
    for left, top in places:
        inside = differing[top : top + 30, left : left + 40] != 128
        assert inside.sum() >= 0.9 * 20 * 30
    assert len(places) > 10
    assert most_different([flat, differing], width=40, height=30, seed=3, name="a") == most_different(
        [flat, differing], width=40, height=30, seed=3, name="a"
    )
    everywhere = {most_different([flat, flat], width=40, height=30, seed=seed, name="a") for seed in range(40)}
    assert max(left for left, _ in everywhere) > 120
    whole = most_different([flat, differing], width=200, height=100, seed=1, name="a")
    assert whole == (0, 0)


def test_regions_drawn_by_seed_are_the_same_again_and_outdated_once_a_method_joins(study):
    (benchmark, methods), *_ = drafts.cells_by_benchmark(study).items()
    drafts.save_draft(study=study, cells={benchmark: methods[:2]}, calibration=[])
    assert regions.draw(study=study, seed=7) == (2, [])
    work()
    first = list(StudyRegion.objects.values_list("source", "left", "top"))
    assert readiness.check(study) == []
    assert regions.draw(study=study, seed=7, again=True) == (0, [])
    assert regions.draw(study=study, seed=8, again=True) == (2, [])
    work()
    assert regions.draw(study=study, seed=7, again=True) == (2, [])
    work()
    assert list(StudyRegion.objects.values_list("source", "left", "top")) == first
    drafts.save_draft(study=study, cells={benchmark: methods}, calibration=[])
    assert "drawn by seed among other images than these" in readiness.check(study)[0]
    Stimulus.objects.filter(method__name="hr").update(state="wanted", file="")
    number, waiting = regions.draw(study=study, seed=9, again=True)
    assert (number, len(waiting)) == (0, 2)


def test_a_clone_keeps_the_regions_and_what_is_cut_until_one_of_both_moves(study, django_capture_on_commit_callbacks):
    regions.draw(study=study, seed=7)
    work()
    regions.set_by_hand(study=study, places={_sources()[0]: (1, 2)})
    work()
    launch(study)
    copy = drafts.clone(study=study, name="copy", title="Copy")
    fields = ("source", "left", "top", "width", "height", "seed", "drawn_from")
    assert list(copy.regions.order_by("source").values_list(*fields)) == list(
        study.regions.order_by("source").values_list(*fields)
    )
    assert readiness.check(copy) == []
    names = set(Cut.objects.filter(region__study=study).values_list("file", flat=True))
    assert set(Cut.objects.filter(region__study=copy).values_list("file", flat=True)) == names
    with django_capture_on_commit_callbacks(execute=True):
        regions.set_by_hand(study=copy, places=dict.fromkeys(_sources(), (3, 3)))
    work()
    assert readiness.check(copy) == readiness.problems_of_files(slots(study)) == []
    launch(copy)


def test_a_launch_freezes_regions_and_cuts(study):
    place_all(study)
    launch(study)
    region, of = StudyRegion.objects.first(), Cut.objects.first()
    changes = [
        lambda: StudyRegion.objects.update(left=0),
        lambda: region.delete(),
        lambda: Cut.objects.update(file="x"),
        lambda: Cut.objects.all()._raw_delete("default"),
        lambda: StudyRegion.objects.create(study=study, source=_another(), left=0, top=0, width=1, height=1),
        lambda: Cut.objects.create(region=region, stimulus=of.stimulus, file="y", file_bytes=1),
    ]
    for change in changes:
        with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
            change()
    StudyRegion.objects.update(state="wanted")
    work()
    assert set(StudyRegion.objects.values_list("state", flat=True)) == {"done"}
    with pytest.raises(StudyError, match="does not change"):
        regions.set_by_hand(study=study, places={_sources()[0]: (1, 1)})
    with pytest.raises(StudyError, match="does not change"):
        regions.draw(study=study, seed=1)


def _another():
    return make_benchmark("other", images=1).sources.get()


def test_the_export_has_the_region_and_analysis_reads_it_without_loss(study, tmp_path):
    sources = list(SourceImage.objects.order_by("pk"))
    regions.set_by_hand(study=study, places={sources[0].pk: (8, 4), sources[1].pk: (32, 20)})
    work()
    rater = make_rater(launch(study))
    sessions.agree(rater=rater, now=NOW)
    for trial in invited_rater(token=rater.token).session.trials.all():
        rate(rater, trial)
    frame = ratings_frame(study)
    columns = ["region_left", "region_top", "region_width", "region_height"]
    by_source = frame.groupby("source")[columns].agg(["min", "max"])
    assert by_source.loc["tiny_000"].tolist() == [8, 8, 4, 4, 64, 64, 48, 48]
    assert by_source.loc["tiny_001"].tolist() == [32, 32, 20, 20, 64, 64, 48, 48]
    for kind in ("csv", "parquet"):
        path = tmp_path / f"ratings.{kind}"
        path.write_bytes(serialise(frame, kind=kind))
        assert read_ratings(path)[columns].equals(frame[columns])
    told = json.loads(protocol_json(study))
    assert told["regions"][0] == {
        "benchmark": "tiny", "source": "tiny_000", "left": 8, "top": 4, "width": 64, "height": 48, "seed": None,
        "source_width": 96, "source_height": 64,
    }  # fmt: skip
    assert (told["region_width"], told["metrics_measured_on"]) == (64, "whole images")


def test_a_study_without_regions_has_empty_columns_for_them():
    rater = make_rater(launch(make_study()))
    sessions.agree(rater=rater, now=NOW)
    rate(rater, rater.session.trials.first())
    assert ratings_frame(Study.objects.get())["region_left"].isna().all()


def save(staff, **values):
    return staff.post(reverse("study-regions", args=["study"]), values, follow=True)


def test_staff_set_regions_by_numbers_and_what_cannot_be_is_said_at_its_field(study, staff):
    one, two = _sources()
    page = save(staff, **{f"left-{one}": 8, f"top-{one}": 4, f"left-{two}": "", f"top-{two}": ""})
    assert "1 region set by hand" in page.text
    assert list(StudyRegion.objects.values_list("source", "left", "top")) == [(one, 8, 4)]
    bad = {f"left-{one}": "33", f"top-{one}": "1.5", f"left-{two}": "-1", f"top-{two}": ""}
    page = save(staff, **bad)
    assert page.status_code == 422
    assert page.context["form"].errors == {
        f"left-{one}": ["Ensure this value is less than or equal to 32."],
        f"top-{one}": ["Enter a whole number."],
        f"left-{two}": ["Ensure this value is greater than or equal to 0."],
    }
    page = save(staff, **{f"left-{two}": "0"})
    assert page.context["form"].errors == {f"top-{two}": ["A region needs both numbers."]}
    work()
    page = staff.get(reverse("study-regions", args=["study"])).text
    assert "cut out of 3 of 3 images" in page
    assert "no region is set" in page
    picture = staff.get(reverse("region-source", args=["study", one]))
    assert picture["Content-Type"] == "image/jpeg"
    assert picture["Cache-Control"] == "no-store"


def test_staff_have_regions_drawn_on_the_page(study, staff):
    Stimulus.objects.filter(method__name="hr", source=_sources()[1]).update(state="wanted", file="")
    page = staff.post(reverse("regions-draw", args=["study"]), {"seed": 5}, follow=True).text
    assert "1 region to be drawn by a worker" in page
    assert "Of 1 not all images are there yet (tiny/tiny_001)" in page
    assert staff.post(reverse("regions-draw", args=["study"]), {"seed": "x"}).status_code == 422


def test_a_size_that_is_changed_proposes_the_same_middle(study, staff):
    place_all(study, 10, 10)
    study.region_width, study.region_height = 40, 40
    study.save()
    fields = staff.get(reverse("study-regions", args=["study"])).context["form"].rows[0][1]
    assert [field.value() for field in fields] == [22, 14]


def test_a_draft_whose_region_is_moved_while_staff_try_it_pauses_and_says_why(study, client):
    place_all(study)
    rater = make_rater(study, is_preview=True)
    client.get(reverse("invitation", args=[rater.token]))
    sessions.agree(rater=rater, now=NOW)
    (token, *_) = [trial.token for trial in sessions.standing(rater.session, now=NOW).upcoming]
    regions.set_by_hand(study=study, places=dict.fromkeys(_sources(), (0, 0)))
    assert client.get(reverse("image", args=[token])).status_code == 503
    assert study.events.first().kind == "region not cut"
    work()
    assert client.get(reverse("image", args=[token])).status_code == 200


def test_calibration_and_practice_are_cut_as_well():
    study = make_study(calibration=make_benchmark("anchors", images=1), practice="anchors/anchors_000 hr 5", **SIZE)
    place_all(study)
    assert set(StudyRegion.objects.values_list("source__benchmark__name", flat=True)) == {"tiny", "anchors"}
    launch(study)
    lifecycle.close(study=study, now=NOW)
    assert len({slot.cut for slot in slots(study)}) == 8
    make_methods()


def test_a_trap_is_made_smaller_so_that_its_number_is_seen_whole():
    study = make_study(traps_a_run=1, **SIZE)
    make_traps(study)
    place_all(study, left=0, top=0)
    traps = [slot for slot in slots(study) if slot.role == "trap"]
    assert traps
    for slot in traps:
        ink = (pixels_of(slot.cut)[..., 0] < 80).any(axis=1)
        assert not ink[0]
        assert not ink[-1]
        assert 0.3 < ink.mean() < 0.8
    assert len({slot.shown.file_bytes for slot in slots(study)}) == 1
    launch(study)


def test_the_page_of_regions_refreshes_while_a_worker_cuts(study, staff):
    page = reverse("study-regions", args=["study"])
    regions.set_by_hand(study=study, places=dict.fromkeys(_sources(), (8, 4)))
    shown = staff.get(page).text
    assert "2 regions wait to be drawn or cut by a worker." in shown
    assert "data-pending" in shown
    assert f'data-reload data-url="{reverse("study-waiting", args=["study"])}"' in shown
    work()
    assert "data-pending" not in staff.get(page).text
