"""A running study at one sight: who is where and stops where, how much is rated, how precise it is, what it costs."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from typing import Any

from django.db.models import F

from studies.models import Outcome, Precision, PublicLink, Session, Study, Tally
from studies.research.planning import Coverage, coverage_of
from studies.research.stopping import ended_by, of_what, precision_of
from studies.research.tallies import tally_of

PARTS = 10
STEPS_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Live:
    """What the page shows. `stops`: for each tenth of a session how many stopped there, and what share of the most."""

    states: list[tuple[str, int]]
    stops: list[tuple[str, int, int]]
    coverage: Coverage | None
    percent: int
    precision: Precision | None
    of_what: str
    digits: int
    narrowed: list[tuple[Precision, int]]
    minutes: int | None
    finished: int
    money: float | None
    link: PublicLink | None
    ended_by: str
    tally: Tally | None


def live(study: Study, *, now: datetime) -> Live:
    """Away: away_minutes without a rating, and not finished. Money: pay_each for who finished and is not rejected."""
    examples = F("calibration_trials")
    sessions = list(
        Session.objects.filter(rater__study=study, rater__is_preview=False)
        .annotate(given=F("next_position") - 1 - examples, of=F("trials_total") - examples)
        .values_list("rater", "finished_at", "started_at", "last_active_at", "given", "of")
    )
    gone = now - timedelta(minutes=study.away_minutes)
    left = [row for row in sessions if not row[1] and row[3] < gone]
    away = {rater: max(given, 0) / max(of, 1) for rater, *_, given, of in left}
    done = [(end - start).total_seconds() / 60 for _, end, start, *_ in sessions if end]
    tally = tally_of(study, now=now)
    precision = precision_of(study, tally, now=now)
    found = coverage_of(study, tally)
    paid = study.raters.filter(is_preview=False, session__finished_at__isnull=False).exclude(verdict="rejected").count()
    return Live(
        states=_states(study, sessions, away),
        stops=_stops(list(away.values())),
        coverage=found,
        percent=_percent(study, found),
        precision=precision,
        of_what=of_what(study),
        digits=3 if study.stop_rule == Study.StopRule.SHARE else 2,
        narrowed=_narrowed(study),
        minutes=max(1, ceil(median(done))) if done else None,
        finished=len(done),
        money=paid * study.pay_each if study.pay_each else None,
        link=PublicLink.objects.filter(study=study).first(),
        ended_by=ended_by(study),
        tally=tally,
    )


def _states(study: Study, sessions: list[tuple[Any, ...]], away: dict[int, float]) -> list[tuple[str, int]]:
    started = {rater: bool(finished) for rater, finished, *_ in sessions}
    counts = Counter[str]()
    raters = study.raters.filter(is_preview=False).values_list("pk", "withdrawn_at", "revoked_at", "outcome")
    for pk, withdrawn, revoked, outcome in raters:
        if withdrawn or revoked:
            counts["withdrawn" if withdrawn else "revoked"] += 1
        elif outcome:
            counts[Outcome(outcome).label] += 1
        elif pk not in started:
            counts["invited"] += 1
        else:
            counts["finished" if started[pk] else "away" if pk in away else "at work"] += 1
    first = ["at work", "finished", "away", "invited"]
    return [(state, counts.pop(state)) for state in first if counts[state]] + sorted(counts.items())


def _stops(shares: list[float]) -> list[tuple[str, int, int]]:
    counts = Counter(min(int(share * PARTS), PARTS - 1) for share in shares)
    most = max(counts.values(), default=1)
    return [
        (f"{100 * part // PARTS} to {100 * (part + 1) // PARTS} %", counts[part], 100 * counts[part] // most)
        for part in range(PARTS)
    ]


def _percent(study: Study, found: Coverage | None) -> int:
    """Of all ratings that the images shall get, how many they have, none counted beyond an image's own."""
    if not found or not study.ratings_each:
        return 0
    wanted = study.ratings_each * found.images
    return 100 * (wanted - found.missing) // wanted if wanted else 0


def _narrowed(study: Study) -> list[tuple[Precision, int]]:
    """Some of the precisions, evenly among all, each with its width beside the widest in percent."""
    rows = [row for row in study.precision.all() if row.widest is not None]
    if len(rows) > STEPS_SHOWN:
        rows = [rows[round(place * (len(rows) - 1) / (STEPS_SHOWN - 1))] for place in range(STEPS_SHOWN)]
    widest = max((row.widest or 0 for row in rows), default=0) or 1
    return [(row, round(100 * (row.widest or 0) / widest)) for row in rows]
