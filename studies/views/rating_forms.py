"""What a rater's browser sends with a rating."""

from dataclasses import fields

from django import forms

from studies.models import HIGHEST_SCORE, LOWEST_SCORE
from studies.sessions import DisplayFacts

# Beyond any real ratio; analysis.schema refuses what lies outside, so one such row would spoil an export.
SMALLEST_RATIO, LARGEST_RATIO = 0.01, 100


class RatingForm(forms.Form):
    """A score on the scale, and how the image was on the screen when it was given; units as in the model Rating."""

    score = forms.IntegerField(min_value=LOWEST_SCORE, max_value=HIGHEST_SCORE)
    response_ms = forms.FloatField(min_value=0)
    hidden_ms = forms.FloatField(min_value=0)
    device_pixel_ratio = forms.FloatField(min_value=SMALLEST_RATIO, max_value=LARGEST_RATIO)
    visual_viewport_scale = forms.FloatField(min_value=SMALLEST_RATIO, max_value=LARGEST_RATIO)
    viewport_width = forms.FloatField(min_value=0)
    viewport_height = forms.FloatField(min_value=0)
    screen_width = forms.FloatField(min_value=0)
    screen_height = forms.FloatField(min_value=0)

    def display(self) -> DisplayFacts:
        return DisplayFacts(**{field.name: self.cleaned_data[field.name] for field in fields(DisplayFacts)})
