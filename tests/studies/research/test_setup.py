from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from studies.content.methods import offered_methods
from studies.models import Benchmark, SourceImage, Stimulus, Study, StudyEvent, StudyImage
from studies.protocol import readiness
from studies.protocol.duration import trials_each
from studies.protocol.slots import slots
from studies.research import drafts, invitations, lifecycle, presets, refusals
from tests.studies.factories import launch, make_benchmark, make_methods, make_stimulus, make_study, photograph

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()


def paper_benchmarks(*, images=1):
    for name in ("Set5", "Set14", "BSD100", "Calibration20"):
        make_benchmark(name, images=images)


def test_a_complete_study_has_no_problems_and_launches_with_its_images_frozen():
    study = make_study(calibration=make_benchmark("anchors", images=1))
    assert readiness.check(study) == []
    launch(study)
    assert study.state == "launched"
    assert sorted(study.images.values_list("role", flat=True)) == ["high", "low"] + ["rated"] * 6
    assert StudyEvent.objects.get(kind="launch").detail == {"images": 8}


def test_missing_images_are_named_and_keep_a_study_from_launching():
    study = make_study()
    Stimulus.objects.filter(method__name="bicubic", source__name="tiny_001").update(state="failed", file="")
    with pytest.raises(refusals.NotReady) as caught:
        launch(study)
    assert caught.value.problems == ["bicubic on tiny: 1 of 2 images are missing (tiny_001)."]
    study.refresh_from_db()
    assert study.state == "draft"
    assert not StudyImage.objects.exists()


def test_a_method_without_images_may_be_in_a_draft_but_not_in_a_launched_study():
    study = make_study(methods=("nearest", "srgan-vgg54", "hr"))
    assert readiness.check(study) == ["srgan-vgg54 on tiny: 2 of 2 images are missing (tiny_000, tiny_001)."]


def test_a_study_without_images_is_told_what_it_needs():
    study = make_study(methods=())
    assert readiness.check(study) == ["It has no images: choose at least one benchmark and one method for it."]


def test_one_source_alone_cannot_be_kept_from_coming_twice_in_a_row():
    benchmark = make_benchmark(images=1)
    assert "The order is impossible" in readiness.check(make_study(benchmarks=[benchmark]))[0]
    assert readiness.check(make_study(name="other", benchmarks=[benchmark], order="random")) == []


def test_more_repeats_than_images_are_a_problem():
    assert readiness.check(make_study(repeats=7)) == [
        "The order is impossible: 7 repeats are asked for, but there are only 6 images; ask for fewer."
    ]


def test_a_part_that_cannot_be_ordered_keeps_a_study_from_launching():
    study = make_study(allocation="spread", trials=7)
    assert readiness.check(study) == [
        "The order is impossible: each rater is to rate 7 images and there are 6; set the images that each rater rates "
        "to 1 to 6."
    ]


def test_a_part_and_its_number_of_images_need_each_other():
    for protocol in ({"allocation": "together"}, {"trials": 4}):
        with pytest.raises(ValidationError) as refused:
            make_study(name="p", benchmarks=[], **protocol)
        assert set(refused.value.message_dict) == {"trials"}


def test_a_file_that_is_gone_is_a_problem():
    study = make_study()
    default_storage.delete(Stimulus.objects.filter(method__name="hr").first().file.name)
    with pytest.raises(refusals.NotReady) as refused:
        launch(study)
    assert refused.value.problems == ["The file of hr on tiny/tiny_000 is not in the image storage."]


def test_versions_of_different_file_size_would_betray_the_method():
    study = make_study()
    path = Path(default_storage.path(Stimulus.objects.filter(method__name="hr").first().file.name))
    with path.open("ab") as file:
        file.write(b"0")
    with pytest.raises(refusals.NotReady, match="tiny/tiny_000 have different file sizes"):
        launch(study)


def test_versions_that_were_stored_with_different_sizes_are_a_problem_before_the_launch():
    study = make_study()
    Stimulus.objects.filter(pk=Stimulus.objects.filter(method__name="hr").first().pk).update(file_bytes=1)
    assert "tiny/tiny_000 have different file sizes" in readiness.check(study)[0]


def test_an_image_that_changes_while_the_files_are_looked_at_is_not_launched(monkeypatch):
    study = make_study()

    def meanwhile_made_anew(filled):
        Stimulus.objects.filter(method__name="bicubic").update(code_version="0.9")
        return []

    monkeypatch.setattr(lifecycle, "problems_of_files", meanwhile_made_anew)
    with pytest.raises(refusals.StudyError, match="Launch it again"):
        launch(study)
    assert Study.objects.get().state == "draft"


def test_launching_twice_is_refused():
    study = launch(make_study())
    with pytest.raises(refusals.StudyError, match="does not change"):
        launch(study)


def test_closing_and_reopening_are_dated_and_logged():
    study = launch(make_study())
    lifecycle.close(study=study, now=NOW)
    lifecycle.close(study=study, now=NOW)
    assert (study.state, study.closed_at) == ("closed", NOW)
    lifecycle.reopen(study=study, now=NOW)
    assert (study.state, study.closed_at) == ("launched", None)
    assert list(StudyEvent.objects.order_by("pk").values_list("kind", flat=True)) == [
        "created", "launch", "close", "reopen",
    ]  # fmt: skip


def test_a_draft_can_be_neither_closed_nor_reopened():
    for act in (lifecycle.close, lifecycle.reopen):
        with pytest.raises(refusals.StudyError, match="draft"):
            act(study=make_study(name=act.__name__, benchmarks=[]), now=NOW)


def test_a_clone_has_the_same_design_and_another_seed():
    study = launch(make_study(calibration=make_benchmark("anchors", images=1), repeats=2, order="random"))
    copy = drafts.clone(study=study, name="copy", title="Second run")
    assert copy.state == "draft"
    assert (copy.repeats, copy.order) == (2, "random")
    assert copy.seed != study.seed
    assert drafts.cells_by_benchmark(copy) == drafts.cells_by_benchmark(study)
    assert list(copy.calibration.all()) == list(study.calibration.all())


def test_the_papers_design_asks_each_rater_for_12_versions_of_set5_and_set14_and_9_of_bsd100():
    paper_benchmarks()
    make_methods()
    study = presets.create_paper_study(name="paper", title="Image quality")
    cells = {b.name: [m.name for m in methods] for b, methods in drafts.cells_by_benchmark(study).items()}
    assert {name: len(methods) for name, methods in cells.items()} == {"BSD100": 9, "Set14": 12, "Set5": 12}
    assert set(cells["Set5"]) - set(cells["BSD100"]) == {"srresnet-vgg22", "srgan-mse", "srgan-vgg22"}
    assert study.order == "random"
    assert study.calibration.count() == 1
    assert trials_each(study) == 12 + 12 + 9


def test_with_real_benchmark_sizes_the_papers_design_has_1128_trials():
    make_methods()
    for name, images in (("Set5", 5), ("Set14", 14), ("BSD100", 100), ("Calibration20", 20)):
        benchmark = Benchmark.objects.create(name=name)
        SourceImage.objects.bulk_create(
            SourceImage(benchmark=benchmark, name=f"{n}", width=4, height=4, mode="RGB") for n in range(images)
        )
    study = presets.create_paper_study(name="paper", title="Image quality")
    assert trials_each(study) == 1128
    assert sum(slot.role != "rated" for slot in slots(study)) == 40


def test_the_papers_design_names_the_benchmarks_that_are_not_there():
    make_benchmark("Set5")
    with pytest.raises(refusals.StudyError, match="Set14, BSD100, Calibration20: import"):
        presets.create_paper_study(name="paper", title="Image quality")


def test_a_supplied_result_fills_the_place_of_a_method_that_cannot_run():
    study = make_study(methods=("nearest", "srgan-vgg22"))
    method = make_methods()["srgan-vgg22"]
    assert method not in offered_methods()
    for source in SourceImage.objects.all():
        stimulus = make_stimulus(source, method, photograph(9, height=source.height, width=source.width))
        Stimulus.objects.filter(pk=stimulus.pk).update(origin="folder", content_sha256="00", code_version="")
    assert readiness.check(study) == []
    assert method in offered_methods()


def test_an_image_by_other_weights_or_older_code_does_not_count():
    study = make_study()
    Stimulus.objects.filter(method__name="bicubic").update(code_version="0.9")
    assert readiness.check(study) == ["bicubic on tiny: 2 of 2 images are missing (tiny_000, tiny_001)."]


def test_a_launched_study_keeps_its_images_when_newer_ones_are_made():
    study = launch(make_study())
    before = {slot.stimulus.pk for slot in slots(study)}
    source = SourceImage.objects.first()
    stimulus = Stimulus.objects.get(source=source, method__name="bicubic")
    stimulus.pk, stimulus.opaque_name = None, "12345678123456781234567812345678"
    stimulus.origin, stimulus.content_sha256 = "folder", "ff"
    stimulus.save(force_insert=True)
    assert {slot.stimulus.pk for slot in slots(study)} == before
    new = make_study(name="new", benchmarks=[source.benchmark])
    assert stimulus.pk in {slot.stimulus.pk for slot in slots(new)}


def test_raters_get_labels_that_are_unique_in_the_study():
    study = make_study()
    labels = [invitations.invite(study=study).label for _ in range(3)]
    assert labels == ["r001", "r002", "r003"]
    assert invitations.invite(study=study, is_preview=True).label == "preview001"
    with pytest.raises(refusals.StudyError, match="already exists"), transaction.atomic():
        invitations.invite(study=study, label="r002")


def test_invitations_cannot_be_guessed_from_each_other():
    study = make_study()
    tokens = {invitations.invite(study=study).token for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) == 32 for token in tokens)


def test_a_seed_is_drawn_and_kept_where_none_is_given():
    studies = [make_study(name=f"s{n}", benchmarks=[], seed=None) for n in range(3)]
    assert len({Study.objects.get(pk=study.pk).seed for study in studies}) == 3


def test_a_bad_field_is_refused():
    with pytest.raises(ValidationError, match="pause_minutes"):
        make_study(pause_minutes=0)
