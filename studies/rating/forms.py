"""What a rater's browser sends with a rating.

Read by hand: to copy, bind and clean the nine fields of a Django form takes 0.2 ms, a fifth of a rating's time.
"""

import sys
from collections.abc import Mapping
from dataclasses import fields

from studies.rating.recording import DisplayFacts, InvalidRating

# Beyond any real ratio; analysis.schema refuses what lies outside, so one such row would spoil an export.
SMALLEST_RATIO, LARGEST_RATIO = 0.01, 100
_RATIOS = ("device_pixel_ratio", "visual_viewport_scale")
_LARGEST = sys.float_info.max

# Name, smallest and largest value. Which scores there are is for the study's scale to say.
_FIELDS = [("score", -_LARGEST, _LARGEST)]
_FIELDS += [
    (field.name, *((SMALLEST_RATIO, LARGEST_RATIO) if field.name in _RATIOS else (0, _LARGEST)))
    for field in fields(DisplayFacts)
]


def read_rating(sent: Mapping[str, str]) -> tuple[float, DisplayFacts]:
    """A score, and how the image was on the screen when it was given; units as in the model Rating.

    Raises InvalidRating.
    """
    values: dict[str, float] = {}
    errors: dict[str, str] = {}
    for name, smallest, largest in _FIELDS:
        try:
            value = float(sent.get(name, ""))
        except ValueError:
            value = float("nan")
        # "nan" and "inf" are numbers to Python, but within no limits.
        if smallest <= value <= largest:
            values[name] = value
        else:
            errors[name] = "a number" if smallest < 0 else f"a number from {smallest} to {largest}"
    if errors:
        raise InvalidRating(errors)
    return values.pop("score"), DisplayFacts(**values)
