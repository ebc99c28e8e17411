"""What a rater's browser sends with a rating."""

import re
from dataclasses import fields
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from studies.rating.recording import DisplayFacts, Looks

# Beyond any real ratio; analysis.schema refuses what lies outside, so one such row would spoil an export.
SMALLEST_RATIO, LARGEST_RATIO = 0.01, 100
# Beyond any real screen.
LARGEST_SIZE = 1_000_000
# No image is looked at for longer; a claim beyond is stored as a day.
DAY_MS = 86_400_000
_RATIOS = ("device_pixel_ratio", "visual_viewport_scale")
# As JavaScript writes numbers. Python would read digits of other scripts, "1_0" and "inf" too.
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?", re.ASCII)


class NumberField(forms.FloatField):
    """A finite number in ASCII digits; -0 is 0. What is over `stored_up_to` counts as that much."""

    def __init__(self, *, stored_up_to: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.stored_up_to = stored_up_to

    def to_python(self, value: Any) -> float | None:  # type: ignore[override]
        if value not in self.empty_values and not _NUMBER.fullmatch(str(value)):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        number: float | None = super().to_python(value)
        if number is None:
            return None
        return (number if self.stored_up_to is None else min(number, self.stored_up_to)) + 0.0


class CountField(forms.RegexField):
    """A whole number from 1 on, in ASCII digits; left out it is 1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(r"^[1-9][0-9]{0,5}$", **options)

    def clean(self, value: Any) -> int:
        return int(super().clean(value) or 1)


class LooksField(forms.RegexField):
    """A whole number from 0 on, in ASCII digits; left out it is None."""

    def __init__(self, **options: Any) -> None:
        super().__init__(r"^[0-9]{1,6}$", required=False, **options)

    def clean(self, value: Any) -> int | None:
        found = super().clean(value)
        return int(found) if found else None


class _Shared(dict[str, forms.Field]):
    """Fields that no form changes, one set for all: Django would copy them for each rating, a fifth of its time."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Shared":
        return self


class UndoForm(forms.Form):
    """Which of a trial's ratings is taken back."""

    attempt = CountField(required=False)


class RatingForm(forms.Form):
    """A score, and how the image was on the screen when it was given; units as in the model Rating."""

    # Which scores there are is for the study's scale to say.
    score = NumberField()
    receipt = forms.CharField(required=False, max_length=150)
    attempt = CountField(required=False)
    # Of a pair.
    left_looks = LooksField()
    right_looks = LooksField()
    original_looks = LooksField()
    left_ms = NumberField(min_value=0, stored_up_to=DAY_MS, required=False)
    right_ms = NumberField(min_value=0, stored_up_to=DAY_MS, required=False)
    original_ms = NumberField(min_value=0, stored_up_to=DAY_MS, required=False)
    side_by_side = forms.TypedChoiceField(
        choices=[("true", "true"), ("false", "false")],
        coerce=lambda value: value == "true",
        empty_value=None,
        required=False,
    )

    def looks(self) -> Looks:
        return Looks(**{field.name: self.cleaned_data[field.name] for field in fields(Looks)})

    def display(self) -> DisplayFacts:
        return DisplayFacts(**{field.name: self.cleaned_data[field.name] for field in fields(DisplayFacts)})


def _fact_field(name: str, *, required: bool) -> NumberField:
    if name.endswith("_ms"):
        return NumberField(min_value=0, stored_up_to=DAY_MS, required=required)
    if name in _RATIOS:
        return NumberField(min_value=SMALLEST_RATIO, max_value=LARGEST_RATIO, required=required)
    return NumberField(min_value=0, max_value=LARGEST_SIZE, required=required)


for _field in fields(DisplayFacts):
    RatingForm.base_fields[_field.name] = _fact_field(_field.name, required=_field.default is not None)
RatingForm.base_fields = _Shared(RatingForm.base_fields)


class AgreeForm(forms.Form):
    """Which text a rater's page showed: its hash, and the numbers that it named."""

    read = forms.RegexField(r"^[0-9a-f]{64}$", required=False)
    images = forms.RegexField(r"^[0-9]{1,5}$", required=False)
    minutes = forms.RegexField(r"^[0-9]{1,5}$", required=False)
    minutes_after = forms.RegexField(r"^[0-9]{1,5}$", required=False)

    def named(self) -> dict[str, int]:
        """The numbers that the page sent: each may have changed since, as ratings come in."""
        numbers = ("images", "minutes", "minutes_after")
        return {name: int(self.cleaned_data[name]) for name in numbers if self.cleaned_data[name]}


class CodeForm(forms.Form):
    """The code for withdrawing, as somebody typed it."""

    code = forms.CharField(max_length=60)
