"""When a study has enough: its own rule, looked at while it runs, switches the public link off.

Never a p value: a study that stops once p is small finds differences that are not there.
"""

import logging
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray

from analysis.opinion import method_scores
from studies.models import OF_PAIRS, Method, Precision, PublicLink, Study, StudyEvent, Tally, Task, Trial
from studies.protocol.slots import ORIGINAL
from studies.research.export import counted_ratings
from studies.research.pair_results import half_widths
from studies.research.planning import coverage_of
from studies.research.reading import counted_scores
from studies.research.tallies import tally_of

logger = logging.getLogger(__name__)

STOPPED = "stop rule"
# Intervals are computed anew once so much more is rated, and of one study no more often than this.
GROWN, AT_MOST_EVERY = 1.02, timedelta(seconds=20)
# Few raters may agree by luck: an interval needs a few, and ends a study with BT.500's least panel only.
FEW_RATERS, LEAST_RATERS = 3, 15


def note_precision(study: Study, *, now: datetime) -> Precision | None:
    """The newest precision, computed anew if enough was rated since; None before the first rating that counts."""
    last = study.precision.order_by("-at", "-pk").first()
    if last and now - last.at < AT_MOST_EVERY:
        return last
    number = number_counted(study)
    if not number or (last and last.ratings <= number < GROWN * last.ratings):
        return last
    half, ratings, raters = half_widths(study) if study.task in OF_PAIRS else _half_widths_of_mos(study)
    if not ratings:  # withdrawn meanwhile
        return last
    known = bool(np.isfinite(half).all()) and raters >= FEW_RATERS
    widest, middle = (float(half.max()), float(np.median(half))) if known else (None, None)
    values = {"at": now, "widest": widest, "median": middle, "raters": raters}
    row, _ = Precision.objects.update_or_create(study=study, ratings=ratings, defaults=values)
    return row


def precision_of(study: Study, tally: Tally | None, *, now: datetime) -> Precision | None:
    """`note_precision`, or of a large study what was noted with its tally."""
    return note_precision(study, now=now) if tally is None else study.precision.order_by("-at", "-pk").first()


def _half_widths_of_mos(study: Study) -> tuple[NDArray[np.float64], int, int]:
    frame = counted_scores(study)
    if frame.empty:
        return np.array([]), 0, 0
    table = method_scores(frame)
    return ((table["ci_high"] - table["ci_low"]) / 2).to_numpy(np.float64), len(frame), frame["rater"].nunique()


def of_what(study: Study) -> str:
    """What the intervals are of, one of them, as a sentence says it."""
    if study.task not in OF_PAIRS:
        return "a DMOS" if study.task == Task.DEGRADATION else "a MOS"
    if study.stop_rule != Study.StopRule.SHARE:
        return "a strength"
    against = study.against or ORIGINAL
    titles = dict(Method.objects.values_list("name", "display_name"))
    return f"a share against {titles.get(against, against)}"


def number_counted(study: Study) -> int:
    """How many ratings count, as `analysis.schema.counted` says; none of them is read."""
    rated = counted_ratings(study).filter(trial__phase=Trial.Phase.RATED, trial__session__rater__excluded="")
    return rated.count()


def why_stop(study: Study, *, now: datetime) -> str:
    """What of the study's rule is met, as a sentence; empty while it is not, or there is no rule. Of a large study by
    its tally, which is asked for here, and not before it knows of every decision."""
    tally = None if study.stop_rule == Study.StopRule.NONE else tally_of(study, now=now)
    if tally is not None and tally.is_superseded:
        return ""  # who was excluded since may be who made it enough
    if study.stop_rule == Study.StopRule.TARGETS:
        found = coverage_of(study, tally) if study.ratings_each else None
        if found and not found.missing:
            thing = "pair" if study.task in OF_PAIRS else "image"
            given = "choices" if study.task == Task.PAIR else "ratings"
            return f"each {thing} has the {study.ratings_each} {given} that it shall get"
    if study.stop_rule in (Study.StopRule.WIDTH, Study.StopRule.SHARE):
        precision = precision_of(study, tally, now=now)
        enough = precision is not None and precision.raters >= LEAST_RATERS
        if precision and enough and precision.widest is not None and precision.widest <= study.stop_half_width:
            return (
                f"the widest 95 % interval of {of_what(study)} is ±{precision.widest:.3f} with {precision.raters} "
                f"raters, and it was to be at most ±{study.stop_half_width:g}"
            )
    return ""


def stop_if_met(study: Study, *, now: datetime) -> bool:
    """Switch the public link off once the rule is met, and note which; asked again, nothing changes."""
    link = PublicLink.objects.filter(study=study, is_open=True)
    if not link.exists() or not (reason := why_stop(study, now=now)):
        return False
    with transaction.atomic():
        if not link.update(is_open=False):
            return False
        detail = {"rule": study.get_stop_rule_display(), "because": reason}
        StudyEvent.objects.create(study=study, at=now, kind=STOPPED, detail=detail)
    logger.info("the stop rule of study %s is met: its public link is off", study.name)
    return True


def ended_by(study: Study) -> str:
    """Which rule ended the study, as its report says it; empty where none did."""
    event = study.events.filter(kind=STOPPED).first()
    return str(event.detail["because"]) if event else ""


def look_at_all() -> None:
    """For a worker, now and then: every running study that has a rule and lets people in."""
    running = Study.objects.filter(state=Study.State.LAUNCHED, public_link__is_open=True)
    for study in running.exclude(stop_rule=Study.StopRule.NONE):
        try:
            stop_if_met(study, now=timezone.now())
        except Exception:  # the other studies' rules are looked at all the same
            logger.exception("the stop rule of study %s cannot be looked at", study.name)
