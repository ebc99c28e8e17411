"""send and reconcile: every wanted row has a message in a queue that somebody reads, whatever was lost."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from celery import current_app
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from studies.content.stimuli import generated_key
from studies.jobs.dispatch import (
    MOST_ATTEMPTS,
    BrokerUnreachable,
    living_queues,
    reconcile,
    send,
    send_on_commit,
)
from studies.models import Method, SourceImage, Stimulus, Worker
from tests.studies import factories
from tests.studies.threads import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
LONG = 3600


@pytest.fixture
def want() -> Callable[..., Stimulus]:
    """Makes a wanted row; each call another method of one source."""
    source = factories.make_benchmark(images=1).sources.get()
    Stimulus.objects.all().delete()

    def make(method: str = "bicubic", **values) -> Stimulus:
        row = Method.objects.get(name=method)
        return Stimulus.objects.create(source=source, method=row, **{**generated_key(method), **values})

    return make


def messages(queue: str = "cpu") -> list[int]:
    """The rows that the queue's messages name, oldest first; the queue is empty after."""
    found = []
    with current_app.connection_for_read() as broker:
        read = current_app.amqp.queues[queue](broker.default_channel)
        while message := read.get(no_ack=True):
            [stimulus], _, _ = json.loads(message.body)
            found.append(stimulus)
    return found


def worker(*queues: str, seconds_ago: float = 0, name: str = "w@host") -> Worker:
    seen = timezone.now() - timedelta(seconds=seconds_ago)
    return Worker.objects.create(name=name, queues=list(queues), seen_at=seen)


def some_time_passes(seconds: float = 60) -> None:
    Stimulus.objects.update(sent_at=F("sent_at") - timedelta(seconds=seconds))


def test_a_wanted_row_gets_one_message_that_carries_its_number_alone(want, broker):
    row = want()
    assert send(Stimulus, [row.pk]) == 1
    assert send(Stimulus, [row.pk]) == 0
    assert messages() == [row.pk]


@pytest.mark.parametrize("state", ["done", "failed", "running"])
def test_a_row_that_is_not_wanted_gets_no_message(want, broker, state):
    facts = {"file": "x", "psnr": 1.0, "ssim": 1.0, "claim": uuid.uuid4(), "heartbeat_at": timezone.now()}
    row = want(state=state, **facts)
    assert send(Stimulus, [row.pk]) == 0
    assert reconcile(watched_seconds=LONG) == 0
    assert messages() == []


def test_nothing_is_sent_before_the_transaction_is_committed(want, broker):
    row = want()
    with transaction.atomic():
        send_on_commit(Stimulus, [row.pk])
        assert messages() == []
    assert messages() == [row.pk]


def test_a_broker_that_is_down_does_not_break_the_request_and_the_row_is_sent_later(want, caplog):
    row = want()
    with transaction.atomic():
        send_on_commit(Stimulus, [row.pk])
    row.refresh_from_db()
    assert (row.state, row.sent_at) == ("wanted", None)
    assert "The broker cannot be reached" in caplog.text


def test_reconcile_says_that_the_broker_is_down_and_leaves_the_rows_unsent(want):
    row = want()
    with pytest.raises(BrokerUnreachable):
        reconcile(watched_seconds=LONG)
    assert Stimulus.objects.get(pk=row.pk).sent_at is None


def test_what_was_never_sent_is_sent_by_the_next_reconcile_and_only_once(want, broker):
    rows = [want("nearest"), want("bicubic")]
    assert reconcile(watched_seconds=0) == 2
    assert reconcile(watched_seconds=LONG) == 0
    assert messages() == [row.pk for row in rows]


def test_messages_that_a_killed_broker_lost_are_sent_again(want, broker):
    row = want()
    send(Stimulus, [row.pk])
    assert messages() == [row.pk]  # taken out, by nobody
    assert reconcile(watched_seconds=LONG) == 0, "it may still be on its way"
    some_time_passes()
    assert reconcile(watched_seconds=LONG) == 1
    assert messages() == [row.pk]


def test_messages_that_wait_in_the_queue_are_not_sent_again_however_long(want, broker):
    rows = [want("nearest"), want("bicubic")]
    send(Stimulus, [row.pk for row in rows])
    some_time_passes(LONG)
    assert reconcile(watched_seconds=LONG) == 0
    assert messages() == [row.pk for row in rows]


def test_of_a_longer_queue_only_the_lost_message_is_sent_again(want, broker):
    first, second, third = want("nearest"), want("bicubic"), want("hr")
    send(Stimulus, [first.pk])
    messages()  # the first one is taken by a worker that is killed
    some_time_passes()
    send(Stimulus, [second.pk, third.pk])
    some_time_passes()
    assert reconcile(watched_seconds=LONG) == 1
    assert messages() == [second.pk, third.pk, first.pk]


def running(want, *, silent: float, attempts: int = 1) -> Stimulus:
    beat = timezone.now() - timedelta(seconds=silent)
    return want(state="running", claim=uuid.uuid4(), heartbeat_at=beat, attempts=attempts, sent_at=beat)


def test_the_row_of_a_dead_worker_is_wanted_and_sent_again(want, broker):
    row = running(want, silent=21)
    assert reconcile(watched_seconds=LONG) == 1
    row.refresh_from_db()
    assert (row.state, row.claim, row.attempts) == ("wanted", None, 1)
    assert messages() == [row.pk]


def test_the_row_of_a_living_worker_is_left_to_it(want, broker):
    row = running(want, silent=15)
    assert reconcile(watched_seconds=LONG) == 0
    assert Stimulus.objects.get(pk=row.pk).claim == row.claim


def test_after_the_databases_clock_was_set_back_what_is_dead_or_lost_does_not_look_alive_for_as_long(want, broker):
    dead, lost = running(want, silent=-LONG), want("hr")
    worker("gpu", seconds_ago=-LONG)
    Stimulus.objects.filter(pk=lost.pk).update(sent_at=timezone.now() + timedelta(seconds=LONG))
    assert living_queues() == set()
    assert reconcile(watched_seconds=LONG) == 2
    assert messages() == [dead.pk, lost.pk]


def test_after_an_outage_of_the_database_living_workers_have_time_to_beat_again(want, broker):
    row = running(want, silent=300)
    assert reconcile(watched_seconds=19) == 0
    assert Stimulus.objects.get(pk=row.pk).claim == row.claim
    assert reconcile(watched_seconds=20) == 1


def test_an_image_that_kills_every_worker_is_given_up_and_says_so(want, broker):
    row = running(want, silent=60, attempts=MOST_ATTEMPTS)
    assert reconcile(watched_seconds=LONG) == 0
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.error == "The worker died 5 times while making this image; perhaps it ran out of memory."
    assert messages() == []


def test_two_reconcilers_at_once_send_one_message(want, broker):
    row = want()
    sent = at_once(*[lambda: reconcile(watched_seconds=LONG)] * 4)
    assert sorted(sent) == [0, 0, 0, 1]
    assert messages() == [row.pk]


@pytest.mark.parametrize(
    ("method", "queues", "expected"),
    [
        ("srgan-vgg54", {"cpu", "gpu"}, "gpu"),
        ("srgan-vgg54", {"default", "cpu"}, "cpu"),
        ("srgan-vgg54", set(), "cpu"),
        ("bicubic", {"cpu", "gpu"}, "cpu"),
        ("bicubic", {"gpu"}, "gpu"),
        ("hr", {"cpu", "gpu"}, "cpu"),
        ("somebodys-method", {"cpu", "gpu"}, "cpu"),
    ],
)
def test_images_go_where_somebody_reads(method, queues, expected):
    assert Stimulus.queue(method, queues) == expected


def test_only_workers_seen_lately_count():
    worker("default", "cpu")
    worker("gpu", seconds_ago=21, name="gpu@host")
    assert living_queues() == {"default", "cpu"}


def test_what_waits_for_a_gpu_worker_that_is_gone_goes_to_the_cpu(want, broker):
    worker("cpu", name="cpu@host")
    gpu = worker("gpu", name="gpu@host")
    row = want("srgan-vgg54", content_sha256="0" * 64)
    reconcile(watched_seconds=LONG)
    some_time_passes()
    assert reconcile(watched_seconds=LONG) == 0, "the gpu worker may be busy for long"
    gpu.delete()
    assert reconcile(watched_seconds=LONG) == 1
    assert messages("cpu") == [row.pk]


def test_a_large_picture_may_take_longer():
    for width, height, seconds in ((480, 320, 2353), (4000, 3000, 45_000)):
        assert Stimulus(source=SourceImage(width=width, height=height)).seconds_allowed == seconds
