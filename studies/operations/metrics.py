"""The site's state in Prometheus' format, computed when it is asked for: no process keeps anything."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from studies.operations.status import Status, Work, seconds_since


def exposition(ready: Status, work: Work | None) -> bytes:
    """All metrics as text. Without `work`, which only the database knows, those of `ready` alone."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_State(ready, work))
    return generate_latest(registry)


class _State(Collector):
    def __init__(self, ready: Status, work: Work | None) -> None:
        self._ready, self._work = ready, work

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("mosweb_up", "1 where this part answers and is as it should be.", labels=["part"])
        for part, said in vars(self._ready).items():
            up.add_metric([part], float(not said))
        if self._work:
            up.add_metric(["broker"], float(not self._work.broker))
        yield up
        if self._work:
            yield from _work(self._work)


def _work(work: Work) -> Iterator[GaugeMetricFamily]:
    workers = GaugeMetricFamily("mosweb_workers", "Living workers that read this queue.", labels=["queue"])
    for queue, readers in work.workers.items():
        workers.add_metric([queue], readers)
    yield workers
    yield GaugeMetricFamily("mosweb_workers_unfit", "Workers that read no queue, or left, as unfit.", len(work.unfit))
    yield GaugeMetricFamily(
        "mosweb_queues_unserved", "Queues that are needed and that no worker reads.", len(work.unserved)
    )
    said = "Images, measurements and reports that are not done."
    jobs = GaugeMetricFamily("mosweb_jobs", said, labels=["kind", "state"])
    for state, counts in (("waiting", work.waiting), ("running", work.running), ("failed", work.failed)):
        for kind, count in counts.items():
            jobs.add_metric([kind, state], count)
    yield jobs
    if work.last_backup:
        yield GaugeMetricFamily(
            "mosweb_last_backup_age_seconds", "Absent while there is no backup.", seconds_since(work.last_backup)
        )
