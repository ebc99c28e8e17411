"""What a rater's browser sends with a rating."""

import sys
from dataclasses import fields

from django import forms

from studies.rating.recording import DisplayFacts

# Beyond any real ratio; analysis.schema refuses what lies outside, so one such row would spoil an export.
SMALLEST_RATIO, LARGEST_RATIO = 0.01, 100
_RATIOS = ("device_pixel_ratio", "visual_viewport_scale")


class RatingForm(forms.Form):
    """A score, and how the image was on the screen when it was given; units as in the model Rating."""

    # Which scores there are is for the study's scale to say.
    score = forms.FloatField()

    def display(self) -> DisplayFacts:
        return DisplayFacts(**{name: value for name, value in self.cleaned_data.items() if name != "score"})


for _field in fields(DisplayFacts):
    _least, _most = (SMALLEST_RATIO, LARGEST_RATIO) if _field.name in _RATIOS else (0, sys.float_info.max)
    RatingForm.base_fields[_field.name] = forms.FloatField(
        min_value=_least, max_value=_most, required=_field.default is not None
    )
