"""The fields of a study's protocol by topic, as the design's form shows them."""

from collections.abc import Sequence
from typing import NamedTuple

from django import forms

from studies.models import Study

SECTIONS = [
    ("Scale, languages and instructions", ("scale_kind", "scale_labels", "languages", "instructions")),
    (
        "Order, parts and repeats",
        ("order", "allocation", "trials", "ratings_each", "away_minutes", "repeats", "stabilising"),
    ),
    ("Practice and examples", ("practice", "announce_start", "examples_again")),
    ("Pace and undo", ("least_view_ms", "gap_ms", "undo")),
    (
        "Pauses and sittings",
        ("pause_minutes", "reminder_minutes", "sitting_trials", "sitting_minutes", "rest_minutes"),
    ),
    ("Regions of images larger than a screen", ("region_width", "region_height", "orientation_ms")),
    ("Gold images and traps", ("gold", "gold_a_run", "traps_a_run", "failed_checks", "end_after_failed")),
    ("When a rater is flagged", ("least_correlation", "least_spread", "least_median_ms", "longest_run")),
    ("Questions to raters", ("questions_before", "questions_after")),
    (
        "What a device must have",
        (
            "device_rule", "least_screen_width", "least_screen_height", "phones", "full_screen", "window_fits", "card",
            "viewing_heights", "greys", "colour_vision",
        ),
    ),
    ("When the study ends", ("stop_rule", "stop_half_width")),
    ("What raters are told before they agree", ("pay_each", "payment", "ethics", "institution", "contact", "kept")),
]  # fmt: skip
ALWAYS_OPEN = {"Scale, languages and instructions", "Order, parts and repeats"}

APART = {"task", "against", "original_on_key"}
"""What the form shows beside the methods."""


class Section(NamedTuple):
    """Fields of one topic; shown open where they are always wanted, differ from what is usual, or are wrong."""

    title: str
    fields: list[forms.BoundField]
    is_open: bool


def sections_of(form: forms.ModelForm) -> list[Section]:  # type: ignore[type-arg]
    """All fields of the protocol that the form has, and the seed; those of no topic in the last."""
    named = {name for _, names in SECTIONS for name in names} | APART
    fields = [field.name for field in Study.protocol_fields() if field.name in form.fields]
    others = [name for name in fields if name not in named]
    return [_section(form, title, names) for title, names in [*SECTIONS, ("More", [*others, "seed"])]]


def _section(form: forms.ModelForm, title: str, names: Sequence[str]) -> Section:  # type: ignore[type-arg]
    fields = [form[name] for name in names]
    usual = {field.name: field.get_default() for field in Study.protocol_fields()}
    changed = any(f.name in usual and f.value() is not None and str(f.value()) != str(usual[f.name]) for f in fields)
    return Section(title, fields, title in ALWAYS_OPEN or changed or any(field.errors for field in fields))
