"""Images are versions: a study keeps those it has, and gets newer ones only where somebody asks for them."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from PIL import Image

from srcore.resize import upscale_bicubic, upscale_nearest
from studies.content import stimuli
from studies.content.bringing import look, take
from studies.content.sources import read_source
from studies.models import Benchmark, Study, StudyEvent
from studies.protocol.slots import slots
from studies.research import drafts, refusals
from studies.research.export import objective_frame, protocol_json
from tests.studies.factories import launch, make_benchmark, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def bring(folder, enlarge) -> None:
    """Results of SRCNN on every image of the benchmark."""
    for source in Benchmark.objects.get().sources.all():
        Image.fromarray(enlarge(read_source(source)[1])).save(folder / f"{source.name}.png")
    take(look(method="srcnn", benchmark="tiny", path=folder))


@pytest.fixture
def study(tmp_path) -> Study:
    """A draft with brought images of SRCNN."""
    benchmark = make_benchmark()
    bring(tmp_path, upscale_bicubic)
    return make_study(benchmarks=[benchmark], methods=("srcnn", "nearest"))


def shown(study: Study) -> set[int]:
    return {slot.stimulus.pk for slot in slots(Study.objects.get(pk=study.pk))}


def psnr(study: Study) -> dict[tuple[str, str], float]:
    table = objective_frame(study)
    chosen = table[table["metric"] == "psnr"]
    return {(row.method, row.source): row.value for row in chosen.itertuples()}


def page(client, study: Study) -> str:
    client.force_login(User.objects.get_or_create(username="staff", is_staff=True)[0])
    return client.get(reverse("study", args=[study.name])).content.decode()


def test_a_draft_keeps_its_images_and_says_that_there_are_newer_ones(study, tmp_path, client):
    before, scores = shown(study), psnr(study)
    assert "Newer images exist" not in page(client, study)
    bring(tmp_path, upscale_nearest)
    assert (shown(study), psnr(study)) == (before, scores)
    assert "<li>SRCNN on tiny: 2 images</li>" in page(client, study)


def test_a_draft_takes_the_newest_images_when_it_is_asked_to(study, tmp_path, client):
    before, scores = shown(study), psnr(study)
    bring(tmp_path, upscale_nearest)
    page(client, study)
    client.post(reverse("study-act", args=[study.name, "newest"]))
    assert len(shown(study) - before) == 2
    assert psnr(Study.objects.get())["srcnn", "tiny_000"] < scores["srcnn", "tiny_000"]
    assert "Newer images exist" not in page(client, study)
    assert StudyEvent.objects.get(kind="newest images").detail == {"images": 2}
    assert drafts.take_newest_images(Study.objects.get()) == 0
    assert StudyEvent.objects.filter(kind="newest images").count() == 1


def test_an_image_that_a_draft_lacked_comes_in_and_then_stays(tmp_path):
    benchmark = make_benchmark()
    study = make_study(benchmarks=[benchmark], methods=("srcnn", "nearest"))
    assert None in {slot.stimulus for slot in slots(study)}
    bring(tmp_path, upscale_bicubic)
    first = shown(study)
    assert len(first) == 4
    bring(tmp_path, upscale_nearest)
    assert shown(study) == first


def test_a_clone_shows_its_original_s_images_after_others_were_brought_and_both_pages_say_so(study, tmp_path, client):
    launch(study)
    bring(tmp_path, upscale_nearest)
    copy = drafts.clone(study=study, name="again", title="Retest")
    assert shown(copy) == shown(study)
    assert psnr(copy) == psnr(study)
    for one, other in ((study, "again"), (copy, "study")):
        assert f">{other}</a>: all 4 that are rated." in page(client, one)
    assert "<li>SRCNN on tiny: 2 images</li>" in page(client, copy)
    assert b'"images_of": "study"' in protocol_json(copy)
    launch(copy)
    assert shown(copy) == shown(study)


def test_a_clone_shows_its_original_s_images_though_today_s_code_would_make_others(study, monkeypatch):
    launch(study)
    copy = drafts.clone(study=study, name="again", title="Retest")
    monkeypatch.setattr(stimuli, "generated_key", lambda name: {"code_version": "2"})
    assert shown(copy) == shown(study)
    new = make_study(name="new", benchmarks=list(Benchmark.objects.all()), methods=("srcnn", "nearest"))
    assert [slot.stimulus is None for slot in slots(new)] == [slot.method.name == "nearest" for slot in slots(new)]


def test_a_clone_that_takes_the_newest_images_is_no_longer_said_to_have_the_same(study, tmp_path, client):
    launch(study)
    bring(tmp_path, upscale_nearest)
    copy = drafts.clone(study=study, name="again", title="Retest")
    assert drafts.take_newest_images(copy) == 2
    assert shown(copy) != shown(study)
    assert "The same images as in" not in page(client, copy)
    assert b"images_of" not in protocol_json(copy)


def test_a_clone_of_a_draft_has_the_draft_s_images(study, tmp_path):
    bring(tmp_path, upscale_nearest)
    assert shown(drafts.clone(study=study, name="again", title="Retest")) == shown(study)


def test_what_is_launched_takes_no_newer_images(study, tmp_path):
    launch(study)
    before = shown(study)
    bring(tmp_path, upscale_nearest)
    with pytest.raises(refusals.StudyError, match="does not change"):
        drafts.take_newest_images(study)
    assert shown(study) == before
    assert drafts.newer_images(study) == []
