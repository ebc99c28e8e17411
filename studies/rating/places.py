"""Places of a study of which each rater rates a part: claimed in short runs, and given back by who stays away.

A place is a trial that is written. Each claim locks the study, so that two never take one place; on SQLite a
transaction that writes is alone anyway. Places of a rater who is away for longer than Study.away_minutes stop to count;
the next claim of another deletes them, but those that the rater's browser may hold, whose ratings may be on their way.
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from numpy.typing import NDArray

from studies.models import OF_TWO, Rating, Session, Stimulus, Study, Task, Trial
from studies.protocol import checks, pairs
from studies.protocol.check_slots import checks_of
from studies.protocol.order import Showing
from studies.protocol.readiness import plan_of
from studies.protocol.slots import originals, originals_beside, rated_keys, slots_beside, units
from studies.protocol.subsets import WINDOW, Images, claim_weight, next_run

# From the first unrated one on a browser may hold a window of images, and one more where it took a rating back and the
# answer was lost: it then has what followed that one, too.
HELD = WINDOW + 1
# To count more ratings takes a while, and every claim needs it.
COUNTED_EACH_TIME, COUNTED_AGAIN_SECONDS, COUNTED_AGAIN_TIMES = 30_000, 60, 50

Had = tuple[int, int | None, int]
"""A trial of before: its stimulus, its right one if it is a pair, the how-manieth showing."""
_COUNTS = Q(
    rater__is_preview=False,
    rater__revoked_at=None,
    rater__withdrawn_at=None,
    rater__places_back_at=None,
    rater__excluded="",
)


def given(study: Study) -> int:
    """How many ratings the study has, of whatever phase, staff's previews aside. No rating is read: a session moves on
    with each that is stored, and back with each that is taken back."""
    begun = Session.objects.filter(rater__study=study, rater__is_preview=False)
    rated = begun.filter(next_position__gt=F("calibration_trials") + 1)
    found = rated.aggregate(number=Sum(F("next_position") - 1 - F("calibration_trials")))
    return int(found["number"] or 0)


def stored(study: Study, *, only: Q = Q()) -> Counter[int]:  # noqa: B008 - a Q is never changed
    """Ratings of each image or pair that has some, by its key, of raters whose ratings count. `only`: of these."""
    counts = Q(trial__session__in=_sessions(study), trial__phase=Trial.Phase.RATED, trial__repeat=0)
    rows = Rating.objects.filter(counts & only)
    found = Counter[int]()
    for stimulus, right, number in rows.values_list("trial__stimulus", "trial__right").annotate(Count("pk")):
        found[pairs.key(stimulus, right)] += number
    return found


@dataclass(frozen=True)
class _Count:
    """`stored` of the ratings up to `last`, as this process counted them at `at`, in `took` seconds."""

    at: float
    took: float
    last: int
    found: Counter[int]


_counted: dict[int, _Count] = {}


def stored_lately(study: Study) -> Counter[int]:
    """`stored`, to balance by. Of a large study older ratings are counted now and then and newer ones each time: who
    was excluded or has withdrawn, or what was taken back, may count a little longer."""
    if given(study) <= COUNTED_EACH_TIME:
        return stored(study)
    kept = _counted.get(study.pk)
    if kept is None or time.monotonic() - kept.at > max(COUNTED_AGAIN_SECONDS, COUNTED_AGAIN_TIMES * kept.took):
        began = time.monotonic()
        last = Rating.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        found = stored(study, only=Q(pk__lte=last))
        kept = _counted[study.pk] = _Count(began, time.monotonic() - began, last, found)
    return kept.found + stored(study, only=Q(pk__gt=kept.last))


def claim(*, session: int, now: datetime) -> None:
    """Write the session's next run, unless the browser has as many images ahead as it may. Nothing if it is gone."""
    found = Session.objects.select_related("rater__study").filter(pk=session).first()
    if found is None or found.rater.study.allocation == Study.Allocation.ALL:
        return
    stored_lately(found.rater.study)  # before the lock: what takes long to count keeps nobody else
    with transaction.atomic():
        study = lock(found.rater.study)
        rows = list(Session.objects.filter(pk=session))  # as it is now: perhaps withdrawn while this waited
        for mine in rows:
            _claim(study, mine, now=now)


def lock(study: Study) -> Study:
    """Let no other claim in this study go on until the transaction ends."""
    return Study.objects.select_for_update(no_key=True).get(pk=study.pk)


def first_run(study: Study, session: Session, *, now: datetime) -> list[Trial]:
    """The first run of a session that is being made, in order and without positions; the study is locked."""
    return _run(study, session, had=[], shown={}, last=None, number=1, now=now)


def as_trials(
    study: Study, showings: Sequence[Showing], *, rated: Sequence[pairs.Rated], had: Sequence[Had], seed: int,
    phase: str = Trial.Phase.RATED,
) -> list[Trial]:  # fmt: skip
    """Trials, without session and position, that show this; of pairs with their sides.

    `rated`: the study's `rated_keys`. `had`: first showings before.
    """
    if study.task not in OF_TWO:
        return [Trial(stimulus_id=s.stimulus, phase=phase, repeat=s.repeat) for s in showings]
    asked = [(s.stimulus, s.repeat) for s in showings]
    if study.task == Task.DEGRADATION:
        sided = pairs.original_first(asked, originals=originals(rated))
    else:
        sided = pairs.with_sides(
            asked,
            had=[pairs.Shown(left, right, repeat) for left, right, repeat in had if right],
            counts=_on_sides(study),
            method={stimulus: method for stimulus, _, method in rated},
            rng=random.Random(f"{seed}/sides/{phase}/{len(had)}"),
        )
    return [Trial(stimulus_id=s.left, right_id=s.right, phase=phase, repeat=s.repeat) for s in sided]


def with_originals(study: Study, trials: list[Trial]) -> list[Trial]:
    """The same, each with the original that a key shows, where the study has it.

    Also a trap, of which it is one of the two: by its missing the trap would be known. A draft that staff try may lack
    some.
    """
    if not study.original_on_key:
        return trials
    of = originals_beside(study)
    shown = Stimulus.objects.filter(pk__in={trial.stimulus_id for trial in trials})
    source = dict(shown.order_by().values_list("pk", "source_id"))
    for trial in trials:
        trial.original_id = of.get(source[trial.stimulus_id])
    return trials


def _on_sides(study: Study) -> dict[tuple[int, int], int]:
    """(left, right) -> in how many places of raters who count this pair stands so."""
    places = Trial.objects.filter(session__in=_sessions(study), phase=Trial.Phase.RATED, repeat=0)
    counted = places.values_list("stimulus", "right").annotate(Count("pk"))
    return {(left, right): number for left, right, number in counted}


def _claim(study: Study, session: Session, *, now: datetime) -> None:
    last = session.trials.order_by("-position").first()
    if last is None or last.position >= min(session.next_position + WINDOW - 1, session.trials_total):
        return
    rows = list(session.trials.order_by("position").values_list("phase", "stimulus_id", "right_id", "repeat"))
    had = [(left, right, repeat) for phase, left, right, repeat in rows if phase == Trial.Phase.RATED]
    shown = Counter(phase for phase, *_ in rows)
    run = _run(study, session, had=had, shown=shown, last=last.stimulus_id, number=(last.run or 0) + 1, now=now)
    run = with_originals(study, run)
    for position, trial in enumerate(run, start=last.position + 1):
        trial.session, trial.position = session, position
    Trial.objects.bulk_create(run)
    Session.objects.filter(pk=session.pk).update(last_active_at=now)
    if not run:  # staff who try a draft whose images became fewer meanwhile
        ended = now if session.next_position > last.position else None
        Session.objects.filter(pk=session.pk).update(trials_total=last.position, finished_at=ended)


def _run(
    study: Study, session: Session, *, had: Sequence[Had], shown: Mapping[str, int], last: int | None, number: int,
    now: datetime,
) -> list[Trial]:  # fmt: skip
    """`shown`: trials of each phase that the session has; `last`: the stimulus of its last one."""
    _give_back(study, but=session, now=now)
    rated = rated_keys(study)
    images = Images.of(units(study, rated))
    of_design = set(images.stimulus.tolist())
    had = [(left, right, repeat) for left, right, repeat in had if pairs.key(left, right) in of_design]
    before = [Showing(pairs.key(left, right), repeat) for left, right, repeat in had]
    counts, promised = _counts(study, images, now=now)
    rng = np.random.default_rng([session.seed, len(had)])
    run = next_run(images, counts, before, plan=plan_of(study), rng=rng, promised=promised)
    trials = as_trials(study, run, rated=rated, had=had, seed=session.seed)
    for trial in trials:
        trial.run = number
    return _with_checks(study, session, trials, rated=rated, had=len(had), shown=shown, last=last)


def _with_checks(
    study: Study, session: Session, run: list[Trial], *, rated: Sequence[pairs.Rated], had: int,
    shown: Mapping[str, int], last: int | None,
) -> list[Trial]:  # fmt: skip
    if not checks.asked(study):
        return run
    among = checks_of(study, slots_beside(study))
    source = {image: check.source for check in among for image in (check.stimulus, check.right) if image}
    source |= {stimulus: of for stimulus, of, _ in rated}
    return checks.next_of_part(
        study,
        run,
        among,
        seed=session.seed,
        source=source,
        shown={phase: shown.get(phase, 0) for phase in checks.asked(study)},
        before=None if last is None else source.get(last),
        ends=had + len(run) >= study.trials + study.repeats,
    )


def _sessions(study: Study) -> QuerySet[Session]:
    """Those whose ratings count towards what each image shall get."""
    return Session.objects.filter(_COUNTS, rater__study=study)


def _give_back(study: Study, *, but: Session, now: datetime) -> None:
    beyond = Trial.objects.filter(session=OuterRef("pk"), position__gte=OuterRef("next_position") + HELD)
    away = Session.objects.filter(
        Exists(beyond),
        rater__study=study,
        finished_at=None,
        last_active_at__lt=now - timedelta(minutes=study.away_minutes),
    ).exclude(pk=but.pk)
    # Locked: one of them may be coming back with a rating at this moment, and is then no longer away.
    for session in away.select_for_update(of=("self",)):
        session.trials.filter(position__gte=session.next_position + HELD).delete()


def _counts(study: Study, images: Images, *, now: datetime) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratings of each image, stored and claimed; and those that raters at work will come to claim (`next_run`)."""
    place = {int(key): place for place, key in enumerate(images.stimulus)}
    counts, promised = np.zeros(len(place)), np.zeros(len(place))
    for stimulus, number in stored_lately(study).items():
        counts[place[stimulus]] += number
    away = timedelta(minutes=study.away_minutes)
    at_work = _sessions(study).filter(finished_at=None, last_active_at__gte=now - away)
    places = Trial.objects.filter(session__in=at_work, phase=Trial.Phase.RATED, repeat=0)
    unrated = places.filter(rating=None).values_list("stimulus_id", "right_id", "session__last_active_at")
    for stimulus, right, active in unrated:
        counts[place[pairs.key(stimulus, right)]] += claim_weight((now - active).total_seconds(), away.total_seconds())
    if study.allocation == Study.Allocation.TOGETHER:
        of_session = defaultdict[int, list[int]](list)
        for session, stimulus, right in places.values_list("session_id", "stimulus_id", "right_id"):
            of_session[session].append(place[pairs.key(stimulus, right)])
        for mine in of_session.values():
            promised += np.isin(images.source, images.source[mine])
            promised[mine] -= 1
    return counts, promised
