"""How the site does: what it leans on, who works for it, what waits. Asked anew each time, of the database first.

Every process gives the same answer, so none keeps counts of its own.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, F, Max
from django.utils import timezone

from studies.jobs.dispatch import KINDS, STALE_SECONDS, within
from studies.models import Backup, Job, Study, Worker
from studies.storage.calls import Calls, NoAnswer
from studies.storage.guard import time_limit
from studies.storage.marker import why_not_ours

SECONDS_FOR_AN_ANSWER = 2.0
# Every worker but one for images alone reads the first; the second gets what has no better place.
ALWAYS_NEEDED = ("default", "cpu")

_broker_calls = Calls(2)


@dataclass(frozen=True)
class Status:
    """`broken`: name of a part -> what is wrong with it; empty where nothing is."""

    database: str = ""
    migrations: str = ""
    storage: str = ""

    @property
    def broken(self) -> dict[str, str]:
        return {name: said for name, said in vars(self).items() if said}


@dataclass(frozen=True)
class Work:
    """What workers do for the site. `workers`: queue -> how many living ones read it, for each queue that is needed.

    `waiting`, `running` and `failed`: word of the job ("image", "report") -> how many. `last_backup`: None for none.
    """

    broker: str = ""
    workers: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    unfit: list[Worker] = field(default_factory=list)
    last_backup: datetime | None = None

    @property
    def unserved(self) -> list[str]:
        """Queues that are needed and that nobody reads."""
        return sorted(queue for queue, readers in self.workers.items() if not readers)


def readiness() -> Status:
    """Whether a request that comes now can be served: database, migrations and storage. Raises nothing."""
    try:
        Study.objects.exists()
    except DatabaseError as error:
        said = " ".join(str(error).split())
        return Status(database=said, migrations="not known", storage="not known")
    with time_limit(SECONDS_FOR_AN_ANSWER):
        return Status(migrations=_asked(_unapplied), storage=_asked(why_not_ours))


def work() -> Work:
    """Broker, workers, jobs, backup. Raises DatabaseError."""
    living = Worker.objects.filter(within("seen_at", STALE_SECONDS))
    readers = Counter(queue for queues in living.values_list("queues", flat=True) for queue in queues)
    counts, needed = {}, set(ALWAYS_NEEDED)
    for kind in KINDS:
        counts[kind.word], queues = _states(kind, living=set(readers))
        needed |= queues
    if "gpu" in readers and "cpu" not in readers:  # it makes everything where it is alone
        needed.discard("cpu")
    return Work(
        broker=_broker(),
        workers={queue: readers[queue] for queue in sorted(needed | set(readers))},
        waiting={word: states[Job.State.WANTED] for word, states in counts.items()},
        running={word: states[Job.State.RUNNING] for word, states in counts.items()},
        failed={word: states[Job.State.FAILED] for word, states in counts.items()},
        unfit=list(Worker.objects.exclude(unfit="").order_by("name")),
        last_backup=_last_backup(),
    )


def _states(kind: type[Job], *, living: set[str]) -> tuple[Counter[str], set[str]]:
    """How many of these jobs are in each state, and the queues that those which wait need."""
    rows = kind._default_manager.exclude(state=Job.State.DONE).order_by().annotate(route=F(kind.routed_by))
    counts, queues = Counter[str](), set[str]()
    for state, value, number in rows.values_list("state", "route").annotate(Count("pk")):
        counts[state] += number
        if state == Job.State.WANTED:
            queues.add(kind.queue(value, living))
    return counts, queues


def _asked(question: Callable[[], str]) -> str:
    try:
        return question()
    except DatabaseError as error:
        return f"not known: {' '.join(str(error).split())}"


def _unapplied() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan)
    return f"not applied: {names}; run 'manage.py migrate'" if names else ""


def _broker() -> str:
    try:
        _broker_calls.make(_greet_broker, seconds=SECONDS_FOR_AN_ANSWER)
    except NoAnswer as error:
        return f"The broker cannot be reached: {error}"
    except Exception as error:  # each transport has its own
        return f"The broker cannot be reached: {' '.join(str(error).split())}"
    return ""


def _greet_broker() -> None:
    limits = {**current_app.conf.broker_transport_options, "socket_timeout": SECONDS_FOR_AN_ANSWER}
    with current_app.connection_for_read().clone(transport_options=limits) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=SECONDS_FOR_AN_ANSWER)
        with broker.channel() as channel:
            current_app.amqp.queues["default"](channel).queue_declare()


def _last_backup() -> datetime | None:
    newest: datetime | None = Backup.objects.aggregate(at=Max("made_at"))["at"]
    return newest


def seconds_since(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()
