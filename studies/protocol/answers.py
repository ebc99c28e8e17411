"""The scales that a study can ask for, and how a scale is put before its raters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.translation import gettext

from analysis.scale import ACR, Scale, ScaleError

# More buttons than these do not stand side by side on a laptop.
MOST_CATEGORIES = 11
# The keys by which the levels are given: digits, and x, the Roman ten.
_KEYS = {str(digit): str(digit) for digit in range(10)} | {"10": "x"}


@dataclass(frozen=True)
class Option:
    """A button: the score as people write it, its word, and the key that gives it, or an empty one."""

    score: str
    label: str
    key: str


class Choice(NamedTuple):
    """A kind of scale that a researcher can choose; `make` takes the researcher's own labels, perhaps none."""

    title: str
    make: Callable[[Sequence[str]], Scale]


def five(labels: Sequence[str] = ()) -> Scale:
    """Five categories, 5 the best (ITU-T P.910)."""
    return _relabelled(ACR, labels, 5) if labels else ACR


def eleven(labels: Sequence[str] = ()) -> Scale:
    """0 to 10, the words of the five categories at every second level (the eleven-grade scale of ITU-T P.910)."""
    words = labels or [word for _, word in ACR.labels]
    if len(words) not in (2, 5, 11):
        raise ScaleError(f"eleven categories take 2, 5 or 11 labels, lowest first, not {len(words)}")
    places = {2: (0, 10), 5: (1, 3, 5, 7, 9), 11: range(11)}[len(words)]
    return Scale(0, 10, 1, labels=tuple(zip(places, words, strict=True)))


def continuous(labels: Sequence[str] = ()) -> Scale:
    """0 to 100 without steps; the labels stand in the middle of equal intervals (ITU-R BT.500)."""
    words = labels or [word for _, word in ACR.labels]
    if not 2 <= len(words) <= MOST_CATEGORIES:
        raise ScaleError(f"a line takes 2 to {MOST_CATEGORIES} labels, lowest first, not {len(words)}")
    interval = 100 / len(words)
    return Scale(0, 100, None, labels=tuple(((place + 0.5) * interval, word) for place, word in enumerate(words)))


def own(labels: Sequence[str] = ()) -> Scale:
    """The researcher's own categories, from 1 on, lowest first."""
    if not 2 <= len(labels) <= MOST_CATEGORIES - 1:
        raise ScaleError(f"write 2 to {MOST_CATEGORIES - 1} labels, one in each line, the lowest first")
    return Scale(1, len(labels), 1, labels=tuple(enumerate(labels, start=1)))


CHOICES: Mapping[str, Choice] = {
    "five": Choice("five categories, 1 to 5 (ITU-T P.910, the paper's)", five),
    "eleven": Choice("eleven categories, 0 to 10 (ITU-T P.910)", eleven),
    "continuous": Choice("a line from 0 to 100 (ITU-R BT.500)", continuous),
    "own": Choice("my own categories: the labels below, the lowest first", own),
}


def choice_of(scale: Scale) -> tuple[str, list[str]]:
    """The choice and the labels that make this scale; labels are empty where they are the choice's own."""
    for name, choice in CHOICES.items():
        if name != "own" and choice.make(()) == scale:
            return name, []
    words = [word for _, word in scale.labels]
    for name, choice in CHOICES.items():
        try:
            if choice.make(words) == scale:
                return name, words
        except ScaleError:
            continue
    raise ScaleError(f"no choice makes the scale {scale.text}")


def options(scale: Scale) -> list[Option]:
    """A button for each level of the scale, lowest first; none of a continuous scale."""
    return [_option(scale, level) for level in scale.levels]


def examples(scale: Scale) -> list[Option]:
    """What calibration images can stand for: the levels, or the two ends of a continuous scale."""
    if scale.is_categorical:
        return options(scale)
    words = [word for _, word in scale.labels] or [""]
    ends = ((scale.low, words[0]), (scale.high, words[-1]))
    return [Option(score=scale.score_text(level), label=word, key="") for level, word in ends]


def marks(scale: Scale) -> list[tuple[str, str]]:
    """The scale as a table: (score, word) for each level, or for each interval of a line that a label names."""
    if scale.is_categorical:
        return [(option.score, option.label) for option in options(scale)]
    half = scale.width / (2 * len(scale.labels)) if scale.labels else 0
    interval = gettext("%(low)s to %(high)s")
    return [
        (interval % {"low": scale.score_text(value - half), "high": scale.score_text(value + half)}, word)
        for value, word in scale.labels
    ]


def words(scale: Scale) -> list[tuple[int, str]]:
    """Where some levels have a word and others none: (the level's place from 0 on, word); else empty."""
    if not scale.labels or len(scale.labels) >= len(scale.levels):
        return []
    return [(place, scale.label(level)) for place, level in enumerate(scale.levels) if scale.label(level)]


def _option(scale: Scale, level: float) -> Option:
    text = scale.score_text(level)
    return Option(score=text, label=scale.label(level), key=_KEYS.get(text, ""))


def _relabelled(scale: Scale, labels: Sequence[str], number: int) -> Scale:
    if len(labels) != number:
        raise ScaleError(f"{number} categories take {number} labels, the lowest first, not {len(labels)}")
    return Scale(scale.low, scale.high, scale.step, labels=tuple(zip(scale.levels, labels, strict=True)))
