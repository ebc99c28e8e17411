"""Asking for further metrics of a study's images, and what they say so far. Measures nothing itself."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, QuerySet

from srcore.metrics import METRICS, Metric, recipe_metrics
from studies.jobs.dispatch import send_on_commit
from studies.models import MetricValue, Stimulus, Study, StudyImage, StudyMetric, tell
from studies.protocol.slots import Role, rated_keys, slots

State = StudyMetric.State
ALWAYS: tuple[Metric, Metric] = recipe_metrics("paper")
"""PSNR and SSIM, which every image has from the moment it is made."""


@dataclass(frozen=True)
class MetricProgress:
    """How far a metric of a study is: images measured, what cannot be, and the images there are.

    `metric` is None where srcore has none of this name any more.
    """

    row: StudyMetric
    metric: Metric | None
    done: int
    total: int
    problems: list[MetricValue]

    @property
    def pending(self) -> bool:
        """Whether a worker measures, or will."""
        return self.row.state in (State.WANTED, State.RUNNING)

    @property
    def lacks(self) -> int:
        """Images without a value; where nothing is pending they can be asked for again."""
        return self.total - self.done


def offered(study: Study) -> list[Metric]:
    """The metrics of srcore that the study does not have yet, in the registry's order."""
    has = {metric.name for metric in ALWAYS} | {row.metric for row in study.metrics.all()}
    return [metric for name, metric in METRICS.items() if name not in has]


def chosen(study: Study) -> list[Metric]:
    """PSNR, SSIM, and the further metrics that the study is to have, in the registry's order."""
    asked = {row.metric for row in study.metrics.all()}
    return [*ALWAYS, *(metric for name, metric in METRICS.items() if name in asked)]


def add(study: Study, names: Iterable[str], *, by: str = "") -> None:
    """Want these metrics of every image that is rated. One that is there already is left as it is."""
    names = list(names)
    with transaction.atomic():
        tell(study, "metrics added", by=by, detail={"metrics": ", ".join(names)})
        StudyMetric.objects.bulk_create((StudyMetric(study=study, metric=n) for n in names), ignore_conflicts=True)
        send_on_commit(StudyMetric, list(study.metrics.filter(state=State.WANTED).values_list("pk", flat=True)))


def measure_again(study: Study, names: Iterable[str] | None = None, *, by: str = "") -> None:
    """Want what these metrics (all of the study's) lack: images that are new, or of which nothing could be said."""
    rows = study.metrics.exclude(state__in=[State.WANTED, State.RUNNING])
    rows = rows if names is None else rows.filter(metric__in=names)
    with transaction.atomic():
        found = dict(rows.select_for_update().values_list("pk", "metric"))
        values_of(rated_images(study), found.values()).filter(value=None).delete()
        if found:
            tell(study, "metrics measured again", by=by, detail={"metrics": ", ".join(found.values())})
        StudyMetric.objects.filter(pk__in=found).update(
            state=State.WANTED, error="", attempts=0, sent_at=None, finished_at=None
        )
        send_on_commit(StudyMetric, list(found))


def remove(study: Study, names: Iterable[str], *, by: str = "") -> None:
    """Leave these metrics out of the study's results. Their values stay, for other studies and for the next time."""
    with transaction.atomic():
        gone = list(study.metrics.filter(metric__in=names).values_list("metric", flat=True))
        study.metrics.filter(metric__in=gone).delete()
        if gone:
            tell(study, "metrics left out", by=by, detail={"metrics": ", ".join(gone)})


def rated_images(study: Study) -> list[Stimulus]:
    """The images that are to be rated and are there, those of one source side by side."""
    found = {slot.stimulus for slot in slots(study) if slot.role == Role.RATED and slot.stimulus}
    return sorted(found, key=lambda stimulus: (stimulus.source_id, stimulus.pk))


def values_of(images: Iterable[Stimulus], names: Iterable[str]) -> "QuerySet[MetricValue]":
    """What these metrics say of these images."""
    return MetricValue.objects.filter(metric__in=list(names), stimulus__in=[image.pk for image in images])


def progress(study: Study) -> list[MetricProgress]:
    """How far each further metric of the study is, in the order in which they were asked for."""
    rows = list(study.metrics.all())
    if not rows:
        return []
    images = _rated_keys(study)
    values = MetricValue.objects.filter(metric__in=[row.metric for row in rows], stimulus__in=images)
    done = dict(values.exclude(value=None).values_list("metric").annotate(Count("pk")))
    total = images.count() if isinstance(images, QuerySet) else len(images)
    problems: dict[str, list[MetricValue]] = {}
    for value in values.filter(value=None).select_related("stimulus__source__benchmark", "stimulus__method"):
        problems.setdefault(value.metric, []).append(value)
    return [
        MetricProgress(row, METRICS.get(row.metric), done.get(row.metric, 0), total, problems.get(row.metric, []))
        for row in rows
    ]


def _rated_keys(study: Study) -> "QuerySet[StudyImage, int] | set[int]":
    """Of the images of `rated_images`; of a launched study as a subquery, for there can be many."""
    if study.state != Study.State.DRAFT:
        return study.images.filter(role=Role.RATED).order_by().values_list("stimulus", flat=True)
    return {stimulus for stimulus, _, _ in rated_keys(study)}
