import re

import pytest
from django.contrib.auth.models import User
from django.urls import get_resolver

from tests.studies import factories

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("staff", password="x"))
    return client


def test_a_nul_in_a_cookie_is_refused(client):
    client.cookies["sessionid"] = "a\0b"  # is sent as "a\000b"
    assert client.get("/studies/").status_code == 400


@pytest.mark.parametrize(
    "address", ["/admin/studies/rater/?q=%00", "/admin/studies/study/?state__exact=a%00b", "/studies/%00/", "/?%00=1"]
)
def test_a_nul_in_an_address_is_refused(staff, address):
    assert staff.get(address).status_code == 400


def test_a_nul_in_a_form_is_refused(client):
    assert client.post("/login/", {"username": "a\0", "password": "b"}).status_code == 400
    assert client.post("/login/", {"user\0name": "a", "password": "b"}).status_code == 400


def test_a_form_that_is_too_large_or_no_form_at_all_is_refused(client):
    assert client.post("/login/", {"username": "a" * 3_000_000}).status_code == 400
    assert client.post("/login/", b"--x", content_type="multipart/form-data").status_code == 400


FILLED_IN = {"name": "study", "pk": "1", "table": "ratings", "kind": "csv", "action": "launch"}


def every_staff_address() -> set[str]:
    """All addresses of the site outside /admin/ and /study/, with the names of what the test makes filled in."""
    found = set()
    for possibility in get_resolver().reverse_dict.lists():
        for options in possibility[1]:
            for text, arguments in options[0]:
                if set(arguments) <= set(FILLED_IN) and not text.startswith(("admin/", "study/")):
                    found.add("/" + text % FILLED_IN)
    return found


def test_no_page_and_no_download_of_staff_is_kept_by_a_browser_or_a_proxy(staff):
    study = factories.launch(factories.make_study(name="study"))
    rater = factories.make_rater(study)
    assert {"/studies/study/", "/studies/study/ratings.csv", "/studies/study/results/"} <= every_staff_address()
    others = [f"/i/{rater.token}/", "/studies/study/objective.parquet", "/admin/", "/admin/studies/rater/", "/no/such/"]
    for address in [*every_staff_address(), *others]:
        answer = staff.get(address)
        assert answer.status_code < 500, address
        assert "no-store" in answer.headers["Cache-Control"], address


def test_what_a_stranger_gets_is_not_kept_either(client):
    for address in ("/", "/login/", "/studies/", "/health", "/no/such/"):
        assert re.search("no-store", client.get(address).headers["Cache-Control"]), address
