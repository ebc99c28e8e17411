"""Whatever a study's protocol states is named in the report's methods paragraph, or here with the reason why not."""

from itertools import product

import pandas as pd
import pytest

from analysis.methodology import methodology
from analysis.report import Options, analyse
from analysis.scale import Scale
from analysis.schema import validate_ratings
from studies.models import Study

ELSEWHERE = {
    "task": "a report of pairs is one of its own (analysis.pairs)",
    "against": "of pairs alone: the same",
    "original_on_key": "of pairs alone: the same",
    "seed": "in protocol.json, with the ratings",
    "instructions": "an appendix of the report, word for word",
    "languages": "those that raters read, from the ratings",
    "translations": "an appendix as the instructions are",
    "institution": "what raters read before they agreed, in protocol.json with the consent texts",
    "contact": "the same",
    "kept": "the same",
    "simulated": "a mark on the whole report",
}
TOLD = {
    "scale": {"low": 1, "high": 5, "step": 1, "labels": [[1, "Bad"], [5, "Excellent"]]},
    "order": "apart", "allocation": "spread", "trials": 24, "ratings_each": 15, "away_minutes": 45, "repeats": 3,
    "stabilising": 5, "practice": "Set5/baby bicubic 2-3", "announce_start": True, "least_view_ms": 300, "gap_ms": 500,
    "region_width": 1280, "region_height": 480, "orientation_ms": 1500,
    "undo": True, "pause_minutes": 20, "sitting_trials": 12, "sitting_minutes": 30, "rest_minutes": 10,
    "reminder_minutes": 60, "examples_again": True, "payment": "10 euro an hour", "ethics": "no. 7",
    "least_correlation": 0.75, "least_spread": 0.15, "least_median_ms": 600, "longest_run": 0, "failed_checks": 2,
    "gold": "Set5/baby hr 5", "gold_a_run": 1, "traps_a_run": 2, "end_after_failed": 3,
    "questions_before": "age: How old are you? [number 18-99]", "questions_after": "more: Anything? [text, optional]",
    "device_rule": "end", "least_screen_width": 1280, "least_screen_height": 720, "phones": False, "full_screen": True,
    "window_fits": True, "card": True, "viewing_heights": 4.0, "greys": True, "colour_vision": True,
    "stop_rule": "width", "stop_half_width": 0.2, "pay_each": 3.0,
}  # fmt: skip
CHANGED = {
    "scale": {"low": 0, "high": 10, "step": 1}, "order": "random", "allocation": "together", "stop_rule": "targets",
}  # fmt: skip


@pytest.fixture(scope="module")
def panel():
    shown = product(range(4), ("baby", "bird"), ("bicubic", "srgan"))
    rows = [(f"r{rater}", source, method, 1 + (len(method) + rater) % 5) for rater, source, method in shown]
    table = validate_ratings(pd.DataFrame(rows, columns=["rater", "source", "method", "score"]))
    return analyse(table, options=Options(draws=20)), table


def paragraphs(panel, told):
    results, table = panel
    if told["scale"]["high"] == 10:
        table = validate_ratings(table, scale=Scale(0, 10, 1))
        results = analyse(table, options=Options(draws=20))
    return methodology(results, table, told)


def _other(name):
    value = TOLD[name]
    if name in CHANGED:
        return CHANGED[name]
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else ""


@pytest.mark.parametrize("field", [field.name for field in Study.protocol_fields()])
def test_a_protocols_field_is_named(panel, field):
    if field in ELSEWHERE:
        return
    assert field in TOLD, "name it in analysis/methodology.py and here, or say why not"
    assert paragraphs(panel, TOLD) != paragraphs(panel, TOLD | {field: _other(field)})
