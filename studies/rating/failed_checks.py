"""After how many failed checks a rater's part ends, where the study states it; judged as in `analysis.quality`."""

from datetime import datetime

from analysis.scale import Scale
from analysis.screening import GOLD_SHARE, GOLD_TOLERANCE
from studies.models import Outcome, Rater, Rating, Trial
from studies.rating import outcomes
from studies.rating.statements import OwnTrial

CHECKS = (Trial.Phase.GOLD, Trial.Phase.TRAP)


def end_if_failed(trial: OwnTrial, *, rater: Rater, scale: Scale, now: datetime) -> bool:
    """End the part of whose checks so many failed, up to this trial, and more than a fifth of them; tells whether.

    A rating that can still be taken back does not count yet: that of this trial, unless it is the last. Nor does one
    from before staff let the rater go on all the same.
    """
    if not trial.end_after_failed:
        return False
    ends_here = not trial.has_undo or trial.position == trial.trials_total
    before = trial.position + 1 if ends_here else trial.position
    given = Rating.objects.filter(trial__session=trial.session, trial__phase__in=CHECKS, trial__position__lt=before)
    if rater.reopened_at:
        given = given.filter(rated_at__gt=rater.reopened_at)
    rows = [(p, e, s) for p, e, s in given.values_list("trial__phase", "trial__expected", "score") if e is not None]
    failed = sum(is_failed(phase, expected, score, scale=scale) for phase, expected, score in rows)
    if failed < trial.end_after_failed or failed <= GOLD_SHARE * len(rows):
        return False
    return outcomes.end(rater=rater, outcome=Outcome.CHECKS, now=now)


def is_failed(phase: str, expected: float, score: float, *, scale: Scale) -> bool:
    """Gold by more than a category, a trap by any other score; on a line by half a category, of two by the side."""
    if scale.low < 0:
        return expected * score <= 0
    trap = 0.5 if scale.step is None else 0.0
    allowed = (GOLD_TOLERANCE if phase == Trial.Phase.GOLD else trap) * scale.category
    return abs(score - expected) > allowed + 1e-9 * scale.width
