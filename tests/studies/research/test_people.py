"""Who may what: every address of a study as everybody; owners decide, colleagues come by a link that works once."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.forms import model_to_dict
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from studies.models import Colleague, Membership, Rater, Role, Study
from studies.rehearsal.copies import copy_of
from studies.research import drafts, people
from studies.research.refusals import StudyError
from tests.studies.factories import launch, make_benchmark, make_rater, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]
now = timezone.now

# Each address of a study: who may look, and who may send something; "" where the address takes none of that kind.
NEEDED = {
    "study": ("blind", ""),
    "live": ("blind", ""),
    "live-now": ("blind", ""),
    "study-tally": ("blind", ""),
    "study-images": ("viewer", ""),
    "study-waiting": ("viewer", ""),
    "study-sheet": ("viewer", ""),
    "study-picture": ("viewer", ""),
    "study-protocol": ("viewer", ""),
    "study-metrics": ("viewer", ""),
    "study-texts": ("viewer", ""),
    "region-source": ("viewer", ""),
    "quality": ("viewer", ""),
    "results": ("viewer", ""),
    "reports": ("viewer", ""),
    "report": ("viewer", ""),
    "download": ("viewer", ""),
    "study-languages": ("viewer", "editor"),
    "study-regions": ("viewer", "editor"),
    "public-link": ("viewer", "editor"),
    "consent": ("viewer", "editor"),
    "endings": ("viewer", "editor"),
    "study-edit": ("editor", "editor"),
    "raters": ("editor", "editor"),
    "raters-file": ("editor", ""),
    "panel-csv": ("editor", ""),
    "study-ask": ("editor", ""),
    "study-act": ("", "editor"),
    "study-clone": ("", "editor"),
    "study-preview": ("", "editor"),
    "rater-revoke": ("", "editor"),
    "rater-restore": ("", "editor"),
    "rater-go-on": ("", "editor"),
    "rater-decide": ("", "editor"),
    "panel-forget": ("", "editor"),
    "regions-draw": ("", "editor"),
    "metrics-add": ("", "editor"),
    "metric-act": ("", "editor"),
    "report-order": ("", "editor"),
    "report-delete": ("", "editor"),
    "events": ("editor", ""),
    "events-file": ("editor", ""),
    "person": ("owner", ""),
    "person-everything": ("owner", ""),
    "person-erase": ("owner", "owner"),
    "people": ("owner", "owner"),
    "study-delete": ("owner", "owner"),
    "ratings-erase": ("owner", "owner"),
}
VALUES = {"pk": 1, "table": "ratings", "kind": "csv", "language": "en", "metric": "psnr", "action": "again"}
OF = {"study-act": {"action": "retry"}, "study-ask": {"action": "close"}, "panel-csv": {"table": "approve"}}
ORDER = ["nobody", "rater", "without the right", "of another", "blind", "viewer", "editor", "owner", "administrator"]


def addresses() -> dict[str, str]:
    """Of the site's, those that name a study; by their names."""
    found = {}
    known = get_resolver().reverse_dict
    for name in (name for name in known if isinstance(name, str)):
        for possibilities, *_ in known.getlist(name):
            for template, parameters in possibilities:
                if template.startswith("studies/") and "name" in parameters:
                    values = {p: VALUES.get(p, "x") for p in parameters} | OF.get(name, {}) | {"name": "study"}
                    found[name] = reverse(name, kwargs=values)
    return found


@pytest.fixture
def study():
    study = launch(make_study())
    make_rater(study)
    return study


def account(name: str, study: Study | None = None, role: str = "", **values) -> User:
    user = User.objects.create_user(name, **{"is_staff": True} | values)
    if study:
        Membership.objects.create(study=study, user=user, role=role)
    return user


@pytest.fixture
def everybody(study) -> dict[str, Client]:
    other = make_study(name="other", benchmarks=[make_benchmark("elsewhere")])
    users = {
        "nobody": None,
        "rater": None,
        "without the right": account("guest", is_staff=False),
        "of another": account("stranger", other, Role.OWNER),
        **{role: account(role, study, role, is_staff=False) for role in ("blind", "viewer", "editor", "owner")},
        "administrator": account("root", is_superuser=True),
    }
    clients = {who: Client() for who in users}
    for who, user in users.items():
        if user:
            clients[who].force_login(user)
    clients["rater"].get(reverse("invitation", args=[Rater.objects.first().token]))
    return clients


def text(answer) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def test_every_address_of_a_study_says_who_may():
    assert set(addresses()) == set(NEEDED)


@pytest.mark.parametrize("name", NEEDED)
def test_each_address_opens_for_who_may_and_for_nobody_else(everybody, name):
    path = addresses()[name]
    for method, needed in zip(("get", "post"), NEEDED[name], strict=True):
        if not needed:
            assert everybody["owner"].generic(method.upper(), path).status_code == 405
            continue
        for who in ORDER:
            answer = everybody[who].generic(method.upper(), path)
            if who in ("nobody", "rater"):
                assert answer.status_code == 302, (who, method)
                assert answer["Location"].startswith(reverse("login"))
            elif who == "without the right":
                assert answer.status_code == 403
            elif who == "of another":
                assert answer.status_code == 404
            elif ORDER.index(who) < ORDER.index(needed):
                assert answer.status_code == 403, (who, method)
                assert f"you are {who}, and this is for its {needed}s" in text(answer)
            else:
                assert answer.status_code != 403, (who, method)
                assert not answer.get("Location", "").startswith(reverse("login"))


def test_a_blind_viewer_sees_how_far_it_is_and_no_method(everybody, study):
    answer = everybody["blind"].get(reverse("study", args=["study"]), follow=True)
    page = text(answer)
    assert answer.redirect_chain == [(reverse("live", args=["study"]), 302)]
    assert "Half of those who finished" in page or "Raters" in page
    for cell in study.cells.select_related("method"):
        assert not re.search(rf"\b{cell.method.display_name}\b", page)
    assert re.findall(r'<a href="/studies/study/([^"]*)"', answer.content.decode()) == ["live/"]


def test_a_viewer_is_offered_nothing_that_changes_something_and_sees_no_raters_link(everybody, study):
    token = Rater.objects.first().token
    for name in ("study", "study-sheet", "live", "quality", "results"):
        page = everybody["viewer"].get(reverse(name, args=["study"])).content.decode()
        assert token not in page
    page = everybody["viewer"].get(reverse("study", args=["study"])).content.decode()
    for offered in ("Close the study", "Clone", "Try it as a rater", "Delete this study", "Raters and links"):
        assert offered not in page
    assert "Close the study" in everybody["editor"].get(reverse("study", args=["study"])).content.decode()


def test_the_list_has_what_an_account_may_see_and_a_new_one_reads_how_to_begin(everybody, study):
    lists = {who: text(everybody[who].get(reverse("study-list"))) for who in ORDER[3:]}
    assert {who for who, page in lists.items() if " study Launched" in page} == set(ORDER[4:])
    new = Client()
    new.force_login(account("new"))
    page = new.get(reverse("study-list"))
    assert page.status_code == 200
    assert "There is no study yet. To begin: bring a benchmark" in text(page)


def test_an_account_that_may_not_work_here_is_told_so_and_is_sent_in_no_circle(everybody):
    client = everybody["without the right"]
    assert "This account may not work here." in text(client.get(reverse("study-list")))
    answer = client.get(reverse("login"), follow=True)
    assert answer.status_code == 403
    assert len(answer.redirect_chain) == 1


def test_who_makes_a_study_owns_it_and_a_rehearsals_members_are_those_of_its_study(study, everybody):
    answer = everybody["editor"].post(
        reverse("study-clone", args=["study"]), {"clone-name": "mine", "clone-title": "Mine"}, follow=True
    )
    assert answer.status_code == 200
    mine = Study.objects.get(name="mine")
    assert list(mine.members.values_list("user__username", "role")) == [("editor", "owner")]
    assert everybody["owner"].get(reverse("study", args=["mine"])).status_code == 404
    rehearsal = copy_of(study, now=now())
    assert set(rehearsal.members.values_list("user", "role")) == set(study.members.values_list("user", "role"))
    assert drafts.clone(study=study, name="shell", title="From a shell").members.count() == 0


def test_a_study_that_is_nobodys_is_all_staffs_until_somebody_invites(client):
    study = make_study()
    ada, ben = account("ada"), account("ben")
    client.force_login(ben)
    assert client.get(reverse("people", args=["study"])).status_code == 200
    client.force_login(ada)
    assert "All staff of the site may see" in text(client.get(reverse("people", args=["study"])))
    client.post(reverse("people", args=["study"]), {"invite": "1", "role": "viewer"})
    assert list(study.members.values_list("user__username", "role")) == [("ada", "owner")]
    client.force_login(ben)
    assert client.get(reverse("study", args=["study"])).status_code == 404


def invited(study, role="editor") -> Colleague:
    return people.invite(study=study, role=role, by="owner", now=now())


def test_a_colleagues_link_makes_an_account_with_the_role_once(study, everybody, client):
    everybody["owner"].post(reverse("people", args=["study"]), {"invite": "1", "role": "viewer"})
    link = reverse("colleague", args=[Colleague.objects.get().token])
    assert link in everybody["owner"].get(reverse("people", args=["study"])).content.decode()
    assert "owner asks you to work on a study" in text(client.get(link))
    sent = {"username": "carla", "password1": "a long password 7", "password2": "a long password 7"}
    weak = client.post(link, sent | {"password1": "password", "password2": "password"})
    assert "too common" in text(weak)
    answer = client.post(link, sent, follow=True)
    assert answer.status_code == 200
    assert answer.context["user"].get_username() == "carla"
    assert not answer.context["user"].is_staff
    member = Membership.objects.get(user__username="carla")
    assert (member.study, member.role) == (study, "viewer")
    assert client.get(reverse("study-edit", args=["study"])).status_code == 403
    again = Client()
    assert again.post(link, sent | {"username": "dora"}).status_code == 404
    assert not User.objects.filter(username="dora").exists()
    told = list(study.events.order_by("pk").values_list("kind", "by", "detail"))[-2:]
    assert told == [
        ("colleague invited", "owner", {"role": "viewer"}),
        ("role", "owner", {"account": "carla", "before": "none", "after": "viewer"}),
    ]


def test_who_has_an_account_takes_the_role_with_it_and_never_a_lesser_one(study, everybody):
    everybody["of another"].post(reverse("colleague", args=[invited(study).token]))
    assert study.members.get(user__username="stranger").role == "editor"
    everybody["owner"].post(reverse("colleague", args=[invited(study, "blind").token]))
    assert study.members.get(user__username="owner").role == "owner"


def test_a_link_that_is_old_withdrawn_or_made_up_opens_nothing(study, everybody, client):
    old, withdrawn = invited(study), invited(study)
    Colleague.objects.filter(pk=old.pk).update(made_at=now() - timedelta(days=8))
    everybody["owner"].post(reverse("people", args=["study"]), {"withdraw": withdrawn.pk})
    for token in (old.token, withdrawn.token, "made-up"):
        for answer in (client.get(reverse("colleague", args=[token])), client.post(reverse("colleague", args=[token]))):
            assert answer.status_code == 404
            assert study.title not in answer.content.decode()


def test_roles_change_and_end_and_an_owner_stays(study, everybody):
    path, owner = reverse("people", args=["study"]), User.objects.get(username="owner")
    viewer = User.objects.get(username="viewer")
    everybody["owner"].post(path, {"change": "1", "user": viewer.pk, "role": "editor"})
    assert study.members.get(user=viewer).role == "editor"
    assert "keeps an owner" in text(everybody["owner"].post(path, {"change": "1", "user": owner.pk}, follow=True))
    with pytest.raises(StudyError):
        people.change_role(study=study, user=owner.pk, role="viewer", by="x", now=now())
    everybody["owner"].post(path, {"change": "1", "user": viewer.pk, "role": ""})
    assert everybody["viewer"].get(reverse("study", args=["study"])).status_code == 403, "no role anywhere"
    detail = list(study.events.filter(kind="role").order_by("pk").values_list("by", "detail"))
    assert detail == [
        ("owner", {"account": "viewer", "before": "viewer", "after": "editor"}),
        ("owner", {"account": "viewer", "before": "editor", "after": "none"}),
    ]


def test_a_change_of_the_design_is_an_event_with_before_and_after_on_a_page_and_in_a_table(client):
    draft = make_study(name="draft")
    client.force_login(account("ada"))
    sent = model_to_dict(draft, exclude=["calibration"]) | {
        "cells": [f"{cell.benchmark_id}:{cell.method_id}" for cell in draft.cells.exclude(method__name="nearest")],
        "title": "Pictures",
    }
    answer = client.post(reverse("study-edit", args=["draft"]), {k: v for k, v in sent.items() if v is not None})
    assert answer.status_code == 302
    event = draft.events.get(kind="design changed")
    assert (event.by, event.detail["title"]) == ("ada", "Image quality -> Pictures")
    assert event.detail["cells"] == "tiny: nearest, bicubic, hr -> tiny: bicubic, hr"
    page = text(client.get(reverse("events", args=["draft"])))
    assert "design changed ada" in page
    assert "title: Image quality -> Pictures" in page
    table = client.get(reverse("events-file", args=["draft"])).content.decode().splitlines()
    assert table[0] == "at,kind,by,rater,of,detail"
    assert [row.split(",")[1:3] for row in table[1:]] == [["created", ""], ["design changed", "ada"]]
