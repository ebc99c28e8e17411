"""From rows that want something made to messages that workers read.

The row is the truth. A message only says "look at this row": one too many is a no-op, one that got lost is sent again
by `reconcile`, which every worker runs. Nothing here needs the broker to answer: without it the rows wait.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from celery import current_app
from django.db import connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from studies.models import Import, Job, Report, Stimulus, StudyMetric, StudyRegion, Tally, Worker

logger = logging.getLogger(__name__)

# A worker and an attempt say every few seconds that they live; who has been silent for this long is taken for dead.
STALE_SECONDS = 20
# A message sent less than this ago may still be on its way between a queue and the row's claim.
GRACE_SECONDS = 10
# So often may a worker die over one job (out of memory, for one) before the job is given up.
MOST_ATTEMPTS = 5

KINDS: tuple[type[Job], ...] = (Stimulus, StudyRegion, StudyMetric, Report, Import, Tally)

_BATCH = 500
State = Job.State


class BrokerUnreachable(Exception):
    """No message can be sent or counted now; the rows say what is wanted, and `reconcile` sends it later."""


def ago(seconds: float) -> Combinable:
    """The database's clock `seconds` ago: hosts need not agree on the time."""
    return ExpressionWrapper(Now() - timedelta(seconds=seconds), output_field=DateTimeField())


def within(field: str, seconds: float) -> Q:
    """The field's time is at most `seconds` ago. A time far in the future is not: the database's clock was set back."""
    return Q(**{f"{field}__gt": ago(seconds), f"{field}__lt": ago(-seconds)})


def send_on_commit(kind: type[Job], pks: Sequence[int]) -> None:
    """Send messages for these rows when the transaction is committed. A broker that is down is logged, not raised."""
    transaction.on_commit(lambda: _send_or_log(kind, pks))


def send(kind: type[Job], pks: Sequence[int]) -> int:
    """Send a message for each of these rows that is wanted and has none on its way; returns how many were sent.

    Raises BrokerUnreachable; rows whose message was not sent are then as if never tried.
    """
    sent = 0
    for start in range(0, len(pks), _BATCH):
        sent += _publish(kind, _mark_sent(kind, pks[start : start + _BATCH]))
    return sent


def reconcile(*, watched_seconds: float) -> int:
    """Make rows of dead workers wanted again, then send every wanted row that no message stands for.

    `watched_seconds`: for how long the caller has seen the database without a gap. After an outage of the database the
    heartbeats of living workers are old too; they are given time to beat again before anybody is declared dead.
    Returns how many messages were sent. Raises BrokerUnreachable.
    """
    living = living_queues()
    sent = 0
    for kind in KINDS:
        if watched_seconds >= STALE_SECONDS:
            _release_dead_attempts(kind)
        due = _due(kind, living)
        sent += send(kind, due) if due else 0
    return sent


def _due(kind: type[Job], living: set[str]) -> list[int]:
    by_queue: dict[str, list[tuple[int, datetime | None]]] = defaultdict(list)
    wanted = kind._default_manager.filter(state=State.WANTED).order_by("sent_at", "pk")
    for pk, value, sent_at in wanted.values_list("pk", kind.routed_by, "sent_at"):
        by_queue[kind.queue(value, living)].append((pk, sent_at))
    return sorted(pk for queue, rows in by_queue.items() for pk in _without_message(rows, _messages_in(queue)))


def living_queues() -> set[str]:
    """The queues that at least one living worker reads."""
    alive = Worker.objects.filter(within("seen_at", STALE_SECONDS))
    return {queue for queues in alive.values_list("queues", flat=True) for queue in queues}


def _send_or_log(kind: type[Job], pks: Sequence[int]) -> None:
    try:
        send(kind, pks)
    except BrokerUnreachable as error:
        logger.warning("%s; what is wanted is noted and will be made when a worker and the broker are back", error)


def _release_dead_attempts(kind: type[Job]) -> None:
    dead = kind._default_manager.filter(~within("heartbeat_at", STALE_SECONDS), state=State.RUNNING)
    given_up = dead.filter(attempts__gte=MOST_ATTEMPTS).update(
        state=State.FAILED,
        claim=None,
        finished_at=Now(),
        error=f"The worker died {MOST_ATTEMPTS} times while making this {kind.word}; perhaps it ran out of memory.",
    )
    released = dead.update(state=State.WANTED, claim=None, sent_at=None)
    if given_up or released:
        logger.warning("%ss whose worker died: %d wanted again, %d given up", kind.word, released, given_up)


def _without_message(rows: Sequence[tuple[int, datetime | None]], messages: int) -> Iterator[int]:
    """Those of one queue's wanted rows, ordered by the time they were sent, that none of its messages stands for.

    A queue is first in, first out: what is left in it was sent last. Whether the others are old enough to be sent again
    is for the database's clock to say, in `_mark_sent`.
    """
    yield from (pk for pk, sent_at in rows if sent_at is None)
    sent = [pk for pk, sent_at in rows if sent_at is not None]
    yield from sent[: max(0, len(sent) - messages)]


def _messages_in(queue: str) -> int:
    try:
        with current_app.connection_for_read() as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)
            with broker.channel() as channel:
                return int(current_app.amqp.queues[queue](channel).queue_declare().message_count)
    except OperationalError as error:
        raise BrokerUnreachable(f"The broker cannot be reached ({error})") from error


def _mark_sent(kind: type[Job], pks: Sequence[int]) -> list[int]:
    """Of two processes that would send the same row one gets it."""
    due = Q(sent_at=None) | ~within("sent_at", GRACE_SECONDS)
    with transaction.atomic():
        rows = kind._default_manager.filter(due, pk__in=pks, state=State.WANTED).order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        marked = list(rows.values_list("pk", flat=True))
        kind._default_manager.filter(pk__in=marked).update(sent_at=Now())
    return marked


def _publish(kind: type[Job], pks: Sequence[int]) -> int:
    living = living_queues()
    rows = kind._default_manager.filter(pk__in=pks).order_by("pk").select_related()
    routed = dict(rows.values_list("pk", kind.routed_by))
    sent: list[int] = []
    try:
        with current_app.producer_pool.acquire(block=True) as producer:
            for row in rows:
                current_app.send_task(
                    kind.task,
                    (row.pk,),
                    queue=kind.queue(routed[row.pk], living),
                    ignore_result=True,
                    soft_time_limit=row.seconds_allowed,
                    # The process is killed only if it does not even answer the first limit. Celery can do neither where
                    # the pool is "solo"; there a network is ended by srcore's own limit alone.
                    time_limit=row.seconds_allowed + 60,
                    producer=producer,
                )
                sent.append(row.pk)
    except OperationalError as error:
        unsent = set(pks) - set(sent)
        kind._default_manager.filter(pk__in=unsent, state=State.WANTED).update(sent_at=None)
        raise BrokerUnreachable(f"The broker cannot be reached ({error})") from error
    return len(sent)
