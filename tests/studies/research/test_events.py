"""Every act of staff leaves an event: all addresses of the site are walked, so that no next one is forgotten."""

import itertools
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import transaction
from django.forms import model_to_dict
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from studies.generation import metrics
from studies.models import (
    Arrival,
    Colleague,
    Import,
    ImportFile,
    Membership,
    PanelIds,
    Report,
    SourceImage,
    Stimulus,
    Study,
    StudyEvent,
)
from studies.operations import urls as of_operations
from studies.rating import urls as of_rating
from studies.research import lifecycle, people
from studies.research import urls as of_research
from tests.conftest import ROOT
from tests.studies import factories
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
now = timezone.now
Act = tuple[str, dict[str, object], dict[str, object]]

NO_EVENT = {
    "login": "an account comes in: nothing of a study, a rater or data changes",
    "logout": "an account goes",
    "import-files": "what a browser will send; that it was sent is the event of the look",
    "import-piece": "a part of a file on its way",
    "study-preview": "staff try a study as a rater, which is counted nowhere and goes with the next launch taken back",
}
"""Addresses that take something and leave no event, and why."""
TAKES_NOTHING_OF_RATERS = {
    "study-protocol": "the design",
    "study-texts": "texts of pages",
    "events-file": "the events themselves",
    "site-events-file": "the events themselves",
}
"""Downloads that leave no event, and why."""


def launched(**protocol) -> Study:
    return factories.launch(factories.make_study(**protocol))


def closed() -> Study:
    study = launched()
    rate_all(study, "anna")
    lifecycle.close(study=study, now=now())
    return study


def brought(name: str = "esrgan") -> Stimulus:
    source = factories.make_benchmark("own").sources.first()
    method, _ = factories.Method.objects.get_or_create(name=name, defaults={"kind": "folder", "display_name": name})
    values = {"origin": "folder", "state": "done", "psnr": 1, "ssim": 1}
    stimulus = Stimulus(source=source, method=method, **values)
    stimulus.file.save("", ContentFile(b"png"), save=False)
    stimulus.save()
    return stimulus


def edited() -> Act:
    study = factories.make_study()
    sent = model_to_dict(study, exclude=["calibration"]) | {
        "cells": [f"{cell.benchmark_id}:{cell.method_id}" for cell in study.cells.all()],
        "title": "Pictures",
    }
    return "study-edit", {"name": "study"}, {key: value for key, value in sent.items() if value is not None}


def created() -> Act:
    _, _, sent = edited()
    return "study-new", {}, sent | {"name": "new"}


def paper() -> Act:
    for name in ("Set5", "Set14", "BSD100", "Calibration20"):
        factories.make_benchmark(name, images=1)
    bicubic = factories.make_methods()["bicubic"].pk
    return "study-new-paper", {}, {"paper-name": "paper", "paper-title": "Pictures", "paper-methods": [bicubic]}


def importing(action: str, stage: str) -> Act:
    factories.make_benchmark("own")
    incoming = Import.objects.create(kind="results", benchmark="own", method="m", by="ada", stage=stage)
    ImportFile.objects.create(incoming=incoming, path="a.png", size=0)
    return "import-act", {"pk": incoming.pk, "action": action}, {}


def begun() -> Act:
    factories.make_benchmark("own")
    return "imports", {}, {"kind": "results", "results-benchmark": "own", "results-method": "esrgan"}


def in_state(action: str) -> Act:
    made = {
        "launch": factories.make_study, "close": launched, "take-back": launched, "reopen": closed, "archive": closed,
        "unarchive": closed,
    }  # fmt: skip
    study = made[action]()
    if action == "unarchive":
        lifecycle.archive(study=study, now=now())
    return "study-act", {"name": "study", "action": action}, {}


def generated(action: str) -> Act:
    study = factories.make_study(methods=("nearest", "bicubic", "srcnn"))
    if action == "retry":
        rows = factories.generated_key("srcnn")
        method = factories.make_methods()["srcnn"]
        for source in SourceImage.objects.all():
            Stimulus.objects.create(source=source, method=method, state="failed", error="no", **rows)
    return "study-act", {"name": study.name, "action": action}, {}


def newest() -> Act:
    study = factories.make_study()
    source, method = SourceImage.objects.first(), factories.make_methods()["bicubic"]
    values = {"origin": "folder", "state": "done", "psnr": 1, "ssim": 1, "content_sha256": "c" * 64}
    Stimulus.objects.create(source=source, method=method, file="other.png", finished_at=now(), **values)
    return "study-act", {"name": study.name, "action": "newest"}, {}


def of_rater(name: str, **sent: object) -> Act:
    rater = factories.make_rater(launched(), "anna")
    if name == "rater-restore":
        type(rater).objects.filter(pk=rater.pk).update(revoked_at=now())
    if name == "rater-go-on":
        type(rater).objects.filter(pk=rater.pk).update(outcome="late", outcome_at=now())
    return name, {"name": "study", "pk": rater.pk}, sent


def worded() -> Act:
    factories.make_study(languages=["en", "de"])
    instructions = "Bewerten Sie jedes Bild."
    sent = {"language": "de", "de-title": "Bilder", "de-instructions": instructions, "de-labels": "a\nb\nc\nd\ne"}
    return "study-languages", {"name": "study"}, sent


def placed(name: str) -> Act:
    factories.make_study(region_width=64, region_height=48)
    source = SourceImage.objects.first()
    sent = {f"left-{source.pk}": 1, f"top-{source.pk}": 2} if name == "study-regions" else {"seed": 5}
    return name, {"name": "study"}, sent


def measured(action: str) -> Act:
    study = factories.make_study()
    metrics.add(study, ["ms-ssim"])
    study.metrics.update(state="failed")
    return "metric-act", {"name": "study", "metric": "ms-ssim", "action": action}, {}


def reported(name: str, **sent: object) -> Act:
    study = closed()
    report = Report(study=study, state="done", ratings=6)
    report.file.save("", ContentFile(b"zip"), save=False)
    report.save()
    of = {"pk": report.pk} if name != "report-order" else {}
    return name, {"name": "study", **of}, sent


def decided_about_people(kind: str) -> Act:
    study = launched()
    ada = User.objects.get(username="ada")
    Membership.objects.create(study=study, user=ada, role="owner")
    bob = User.objects.create_user("bob")
    Membership.objects.create(study=study, user=bob, role="viewer")
    invited = people.invite(study=study, role="viewer", by="ada", now=now())
    sent = {
        "invite": {"invite": "1", "role": "editor"},
        "withdraw": {"withdraw": invited.pk},
        "change": {"change": "1", "user": bob.pk, "role": "editor"},
    }
    return "people", {"name": "study"}, sent[kind]


def accepted() -> Act:
    invited = people.invite(study=launched(), role="viewer", by="ada", now=now())
    return "colleague", {"token": invited.token}, {}


def forgotten() -> Act:
    study = launched()
    rater = factories.make_rater(study, "anna")
    arrival = Arrival.objects.create(study=study, rater=rater, person="a" * 64)
    PanelIds.objects.create(arrival=arrival, ids={"PROLIFIC_PID": "p1"})
    return "panel-forget", {"name": "study"}, {}


def typed(name: str, make: Callable[[], object], word: str, /, **of: object) -> Act:
    make()
    return name, of, {"typed": word}


LINK = {"is_open": "on", "quota": "20", "panel": "none", "names": "", "panel_study": "", "hold_minutes": "60"}
STUDY = {"name": "study"}
# What is done at each address, and the kind of its event. Where an address takes several acts, each is there.
ACTS: list[tuple[Callable[[], Act], str]] = [
    (created, "created"),
    (paper, "created"),
    (edited, "design changed"),
    (lambda: ("study-clone", {"name": launched().name}, {"clone-name": "copy", "clone-title": "Copy"}), "cloned"),
    (begun, "import begun"),
    (lambda: importing("look", "upload"), "images sent"),
    (lambda: importing("again", "look"), "images looked at again"),
    (lambda: importing("take", "look"), "images to be taken"),
    (lambda: importing("others", "look"), "other images to be sent"),
    (lambda: importing("discard", "look"), "import discarded"),
    (lambda: in_state("launch"), "launch"),
    (lambda: in_state("take-back"), "launch taken back"),
    (lambda: in_state("close"), "close"),
    (lambda: in_state("reopen"), "reopen"),
    (lambda: in_state("archive"), "archive"),
    (lambda: in_state("unarchive"), "archive left"),
    (lambda: generated("generate"), "images asked for"),
    (lambda: generated("retry"), "failed images asked for again"),
    (newest, "newest images"),
    (lambda: ("public-link", {"name": launched().name}, LINK), "public link"),
    (lambda: ("consent", {"name": launched().name}, {"en": "I agree."}), "consent text"),
    (lambda: ("endings", {"name": launched().name}, {"completed-code": "C1"}), "endings"),
    (lambda: ("raters", {"name": launched().name}, {"label": "anna", "count": 1}), "invited"),
    (lambda: of_rater("rater-revoke"), "revoke"),
    (lambda: of_rater("rater-restore"), "link given back"),
    (lambda: of_rater("rater-go-on"), "reopened"),
    (lambda: of_rater("rater-decide", kind="exclude", reason="slept"), "decision"),
    (lambda: of_rater("person-erase", typed="anna"), "withdrawal"),
    (forgotten, "panel ids deleted"),
    (worded, "texts"),
    (lambda: placed("study-regions"), "regions set"),
    (lambda: placed("regions-draw"), "regions drawn"),
    (lambda: ("metrics-add", {"name": factories.make_study().name}, {"metrics": ["ms-ssim"]}), "metrics added"),
    (lambda: measured("again"), "metrics measured again"),
    (lambda: measured("remove"), "metrics left out"),
    (lambda: reported("report-order"), "report ordered"),
    (lambda: reported("report-delete"), "report deleted"),
    (lambda: decided_about_people("invite"), "colleague invited"),
    (lambda: decided_about_people("withdraw"), "colleague's link withdrawn"),
    (lambda: decided_about_people("change"), "role"),
    (accepted, "role"),
    (lambda: typed("ratings-erase", closed, "study", **STUDY), "ratings erased"),
    (lambda: typed("study-delete", factories.make_study, "study", **STUDY), "study deleted"),
    (lambda: typed("benchmark-delete", lambda: factories.make_benchmark("own"), "own", benchmark="own"),
     "benchmark deleted"),
    (lambda: typed("results-delete", brought, "esrgan", benchmark="own", method="esrgan"), "results deleted"),
]  # fmt: skip
CHANGES = {"design changed", "public link", "consent text", "endings", "decision", "texts", "regions set"}
"""Kinds whose events say what was before and what is after; the others say what came or went."""
DOWNLOADS: list[tuple[str, dict[str, object]]] = [
    ("download", {"table": "ratings", "kind": "csv"}),
    ("download", {"table": "answers", "kind": "csv"}),
    ("raters-file", {}),
    ("panel-csv", {"table": "approve"}),
    ("person-everything", {}),
    ("report", {}),
]


@pytest.fixture
def ada(client) -> Client:
    client.force_login(User.objects.create_superuser("ada"))
    return client


def addresses() -> set[tuple[str, str]]:
    """The name and, where it names one, the action of every address that staff can send something to or get."""
    found = set()
    for pattern in [*of_research.urlpatterns, *of_operations.urlpatterns]:
        assert isinstance(pattern, URLPattern)
        alternatives = re.findall(r"\(\?P<action>([^)]*)\)", str(pattern.pattern))
        found |= {(str(pattern.name), action) for action in (alternatives[0].split("|") if alternatives else [""])}
    return found


def filled(name: str, action: str) -> str:
    """An address of this name: whom it names is nobody."""
    (pattern,) = [one for one in [*of_research.urlpatterns, *of_operations.urlpatterns] if one.name == name]
    words = {"table": "approve" if name == "panel-csv" else "ratings", "kind": "csv", "action": action}
    if isinstance(getattr(pattern.pattern, "_route", None), str):
        numbers = re.findall(r"<int:(\w+)>", pattern.pattern._route)
        names = re.findall(r"<(?:slug|str):(\w+)>", pattern.pattern._route)
    else:
        names = re.findall(r"\?P<(\w+)>", str(pattern.pattern))
        numbers = [one for one in names if one == "pk"]
    values = {one: words.get(one) or "x" for one in names} | dict.fromkeys(numbers, 1)
    return reverse(name, kwargs=values)


def test_every_address_that_takes_something_is_here_or_says_why_not(ada):
    takes = {(name, action) for name, action in addresses() if ada.post(filled(name, action)).status_code != 405}
    done = {(name, str(of.get("action", ""))) for name, of in _named()}
    exempt = {(name, "") for name in NO_EVENT}
    assert takes - done - exempt == set(), "an act that leaves no event, or none that is tested"
    assert done | exempt <= takes
    assert not done & exempt


def _named() -> list[tuple[str, dict[str, object]]]:
    """Of each act the address, found by doing what comes before it in a transaction that is taken back."""
    found = []
    for act, _ in ACTS:
        with transaction.atomic():
            name, of, _ = act()
            found.append((name, of))
            transaction.set_rollback(True)
    return found


@pytest.mark.parametrize(("act", "kind"), ACTS, ids=itertools.count())
def test_each_act_is_an_event_with_who_did_it_and_what_was_before(ada, act, kind):
    name, of, sent = act()
    start, before = now(), set(StudyEvent.objects.values_list("pk", flat=True))
    answer = ada.post(reverse(name, kwargs=of), sent)
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    new = list(StudyEvent.objects.exclude(pk__in=before))
    assert {event.by for event in new} == {"ada"}, name
    assert kind in {event.kind for event in new}
    event = next(event for event in new if event.kind == kind)
    assert start <= event.at <= now()
    assert event.study_id or event.of, "it says of what"
    assert (kind in CHANGES) == any(" -> " in str(value) for value in event.detail.values())


def test_an_act_that_changes_nothing_leaves_none(ada):
    name, of, sent = edited()
    before = StudyEvent.objects.count()
    assert ada.post(reverse(name, kwargs=of), sent | {"title": "Image quality"}).status_code == 302
    assert ada.post(reverse("consent", kwargs=of), {"en": ""}).status_code == 302
    told = [(event.kind, event.detail) for event in StudyEvent.objects.all()[: StudyEvent.objects.count() - before]]
    assert told == []


@pytest.mark.parametrize(("name", "of"), DOWNLOADS, ids=itertools.count())
def test_raters_data_that_leaves_the_site_is_an_event(ada, name, of):
    _, values, _ = reported("report")
    if name == "person-everything":
        values = {"name": "study", "pk": Study.objects.get().raters.get().pk}
    elif name != "report":
        values = {"name": "study"}
    before = StudyEvent.objects.count()
    answer = ada.get(reverse(name, kwargs=values | of))
    assert answer.headers["Content-Disposition"].startswith("attachment")
    (event,) = StudyEvent.objects.all()[: StudyEvent.objects.count() - before]
    assert (event.kind, event.by, event.study.name) == ("downloaded", "ada", "study")
    assert event.detail["what"]


def test_every_download_is_here_or_says_why_not(ada):
    study = launched(languages=["en", "de"], translations={"de": {"title": "Bilder"}})
    rater = factories.make_rater(study)
    report = Report(study=study, state="done", ratings=6)
    report.file.save("", ContentFile(b"zip"), save=False)
    report.save()
    pks = {"report": report.pk, "person-everything": rater.pk}
    found = set()
    for pattern in of_research.urlpatterns:
        names = re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))
        if not set(names) <= {"name", "pk", "table", "kind", "language"}:
            continue
        values = {"name": "study", "pk": pks.get(str(pattern.name), 0), "kind": "csv", "language": "de"}
        values["table"] = "approve" if pattern.name == "panel-csv" else "ratings"
        answer = ada.get(reverse(str(pattern.name), kwargs={name: values[name] for name in names}))
        if "attachment" in answer.headers.get("Content-Disposition", ""):
            found.add(str(pattern.name))
    assert found == {name for name, _ in DOWNLOADS} | set(TAKES_NOTHING_OF_RATERS)
    before = StudyEvent.objects.count()
    ada.get(reverse("download", kwargs={"name": "study", "table": "objective", "kind": "csv"}))
    assert StudyEvent.objects.count() == before, "metrics of images are nobody's data"


def test_the_sites_events_are_on_a_page_and_in_a_table_and_deleted_studies_are_for_administrators(ada):
    factories.make_study(benchmarks=[factories.make_benchmark("used")])
    ada.post(reverse("study-delete", args=["study"]), {"typed": "study"})
    ada.post(reverse("benchmark-delete", args=["used"]), {"typed": "used"})
    assert "study deleted" in ada.get(reverse("site-events")).text
    staff = Client()
    staff.force_login(User.objects.create_user("bob", is_staff=True))
    page, table = staff.get(reverse("site-events")).text, staff.get(reverse("site-events-file")).text
    for said in (page, table):
        assert "benchmark deleted" in said
        assert "study deleted" not in said
    assert table.splitlines()[0] == "at,kind,by,rater,of,detail"


def test_what_operations_puts_a_second_factor_before_is_all_of_staff_and_nothing_of_raters():
    text = (ROOT / "OPERATIONS.md").read_text()
    (words,) = re.findall(r"`location ~ \^/\(([a-z|]+)\)`", text)
    firsts = {str(one.pattern).strip("^").split("/")[0].split(".")[0] for one in of_research.urlpatterns}
    assert set(words.split("|")) == firsts - {""} | {"admin", "status"}
    raters = {str(one.pattern).split("/")[0] for one in of_rating.urlpatterns}
    assert not [first for first in raters if re.match(words, first)]


def test_a_link_that_was_accepted_names_whose_invitation_it_was(ada):
    _, of, _ = accepted()
    someone = Client()
    someone.force_login(User.objects.create_user("carla"))
    someone.post(reverse("colleague", kwargs=of))
    event = StudyEvent.objects.get(kind="role")
    assert (event.by, event.detail["account"]) == ("ada", "carla")
    assert Colleague.objects.get().used_by == "carla"
