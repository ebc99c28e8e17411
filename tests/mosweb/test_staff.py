import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from mosweb import staff

pytestmark = [pytest.mark.django_db, pytest.mark.services]


@pytest.fixture(autouse=True)
def var(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path


def test_the_first_run_makes_a_login_with_a_random_password_that_only_the_owner_reads(var):
    staff.ensure_login()
    password = (var / "staff_password").read_text().strip()
    assert User.objects.get(username="staff").check_password(password)
    assert len(password) == 20
    assert (var / "staff_password").stat().st_mode & 0o777 == 0o600


def test_a_later_run_changes_no_password(var):
    staff.ensure_login()
    before = User.objects.get().password
    staff.ensure_login()
    assert User.objects.get().password == before


def test_a_password_that_staff_has_changed_is_not_claimed_to_be_known(var):
    staff.ensure_login()
    assert staff.known_password() == (var / "staff_password").read_text().strip()
    user = User.objects.get()
    user.set_password("my own long password")
    user.save()
    assert staff.known_password() is None


def test_the_command_resets_a_password_and_lifts_the_lock_after_failed_attempts(client, var, capsys):
    staff.ensure_login()
    old = staff.known_password()
    for _ in range(5):
        client.post("/login/", {"username": "staff", "password": "wrong"})
    assert client.post("/login/", {"username": "staff", "password": old}).status_code == 429
    call_command("staff_password")
    new = capsys.readouterr().out.partition("password: ")[2].strip()
    assert new != old
    assert client.post("/login/", {"username": "staff", "password": old}).status_code == 200  # asked again
    assert client.post("/login/", {"username": "staff", "password": new}).status_code == 302
    assert (var / "staff_password").stat().st_mode & 0o777 == 0o600


def test_the_command_makes_the_login_again_if_it_was_deleted(var):
    call_command("staff_password")
    user = User.objects.get(username="staff")
    assert user.is_staff
    assert user.check_password((var / "staff_password").read_text().strip())
