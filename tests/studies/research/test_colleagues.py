"""What accounts may beside the studies they have a role in: staff, who came by a link, and what is nobody's."""

import pytest
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.core.management import call_command
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse

from studies.access import at_least
from studies.models import Benchmark, Colleague, Import, Membership, Role, Study
from studies.research import drafts, lifecycle, people, presets
from tests.studies.factories import make_benchmark, make_study
from tests.studies.research.test_people import account, addresses, everybody, invited, now, study, text
from tests.studies.threads import at_once

__all__ = ["everybody", "study"]  # fixtures
pytestmark = [pytest.mark.services, pytest.mark.django_db]

OF_NO_STUDY = {
    "study-list": "blind",
    "study-new": "editor",
    "study-new-paper": "editor",
    "imports": "editor",
    "content": "editor",
    "import": "editor",
    "import-now": "editor",
    "import-thumbnail": "editor",
    "benchmark-delete": "editor",
    "results-delete": "editor",
    "status": "staff",
    "site-events": "staff",
    "site-events-file": "staff",
}


@pytest.mark.parametrize("name", OF_NO_STUDY)
def test_what_is_of_no_single_study_opens_for_who_makes_studies_and_the_navigation_offers_no_more(everybody, name):
    incoming = Import.objects.create(kind="benchmark", benchmark="new", by="editor")
    values = {
        "import": [incoming.pk],
        "import-now": [incoming.pk],
        "import-thumbnail": [incoming.pk, 0],
        "benchmark-delete": ["elsewhere"],
        "results-delete": ["elsewhere", "bicubic"],
    }
    path = reverse(name, args=values.get(name, []))
    for who, client in everybody.items():
        answer = client.post(path) if name == "study-new-paper" else client.get(path)
        is_staff = who in ("of another", "administrator")
        has_role = OF_NO_STUDY[name] != "staff" and who in Role.values and at_least(who, OF_NO_STUDY[name])
        if who in ("nobody", "rater"):
            assert answer.status_code == 302
            assert answer["Location"].startswith(reverse("login"))
        elif is_staff or has_role:
            assert answer.status_code != 403, who
        else:
            assert answer.status_code == 403, who
            assert client.post(path, {"typed": "elsewhere"}).status_code in (403, 405)
            for page in ("study-list", "live"):
                shown = client.get(reverse(page, args=["study"] if page == "live" else []))
                assert f'href="{path}"' not in shown.content.decode()
    assert Benchmark.objects.filter(name="elsewhere").exists()


def test_who_came_by_a_link_sees_no_study_that_is_nobodys_and_makes_none(everybody, study, client):
    make_study(name="old", title="From a shell", benchmarks=[make_benchmark("shell")])
    link = reverse("colleague", args=[invited(study, "blind").token])
    client.post(link, {"username": "carla", "password1": "a long password 7", "password2": "a long password 7"})
    assert client.get(reverse("live", args=["study"])).status_code == 200
    assert "From a shell" not in text(client.get(reverse("study-list")))
    for name, path in addresses().items():
        of_old = path.replace("/studies/study/", "/studies/old/")
        assert of_old != path
        assert {client.get(of_old).status_code, client.post(of_old).status_code} <= {404, 405}, name
    assert everybody["of another"].get(reverse("study", args=["old"])).status_code == 200
    Membership.objects.filter(user__username="carla").delete()
    for path in (reverse("live", args=["study"]), reverse("study", args=["old"]), reverse("study-list")):
        assert client.get(path).status_code == 403
    assert text(client.get(reverse("front"))) == text(Client().get(reverse("front")))


def test_a_study_whose_owners_account_is_deleted_comes_to_administrators_and_not_to_staff(everybody, study):
    people.change_role(study=study, user=User.objects.get(username="editor").pk, role="", by="x", now=now())
    User.objects.get(username="owner").delete()
    User.objects.filter(username__in=["blind", "viewer"]).delete()
    path = reverse("people", args=["study"])
    assert everybody["of another"].get(reverse("study", args=["study"])).status_code == 404
    assert "it is for administrators alone" in text(everybody["administrator"].get(path))
    everybody["administrator"].post(path, {"invite": "1", "role": "owner"})
    everybody["of another"].post(reverse("colleague", args=[Colleague.objects.get().token]))
    assert everybody["of another"].get(path).status_code == 200
    assert "a deleted account" in str(study.members.filter(user=None).first())


def test_without_an_owner_administrators_change_roles_and_a_deleted_account_counts_as_none(everybody, study):
    path, editor = reverse("people", args=["study"]), User.objects.get(username="editor")
    account("second", study, Role.OWNER)
    User.objects.get(username="second").delete()
    owner = User.objects.get(username="owner")
    assert "keeps an owner" in text(everybody["owner"].post(path, {"change": "1", "user": owner.pk}, follow=True))
    owner.delete()
    everybody["administrator"].post(path, {"change": "1", "user": editor.pk, "role": "viewer"})
    assert study.members.get(user=editor).role == "viewer"


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "0", "-1", "x"])
def test_a_key_that_is_none_changes_nothing(everybody, study, number):
    path = reverse("people", args=["study"])
    invited(study)
    for sent in ({"withdraw": number}, {"change": "1", "user": number, "role": "viewer"}):
        assert everybody["owner"].post(path, sent).status_code == 302
    assert study.colleagues.count() == 1
    assert study.members.count() == 4


def test_a_link_that_is_used_meanwhile_makes_no_account(study, everybody, client, monkeypatch):
    link = invited(study)
    monkeypatch.setattr(people, "invitation", lambda token, *, now: link)
    sent = {"password1": "a long password 7", "password2": "a long password 7"}
    for name in ("carla", "dora"):
        Client().post(reverse("colleague", args=[link.token]), {"username": name} | sent)
    assert set(User.objects.filter(username__in=["carla", "dora"]).values_list("username", flat=True)) == {"carla"}


def test_of_two_who_take_one_name_one_reads_so(study, client, monkeypatch):
    account("carla")
    monkeypatch.setattr(UserCreationForm, "clean_username", lambda form: form.cleaned_data["username"])
    monkeypatch.setattr(UserCreationForm, "validate_unique", lambda form: None)
    link = invited(study)
    sent = {"username": "carla", "password1": "a long password 7", "password2": "a long password 7"}
    assert "Somebody took this name" in text(client.post(reverse("colleague", args=[link.token]), sent))
    assert people.invitation(link.token, now=now()) == link


def test_no_study_is_made_without_its_owner(everybody, study, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(people, "own", dies)
    sent = model_to_dict(study, exclude=["calibration"]) | {
        "cells": [f"{cell.benchmark_id}:{cell.method_id}" for cell in study.cells.all()],
        "name": "mine",
    }
    bicubic = [study.cells.get(method__name="bicubic").method_id]
    there = set(Study.objects.values_list("name", flat=True))
    monkeypatch.setattr(
        presets, "create_paper_study", lambda *, name, title, **_: drafts.clone(study=study, name=name, title=title)
    )
    for path, values in (
        (reverse("study-new"), {k: v for k, v in sent.items() if v is not None}),
        (reverse("study-new-paper"), {"paper-name": "mine", "paper-title": "Mine", "paper-methods": bicubic}),
        (reverse("study-clone", args=["study"]), {"clone-name": "mine", "clone-title": "Mine"}),
    ):
        with pytest.raises(KeyboardInterrupt):
            everybody["editor"].post(path, values)
        assert set(Study.objects.values_list("name", flat=True)) == there


def test_pages_name_no_study_that_an_account_cannot_see(everybody, study):
    clone = drafts.clone(study=study, name="hidden", title="Hidden")
    account("ada", clone, Role.OWNER)
    lifecycle.close(study=study, now=now())
    for path in (reverse("study", args=["study"]), reverse("study-delete", args=["study"])):
        page = text(everybody["owner"].get(path))
        assert "another study that you cannot see" in page
        assert "hidden" not in page
        assert "hidden" in text(everybody["administrator"].get(path))
    path = reverse("benchmark-delete", args=["tiny"])
    for page in (everybody["owner"].get(path), everybody["owner"].post(path, {"typed": "tiny"})):
        assert "2 studies use it: study and another study that you cannot see." in text(page)
        assert "hidden" not in text(page)
    assert "use it: hidden, study." in text(everybody["administrator"].get(path))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_open_one_link_at_once_one_has_an_account():
    study = make_study()
    account("ada", study, Role.OWNER)
    link = reverse("colleague", args=[invited(study).token])

    def sends(name):
        password = {"password1": "a long password 7", "password2": "a long password 7"}
        return Client().post(link, {"username": name} | password).status_code

    assert sorted(at_once(lambda: sends("carla"), lambda: sends("dora"))) == [302, 404]
    assert User.objects.exclude(username="ada").count() == 1
    assert study.members.count() == 2


@pytest.mark.django_db(transaction=True)
def test_accounts_that_came_by_a_link_before_are_no_staff_any_more_and_others_stay():
    study = make_study()
    staff = account("staff")
    link = invited(study)
    administrator = account("root", is_superuser=True)
    for user in (staff, administrator, account("carla")):
        used = invited(study) if user != staff else link
        used.made_at = link.made_at
        used.used_by = user.username
        used.save()
    try:
        call_command("migrate", "studies", "0034", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert set(User.objects.filter(is_staff=True).values_list("username", flat=True)) == {"staff", "root"}
    assert User.objects.count() == 3
