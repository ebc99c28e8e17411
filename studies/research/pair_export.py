"""A study of pairs as a table, by the contract of analysis.pairs.schema."""

from collections.abc import Collection

import pandas as pd
from django.db.models import F
from django.db.models.expressions import Combinable

from analysis.pairs.schema import COMPARISON, TIE, validate_pairs
from studies.models import NEITHER, Study, Task
from studies.research.export import FIELDS, OF_DEVICE, counted_ratings, moments, of_devices

# Column -> where it stands. A source is named with its benchmark: two may have an image of one name.
_OWN: dict[str, Combinable] = {
    name: FIELDS[name] for name in ("study", "rater", "session", "language", "position", "benchmark")
} | {
    "name": F("trial__stimulus__source__name"),
    "left": F("trial__stimulus__method__name"),
    "right": F("trial__right__method__name"),
    "left_title": F("trial__stimulus__method__display_name"),
    "right_title": F("trial__right__method__display_name"),
    "repeat": FIELDS["repeat"],
    "check": FIELDS["check"],
    "expected": FIELDS["expected"],
    "excluded": FIELDS["excluded"],
    "run": FIELDS["run"],
    "planned_trials": FIELDS["planned_trials"],
}
_OF_ANSWER = (
    "score", "attempt", "rated_at", "left_looks", "right_looks", "left_ms", "right_ms", "side_by_side",
    "original_looks", "original_ms", "response_ms", "hidden_ms", "waited_ms", "possible_ms", "served_at",
    "device_pixel_ratio", "visual_viewport_scale", "viewport_width", "viewport_height", "screen_width", "screen_height",
    "canvas_width", "canvas_height", "canvas_css_width", "canvas_css_height",
)  # fmt: skip
# What may be empty in every row is a number all the same.
_NUMBERS = (
    "run", "original_looks", "original_ms", "waited_ms", "possible_ms", "canvas_width", "canvas_height",
    "canvas_css_width", "canvas_css_height",
)  # fmt: skip
PAIRS_COLUMNS = (
    *(name for name in _OWN if name != "name"), "source", "chosen", "looks", *(n for n in _OF_ANSWER if n != "score"),
    *OF_DEVICE,
)  # fmt: skip


def pairs_frame(study: Study, raters: Collection[int] | None = None) -> pd.DataFrame:
    """One row a choice, ordered by rater and position: rater, source, left, right, chosen and more, PAIRS_COLUMNS.
    `raters`: of these alone.

    chosen is the method's name, or "tie"; of a study of comparisons the column comparison after it says by how much the
    right one is better, less than 0 where it is worse. looks is how often the images were shown, both together;
    original_looks and original_ms are empty where no key shows the original. Of trap pairs check is "trap" and expected
    the better method.
    """
    rows = counted_ratings(study, raters).order_by("trial__session__rater_id", "trial__position")
    fields = [*_OWN.values(), *(F(name) for name in _OF_ANSWER)]
    frame = pd.DataFrame.from_records(list(rows.values_list(*fields)), columns=[*_OWN, *_OF_ANSWER])
    frame["source"] = frame["benchmark"] + "/" + frame["name"]
    frame["chosen"] = _named(frame, frame["score"])
    frame["expected"] = _named(frame, frame["expected"]).where(frame["expected"].notna(), "")
    graded = frame["score"].astype("float64")
    frame["looks"] = frame["left_looks"] + frame["right_looks"]
    frame = frame.join(of_devices(study, frame, raters))[list(PAIRS_COLUMNS)].astype(dict.fromkeys(_NUMBERS, "float64"))
    for moment in ("rated_at", "served_at"):
        frame[moment] = moments(frame[moment])
    if study.task == Task.COMPARISON:
        frame.insert(list(frame).index("chosen") + 1, COMPARISON, graded)
    if study.simulated:
        frame = frame.assign(simulated=True)
    return frame if frame.empty else validate_pairs(frame)


def _named(frame: pd.DataFrame, score: pd.Series) -> pd.Series:
    return frame["left"].where(score < NEITHER, frame["right"].where(score > NEITHER, TIE))
