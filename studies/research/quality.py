"""How each rater of a study works, at the limits that the study states: for the staff's page, and for reports."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from django.core.cache import cache
from django.core.paginator import Page, Paginator
from django.db.models import Case, When

from analysis.quality import Limits, rater_quality
from studies.models import OF_PAIRS, Decision, Rater, RaterNumbers, Study, StudyEvent, Tally
from studies.rating.devices import KIND as SECOND_DEVICE
from studies.research.monitoring import RaterProgress, invited, progress_of
from studies.research.pair_results import pair_quality
from studies.research.reading import compact
from studies.research.tallies import read_again

# What takes long to compute is shown again for a while: so much longer than it took.
KEPT_TIMES, WORTH_KEEPING_SECONDS, LONGEST_KEPT_SECONDS = 20, 1.0, 300


@dataclass(frozen=True, kw_only=True)
class RaterRow:
    """A rater with all that a decision rests on.

    `numbers` is the row of `rater_quality`, or of `pair_quality`; None before a rating.
    """

    progress: RaterProgress
    numbers: dict[str, Any] | None
    devices: int

    @property
    def flags(self) -> list[str]:
        """The reasons, in words."""
        return self.numbers["reason"].split("; ") if self.numbers and self.numbers["reason"] else []

    @property
    def median_seconds(self) -> float:
        return self.numbers["median_ms"] / 1000 if self.numbers else 0.0

    @property
    def gold_passed(self) -> int:
        return self.numbers["gold"] - self.numbers["gold_failed"] if self.numbers else 0

    @property
    def traps_passed(self) -> int:
        return self.numbers["traps"] - self.numbers["traps_failed"] if self.numbers else 0

    @property
    def doubtful_percent(self) -> float:
        return 100 * self.numbers["doubtful"] if self.numbers else 0.0

    @property
    def of_pairs(self) -> list[float]:
        """Per cent: left, no difference, alike again, with the majority; NaN where nothing tells."""
        names = ("left_percent", "tie_percent", "same_percent", "majority_percent")
        return [self.numbers[name] for name in names] if self.numbers else []

    @property
    def has_correlation(self) -> bool:
        return self.numbers is not None and self.numbers["correlation"] == self.numbers["correlation"]


def limits_of(study: Study) -> Limits:
    """What the study states."""
    return Limits(
        correlation=study.least_correlation,
        spread=study.least_spread,
        median_ms=study.least_median_ms,
        run=study.longest_run,
        failed_checks=study.failed_checks,
    )


def quality(study: Study) -> pd.DataFrame:
    """`analysis.quality.rater_quality` of the ratings so far; `rater` has keys of rows, as text. Empty without any.

    Of ten thousand raters it takes seconds; it is then kept in this process for some minutes at most.
    """
    key = f"quality/{study.pk}"
    kept: pd.DataFrame | None = cache.get(key)
    if kept is not None:
        return kept
    began = time.monotonic()
    found = measured(study)
    took = time.monotonic() - began
    if took > WORTH_KEEPING_SECONDS:
        cache.set(key, found, min(KEPT_TIMES * took, LONGEST_KEPT_SECONDS))
    return found


def measured(study: Study) -> pd.DataFrame:
    """`quality`, computed now."""
    return pair_quality(study) if study.task in OF_PAIRS else _rater_quality(study)


def _rater_quality(study: Study) -> pd.DataFrame:
    table = compact(study)
    return rater_quality(table, limits=limits_of(study)) if len(table) else pd.DataFrame()


def rater_rows(study: Study) -> list[RaterRow]:
    """Every invited rater; who is flagged and undecided first, then by the time of invitation."""
    found = quality(study)
    numbers = {int(row["rater"]): {str(name): value for name, value in row.items()} for row in found.to_dict("records")}
    progress = progress_of(invited(study))
    devices = _devices(study)
    rows = [_row(one, numbers.get(one.rater.pk), devices) for one in progress]
    return sorted(rows, key=lambda row: not (row.flags and not row.progress.rater.verdict))


def page_of_rows(study: Study, tally: Tally | None, *, number: str | None, each: int) -> "tuple[Page[Any], int]":
    """A page of `rater_rows`, and how many raters are flagged. Of a large study by the numbers that its tally kept."""
    if tally is None:
        rows = rater_rows(study)
        return Paginator(rows, each).get_page(number), sum(bool(row.flags) for row in rows)
    kept = RaterNumbers.objects.filter(session__rater__study=study, is_flagged=True)
    is_first = Case(When(session__numbers__is_flagged=True, verdict="", then=0), default=1)
    raters = invited(study).select_related("session__numbers").annotate(is_first=is_first).order_by("is_first", "pk")
    page: Page[Any] = Paginator(raters, each).get_page(number)
    progress = progress_of(page.object_list)
    devices = _devices(study, [one.rater.label for one in progress])
    page.object_list = [_row(one, _kept(one.rater), devices) for one in progress]
    return page, kept.count()


def _kept(rater: Rater) -> dict[str, Any] | None:
    """The numbers of the rater's session, if there are any."""
    kept = getattr(getattr(rater, "session", None), "numbers", None)
    return read_again(kept.numbers) if kept else None


def _row(progress: RaterProgress, numbers: dict[str, Any] | None, devices: Counter[str]) -> RaterRow:
    return RaterRow(progress=progress, numbers=numbers, devices=devices[progress.rater.label])


def _devices(study: Study, labels: Sequence[str] | None = None) -> Counter[str]:
    """Further devices of each rater, or of these."""
    events = StudyEvent.objects.filter(study=study, kind=SECOND_DEVICE)
    return Counter((events if labels is None else events.filter(rater__in=labels)).values_list("rater", flat=True))


def with_decisions(rows: list[RaterRow]) -> list[tuple[RaterRow, list[Decision]]]:
    """These rows, each with what was decided, the newest first."""
    of: dict[int, list[Decision]] = {}
    for decision in Decision.objects.filter(rater__in=[row.progress.rater.pk for row in rows]):
        of.setdefault(decision.rater_id, []).append(decision)
    return [(row, of.get(row.progress.rater.pk, [])) for row in rows]
