"""A study as tables: its ratings and its objective scores, by the contract of analysis.schema."""

import io
import json
from datetime import UTC
from typing import Literal

import pandas as pd
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.expressions import Combinable

from analysis.objective import Metric, Objective, long_table
from analysis.scale import Scale
from analysis.schema import RATINGS_COLUMNS, STIMULUS, TIMES, scale_columns, validate_ratings
from analysis.spreadsheet import defused
from srcore.metrics import recipe_metrics
from studies.models import Rating, Study, Trial
from studies.protocol.slots import Role, slots

Kind = Literal["csv", "parquet"]
KINDS: dict[str, Kind] = {"csv": "csv", "parquet": "parquet"}

# What pages of before did not state.
_MAY_BE_MISSING = ("waited_ms", "possible_ms", "canvas_width", "canvas_height", "canvas_css_width", "canvas_css_height")
# Column of the contract -> where it stands. Positions count what is rated, stabilising trials included, from 1.
_FIELDS: dict[str, Combinable] = {
    "study": F("trial__session__rater__study__name"),
    "rater": F("trial__session__rater__label"),
    "session": F("trial__session_id"),
    "position": F("trial__position") - F("trial__session__calibration_trials"),
    "benchmark": F("trial__stimulus__source__benchmark__name"),
    "source": F("trial__stimulus__source__name"),
    "method": F("trial__stimulus__method__name"),
    "method_title": F("trial__stimulus__method__display_name"),
    "repeat": F("trial__repeat"),
    "stabilising": Case(When(trial__phase=Trial.Phase.STABILISING, then=Value(1)), default=Value(0)),
}


def counted_ratings(study: Study) -> QuerySet[Rating]:
    """The study's ratings, without those of staff who tried it."""
    return Rating.objects.filter(trial__session__rater__study=study, trial__session__rater__is_preview=False)


def ratings_frame(study: Study) -> pd.DataFrame:
    """One row a rating, ordered by rater and position: the columns RATINGS_COLUMNS, then those of the study's scale.

    Stabilising trials are in it; what counts is `analysis.schema.counted` of it.
    """
    fields: list[Combinable] = [_FIELDS.get(column, F(column)) for column in RATINGS_COLUMNS]
    rows = counted_ratings(study).order_by("trial__session__rater_id", "trial__position").values_list(*fields)
    frame = pd.DataFrame.from_records(list(rows), columns=list(RATINGS_COLUMNS))
    frame = frame.astype(dict.fromkeys(_MAY_BE_MISSING, "float64"))
    for moment in TIMES:
        frame[moment] = pd.to_datetime(frame[moment], utc=True)
    frame = frame.assign(**scale_columns(study.scale))
    # A table without rows is an error to who reads ratings, and no news to who watches a study begin.
    return frame if frame.empty else validate_ratings(frame)


def objective_scores(study: Study) -> Objective:
    """psnr and ssim of every stimulus to be rated, by the recipe `paper`; psnr of the reference is inf."""
    metrics = tuple(Metric(m.name, m.better, m.unit, m.decimals) for m in recipe_metrics("paper"))
    rows = [
        (slot.source.benchmark.name, slot.source.name, slot.method.name, slot.stimulus.psnr, slot.stimulus.ssim)
        for slot in slots(study)
        if slot.role == Role.RATED and slot.stimulus is not None
    ]
    return Objective(pd.DataFrame.from_records(rows, columns=[*STIMULUS, *(m.name for m in metrics)]), metrics)


def objective_frame(study: Study) -> pd.DataFrame:
    """`objective_scores` as the long table that says direction, unit and decimals of each metric: LONG_COLUMNS."""
    return long_table(objective_scores(study))


def protocol_json(study: Study) -> bytes:
    """How the study was run, as JSON (UTF-8): name, title, seed, and each field of its protocol by its name."""
    told = {"name": study.name, "title": study.title, "seed": study.seed, **study.protocol()}
    told["calibration"] = [str(source) for source in study.calibration.select_related("benchmark")]
    told |= {moment: getattr(study, moment) for moment in ("launched_at", "closed_at")}
    return json.dumps(told, default=_plain, ensure_ascii=False, indent=2).encode() + b"\n"


def _plain(value: object) -> object:
    return value.to_dict() if isinstance(value, Scale) else str(value)


def serialise(frame: pd.DataFrame, *, kind: Kind) -> bytes:
    """The table as a CSV file (UTF-8, times in ISO 8601 UTC, nothing a spreadsheet would run) or a Parquet file."""
    if kind == "parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()
    table = frame.copy()
    for moment in set(TIMES) & set(table):
        table[moment] = [_iso(time) for time in table[moment]]
    return defused(table).to_csv(index=False, lineterminator="\n").encode()


def _iso(time: pd.Timestamp) -> str:
    return "" if pd.isna(time) else time.astimezone(UTC).isoformat(timespec="milliseconds")
