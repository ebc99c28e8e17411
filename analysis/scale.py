"""The scale of a study's scores as a value: bounds, step, labels and anchors, stated once.

Nothing else in the library knows a bound, a level or a label. A scale need not be whole, positive or of five levels:
eleven categories from 0 to 10, a continuous line from 0 to 100 with words along it, -3 to 3 and a researcher's own
words are all scales. A missing rating is a row that is not there (NaN in an array), never a score.

How a ratings table carries its scale: in the columns scale_low, scale_high and scale_step, the same in every row; an
empty scale_step means continuous. How a function finds it: `schema.scale_of(ratings, scale)` says it once. What the
caller gives as `scale=` holds; without it the table's columns; without those the five categories of ITU-T P.910
(`ACR`). Labels and anchors do not travel in the table: who has them gives the Scale.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_LEVELS = 1001  # 0 to 100 in tenths; finer steps are a continuous scale
_ON_A_LEVEL = 1e-6  # of a step: 0.1 + 0.2 is the level 0.3


class ScaleError(ValueError):
    """No scale can be made of this; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Scale:
    """Scores from `low` to `high` in steps of `step`, or any number between them where `step` is None.

    `labels` are (score, word) in rising order; they may name some scores only. `anchors` are the words at the two
    ends of a line, low end first. Raises ScaleError on what is no scale. Two equal scales compare and hash equal.

    >>> Scale(0, 10).levels[:3]
    (0.0, 1.0, 2.0)
    >>> Scale(0, 100, None, labels=((10, "Bad"), (90, "Excellent"))).contains(33.4)
    True
    """

    low: float
    high: float
    step: float | None = 1.0
    labels: tuple[tuple[float, str], ...] = ()
    anchors: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Numbers become floats, then everything is checked."""
        object.__setattr__(self, "low", _number(self.low, "low"))
        object.__setattr__(self, "high", _number(self.high, "high"))
        if self.low >= self.high:
            raise ScaleError(f"the scale's low end {self.low:g} must lie below its high end {self.high:g}")
        if self.step is not None:
            object.__setattr__(self, "step", _number(self.step, "step"))
            self._check_step(self.step)
        object.__setattr__(self, "labels", self._checked_labels())
        object.__setattr__(self, "anchors", self._checked_anchors())

    def _check_step(self, step: float) -> None:
        if step <= 0:
            raise ScaleError(f"the step is {step:g}; it must be above 0, or None for a continuous scale")
        steps = self.width / step
        if not 1 - _ON_A_LEVEL <= steps <= MOST_LEVELS - 1 + _ON_A_LEVEL:
            raise ScaleError(f"{steps + 1:g} levels; there are 2 to {MOST_LEVELS}, or none with the step None")
        if abs(steps - round(steps)) > _ON_A_LEVEL:
            raise ScaleError(f"steps of {step:g} from {self.low:g} do not reach {self.high:g}")

    def _checked_labels(self) -> tuple[tuple[float, str], ...]:
        labels = tuple((_number(value, "a labelled score"), str(word)) for value, word in self.labels)
        for value, word in labels:
            if not word.strip():
                raise ScaleError(f"the label of {value:g} is empty")
            if not self.contains(value):
                raise ScaleError(f"the label {word!r} stands at {value:g}, which is not on the scale: {self.text}")
        ordered = tuple(sorted(labels))
        if len({value for value, _ in ordered}) < len(ordered):
            raise ScaleError("two labels stand at one score: give each score one label")
        return ordered

    def _checked_anchors(self) -> tuple[str, str] | None:
        if self.anchors is None:
            return None
        anchors = tuple(str(word) for word in self.anchors)
        if len(anchors) != 2 or not all(word.strip() for word in anchors):
            raise ScaleError("anchors are two words, that of the low end and that of the high end")
        return anchors[0], anchors[1]

    @property
    def is_categorical(self) -> bool:
        """Whether there are levels; a continuous scale has none."""
        return self.step is not None

    @property
    def levels(self) -> tuple[float, ...]:
        """Every score of a categorical scale, lowest first; () of a continuous one."""
        if self.step is None:
            return ()
        count = round(self.width / self.step)
        return tuple(float(f"{self.low + index * self.width / count:.12g}") for index in range(count + 1))

    @property
    def width(self) -> float:
        """High end less low end."""
        return self.high - self.low

    @property
    def middle(self) -> float:
        """Halfway between the ends."""
        return (self.low + self.high) / 2

    @property
    def category(self) -> float:
        """What "one category" means on this scale for a limit that was stated on five: a quarter of the width.

        Never less than a step: 1 on 1 to 5, 2.5 on 0 to 10, 25 on 0 to 100.
        """
        return max(self.width / 4, self.step or 0.0)

    @property
    def text(self) -> str:
        """The scale in words, such as "1 to 5 in steps of 1"."""
        how = "continuous" if self.step is None else f"in steps of {self.step:g}"
        return f"{self.low:g} to {self.high:g} {how}"

    def contains(self, score: float) -> bool:
        """Whether `score` can be given: inside the ends, and on a level where there are levels."""
        return bool(self.mask(np.array([score], dtype=np.float64))[0])

    def mask(self, scores: np.ndarray) -> np.ndarray:
        """`contains` of every score of an array, bool of the same shape; NaN is on no scale."""
        inside = (scores >= self.low) & (scores <= self.high)
        if self.step is None:
            return np.asarray(inside)
        steps = (np.where(inside, scores, self.low) - self.low) / self.step
        return np.asarray(inside & (np.abs(steps - np.rint(steps)) <= _ON_A_LEVEL))

    def label(self, score: float) -> str:
        """The word at `score`, or "" where there is none."""
        near = _ON_A_LEVEL * (self.step or self.width)
        return next((word for value, word in self.labels if abs(value - score) <= near), "")

    def score_text(self, score: float) -> str:
        """A score as people write it: 3 and not 3.0."""
        return f"{score:.10g}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for `from_dict`; whole numbers are written without a fraction."""
        return {
            "low": _plain(self.low),
            "high": _plain(self.high),
            "step": None if self.step is None else _plain(self.step),
            "labels": [[_plain(value), word] for value, word in self.labels],
            "anchors": None if self.anchors is None else list(self.anchors),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Scale:
        """The scale of `to_dict`. Raises ScaleError on unknown or missing names and on what is no scale."""
        known = {"low", "high", "step", "labels", "anchors"}
        if unknown := sorted(set(given) - known):
            raise ScaleError(f"a scale has no {', '.join(unknown)}; it has: {', '.join(sorted(known))}")
        if missing := [name for name in ("low", "high", "step") if name not in given]:
            raise ScaleError(f"the scale lacks {', '.join(missing)}")
        try:
            labels = tuple((value, word) for value, word in given.get("labels") or ())
        except (TypeError, ValueError):
            raise ScaleError("labels are a list of pairs: a score and its word") from None
        return cls(given["low"], given["high"], given["step"], labels, given.get("anchors"))

    def to_json(self) -> str:
        """`to_dict` as JSON text: the same scale gives the same text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Scale:
        """The scale of `to_json`. Raises ScaleError on what is not one."""
        try:
            given = json.loads(text)
        except json.JSONDecodeError as error:
            raise ScaleError(f"the scale is not JSON: {error}") from None
        if not isinstance(given, dict):
            raise ScaleError("the scale's JSON must be an object with low, high and step")
        return cls.from_dict(given)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ScaleError(f"{name} is {value!r}; it must be a number")
    number = float(value)
    if not math.isfinite(number):
        raise ScaleError(f"{name} is {number}; it must be finite")
    return number + 0.0  # -0.0 and 0.0 are one score


def _plain(number: float) -> float | int:
    return int(number) if number.is_integer() else number


# Absolute category rating in five categories: ITU-T P.910, section 7.1, and the scale of Ledig et al. 2017.
ACR = Scale(1, 5, 1, labels=((1, "Bad"), (2, "Poor"), (3, "Fair"), (4, "Good"), (5, "Excellent")))
