"""Which two images of one source come together, and on which sides: functions of the images and of what was shown.

A pair has one number, its key, whatever the sides: order and parts of a study are drawn of such keys as of images.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Rated = tuple[int, int, int]
"""(stimulus, source, method) of an image, in keys of rows."""
Unit = tuple[int, int, int]
"""(key, source, kind) of what one trial shows; of a pair the kind is that of its two methods."""
_BITS = 32


def key(one: int, other: int | None) -> int:
    """The number of what a trial shows: of one image the stimulus' own, of two the same whichever stands left."""
    if other is None:
        return one
    return min(one, other) << _BITS | max(one, other)


def images_of(number: int) -> tuple[int, int]:
    """The stimuli of a pair's key, the lower first."""
    return number >> _BITS, number & (1 << _BITS) - 1


def pairs(rated: Iterable[Rated], *, against: int | None = None) -> list[Unit]:
    """Every two images of one source, or each with that of the method `against`; in the order of the keys."""
    kinds: dict[tuple[int, int], int] = {}
    found = []
    for one, other in _together(rated):
        methods = min(one[2], other[2]), max(one[2], other[2])
        if against is None or against in methods:
            found.append((key(one[0], other[0]), one[1], kinds.setdefault(methods, len(kinds))))
    return sorted(found)


def number_of_pairs(methods: Mapping[int, Sequence[int]], *, against: int | None = None) -> int:
    """How many pairs there are of these sources, each with the methods of its images."""
    if against is None:
        return sum(len(own) * (len(own) - 1) // 2 for own in methods.values())
    return sum(len(own) - 1 for own in methods.values() if against in own)


def _together(rated: Iterable[Rated]) -> Iterator[tuple[Rated, Rated]]:
    of_source: dict[int, list[Rated]] = {}
    for image in sorted(rated):
        of_source.setdefault(image[1], []).append(image)
    for images in of_source.values():
        yield from combinations(images, 2)


@dataclass(frozen=True)
class Shown:
    """A pair as a rater has seen it. `repeat` is 0 for its first showing."""

    left: int
    right: int
    repeat: int = 0


def with_sides(
    showings: Iterable[tuple[int, int]], *, had: Sequence[Shown], counts: Mapping[tuple[int, int], int],
    method: Mapping[int, int], rng: random.Random,
) -> list[Shown]:  # fmt: skip
    """These (key, repeat) with their sides.

    A second showing has the sides of the first changed. Of a first one that method stands left which in pairs of these
    two methods stood there less often before this rater (`had`, in order); else that image which stood there less often
    before all (`counts`: first showings by (left, right)); else by lot. method: of each stimulus.
    """
    balance = Counter[tuple[int, int]]()  # (method, method) -> how often the first stood left more than right
    first: dict[int, Shown] = {}
    for shown in had:
        _note(shown, balance, first, method)
    found = []
    for number, repeat in showings:
        low, high = images_of(number)
        if repeat and number in first:
            before = first[number]
            shown = Shown(before.right, before.left, repeat)
        else:
            kind, sign = _kind(method[low], method[high])
            more = sign * balance[kind] or counts.get((low, high), 0) - counts.get((high, low), 0)
            more = more or rng.choice((-1, 1))
            shown = Shown(high, low, repeat) if more > 0 else Shown(low, high, repeat)
        _note(shown, balance, first, method)
        found.append(shown)
    return found


def original_first(showings: Iterable[tuple[int, int]], *, originals: Collection[int]) -> list[Shown]:
    """These (key, repeat), each with the image that is one of `originals` on the left, always."""
    found = []
    for number, repeat in showings:
        low, high = images_of(number)
        found.append(Shown(low, high, repeat) if low in originals else Shown(high, low, repeat))
    return found


def _note(
    shown: Shown, balance: Counter[tuple[int, int]], first: dict[int, Shown], method: Mapping[int, int]
) -> None:
    if shown.repeat:
        return
    first.setdefault(key(shown.left, shown.right), shown)
    if shown.left in method and shown.right in method:
        kind, sign = _kind(method[shown.left], method[shown.right])
        balance[kind] += sign


def _kind(left: int, right: int) -> tuple[tuple[int, int], int]:
    """The two methods in order, and 1 where the first of them stands left, else -1."""
    return ((left, right), 1) if left < right else ((right, left), -1)
