"""A study from its launch to the archive: each step says what follows, is an event with who, and can be undone."""

import html
import re

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from studies.access import StudyNotOpen, require_launched
from studies.models import Rater, Rating, Report, Session, Stimulus, Study
from studies.protocol.slots import slots
from studies.rating import sessions
from studies.rating.withdrawal import withdraw
from studies.research import asking, drafts, invitations, lifecycle
from studies.research.refusals import StudyError
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
now = timezone.now


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_user("ada", is_staff=True))
    return client


def text(answer) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def act(client, study, action, **of):
    return client.post(reverse("study-act", args=[study.name, action]), follow=True, **of)


def ask(client, study, action) -> str:
    return text(client.get(reverse("study-ask", args=[study.name, action])))


@pytest.mark.parametrize(
    ("action", "state", "said", "undo"),
    [
        ("launch", "draft", "The links of 2 invited raters work at once.", "Until the first rater has agreed"),
        ("close", "launched", "0 raters who have begun and not finished cannot go on", "Reopen it"),
        ("take-back", "launched", "It is a draft again", "Launch it again"),
        ("reopen", "closed", "Links work again", "Close it again"),
        ("archive", "closed", "It leaves the list of studies", "Bring it back"),
    ],
)
def test_a_step_asks_says_what_follows_and_how_it_is_undone_and_nothing_happens_by_looking(
    staff, action, state, said, undo
):
    study = make_study()
    for label in "ab":
        make_rater(study, label)
    if state != "draft":
        launch(study)
    if state == "closed":
        lifecycle.close(study=study, now=now())
    page = ask(staff, study, action)
    assert said in page
    assert f"To undo it: {undo}" in page
    study.refresh_from_db()
    assert (study.state, study.archived_at) == (state, None)


def test_each_step_is_an_event_with_who_did_it(staff):
    study = make_study()
    rater = make_rater(study)
    for action in ("launch", "take-back", "launch", "close", "archive", "unarchive", "reopen"):
        act(staff, study, action)
    staff.post(reverse("rater-revoke", args=[study.name, rater.pk]))
    staff.post(reverse("rater-restore", args=[study.name, rater.pk]))
    told = [(event.kind, event.by) for event in study.events.order_by("pk")]
    kinds = ["launch", "launch taken back", "launch", "close", "archive", "archive left", "reopen"]
    assert told == [("created", ""), *((kind, "ada") for kind in [*kinds, "revoke", "link given back"])]
    assert "ada: launch taken back" in text(staff.get(reverse("study", args=[study.name])))


def test_a_launch_that_nobody_has_seen_is_taken_back_with_what_staff_tried(staff):
    study = make_study(languages=["en", "de"], translations={"de": {"title": "Qualität"}})
    before = Study.objects.values().get()
    launch(study)
    preview = invitations.invite(study=study, is_preview=True)
    sessions.agree(rater=preview, now=now())
    act(staff, study, "take-back")
    assert Study.objects.values().get() == before
    assert not study.images.exists()
    assert not Rater.objects.filter(is_preview=True).exists()
    assert not Session.objects.exists()
    launch(Study.objects.get())
    assert Study.objects.get().images.count() == len(slots(Study.objects.get()))


def test_a_launch_that_a_rater_has_agreed_to_stays(staff):
    study = launch(make_study())
    sessions.agree(rater=make_rater(study), now=now())
    with pytest.raises(StudyError, match="Raters have begun"):
        lifecycle.take_back(study=study, now=now())
    assert "1 rater have begun" not in ask(staff, study, "close")
    assert "1 rater has begun" in ask(staff, study, "take-back")
    assert "Raters have begun" in text(act(staff, study, "take-back"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(state="draft")
    study.refresh_from_db()
    assert study.state == "launched"


def test_a_launch_stays_that_a_rater_has_seen_who_withdrew(staff):
    study = launch(make_study())
    rater = make_rater(study)
    sessions.agree(rater=rater, now=now())
    withdraw(rater=rater, now=now())
    with pytest.raises(StudyError, match="Raters have begun"):
        lifecycle.take_back(study=study, now=now())


def test_a_launch_stays_while_a_draft_has_its_images():
    study = launch(make_study())
    drafts.clone(study=study, name="again", title="Again")
    with pytest.raises(StudyError, match="cloned from it show its images"):
        lifecycle.take_back(study=study, now=now())
    Study.objects.get(name="again").delete()
    lifecycle.take_back(study=study, now=now())


def test_who_agrees_while_it_is_taken_back_is_asked_about_again_under_the_lock():
    study = launch(make_study())
    rater = Rater.objects.select_related("study").get(pk=make_rater(study).pk)
    require_launched(rater)
    lifecycle.take_back(study=study, now=now())
    assert rater.study.state == "launched"  # as this process knows it
    with pytest.raises(StudyNotOpen):
        require_launched(rater)


def test_archived_it_leaves_the_list_and_comes_back(staff):
    study, other = make_study(title="The old one"), make_study(name="other", title="The new one", benchmarks=[])
    act(staff, study, "archive")
    page = text(staff.get(reverse("study-list")))
    assert "The old one" not in page
    assert "The new one" in page
    assert "1 archived study" in page
    archived = text(staff.get(reverse("study-list"), {"archived": ""}))
    assert "The old one" in archived
    assert "The new one" not in archived
    assert "Archived: it is not on the list" in text(staff.get(reverse("study", args=[study.name])))
    act(staff, study, "unarchive")
    assert "The old one" in text(staff.get(reverse("study-list")))
    assert other.archived_at is None


def test_what_raters_can_rate_is_not_archived_and_what_is_archived_and_opened_is_on_the_list(staff):
    study = launch(make_study())
    assert "close it first" in text(act(staff, study, "archive"))
    act(staff, study, "close")
    act(staff, study, "archive")
    act(staff, study, "reopen")
    study.refresh_from_db()
    assert (study.state, study.archived_at) == ("launched", None)


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Image quality", []),
        ("How good are these images?", []),
        ("SRGAN against bicubic", ["SRGAN", "bicubic"]),
        ("Study of GAN images", ["GAN"]),
        ("Paper results 2026", []),
        ("Nearest neighbours", ["Nearest"]),
    ],
)
def test_a_title_that_hints_at_a_method_is_warned_of(staff, title, found):
    study = make_study(title=title)
    assert asking.hints(study, drafts.cells_by_benchmark(study)) == found
    page = text(staff.get(reverse("study", args=[study.name])))
    assert ("raters read it before they rate" in page) == bool(found)
    assert (f"The title says {', '.join(found)}" in ask(staff, study, "launch")) == bool(found)


def test_the_tab_that_is_shown_is_marked(staff):
    study = make_study()
    tabs = "study study-sheet study-languages raters public-link consent endings live quality results"
    for name in tabs.split():
        path = reverse(name, args=[study.name])
        page = staff.get(path).content.decode()
        assert re.findall(r'<a href="([^"]*)" aria-current="page">', page) == [path]


def test_a_report_that_is_being_made_is_refreshed_by_itself(staff):
    study = launch(make_study())
    rate_all(study, "r")
    Report.objects.create(study=study)
    page = staff.get(reverse("results", args=[study.name])).content.decode()
    assert f'data-url="{reverse("reports", args=[study.name])}"' in page
    part = staff.get(reverse("reports", args=[study.name])).content.decode()
    assert "<span data-pending>report being made</span>; no worker is running" in part
    assert Rating.objects.exists()


def test_what_many_methods_lack_alike_is_one_line(staff):
    methods = ("bicubic", "srgan-vgg22", "srgan-mse", "srresnet-vgg22", "drcn")
    study = make_study(benchmarks=[make_benchmark("one"), make_benchmark("two")], methods=methods)
    page = text(staff.get(reverse("study", args=[study.name])))
    lacking = re.findall(r"([\w, -]+) on (?:one|two): 2 of 2 images are missing", page)
    assert len(lacking) == 2
    assert all(len(names.split(", ")) == 4 for names in lacking)
    assert page.count("cannot run here: ") == 1
    assert not Stimulus.objects.filter(method__name="drcn").exists()
