"""What a rater's browser sends with a rating.

Read by hand: to copy, bind and clean the nine fields of a Django form takes 0.2 ms, a fifth of a rating's time.
"""

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from studies.models import HIGHEST_SCORE, LOWEST_SCORE
from studies.rating.sessions import DisplayFacts

# Beyond any real ratio; analysis.schema refuses what lies outside, so one such row would spoil an export.
SMALLEST_RATIO, LARGEST_RATIO = 0.01, 100
_RATIOS = ("device_pixel_ratio", "visual_viewport_scale")
_UNLIMITED = sys.float_info.max

_Field = tuple[str, type[int] | type[float], float, float]
_FIELDS: list[_Field] = [("score", int, LOWEST_SCORE, HIGHEST_SCORE)]
for _field in fields(DisplayFacts):
    _limits = (SMALLEST_RATIO, LARGEST_RATIO) if _field.name in _RATIOS else (0, _UNLIMITED)
    _FIELDS.append((_field.name, float, *_limits))


class InvalidRating(Exception):
    """`errors` says for each field that is wrong what was expected."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__(str(errors))


def read_rating(sent: Mapping[str, str]) -> tuple[int, DisplayFacts]:
    """A score on the scale, and how the image was on the screen when it was given; units as in the model Rating."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, kind, smallest, largest in _FIELDS:
        try:
            value = kind(sent.get(name, ""))
        except ValueError:
            value = float("nan")
        # "nan" and "inf" are numbers to Python, but within no limits.
        if smallest <= value <= largest:
            values[name] = value
        else:
            errors[name] = f"a number from {smallest} to {largest}"
    if errors:
        raise InvalidRating(errors)
    return values.pop("score"), DisplayFacts(**values)
