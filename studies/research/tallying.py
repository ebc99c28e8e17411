"""Making the tally of a large study or draft. Runs in a worker; nothing of the web process imports it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from studies.jobs.attempts import attempt, finished
from studies.models import OF_PAIRS, RaterNumbers, Session, Study, Tally
from studies.protocol.chosen import chosen_of
from studies.research import answers, planning, stopping
from studies.research.draft_state import draft_stamp, look, stored_state
from studies.research.monitoring import scores_table
from studies.research.pair_results import pair_results
from studies.research.quality import measured
from studies.research.reading import in_pieces
from studies.research.tallies import numbers_of, stamp, stored

_BATCH = 1000


@dataclass
class Made:
    """What one attempt found: `raters` are the rows of `quality`."""

    stamp: dict[str, Any]
    found: dict[str, Any]
    raters: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def make(tally: int) -> None:
    """Make and store the tally of this row, as studies.jobs.attempts.attempt says."""
    attempt(Tally.objects.select_related("study"), tally, make=_make, store=_store, reason=_reason)


def _make(row: Tally) -> Made:
    began, study = time.monotonic(), row.study
    if study.state == Study.State.DRAFT:
        stamp_before = draft_stamp(study, chosen_of(study))
        found = stored(stored_state(look(study)))
        return Made(stamp_before, found, seconds=time.monotonic() - began)
    made = Made(stamp(study, numbers_of(study)), {})
    covered = planning.coverage(study)
    made.found["coverage"] = None if covered is None else asdict(covered)
    made.found["answers"] = [[told.question.name, told.answered, told.said] for told in answers.summary(study)]
    if study.task in OF_PAIRS:
        pairs = pair_results(study)
        made.found["pairs"] = None if pairs is None else asdict(pairs)
    else:
        made.found["results"] = _rows(scores_table(study))
    stopping.note_precision(study, now=timezone.now())
    made.raters = _rows(measured(study))
    made.found = stored(made.found)
    made.seconds = time.monotonic() - began
    return made


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [stored(row) for row in table.to_dict("records")]


def _store(row: Tally, mine: "QuerySet[Tally]", made: Made) -> None:
    """In short transactions, for which no rating waits long."""
    if not mine.update(heartbeat_at=Now()):
        return
    for batch in in_pieces(made.raters, _BATCH):
        _store_numbers(row.study, batch)
    values = {"stamp": made.stamp, "found": made.found, "made_at": timezone.now(), "seconds": made.seconds}
    mine.update(**values, **finished(Tally.State.DONE))


def _store_numbers(study: Study, found: Sequence[dict[str, Any]]) -> None:
    """Not of who has withdrawn meanwhile; if one does at this very moment, once more without them."""
    for is_last in (False, True):
        sessions = Session.objects.filter(rater__study=study, rater__in=[int(one["rater"]) for one in found])
        of = dict(sessions.values_list("rater_id", "pk"))
        rows = [
            RaterNumbers(session_id=of[int(one["rater"])], numbers=one, is_flagged=bool(one["reason"]))
            for one in found
            if int(one["rater"]) in of
        ]
        try:
            RaterNumbers.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["session"], update_fields=["numbers", "is_flagged"]
            )
            return
        except IntegrityError:
            if is_last:
                raise


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
