"""Wrong passwords: counted by name and address, by address, by name; and never a rater's business."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db.models import F

from tests.studies import factories

pytestmark = [pytest.mark.django_db, pytest.mark.services]
OURS, THEIRS = "192.0.2.1", "198.51.100.{}"


@pytest.fixture(autouse=True)
def _behind_a_proxy(settings):
    settings.PROXIES = 1


@pytest.fixture
def staff():
    return User.objects.create_superuser("Staff", password="right")


def attempt(client, name, password="wrong", address=OURS):
    return client.post("/login/", {"username": name, "password": password}, HTTP_X_FORWARDED_FOR=address).status_code


def test_the_sixth_attempt_on_a_name_from_an_address_is_locked_and_the_right_password_too(client, staff):
    assert [attempt(client, "Staff") for _ in range(5)] == [200, 200, 200, 200, 429]
    assert attempt(client, "Staff", "right") == 429
    assert attempt(client, "other") == 200
    assert attempt(client, "Staff", "right", THEIRS.format(1)) == 302


def test_capitals_full_width_letters_and_spaces_make_no_other_name(client, staff):
    for name in ("staff", "STAFF", "ｓｔａｆｆ", " Staff "):
        assert attempt(client, name) == 200
    assert attempt(client, "sTAFF") == 429
    assert attempt(client, "Staff", "right") == 429


def test_an_address_is_locked_after_20_names(client, staff):
    assert [attempt(client, f"name{n}") for n in range(20)] == [200] * 19 + [429]
    assert attempt(client, "Staff", "right") == 429
    assert attempt(client, "Staff", "right", THEIRS.format(1)) == 302


def test_a_name_is_locked_after_50_attempts_from_anywhere_but_not_where_it_has_logged_in_before(client, staff):
    assert attempt(client, "Staff", "right") == 302
    client.logout()
    answers = [attempt(client, "Staff", address=THEIRS.format(n % 25)) for n in range(50)]
    assert answers == [200] * 49 + [429]
    assert attempt(client, "Staff", "right", THEIRS.format(200)) == 429
    assert attempt(client, "Staff", "right") == 302


def test_a_lock_ends_after_a_quarter_of_an_hour_also_if_the_stranger_goes_on(client, staff):
    for _ in range(9):
        attempt(client, "Staff")
    assert AccessAttempt.objects.get().failures_since_start == 5
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=16))
    assert attempt(client, "Staff", "right") == 302


def test_a_login_that_succeeds_forgets_the_failures_before_it(client, staff):
    for password in ("wrong", "wrong", "wrong", "wrong", "right", "wrong", "wrong"):
        assert attempt(client, "Staff", password) != 429
        client.logout()


def test_raters_go_on_from_an_address_that_is_locked(client):
    rater = factories.make_rater(factories.launch(factories.make_study()))
    for n in range(25):
        attempt(client, f"name{n}")
    assert attempt(client, "name") == 429
    assert client.get(f"/i/{rater.token}/", HTTP_X_FORWARDED_FOR=OURS).status_code == 302
    assert client.get("/study/", HTTP_X_FORWARDED_FOR=OURS).status_code == 200


@pytest.mark.parametrize("forwarded", ["unknown", "192.0.2.1:4711", "[2001:db8::1]:443", '"[::1]"', "_x", "\xe9"])
def test_whatever_a_proxy_writes_the_login_answers(client, staff, forwarded):
    assert attempt(client, "Staff", address=forwarded) == 200
    assert attempt(client, "Staff", "right", address=forwarded) == 302
