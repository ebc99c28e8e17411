"""The guest list: labels by paste or file, all links at once, a link revoked and given back, pseudonyms."""

import io

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies.models import Rater
from studies.research import invitations
from studies.research.export import ratings_frame, with_pseudonyms
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]
RATERS = reverse("raters", args=["study"])


@pytest.fixture
def study():
    return launch(make_study(benchmarks=[make_benchmark(images=2)]))


@pytest.fixture
def staff(client, study):
    client.force_login(User.objects.create_user("staff", is_staff=True))
    return client


def labels():
    return list(Rater.objects.values_list("label", flat=True))


def test_labels_are_pasted_one_a_line(staff):
    staff.post(RATERS, {"count": 1, "labels": "lab-a\r\n\r\n lab-b \r\nlab-c"})
    assert labels() == ["lab-a", "lab-b", "lab-c"]


def test_labels_come_as_the_first_column_of_a_file(staff):
    table = '\ufefflabel;group\r\n=1+1;x\r\n"b;2";y\r\n'.encode()
    staff.post(RATERS, {"count": 1, "file": SimpleUploadedFile("guests.csv", table)})
    assert labels() == ["=1+1", "b;2"]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"labels": "a\nb\na"}, "a: "),
        ({"labels": "a\n" + "x" * 61}, "60 characters"),
        ({"labels": "\n".join(map(str, range(10_001)))}, "At most 10000"),
        ({"labels": "a", "label": "b"}, "not both"),
        ({"file": SimpleUploadedFile("guests.csv", b"\xff\xfe\x00")}, "not in UTF-8"),
    ],
)
def test_a_list_that_cannot_be_invites_nobody(staff, sent, says):
    assert says in staff.post(RATERS, {"count": 1, **sent}).text
    assert labels() == []


@pytest.mark.parametrize("label", ["Ada Lovelace", "Lovelace, Ada", "ada@example.org", "0171 2345678", "Émile Zola"])
def test_a_label_that_tells_who_it_is_is_warned_of(staff, label):
    assert "Exports and reports carry labels" in staff.post(RATERS, {"count": 1, "label": label}, follow=True).text
    assert labels() == [label]


@pytest.mark.parametrize("label", ["r001", "lab-3b", "group 2 rater 14", "p0001", "Monitor 3"])
def test_one_that_does_not_is_not(label):
    assert not invitations.telling(label)


def test_all_links_are_there_to_copy_and_to_download(study, staff):
    one, gone = make_rater(study, label="=cmd"), make_rater(study, label="gone")
    invitations.revoke(rater=gone, now=timezone.now())
    page = staff.get(RATERS).text
    assert f"=cmd\thttp://testserver/i/{one.token}/" in page
    assert "gone\thttp" not in page
    response = staff.get(reverse("raters-file", args=["study"]))
    table = pd.read_csv(io.BytesIO(response.content))
    assert table.values.tolist()[0] == ["'=cmd", "invited", f"http://testserver/i/{one.token}/"]
    assert Client().get(reverse("raters-file", args=["study"])).status_code == 302


def test_a_link_is_revoked_after_asking_and_can_be_given_back(study, staff):
    rater = make_rater(study)
    assert "It can be given back" in staff.get(RATERS).text
    staff.post(reverse("rater-revoke", args=["study", rater.pk]))
    browser = Client()
    browser.get(f"/i/{rater.token}/")
    assert browser.get(reverse("rater-home")).status_code == 403
    back = reverse("rater-restore", args=["study", rater.pk])
    assert Client().post(back).status_code == 302
    rater.refresh_from_db()
    assert rater.revoked_at
    staff.post(back)
    staff.post(back)
    assert browser.get(reverse("rater-home")).status_code == 200
    assert study.events.filter(kind="link given back").count() == 1


def test_pseudonyms_say_nothing_and_are_the_same_each_time(study, staff):
    for label in ("Ada Lovelace", "zoe@example.org"):
        rate_all(study, label)
    plain = ratings_frame(study)
    told = with_pseudonyms(plain, study)
    address = reverse("download", args=["study", "ratings", "csv"])
    sent = staff.get(address, {"pseudonyms": ""}).content.decode()
    assert "Lovelace" not in sent
    assert "example.org" not in sent
    assert "Lovelace" in staff.get(address).content.decode()
    assert told["rater"].nunique() == 2
    assert told["session"].unique().tolist() == [1, 2]
    assert told["rater"].is_monotonic_increasing
    assert sorted(told["score"]) == sorted(plain["score"])
    assert pd.read_csv(io.StringIO(sent))["rater"].tolist() == told["rater"].tolist()


def test_a_long_list_is_shown_in_pages_and_all_links_are_a_file(staff, study):
    Rater.objects.bulk_create(Rater(study=study, label=f"g{number:05d}") for number in range(1201))
    for address, place in ((RATERS, ""), (reverse("study", args=["study"]), "#raters")):
        first = staff.get(address).text
        assert (first.count(">g0"), ">g00099<" in first, ">g00100<" in first) == (100, True, False)
        assert "Page 1 of 13" in first
        assert f'href="?page=2{place}"' in first
        last = staff.get(address, {"page": "13"}).text
        assert (last.count(">g0"), ">g01200<" in last) == (1, True)
        assert staff.get(address, {"page": "x"}).status_code == 200
    assert len(staff.get(RATERS).content) < 100_000
    assert "Download all 1201 links as CSV" in staff.get(RATERS).text
    assert len(pd.read_csv(io.BytesIO(staff.get(reverse("raters-file", args=["study"])).getvalue()))) == 1201


def test_a_link_that_is_revoked_leads_back_to_its_page(staff, study):
    rater = make_rater(study)
    for name in ("rater-revoke", "rater-restore"):
        answer = staff.post(f"{reverse(name, args=['study', rater.pk])}?page=3")
        assert answer.headers["Location"] == f"{RATERS}?page=3"
