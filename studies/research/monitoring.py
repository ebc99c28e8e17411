"""What staff see while a study runs: how far each rater is, and the MOS as it stands."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from django.db.models import Avg, Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from analysis.objective import Metric
from analysis.opinion import method_scores
from analysis.scale import Scale
from studies.generation import metrics as measures
from studies.models import (
    OF_PAIRS,
    OF_TWO,
    Backup,
    Benchmark,
    Method,
    MetricValue,
    Outcome,
    Rater,
    Session,
    Study,
    StudyImage,
    Tally,
    Task,
)
from studies.models.languages import english_name
from studies.models.task import GRADED, WITH_GOLD
from studies.protocol import languages
from studies.protocol.slots import Slot
from studies.rating.sessions import largest_images
from studies.research.reading import counted_scores
from studies.research.tallies import read_again

# A daily schedule that failed once has not missed yet.
BACKUP_IS_OLD = timedelta(hours=49)
# The bar under an image with its scale: the tallest in a window of ordinary width, measured in the browser.
BAR_CSS_PIXELS = 155
# With a line that says what is asked of two images, and labels of two lines.
BAR_OF_TWO_GRADED = 175
# What says nothing where two methods are compared, and where two images are shown.
OF_SCORES = {"least_correlation", "least_spread", "longest_run"}
OF_GOLD = {"gold", "gold_a_run"}
OF_ONE = {"practice", "announce_start", "examples_again", "stabilising"}
WORDS_OF_PAIRS = {
    "every image": "every pair", "that each image": "that each pair",
    "Grey between two images": "Grey between two pairs",
    "Images in each rater's part": "Pairs in each rater's part", "Most images": "Most pairs",
    "few versions of many sources": "few pairs of many sources", "all versions of few": "all pairs of few",
}  # fmt: skip
WORDS_OF_CHOICES = {
    "Scale": "Answers", "-1 to 1 in steps of 1: ": "", "-1 to 1 in steps of 2: ": "",
    "Ratings that each": "Choices that each", "last rating": "last choice",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RaterProgress:
    """A rater's state is invited, calibrating, rating, finished, withdrawn, revoked, or how their part ended.

    Of who has finished and goes on in another study it says how far they are there, too.
    """

    rater: Rater
    state: str
    rated: int
    total: int
    last_active_at: datetime | None

    @property
    def percent(self) -> int:
        return 100 * self.rated // self.total if self.total else 0


def protocol_rows(study: Study) -> list[tuple[str, str]]:
    """How the study is run: a label and a value for each field of its protocol that says something of it."""
    silent = set(Study.OF_PARTS) if study.allocation == Study.Allocation.ALL else set()
    silent |= OF_SCORES if study.task in OF_PAIRS else set(Study.OF_PAIRS)
    silent |= OF_ONE if study.task in OF_TWO else set()
    silent |= set() if study.task in WITH_GOLD else OF_GOLD
    fields = [field for field in Study.protocol_fields() if field.name not in silent]
    rows = [(str(field.verbose_name).capitalize(), _shown(study, field.name)) for field in fields]
    if study.task not in OF_TWO:
        return rows
    words = WORDS_OF_PAIRS | (WORDS_OF_CHOICES if study.task == Task.PAIR else {})
    return [(_in_words(name, words), _in_words(value, words)) for name, value in rows]


def _in_words(text: str, words: dict[str, str]) -> str:
    """As it is said of pairs, where it is said of the images that are rated."""
    for said, meant in words.items():
        text = text.replace(said, meant)
    return text


def screen_needed(study: Study, filled: Sequence[Slot] | None = None) -> str:
    """Which window shows every image of the study with the bar below it; empty while there are no images."""
    sizes = largest_images(study, filled)
    if not sizes:
        return ""
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    images = " and ".join(f"{w} x {h}" for w, h in sizes[:4]) + (" and others" if len(sizes) > 4 else "")
    bar = BAR_OF_TWO_GRADED if study.task in GRADED else BAR_CSS_PIXELS
    at = {ratio: f"{math.ceil(width / ratio)} x {math.ceil(height / ratio) + bar}" for ratio in (1, 1.5, 2)}
    return (
        f"The largest images have {images} pixels. With the bar below them they need a window of {at[1]} CSS pixels "
        f"({at[1.5]} at a device pixel ratio of 1.5, {at[2]} at 2)."
    )


def studies_with_counts(studies: "QuerySet[Study]") -> "QuerySet[Study]":
    """These studies with raters_invited, raters_finished and ratings_given; staff previews aside.

    Each is counted by itself, and no rating is read: a session says how many it has (`places.given`).
    """
    people = Rater.objects.filter(study=OuterRef("pk"), is_preview=False).order_by()
    begun = Session.objects.filter(rater__study=OuterRef("pk"), rater__is_preview=False).order_by()
    rated = begun.filter(next_position__gt=F("calibration_trials") + 1).values("rater__study")
    number = Sum(F("next_position") - 1 - F("calibration_trials"))
    return studies.annotate(
        raters_invited=_number(people.values("study").annotate(n=Count("pk"))),
        raters_finished=_number(begun.filter(finished_at__isnull=False).values("rater__study").annotate(n=Count("pk"))),
        ratings_given=_number(rated.annotate(n=number)),
    )


def _number(rows: "QuerySet[Any]") -> Combinable:
    return Coalesce(Subquery(rows.values("n")), 0)


def last_backup(*, now: datetime) -> dict[str, Any]:
    """`backup`, the last one or None, and `backup_is_old`, whether a daily schedule would have made another."""
    backup = Backup.objects.first()
    return {"backup": backup, "backup_is_old": backup is not None and now - backup.made_at > BACKUP_IS_OLD}


def invited(study: Study) -> "QuerySet[Rater]":
    """Every invited rater of the study, staff previews aside, in the order of invitation."""
    with_parts = study.raters.select_related("session", "study", "arrival", "continued__session")
    return with_parts.filter(is_preview=False).order_by("pk")


def progress_of(raters: "Iterable[Rater]") -> list[RaterProgress]:
    """How far each of them is."""
    return [_progress(rater) for rater in raters]


def scores_table(study: Study) -> pd.DataFrame:
    """benchmark, method, n, mos, sd, ci_low, ci_high and more, of the ratings so far that count, as the report prints
    them (`analysis.opinion.method_scores`). Empty before the first."""
    ratings = counted_scores(study)
    return pd.DataFrame() if ratings.empty else method_scores(ratings)


def results_table(study: Study, tally: Tally | None = None) -> pd.DataFrame:
    """`scores_table` with the methods' titles, and a column a metric; methods in the paper's order.

    A metric's value is the mean over the images of the study's design, rated or not. Of a large study it is what its
    `tally` has, and empty before that is made.
    """
    return _with_metrics(study, tally, measures.chosen(study))[0]


def results_rows(study: Study, tally: Tally | None = None) -> tuple[tuple[Metric, ...], list[dict[str, Any]]]:
    """The study's metrics, and `results_table` row by row; `measured` has each metric's mean as it is printed.

    A mean of fewer images than there are says of how many.
    """
    chosen = measures.chosen(study)
    table, means = _with_metrics(study, tally, chosen)
    metrics = tuple(Metric(m.name, m.better, m.unit, m.decimals) for m in chosen)
    rows: list[dict[str, Any]] = []
    for row, place in zip(table.to_dict("records"), _places(table), strict=True):
        _, of = means["psnr"][place]
        measured = [_mean(row[m.name], m.decimals, means[m.name].get(place, (0, 0))[1], of) for m in metrics]
        rows.append({**{str(column): value for column, value in row.items()}, "measured": measured})
    return metrics, rows


def _with_metrics(
    study: Study, tally: Tally | None, chosen: Sequence[Any]
) -> "tuple[pd.DataFrame, Means]":
    table = scores_table(study) if tally is None else pd.DataFrame(map(read_again, tally.found.get("results", [])))
    if table.empty:
        return table, {}
    titles = dict(Method.objects.values_list("name", "display_name"))
    table.insert(2, "title", table["method"].map(titles))
    means = _metric_means(study)
    for metric in chosen:
        table[metric.name] = [means[metric.name].get(place, (math.nan, 0))[0] for place in _places(table)]
    table["rank"] = table["method"].map({name: rank for rank, name in enumerate(titles)})
    return table.sort_values(["benchmark", "rank"]).drop(columns="rank").reset_index(drop=True), means


Place = tuple[str, str]
Means = dict[str, dict[Place, tuple[float, int]]]


def _places(table: pd.DataFrame) -> list[Place]:
    return list(zip(table["benchmark"], table["method"], strict=True)) if len(table) else []


def _metric_means(study: Study) -> Means:
    """Of each metric, for each benchmark and method of a launched study: the mean over its images, and of how many."""
    images = study.images.filter(role=StudyImage.Role.RATED)
    names = {benchmark.pk: str(benchmark) for benchmark in Benchmark.objects.all()}
    found: Means = defaultdict(dict)
    by = ("stimulus__source__benchmark_id", "stimulus__method__name")
    own = images.order_by().values_list(*by).annotate(Avg("stimulus__psnr"), Avg("stimulus__ssim"), Count("pk"))
    for benchmark, method, psnr, ssim, number in own:
        found["psnr"][names[benchmark], method] = psnr, number
        found["ssim"][names[benchmark], method] = ssim, number
    values = MetricValue.objects.filter(stimulus__in=images.order_by().values("stimulus"), value__isnull=False)
    asked = values.filter(metric__in=study.metrics.values("metric")).order_by()
    for metric, benchmark, method, mean, number in asked.values_list("metric", *by).annotate(Avg("value"), Count("pk")):
        found[metric][names[benchmark], method] = mean, number
    return found


def _mean(value: float, decimals: int, n: int, of: int) -> str:
    if n == 0:
        return "–"
    return f"{value:.{decimals}f}" + (f" ({n} of {of})" if n < of else "")


def _shown(study: Study, field: str) -> str:
    value = getattr(study, field)
    if isinstance(value, Scale):
        return f"{value.text}: {', '.join(word for _, word in value.labels)}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field == "against" and not value:
        return "every two methods"
    if value == 0 and field in Study.ZERO_MEANS:
        return Study.ZERO_MEANS[field]
    if field == "languages":
        return ", ".join(english_name(code) for code in value)
    if field == "translations":
        return languages.summary(study) or "none"
    display = getattr(study, f"get_{field}_display", None)
    return str(display() if display else value) or "none"


def _progress(rater: Rater) -> RaterProgress:
    session: Session | None = getattr(rater, "session", None)
    return RaterProgress(
        rater=rater,
        state=_state(rater, session),
        rated=session.rated if session else 0,
        total=session.to_rate if session else 0,
        last_active_at=session.last_active_at if session else None,
    )


def _state(rater: Rater, session: Session | None) -> str:
    if rater.withdrawn_at:
        return "withdrawn"
    if rater.revoked_at:
        return "revoked"
    if rater.outcome:
        return Outcome(rater.outcome).label
    if session is None:
        return "invited"
    if session.finished_at:
        following: Rater | None = getattr(rater, "continued", None)
        then = _state(following, getattr(following, "session", None)) if following else ""
        return f"finished; next part: {then}" if then else "finished"
    return "calibrating" if session.is_calibrating else "rating"
