"""/health, /ready, /metrics and the staff's status page."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from studies.models import Backup, Stimulus, Study, Worker
from studies.rating import sessions
from studies.storage.guard import GuardedStorage, StorageUnavailable
from studies.storage.marker import NAME
from tests.studies import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def benchmark():
    return factories.make_benchmark(images=1)


def metric(text: str, name: str) -> float:
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


def test_ready_says_that_all_is_there(client, benchmark):
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "database": "ok", "migrations": "ok", "storage": "ok"},
    )


def test_ready_says_which_part_is_not_and_not_why(client, benchmark, settings):
    Path(settings.MEDIA_ROOT, NAME).unlink()
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json() == {"status": "not ready", "database": "ok", "migrations": "ok", "storage": "not ok"}
    assert client.get("/health").status_code == 200, "starting the site anew would not mend the storage"


def test_ready_names_a_database_that_was_not_migrated(client, benchmark, monkeypatch):
    monkeypatch.setattr("studies.operations.status.MigrationExecutor.migration_plan", lambda *args: [(Some(), False)])
    assert client.get("/ready").json()["migrations"] == "not ok"


class Some:
    app_label, name = "studies", "0099_new"


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "the token"])
def test_metrics_are_for_who_has_the_token(client, settings, header):
    settings.METRICS_TOKEN = "the token"
    assert client.get("/metrics", headers={"Authorization": header}).status_code == 404


def test_without_a_token_there_are_no_metrics(client, settings):
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_metrics_count_what_waits_and_who_works(client, settings, benchmark, broker):
    settings.METRICS_TOKEN = "the token"
    now = timezone.now()
    Worker.objects.create(name="cpu@one", queues=["cpu", "default"], seen_at=now)
    Worker.objects.create(name="cpu@two", queues=["cpu"], seen_at=now)
    Worker.objects.create(name="cpu@dead", queues=["cpu"], seen_at=now - timedelta(minutes=1))
    Worker.objects.create(name="cpu@unfit", queues=[], unfit="It has other code.", seen_at=now)
    stimuli = list(Stimulus.objects.all())
    Stimulus.objects.filter(pk=stimuli[0].pk).update(state="failed")
    Stimulus.objects.filter(pk__in=[stimulus.pk for stimulus in stimuli[1:3]]).update(state="wanted", file="")
    text = client.get("/metrics", headers={"Authorization": "Bearer the token"}).content.decode()
    for name, value in {
        'mosweb_up{part="database"}': 1,
        'mosweb_up{part="storage"}': 1,
        'mosweb_up{part="broker"}': 1,
        'mosweb_workers{queue="cpu"}': 2,
        'mosweb_workers{queue="default"}': 1,
        "mosweb_workers_unfit": 1,
        "mosweb_queues_unserved": 0,
        'mosweb_jobs{kind="image",state="waiting"}': 2,
        'mosweb_jobs{kind="image",state="failed"}': 1,
        'mosweb_jobs{kind="report",state="waiting"}': 0,
    }.items():
        assert metric(text, name) == value, name
    assert benchmark.name not in text


def test_metrics_tell_that_broker_and_workers_are_away(client, settings, benchmark):
    settings.METRICS_TOKEN = "the token"
    text = client.get("/metrics", headers={"Authorization": "Bearer the token"}).content.decode()
    assert metric(text, 'mosweb_up{part="broker"}') == 0
    assert metric(text, "mosweb_queues_unserved") == 2
    assert "mosweb_last_backup_age_seconds" not in text


def test_metrics_and_staff_learn_how_old_the_last_backup_is(client, admin_client, settings, benchmark):
    settings.METRICS_TOKEN = "the token"
    made = timezone.now() - timedelta(hours=3)
    for age in (timedelta(days=9), timedelta(0)):
        Backup.objects.create(made_at=made - age, file_name="x.zip", size=1, encrypted=False)
    text = client.get("/metrics", headers={"Authorization": "Bearer the token"}).content.decode()
    assert 3 * 3600 <= metric(text, "mosweb_last_backup_age_seconds") < 3 * 3600 + 60
    assert f"at {made:%Y-%m-%d %H:%M} UTC" in admin_client.get("/status/").content.decode()


def test_staff_see_why_a_worker_is_unfit_and_strangers_see_nothing(client, admin_client, benchmark, broker):
    Worker.objects.create(name="cpu@two", queues=[], unfit="Its code is <old>.", seen_at=timezone.now())
    assert client.get("/status/")["Location"].startswith("/login/")
    page = admin_client.get("/status/").content.decode()
    assert "cpu@two" in page
    assert "Its code is &lt;old&gt;." in page
    assert "No worker reads the queue default" in page


def test_a_storage_that_hangs_makes_neither_page_hang(client, admin_client, benchmark, settings, monkeypatch):
    def hangs(self, action):
        raise StorageUnavailable("The image storage cannot be used: it did not answer within 2 s")

    monkeypatch.setattr(GuardedStorage, "ask", hangs)
    assert client.get("/ready").json()["storage"] == "not ok"
    assert "did not answer within 2 s" in admin_client.get("/status/").content.decode()


def test_while_the_storage_is_away_staffs_pages_answer_a_launch_is_refused_and_images_are_asked_for_later(
    client, admin_client, monkeypatch
):
    draft = factories.make_study(name="draft")
    open_to_raters = factories.make_study(name="open", benchmarks=[factories.make_benchmark("more")])
    rater = factories.make_rater(factories.launch(open_to_raters))
    client.get(f"/i/{rater.token}/")
    trial = sessions.agree(rater=rater, now=timezone.now()).trials.first()

    def away(self, action):
        raise StorageUnavailable("The image storage cannot be used: EndpointConnectionError")

    with monkeypatch.context() as patch:
        patch.setattr(GuardedStorage, "ask", away)
        for address in ("/studies/", "/studies/draft/", "/studies/open/", "/studies/open/results/", "/content/"):
            assert admin_client.get(address).status_code == 200, address
        said = admin_client.post("/studies/draft/launch/", follow=True)
        assert "The files cannot be looked at" in said.content.decode()
        assert Study.objects.get(pk=draft.pk).state == "draft"
        assert set(Stimulus.objects.values_list("state", flat=True)) == {"done"}
        image = client.get(f"/image/{trial.token}")
        picture = admin_client.get(f"/studies/open/sheet/{trial.stimulus_id}.png")
        assert [(answer.status_code, answer["Retry-After"]) for answer in (image, picture)] == [(503, "5")] * 2
    assert client.get(f"/image/{trial.token}").status_code == 200
