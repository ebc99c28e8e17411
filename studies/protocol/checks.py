"""Checks among the images: gold, whose score is known, and traps, which say the score to give. No result counts them.

`Study.gold` names the gold images line by line; traps lie on sources of the design, as large as their images. Each run
of RUN images has so many of both at random places, in an order of each rater's own.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.scale import Scale
from studies.models import LEFT, OF_TWO, SourceImage, Stimulus, Study, Trial
from studies.protocol import practice
from studies.protocol.subsets import RUN

MOST_TRAPS = 10
"""Different traps that a study has: each rater sees a few."""
TRAP = "trap"
"""The method's name of what a trap shows."""


@dataclass(frozen=True)
class Check:
    """An image to be inserted: its stimulus, its source's key, and the score that it asks for."""

    phase: str
    stimulus: int
    source: int
    expected: float
    right: int | None = None
    """Of two images the right one; of a trap pair until the sides are drawn by lot."""


def gold_lines(study: Study) -> list[practice.Found]:
    """The gold images as rows. Raises practice.PracticeError, also for a range where one score is expected."""
    found = practice.find(study.gold, study.scale, kind="gold")
    for line in found:
        if line.low != line.high:
            raise practice.PracticeError(f"A gold image has one score, and {line.source} by {line.method.name} two.")
    return found


def trap_plan(study: Study, sources: Sequence[SourceImage]) -> list[tuple[SourceImage, float]]:
    """On which of the rated sources a trap lies, and the score that it says; the same whenever it is asked.

    Of trap pairs the score is that of the better image standing left.
    """
    if not study.traps_a_run:
        return []
    rng = random.Random(f"{study.seed}/traps")
    ordered = sorted(sources, key=lambda source: source.pk)
    chosen = rng.sample(ordered, min(MOST_TRAPS, len(ordered)))
    if study.task in OF_TWO:
        return [(source, LEFT) for source in chosen]
    scores = _scores(study.scale)
    rng.shuffle(scores)
    return [(source, scores[place % len(scores)]) for place, source in enumerate(chosen)]


def trap_key(text: str) -> dict[str, str]:
    """What, beside source and method, makes a stimulus the trap that says this."""
    return {"origin": Stimulus.Origin.GENERATED, "content_sha256": "", "code_version": f"trap {text}"}


def _scores(scale: Scale) -> list[float]:
    """Those that a trap can ask for: every level, or eleven points of a line."""
    if scale.is_categorical:
        return list(scale.levels)
    return [scale.low + scale.width * step / 10 for step in range(11)]


def asked(study: Study) -> dict[str, int]:
    """Phase -> how many checks of it each run has; without those that the study has none of."""
    gold = study.gold_a_run if study.gold.strip() else 0
    found = {Trial.Phase.GOLD: gold, Trial.Phase.TRAP: study.traps_a_run}
    return {str(phase): number for phase, number in found.items() if number}


def number_each(study: Study, *, images: int) -> int:
    """How many checks a rater sees among so many images, second showings among them."""
    return -(-images // RUN) * sum(asked(study).values())


def due(asked_a_run: Mapping[str, int], *, images: int, shown: Mapping[str, int], ends: bool) -> dict[str, int]:
    """Phase -> how many checks the next run of a part gets, of a rater who was shown so many.

    images: of the whole part. `ends`: no run follows, and it gets all that are left.
    """
    left = {phase: -(-images // RUN) * number - shown.get(phase, 0) for phase, number in asked_a_run.items()}
    return {phase: max(n if ends else min(n, asked_a_run[phase]), 0) for phase, n in left.items()}


def sequence(checks: Sequence[Check], *, number: int, seed: int, start: int = 0) -> list[tuple[Check, int]]:
    """A rater's next checks of one phase, the `start`-th first, and the how-manieth showing of each, from 0.

    `checks`: all of the phase, one at least.
    """
    mine = sorted(checks, key=lambda check: (check.stimulus, check.right or 0))
    random.Random(f"{seed}/{checks[0].phase}").shuffle(mine)
    return [(mine[place % len(mine)], place // len(mine)) for place in range(start, start + number)]


def inserted(
    run: Sequence[Trial], added: Sequence[tuple[Check, int]], *, source: Mapping[int, int], before: int | None,
    after: int | None = None, apart: bool, rng: random.Random,
) -> list[Trial]:  # fmt: skip
    """The run with the checks at random places; with `apart` no gold image beside one of its own source, if it can be.

    source: of each stimulus. before: the source that was shown before the run; after: the one that follows, if known.
    """
    trials = list(run)
    number = run[0].run if run else None
    for check, showing in added:
        trial = Trial(
            stimulus_id=check.stimulus, phase=check.phase, expected=check.expected, repeat=showing, run=number
        )
        if check.right is not None:
            trial.right_id = check.right
            if check.phase == Trial.Phase.TRAP and rng.random() < 0.5:
                trial.stimulus_id, trial.right_id, trial.expected = check.right, check.stimulus, -check.expected
        trials.insert(_place(trials, check, around=(before, after), source=source, apart=apart, rng=rng), trial)
    return trials


def _place(
    trials: Sequence[Trial], check: Check, *, around: tuple[int | None, int | None], source: Mapping[int, int],
    apart: bool, rng: random.Random,
) -> int:  # fmt: skip
    places = list(range(len(trials) + 1))
    if apart and (check.phase == Trial.Phase.GOLD or check.right is not None):
        sources = [around[0], *(source.get(trial.stimulus_id) for trial in trials), around[1]]
        places = [place for place in places if check.source not in sources[place : place + 2]] or places
    return rng.choice(places)


def planned(
    study: Study, trials: Sequence[Trial], checks: Sequence[Check], *, seed: int, source: Mapping[int, int]
) -> list[Trial]:
    """All that a rater rates, run by run with its checks: of a study in which each rates every image."""
    of = _by_phase(checks)
    wanted = {phase: number for phase, number in asked(study).items() if of.get(phase)}
    if not wanted:
        return list(trials)
    rng, given, found = random.Random(f"{seed}/checks"), Counter[str](), list[Trial]()
    for start in range(0, len(trials), RUN):
        added = []
        for phase, number in wanted.items():
            added += sequence(of[phase], number=number, seed=seed, start=given[phase])
            given[phase] += number
        before = source.get(found[-1].stimulus_id) if found else None
        follows = trials[start + RUN : start + RUN + 1]
        after = source.get(follows[0].stimulus_id) if follows else None
        found += inserted(
            trials[start : start + RUN], added, source=source, before=before, after=after, apart=_apart(study), rng=rng
        )
    return found


def next_of_part(
    study: Study, run: Sequence[Trial], checks: Sequence[Check], *, seed: int, source: Mapping[int, int],
    shown: Mapping[str, int], before: int | None, ends: bool,
) -> list[Trial]:  # fmt: skip
    """A run of a rater's part with its checks; `shown` of each phase were in runs before."""
    of = _by_phase(checks)
    wanted = {phase: number for phase, number in asked(study).items() if of.get(phase)}
    numbers = due(wanted, images=study.trials + study.repeats, shown=shown, ends=ends) if run else {}
    added = [
        found
        for phase, number in numbers.items()
        for found in sequence(of[phase], number=number, seed=seed, start=shown.get(phase, 0))
    ]
    rng = random.Random(f"{seed}/checks/{sum(shown.values())}")
    return inserted(run, added, source=source, before=before, apart=_apart(study), rng=rng)


def _apart(study: Study) -> bool:
    return bool(study.order == Study.Order.APART)


def _by_phase(checks: Sequence[Check]) -> dict[str, list[Check]]:
    of: dict[str, list[Check]] = {}
    for check in checks:
        of.setdefault(check.phase, []).append(check)
    return of
