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
    """An image that can be shown: the stimulus' key, the source it was made from, its quality among that source's."""

    stimulus: int
    source: int
    quality: float = 0.0


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
    remaining images that keep the rest possible is drawn. Raises ImpossibleOrder.
    """
    check_repeats(items, repeats=repeats)
    shown = [*items, *rng.sample(list(items), repeats)]
    rng.shuffle(shown)
    return _number_repeats(_separate(shown, rng) if apart else shown)


def plan_stabilising(items: Sequence[Item], *, number: int, before: int, apart: bool, rng: random.Random) -> list[int]:
    """`number` of the stimuli to be shown once more before all others, while a rater's opinion settles (BT.500).

    From the lowest quality to the highest in equal steps, as far as it is known, of each source in turn; in random
    order. With `apart` no source comes twice in a row, nor last if it is `before`, the source of the first image after
    them. `check_stabilising` says which numbers are possible; others raise ImpossibleOrder.
    """
    check_stabilising(items, number=number, apart=apart)
    by_source: dict[int, list[Item]] = {}
    for item in rng.sample(list(items), len(items)):
        by_source.setdefault(item.source, []).append(item)
    # The source that comes after them is taken least often.
    sources = sorted(by_source, key=lambda source: source == before)
    versions = {source: sorted(of, key=lambda item: item.quality) for source, of in by_source.items()}
    chosen = []
    for step in range(number):
        left = versions[sources[step % len(sources)]]
        chosen.append(left.pop(int((step + 0.5) / number * len(left))))
    rng.shuffle(chosen)
    # Drawn from the last to the first, so that the neighbour of `before` comes first.
    return [item.stimulus for item in (reversed(_separate(chosen, rng, last=before)) if apart else chosen)]


def check_stabilising(items: Sequence[Item], *, number: int, apart: bool) -> None:
    """Raise ImpossibleOrder if so many stabilising trials cannot be taken of these images."""
    if not number:
        return
    versions = Counter(item.source for item in items)
    most = len(versions) * min(versions.values(), default=0)
    if apart and len(versions) == 1:
        raise ImpossibleOrder(
            "with one source every stabilising trial would show it twice in a row; add images of other sources, ask "
            "for no stabilising trials, or choose the completely random order"
        )
    if number > most:
        raise ImpossibleOrder(f"{number} stabilising trials are asked for, but these images allow {most} at most")


def check_repeats(items: Sequence[Item], *, repeats: int) -> None:
    """Raise ImpossibleOrder for more repeats than images: each comes a second time once at most."""
    if repeats > len(items):
        raise ImpossibleOrder(f"{repeats} repeats are asked for, but there are only {len(items)} images; ask for fewer")


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


def _separate(shuffled: Sequence[Item], rng: random.Random, *, last: int | None = None) -> list[Item]:
    """The same items with no source twice in a row; the first is of another source than `last`."""
    left: dict[int, list[Item]] = {}
    for item in shuffled:
        left.setdefault(item.source, []).append(item)
    order: list[Item] = []
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
