"""Which images a rater sees next where nobody sees all: pure functions of counts, of what the rater had, and a seed.

An image is chosen for one position after the other. *Spread* takes the images that have the fewest ratings, and of
those the ones whose source, then whose method, this rater had least. *Together* opens the sources that have the fewest
ratings and shows all their versions in mixed order. Where no source may come twice in a row, a source is only taken
while the rater's remaining positions can still be filled that way, also across runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.protocol.order import ImpossibleOrder, Showing

RUN = 10
"""Places that a rater claims at once."""
WINDOW = 5
"""Images that a browser may hold from the first unrated one on; a rater whose network fails can go on so far."""


@dataclass(frozen=True)
class Images:
    """The images that are rated, as arrays of one length: keys of the stimuli, and which source and method each has."""

    stimulus: NDArray[np.int64]
    source: NDArray[np.intp]
    method: NDArray[np.intp]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int]]) -> "Images":
        """From (stimulus, source, method) of each image, in any keys."""
        stimulus, source, method = np.array(sorted(rows), dtype=np.int64).reshape(-1, 3).T
        return cls(stimulus, np.unique(source, return_inverse=True)[1], np.unique(method, return_inverse=True)[1])


@dataclass(frozen=True)
class Plan:
    """What each rater does: `trials` different images, `repeats` of them a second time.

    `together`: all versions of few sources, else few versions of many. `apart`: no source twice in a row.
    """

    trials: int
    repeats: int = 0
    together: bool = False
    apart: bool = True


def check(images: Images, plan: Plan) -> None:
    """Raise ImpossibleOrder, which says what to change, unless every rater can be given what the plan says."""
    check_repeats(plan)
    check_trials(images, plan)


def check_repeats(plan: Plan) -> None:
    """Raise ImpossibleOrder where more images than there are can come a second time."""
    most = plan.trials // 2 if plan.apart else plan.trials
    if plan.repeats > most:
        raise ImpossibleOrder(
            f"of {plan.trials} images that each rater rates {most} at most can come a second time in this order, and "
            f"{plan.repeats} repeats are asked for; ask for fewer"
        )


def check_trials(images: Images, plan: Plan) -> None:
    """Raise ImpossibleOrder where no rater can be given so many images in this order."""
    if not 1 <= plan.trials <= len(images.stimulus):
        raise ImpossibleOrder(
            f"each rater is to rate {plan.trials} images and there are {len(images.stimulus)}; set the images that "
            f"each rater rates to 1 to {len(images.stimulus)}"
        )
    available = np.bincount(images.source)
    if plan.apart and np.minimum(available, (plan.trials + 1) // 2).sum() < plan.trials:
        raise ImpossibleOrder(
            f"too few sources to keep one from coming twice in a row in {plan.trials} images; add images of other "
            "sources, set fewer images for each rater, or choose the completely random order"
        )


def next_run(
    images: Images,
    counts: NDArray[np.float64],
    had: Sequence[Showing],
    *,
    plan: Plan,
    rng: np.random.Generator,
    promised: NDArray[np.float64] | None = None,
    length: int = RUN,
) -> list[Showing]:
    """The rater's next positions, `length` at most, fewer or none where the plan ends.

    counts (n,): ratings of each image that are stored, and those that are claimed, by `claim_weight`. had: what this
    rater rated or has claimed so far, in order. promised (n,), for `together`: raters at work who opened the image's
    source and have yet to claim this image. `check` holds before the first run.
    """
    choice = _Choice(images, counts, had, plan, rng, np.zeros_like(counts) if promised is None else promised)
    taken = (choice.take() for _ in range(min(length, choice.firsts + choice.repeats)))
    return [showing for showing in taken if showing is not None]


def claim_weight(idle: float, away: float) -> float:
    """What a claimed place counts beside a stored rating, while its rater has been idle so long; any unit of time.

    Whole while the rater is at work, nothing once they are away, and half in between, for most of those who pause so
    long never come back: places of raters who leave while the last ones finish would else be missing in heaps.
    """
    if idle > away:
        return 0.0
    return 0.5 if idle > away / 6 else 1.0


def more_raters(missing: NDArray[np.int64], *, trials: int) -> int:
    """How many further raters of so many images give each image what it is missing (n,).

    Each can rate an image once, and the last ones need some choice beside those that they had already: a run's.
    """
    if not missing.any():
        return 0
    if trials >= len(missing):  # each rates every image
        return int(missing.max())
    return max(-(-(int(missing.sum()) + min(RUN, trials)) // trials), int(missing.max()))


class _Choice:
    """A rater's next positions, taken one after the other."""

    def __init__(
        self,
        images: Images,
        counts: NDArray[np.float64],
        had: Sequence[Showing],
        plan: Plan,
        rng: np.random.Generator,
        promised: NDArray[np.float64],
    ) -> None:
        self._images, self._counts, self._plan, self._rng = images, counts, plan, rng
        sources, methods = images.source.max() + 1, images.method.max() + 1
        self._loads = np.bincount(images.source, counts + promised) / np.bincount(images.source)
        self._unseen = np.ones(len(counts), dtype=bool)
        self._once = np.zeros(len(counts), dtype=bool)
        self._of_source, self._of_method = np.zeros(sources, dtype=int), np.zeros(methods, dtype=int)
        self._last = -1  # the image before this position
        self.firsts, self.repeats = plan.trials, plan.repeats
        place = {int(key): place for place, key in enumerate(images.stimulus)}
        for showing in had:
            self._note(place[showing.stimulus], repeat=showing.repeat)

    def take(self) -> Showing | None:
        """The next position; None where no image can come, which `check` rules out while the images stay the same."""
        again = self._again()
        among = self._among(again)
        if not len(among):
            return None
        image = int(self._rng.choice(among)) if again else self._first(among)
        self._note(image, repeat=int(again))
        return Showing(stimulus=int(self._images.stimulus[image]), repeat=int(again))

    def _note(self, image: int, *, repeat: int) -> None:
        self._once[image] = not repeat
        self._last = image
        if repeat:
            self.repeats -= 1
            return
        self.firsts -= 1
        self._unseen[image] = False
        self._of_source[self._images.source[image]] += 1
        self._of_method[self._images.method[image]] += 1

    def _again(self) -> bool:
        """Whether this position repeats an image: with equal chance everywhere, where one can be repeated."""
        if not self.firsts or not self.repeats:
            return not self.firsts
        if self._rng.random() >= self.repeats / (self.firsts + self.repeats):
            return False
        return len(self._among(True)) > 0

    def _among(self, again: bool) -> NDArray[np.intp]:
        """The images that can come now; again the one that was shown last only if there is no other."""
        found = np.flatnonzero((self._once if again else self._unseen) & self._allowed(again)[self._images.source])
        others = found[found != self._last]
        return others if len(others) or self.firsts else found

    def _allowed(self, again: bool) -> NDArray[np.bool_]:
        """(sources,): which can come now so that what is left can still be put in order."""
        sources = len(self._of_source)
        unseen = np.bincount(self._images.source[self._unseen], minlength=sources)
        once = np.bincount(self._images.source[self._once], minlength=sources)
        if not self._plan.apart:
            return (once if again else unseen) > 0
        # More than half of one source could be put in order with repeats between them, which others need at the end.
        unseen = np.minimum(unseen, (self._plan.trials + 1) // 2 - self._of_source)
        available, after = once if again else unseen, once if again and not self.firsts else unseen
        taken = int(after is available)
        left = (self.firsts or self.repeats) - taken
        # Of what is left a source can fill every second position: one more than half, or not where it comes now.
        most, most_of_now = np.minimum(after, (left + 1) // 2), np.minimum(after - taken, left // 2)
        allowed: NDArray[np.bool_] = (available > 0) & (most.sum() - most + most_of_now >= left)
        if self._last >= 0:
            allowed[self._images.source[self._last]] = False
        return allowed

    def _first(self, among: NDArray[np.intp]) -> int:
        """One of these images, not seen by the rater so far."""
        if self._plan.together:
            among = among[self._images.source[among] == self._source(np.unique(self._images.source[among]))]
        keys = (
            self._rng.random(len(among)),
            self._of_method[self._images.method[among]],
            self._of_source[self._images.source[among]],
            self._counts[among],
        )
        return int(among[np.lexsort(keys)[0]])

    def _source(self, sources: NDArray[np.intp]) -> int:
        """Of these sources one that is open, or a new one: as if all versions of as many as needed lay mixed."""
        unseen = np.bincount(self._images.source[self._unseen], minlength=len(self._of_source))
        is_open = self._of_source > 0
        opened, new = sources[is_open[sources]], sources[~is_open[sources]]
        yet_to_open = max(self.firsts - int(unseen[is_open].sum()), 0)
        if len(opened) and self._plan.apart and 2 * unseen[opened].max() > self.firsts:
            return int(opened[unseen[opened].argmax()])
        if len(opened) and (not len(new) or self._rng.random() * (unseen[opened].sum() + yet_to_open) >= yet_to_open):
            return int(self._rng.choice(opened, p=unseen[opened] / unseen[opened].sum()))
        return int(new[np.lexsort((self._rng.random(len(new)), self._loads[new]))[0]])
