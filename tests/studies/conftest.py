from contextlib import contextmanager

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction

from studies.jobs import attempts
from tests.studies import services


@pytest.fixture(autouse=True)
def _images_in_a_temporary_folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "images"
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.SECURE_SSL_REDIRECT = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def connect_celery(url: str) -> None:
    """Send messages to another broker from now on."""
    current_app.conf.broker_url = url
    current_app._after_fork()  # drops the connections kept open


@pytest.fixture(autouse=True)
def _nothing_kept():
    """What this process keeps for a while of a study of another test, whose key may come again."""
    cache.clear()


@pytest.fixture(autouse=True)
def _no_broker(tmp_path):
    """Tests must not write to the broker of a site that runs on this machine."""
    connect_celery(f"redis+socket://{tmp_path}/no-broker.sock")


@pytest.fixture
def interrupted_after_commit(monkeypatch):
    """Our next transaction that ends well is followed at once by Ctrl-C."""
    begin = transaction.atomic

    @contextmanager
    def atomic(**of_django):
        with begin(**of_django):
            yield
        if not of_django:
            raise KeyboardInterrupt

    monkeypatch.setattr(transaction, "atomic", atomic)


@pytest.fixture
def broker(_no_broker, tmp_path):
    """A real broker with empty queues."""
    with services.broker(tmp_path) as url:
        connect_celery(url)
        empty_queues()
        yield
        empty_queues()


def empty_queues() -> None:
    with current_app.connection_for_write() as connection:
        for name in ("default", "cpu", "gpu"):
            current_app.amqp.queues[name](connection.default_channel).purge()


@pytest.fixture
def staff(client):
    """A browser in which an account of the site's staff is logged in."""
    client.force_login(User.objects.create_user("staff", is_staff=True))
    return client


@pytest.fixture(autouse=True)
def _no_heartbeats_inside_a_transaction(request, monkeypatch):
    """On SQLite a job's beat would wait for the transaction in which a test lies, half a minute long."""
    mark = request.node.get_closest_marker("django_db")
    if mark and not mark.kwargs.get("transaction"):
        monkeypatch.setattr(attempts, "HEARTBEAT_SECONDS", 600)
