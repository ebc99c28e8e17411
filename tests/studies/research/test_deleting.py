"""What is deleted: listed first, typed to confirm, ratings by a step of their own, nothing that is used."""

import html
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from srcore.resize import upscale_nearest
from studies.generation.cutting import cut
from studies.models import (
    Benchmark,
    Cut,
    Decision,
    Method,
    Rater,
    Rating,
    Report,
    Session,
    SourceImage,
    Stimulus,
    Study,
    StudyEvent,
    StudyImage,
)
from studies.rating import sessions
from studies.rating.withdrawal import withdraw
from studies.research import decisions, drafts, invitations, lifecycle, regions, reporting
from tests.studies import factories
from tests.studies.content.test_uploads import looked, results, taken
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
now = timezone.now


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_user("ada", is_staff=True))
    return client


@pytest.fixture
def closed():
    """A closed study with two raters' ratings, a decision, a report, and what staff tried."""
    study = factories.launch(factories.make_study())
    for label in ("anna", "ben"):
        rate_all(study, label)
    decisions.decide(rater=study.raters.get(label="ben"), kind="exclude", reason="slept", by="ada", now=now())
    sessions.agree(rater=invitations.invite(study=study, is_preview=True), now=now())
    reporting.make(Report.objects.create(study=study).pk)
    assert Report.objects.get().state == "done"
    lifecycle.close(study=study, now=now())
    return study


def text(answer) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def files(folder="") -> set[str]:
    root = Path(default_storage.path(""))
    found = (path for path in (root / folder).rglob("*") if path.suffix in (".png", ".zip"))
    return {str(path.relative_to(root)) for path in found}


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in apps.get_app_config("studies").get_models()}


def test_it_lists_what_goes_and_deletes_nothing_before_its_name_is_typed(staff, closed):
    page = text(staff.get(reverse("ratings-erase", args=["study"])))
    assert "12 ratings of 2 raters" in page
    assert "2 invitations" in page
    assert "1 report" in page
    before = counts()
    for typed in ("", "yes", "Study", "the study"):
        answer = staff.post(reverse("ratings-erase", args=["study"]), {"typed": typed})
        assert answer.status_code == 422
        assert "Type study to delete it." in text(answer)
    assert counts() == before


def test_a_study_with_ratings_goes_in_two_steps_and_the_site_remembers_both(staff, closed):
    path = reverse("study-delete", args=["study"])
    assert "They go by a step of their own" in text(staff.get(path))
    assert staff.post(path, {"typed": "study"}).status_code == 422
    assert Rating.objects.count() == 12
    erased = staff.post(reverse("ratings-erase", args=["study"]), {"typed": "study"}, follow=True)
    assert "Deleted: the ratings of Image quality" in text(erased)
    assert [model.objects.count() for model in (Rating, Session, Rater, Decision, Report)] == [0] * 5
    assert files("reports") == set()
    assert StudyImage.objects.exists()
    page = text(staff.post(path, {"typed": "study"}, follow=True))
    assert "Deleted: the study Image quality." in page
    assert not Study.objects.exists()
    assert Benchmark.objects.exists()
    told = list(StudyEvent.objects.order_by("pk").values_list("study", "of", "kind", "by", "rater"))
    assert told[-2:] == [
        (None, "study study", "ratings erased", "ada", ""),
        (None, "study study", "study deleted", "ada", ""),
    ]
    assert {rater for *_, rater in told} == {""}
    assert StudyEvent.objects.get(kind="ratings erased").detail == {"ratings": 12, "raters": 2}


def test_nothing_of_a_study_is_left_in_any_table(staff, closed):
    before = counts()
    for name in ("ratings-erase", "study-delete"):
        staff.post(reverse(name, args=["study"]), {"typed": "study"})
    after = counts()
    kept = {"SourceImage", "Benchmark", "Method", "Stimulus", "StudyEvent", "Installation", "SiteKey", "MetricValue"}
    assert {name: number for name, number in after.items() if number and name not in kept} == {}
    assert {name: before[name] for name in ("SourceImage", "Stimulus")} == {
        name: after[name] for name in ("SourceImage", "Stimulus")
    }


def test_a_running_study_is_neither_erased_nor_deleted(staff):
    study = factories.launch(factories.make_study())
    rate_all(study, "anna")
    for name in ("ratings-erase", "study-delete"):
        page = text(staff.post(reverse(name, args=["study"]), {"typed": "study"}))
        assert "close it" in page
    assert Rating.objects.count() == 6
    with pytest.raises(IntegrityError), transaction.atomic():
        Study.objects.filter(pk=study.pk)._raw_delete("default")


def test_a_draft_and_what_staff_tried_of_it_go_at_once(staff):
    study = factories.make_study()
    sessions.agree(rater=invitations.invite(study=study, is_preview=True), now=now())
    invitations.invite(study=study, label="anna")
    staff.post(reverse("study-delete", args=["study"]), {"typed": "study"})
    assert not Study.objects.exists()
    assert not Rater.objects.exists()


def test_who_withdrew_is_still_known_after_the_study_is_gone(staff, closed):
    withdraw(rater=closed.raters.get(label="anna"), now=now())
    known = {str(path.name) for path in Path(default_storage.path("erased")).iterdir()}
    for name in ("ratings-erase", "study-delete"):
        staff.post(reverse(name, args=["study"]), {"typed": "study"})
    assert not Study.objects.exists()
    assert {str(path.name) for path in Path(default_storage.path("erased")).iterdir()} == known


def test_a_study_whose_images_a_clone_has_waits_for_the_clone(staff, closed):
    drafts.clone(study=closed, name="again", title="Again")
    staff.post(reverse("ratings-erase", args=["study"]), {"typed": "study"})
    page = text(staff.post(reverse("study-delete", args=["study"]), {"typed": "study"}))
    assert "have its images: again. Delete them first." in page
    staff.post(reverse("study-delete", args=["again"]), {"typed": "again"})
    staff.post(reverse("study-delete", args=["study"]), {"typed": "study"})
    assert not Study.objects.exists()


def test_a_benchmark_that_a_study_uses_stays_and_one_that_none_uses_goes_with_its_files(staff):
    used, free, practised = (factories.make_benchmark(name) for name in ("used", "free", "practised"))
    factories.make_study(benchmarks=[used], practice="practised/practised_000 nearest 1-2")
    for name in ("used", "practised"):
        page = text(staff.post(reverse("benchmark-delete", args=[name]), {"typed": name}))
        assert "1 study uses it: study" in page
    before = files()
    of_it = {name for s in free.sources.all() for name in (s.hr.name, s.lr.name)}
    of_it |= set(Stimulus.objects.filter(source__benchmark=free).values_list("file", flat=True))
    staff.post(reverse("benchmark-delete", args=["free"]), {"typed": "free"})
    assert set(Benchmark.objects.values_list("name", flat=True)) == {"used", "practised"}
    assert before - files() == of_it
    assert len(of_it) == 10
    event = StudyEvent.objects.get(kind="benchmark deleted")
    assert (event.of, event.kind, event.by) == ("benchmark free", "benchmark deleted", "ada")
    assert event.detail == {"sources": 2, "images": 6}
    assert practised.sources.count() == 2


def test_a_trial_import_goes_and_what_a_study_shows_stays(staff):
    own = factories.make_benchmark("own")
    taken(looked(results(own), method="esrgan"))
    method = Method.objects.get(name="esrgan")
    design = {own: [method, Method.objects.get(name="bicubic")]}
    study = drafts.create_study(name="study", title="Images", cells=design)
    path = reverse("results-delete", args=["own", "esrgan"])
    assert "1 study uses it" in text(staff.post(path, {"typed": "esrgan"}))
    lifecycle.launch(study=study, now=now())
    assert "nothing that no study shows" in text(staff.get(path))
    taken(looked(results(own, upscale_nearest), method="esrgan"))
    page = text(staff.get(path))
    assert "2 images of ESRGAN on own that were brought and that no study shows" in page
    assert "2 images that studies show" in page
    shown = set(study.images.filter(stimulus__method=method).values_list("stimulus__file", flat=True))
    staff.post(path, {"typed": "esrgan"})
    assert set(method.stimuli.values_list("file", flat=True)) == shown
    assert all(default_storage.exists(name) for name in shown)


def test_a_method_goes_with_its_last_image(staff):
    own = factories.make_benchmark("own")
    taken(looked(results(own), method="esrgan"))
    assert "the method ESRGAN itself" in text(staff.get(reverse("results-delete", args=["own", "esrgan"])))
    staff.post(reverse("results-delete", args=["own", "esrgan"]), {"typed": "esrgan"})
    assert not Method.objects.filter(name="esrgan").exists()
    assert "There are none." in text(staff.get(reverse("content")))


def test_results_of_a_built_in_method_go_and_the_method_stays(staff):
    own = factories.make_benchmark("own")
    taken(looked(results(own), method="srgan-vgg54", display_name=""))
    staff.post(reverse("results-delete", args=["own", "srgan-vgg54"]), {"typed": "srgan-vgg54"})
    assert Method.objects.get(name="srgan-vgg54").stimuli.count() == 0


@pytest.mark.parametrize(
    ("name", "of"),
    [("content", []), ("study-delete", ["study"]), ("ratings-erase", ["study"]), ("benchmark-delete", ["tiny"]),
     ("results-delete", ["tiny", "bicubic"])],
)  # fmt: skip
def test_strangers_raters_and_accounts_without_the_right_delete_nothing(client, name, of):
    study = factories.make_study()
    client.get(reverse("invitation", args=[factories.make_rater(study).token]))
    before = counts()
    path = reverse(name, args=of)
    for account in (None, User.objects.create_user("somebody")):
        if account:
            client.force_login(account)
        for answer in (client.get(path), client.post(path, {"typed": of[-1] if of else ""})):
            assert answer.status_code in (302, 403, 404, 405)
            assert answer.status_code != 302 or answer.url.startswith(reverse("login"))
    assert counts() == before


def test_the_files_of_regions_that_another_study_shows_stay(staff):
    study = factories.make_study(region_width=64, region_height=48)
    regions.set_by_hand(study=study, places=dict.fromkeys(SourceImage.objects.values_list("pk", flat=True), (8, 4)))
    for region in study.regions.all():
        cut(region.pk)
    factories.launch(study)
    drafts.clone(study=study, name="again", title="Again")
    shown = set(Cut.objects.filter(region__study=study).values_list("file", flat=True))
    assert set(Cut.objects.filter(region__study__name="again").values_list("file", flat=True)) == shown
    staff.post(reverse("study-delete", args=["again"]), {"typed": "again"})
    assert not Study.objects.filter(name="again").exists()
    assert len(shown) == 6
    assert all(default_storage.exists(name) for name in shown)
    lifecycle.close(study=study, now=now())
    staff.post(reverse("study-delete", args=["study"]), {"typed": "study"})
    assert not Study.objects.exists()
    assert not any(default_storage.exists(name) for name in shown)


def test_results_that_a_draft_has_as_gold_stay(staff):
    own = factories.make_benchmark("own")
    taken(looked(results(own), method="esrgan"))
    factories.make_study(benchmarks=[own], gold="own/own_000 esrgan 2")
    page = text(staff.post(reverse("results-delete", args=["own", "esrgan"]), {"typed": "esrgan"}))
    assert "1 study uses it: study" in page
    assert Method.objects.get(name="esrgan").stimuli.count() == 2


def test_a_benchmark_goes_that_staff_only_tried_in_a_draft_which_shows_others_by_now(staff):
    tried, other = factories.make_benchmark("tried"), factories.make_benchmark("other")
    study = factories.make_study(benchmarks=[tried])
    sessions.agree(rater=invitations.invite(study=study, is_preview=True), now=now())
    drafts.set_design(study=study, cells={other: [cell.method for cell in study.cells.all()]}, calibration=[])
    staff.post(reverse("benchmark-delete", args=["tried"]), {"typed": "tried"})
    assert list(Benchmark.objects.values_list("name", flat=True)) == ["other"]
    assert not study.raters.exists()
