"""What a study asks of each rater: how many images, and how long that takes."""

import math
from statistics import median

from django.db.models import Count, F, Sum
from django.db.models.functions import Coalesce

from studies.models import OF_TWO, Rating, Session, Study
from studies.protocol import checks
from studies.protocol.slots import number_rated

# The paper's raters had 1128 images in 75 minutes: 4 s each, the grey between two among it.
SECONDS_TO_ANSWER = 3.5
# Of two images each is looked at, the first perhaps again: twice as long, until raters of the study have shown it.
SECONDS_TO_CHOOSE = 7.0
# So many tell how long it takes: each rater's first page asks, however many thousand have finished.
LAST = 100


def trials_each(study: Study, *, images: int | None = None) -> int:
    """How many ratings each rater gives; repeats, checks and stabilising trials too. `images`: of all."""
    if study.allocation != Study.Allocation.ALL:
        images = study.trials
    elif images is None:
        images = number_rated(study)
    shown = images + study.repeats
    return shown + checks.number_each(study, images=shown) + study.stabilising


def seconds_a_trial(study: Study) -> float:
    """The median of the LAST who finished, else as in the paper; with the grey and the whole image before each."""
    ended = Session.objects.filter(rater__study=study, rater__is_preview=False, finished_at__isnull=False)
    last = ended.order_by("-finished_at").values("pk")[:LAST]
    rated = Rating.objects.filter(trial__session__in=last)
    sums = rated.values("trial__session").annotate(
        ms=Sum(F("response_ms") + Coalesce("waited_ms", 0.0)), trials=Count("pk")
    )
    found = [row["ms"] / row["trials"] / 1000 for row in sums]
    usual = SECONDS_TO_CHOOSE if study.task in OF_TWO else SECONDS_TO_ANSWER
    return (median(found) if found else usual) + (study.gap_ms + study.orientation_ms) / 1000


def minutes_each(study: Study, *, trials: int) -> int:
    """Whole minutes of rating for a rater of so many trials, practice included, rests between sittings not."""
    practice = sum(bool(line.strip()) for line in study.practice.splitlines())
    return math.ceil((trials + practice) * seconds_a_trial(study) / 60)
