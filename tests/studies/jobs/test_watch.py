"""The thread in every worker: it says that the worker lives, and sends again what was lost."""

import logging
import uuid
from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db.models import Value
from django.utils import timezone

from studies.content.stimuli import generated_key
from studies.jobs import watch as workers
from studies.jobs.dispatch import living_queues
from studies.jobs.watch import Watch
from studies.models import Stimulus, Worker
from tests.studies import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def watch() -> Watch:
    return Watch(name="cpu@host", queues=["default", "cpu"])


@pytest.fixture
def wanted() -> Stimulus:
    source = factories.make_benchmark(images=1).sources.get()
    Stimulus.objects.all().delete()
    method = factories.make_methods()["nearest"]
    return Stimulus.objects.create(source=source, method=method, **generated_key("nearest"))


def test_a_beat_notes_the_worker_and_its_queues_and_sends_what_is_wanted(watch, wanted, broker):
    watch.beat()
    watch.beat()
    assert Worker.objects.get().queues == ["cpu", "default"]
    assert living_queues() == {"cpu", "default"}
    wanted.refresh_from_db()
    assert wanted.sent_at is not None


def test_without_a_broker_the_worker_is_noted_and_the_outage_is_told_once(watch, wanted, caplog):
    caplog.set_level(logging.INFO, logger="studies")
    for _ in range(3):
        watch.beat()
    assert living_queues() == {"cpu", "default"}
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    wanted.refresh_from_db()
    assert wanted.sent_at is None


def test_workers_that_are_long_gone_are_forgotten(watch, broker):
    for name, minutes in (("old@host", 61), ("late@host", 59)):
        Worker.objects.create(name=name, queues=[], seen_at=timezone.now() - timedelta(minutes=minutes))
    watch.beat()
    assert set(Worker.objects.values_list("name", flat=True)) == {"late@host", "cpu@host"}


def test_a_worker_that_stops_is_forgotten_at_once(watch, broker):
    call_command("mark_storage")  # else it may leave as unfit, of which a row stays
    watch.start()
    watch.stop()
    assert not watch.is_alive()
    assert not Worker.objects.exists()


@pytest.mark.parametrize(
    ("seconds", "is_released"),
    [
        ([0, 5, 10, 15], False),
        ([0, 5, 10, 15, 20], True),
        ([0, 5, 10, 26, 31], False),
        ([0, 5, 10, 26, 31, 36, 41, 46], True),
    ],
)
def test_a_dead_workers_row_is_released_after_twenty_seconds_without_a_gap(
    watch, wanted, broker, monkeypatch, seconds, is_released
):
    """A longer gap means that this process, or the database, stood still, and others' heartbeats with it."""
    begun = timezone.now()
    begin_and_fall_silent(begun - timedelta(hours=1))
    for second in seconds:
        beat_at(begun + timedelta(seconds=second), watch, monkeypatch)
    wanted.refresh_from_db()
    assert wanted.state == ("wanted" if is_released else "running")


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
def test_when_a_laptop_wakes_or_its_clock_is_set_a_healthy_job_has_time_to_beat_and_a_dead_one_is_released(
    watch, wanted, broker, monkeypatch, jump
):
    """The time of the last heartbeat is then as far off as that of the last beat; a sleep is no steady watching."""
    woken = timezone.now()
    begin_and_fall_silent(woken - jump)
    for second in (-15, -10, -5):
        beat_at(woken - jump + timedelta(seconds=second), watch, monkeypatch)
    for second in (0, 5, 10, 15):
        beat_at(woken + timedelta(seconds=second), watch, monkeypatch)
    wanted.refresh_from_db()
    assert wanted.state == "running"
    beat_at(woken + timedelta(seconds=20), watch, monkeypatch)
    wanted.refresh_from_db()
    assert wanted.state == "wanted"


def begin_and_fall_silent(heartbeat: datetime) -> None:
    Stimulus.objects.update(state="running", claim=uuid.uuid4(), heartbeat_at=heartbeat)


def beat_at(moment: datetime, watch: Watch, monkeypatch) -> None:
    """A beat whose time, by the database's clock, is `moment`."""
    monkeypatch.setattr(workers, "Now", lambda: Value(moment))
    watch.beat()
