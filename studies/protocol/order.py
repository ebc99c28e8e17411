"""The order in which a rater sees the images: pure functions of the stimuli, the study's protocol and a seed."""

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


class ImpossibleOrder(ValueError):
    """No order of these images keeps the protocol; the message says what to change."""


@dataclass(frozen=True)
class Item:
    """An image that can be shown: the stimulus' key, and the source it was made from."""

    stimulus: int
    source: int


@dataclass(frozen=True)
class Showing:
    """One position of a session. `repeat` is 0 for the first showing of a stimulus, 1 for the second."""

    stimulus: int
    repeat: int


def session_seed(*, study_seed: int, rater: str) -> int:
    """A 63-bit seed that follows from the study's seed and the rater's label alone, so that an order can be remade."""
    digest = hashlib.sha256(f"{study_seed}/{rater}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def plan_session(items: Sequence[Item], *, apart: bool, repeats: int, rng: random.Random) -> list[Showing]:
    """Every item once, `repeats` of them a second time, in random order.

    With `apart` the same source never comes twice in a row (ITU-R BT.500-15, ITU-T P.910): at each step one of the
    remaining images that keep the rest possible is drawn. Raises ImpossibleOrder, or ValueError for too many repeats.
    """
    if repeats > len(items):
        raise ValueError(f"{repeats} repeats asked for, but only {len(items)} images are shown")
    shown = [*items, *rng.sample(list(items), repeats)]
    rng.shuffle(shown)
    return _number_repeats(_separate(shown, rng) if apart else shown)


def check_apart(items: Sequence[Item], *, repeats: int) -> None:
    """Raise ImpossibleOrder if some draw of repeats cannot keep the same source from coming twice in a row."""
    if not items:
        return
    (_, most), *_ = Counter(item.source for item in items).most_common(1)
    others = len(items) - most
    # The worst draw repeats images of the commonest source alone.
    if most + min(repeats, most) > others + max(repeats - most, 0) + 1:
        raise ImpossibleOrder(
            f"one source has {most} of the {len(items)} images, too many to keep it from coming twice in a row; "
            "add images of other sources, ask for fewer repeats, or choose the completely random order"
        )


def _separate(shuffled: Sequence[Item], rng: random.Random) -> list[Item]:
    left: dict[int, list[Item]] = {}
    for item in shuffled:
        left.setdefault(item.source, []).append(item)
    order: list[Item] = []
    last: int | None = None
    for remaining in range(len(shuffled), 0, -1):
        last = _draw_source(left, last=last, remaining=remaining, rng=rng)
        order.append(left[last].pop())
        if not left[last]:
            del left[last]
    return order


def _draw_source(left: dict[int, list[Item]], *, last: int | None, remaining: int, rng: random.Random) -> int:
    """A source other than `last`, by its number of images left; the only safe one where one holds over half."""
    commonest = max(left, key=lambda source: len(left[source]))
    if 2 * len(left[commonest]) > remaining:
        if commonest == last:
            raise ImpossibleOrder("one source has too many of the images to keep it from coming twice in a row")
        return commonest
    sources = [source for source in left if source != last]
    return rng.choices(sources, weights=[len(left[source]) for source in sources])[0]


def _number_repeats(order: Sequence[Item]) -> list[Showing]:
    seen: Counter[int] = Counter()
    showings = []
    for item in order:
        showings.append(Showing(stimulus=item.stimulus, repeat=seen[item.stimulus]))
        seen[item.stimulus] += 1
    return showings
