"""A study as tables: its ratings and its objective scores, by the contract of analysis.schema."""

import hashlib
import hmac
import io
import json
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC
from typing import Any, Literal

import pandas as pd
from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat

from analysis.objective import Metric, Objective, long_table
from analysis.scale import Scale
from analysis.schema import CHECKS, DEVICE_FIT, RATINGS_COLUMNS, STIMULUS, TIMES, scale_columns, validate_ratings
from analysis.spreadsheet import defused
from srcore.scale import SCALE
from studies.generation.metrics import chosen, rated_images
from studies.models import (
    OF_PAIRS,
    DeviceCheck,
    MetricValue,
    Rating,
    Stimulus,
    Study,
    StudyRegion,
    Task,
    Trial,
    site_key,
)
from studies.protocol.questionnaire import OF_THE_TABLE
from studies.protocol.slots import rated_keys
from studies.rating.device_check import pixel_mm

Kind = Literal["csv", "parquet"]
KINDS: dict[str, Kind] = {"csv": "csv", "parquet": "parquet"}

# What pages of before did not state; runs, of studies in which each rater rates every image.
_MAY_BE_MISSING = (
    "expected",
    "run",
    "waited_ms",
    "possible_ms",
    "canvas_width",
    "canvas_height",
    "canvas_css_width",
    "canvas_css_height",
    # Images shown whole have none.
    "region_left",
    "region_top",
    "region_width",
    "region_height",
)
_OF_REGION = {f"region_{field}": field for field in ("left", "top", "width", "height")}
OF_DEVICE = ("device_failed", "phone", "filled_screen", "pixel_mm", "grey_step", "colour_vision")
_NUMBERS_OF_DEVICE = ("phone", "filled_screen", "pixel_mm", "grey_step")


def _benchmark(path: str) -> Combinable:
    """As Benchmark.__str__, so that no table takes images at another scale for the paper's."""
    scaled = Concat(F(f"{path}__name"), Value(" ("), Cast(f"{path}__scale", CharField()), Value("x)"))
    return Case(When(**{f"{path}__scale": SCALE}, then=F(f"{path}__name")), default=scaled)


# Column of the contract -> where it stands. Positions count what is rated, stabilising trials included, from 1.
FIELDS: dict[str, Combinable] = {
    "study": F("trial__session__rater__study__name"),
    "rater": F("trial__session__rater__label"),
    "session": F("trial__session_id"),
    "language": F("trial__session__language"),
    "position": F("trial__position") - F("trial__session__calibration_trials"),
    "benchmark": _benchmark("trial__stimulus__source__benchmark"),
    "source": F("trial__stimulus__source__name"),
    "method": F("trial__stimulus__method__name"),
    "method_title": F("trial__stimulus__method__display_name"),
    "repeat": F("trial__repeat"),
    "excluded": F("trial__session__rater__excluded"),
    "check": Case(When(trial__phase__in=CHECKS, then=F("trial__phase")), default=Value("")),
    "expected": F("trial__expected"),
    "run": F("trial__run"),
    "planned_trials": F("trial__session__trials_total") - F("trial__session__calibration_trials"),
    "stabilising": Case(When(trial__phase=Trial.Phase.STABILISING, then=Value(1)), default=Value(0)),
}


def fields_of_rated(study: Study) -> dict[str, Combinable]:
    """What FIELDS has otherwise: the image that is rated stands beside the original where that is shown with it."""
    if study.task != Task.DEGRADATION:
        return {}
    return {"method": F("trial__right__method__name"), "method_title": F("trial__right__method__display_name")}


def counted_ratings(study: Study, raters: Collection[int] | None = None) -> QuerySet[Rating]:
    """The study's ratings, without those of staff who tried it; or of these raters alone."""
    found = Rating.objects.filter(trial__session__rater__study=study, trial__session__rater__is_preview=False)
    return found if raters is None else found.filter(trial__session__rater__in=raters)


def ratings_frame(study: Study, raters: Collection[int] | None = None) -> pd.DataFrame:
    """One row a rating, ordered by rater and position: the columns RATINGS_COLUMNS, then those of the study's scale.

    Stabilising trials are in it; what counts is `analysis.schema.counted` of it. `raters`: of these alone.
    """
    columns = [column for column in RATINGS_COLUMNS if column not in (*_OF_REGION, *OF_DEVICE)]
    of_task = FIELDS | fields_of_rated(study)
    fields: list[Combinable] = [of_task.get(column, F(column)) for column in columns]
    rows = counted_ratings(study, raters).order_by("trial__session__rater_id", "trial__position")
    found = list(rows.values_list(*fields, "trial__stimulus__source_id"))
    frame = pd.DataFrame.from_records(found, columns=[*columns, "source_id"])
    for column, field in _OF_REGION.items():
        frame[column] = frame["source_id"].map(dict(study.regions.values_list("source_id", field)))
    frame = frame.join(of_devices(study, frame, raters))
    frame = frame[list(RATINGS_COLUMNS)]
    frame = frame.astype(dict.fromkeys(_MAY_BE_MISSING, "float64"))
    for moment in TIMES:
        frame[moment] = moments(frame[moment])
    frame = frame.assign(**scale_columns(study.scale))
    if study.task != Task.RATING:
        frame = frame.assign(task=study.task)
    if study.simulated:
        frame = frame.assign(simulated=True)
    # A table without rows is an error to who reads ratings, and no news to who watches a study begin.
    return frame if frame.empty else validate_ratings(frame)


def moments(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """As UTC, of one type also where there is none in the whole column: pieces of one table go into one file."""
    return pd.to_datetime(column, utc=True).dt.as_unit("us")


def of_devices(study: Study, ratings: pd.DataFrame, raters: Collection[int] | None = None) -> pd.DataFrame:
    """Of each rating's device what was found when it was looked at last before the rating; the rows of `ratings`.

    `ratings` has session and rated_at, and is of these `raters`. Columns as in analysis.schema, all empty where the
    study asks nothing.
    """
    checks = DeviceCheck.objects.filter(session__rater__study=study).exclude(checked_at=None).order_by("checked_at")
    checks = checks if raters is None else checks.filter(session__rater__in=raters)
    of: dict[int, list[DeviceCheck]] = defaultdict(list)
    for check in checks:
        of[check.session_id].append(check)
    unknown = (None,) * len(OF_DEVICE)
    rows = zip(ratings["session"], ratings["rated_at"], strict=True)
    before = ([check for check in of.get(session, []) if (check.checked_at or at) <= at] for session, at in rows)
    found = [_of_device(looks[-1]) if looks else unknown for looks in before]
    frame = pd.DataFrame(found, columns=list(OF_DEVICE), index=ratings.index)
    return frame.astype(dict.fromkeys(_NUMBERS_OF_DEVICE, "float64"))


def _of_device(check: DeviceCheck) -> tuple[object, ...]:
    failed = ", ".join(check.failed) or DEVICE_FIT
    return failed, check.is_phone, check.fills_screen, pixel_mm(check), check.grey_step, check.colour or None


def pseudonym_of(label: str, study: Study) -> str:
    """Another name: the same in each export, made by a key that stays on the site."""
    return "x" + hmac.new(site_key("pseudonyms"), f"{study.pk} {label}".encode(), hashlib.sha256).hexdigest()[:10]


def pseudonyms(frame: pd.DataFrame, study: Study) -> dict[str, str]:
    """Label -> another name."""
    return {label: pseudonym_of(label, study) for label in frame["rater"].unique()}


def with_pseudonyms(frame: pd.DataFrame, study: Study, *, after: int = 0) -> pd.DataFrame:
    """Ratings, or answers to questions, under other names than the labels.

    Rows are in the order of the pseudonyms, which says nothing of who was invited when; sessions are numbered so too,
    from 1, or where so many came in pieces before `after` them.
    """
    told = frame.assign(rater=frame["rater"].map(pseudonyms(frame, study)))
    if set(OF_THE_TABLE) <= set(frame):
        return told.sort_values("rater", ignore_index=True)  # answers: all other columns are questions
    told = told.sort_values(["rater", "position"], ignore_index=True)
    return told.assign(session=pd.factorize(told["session"])[0] + 1 + after)


def anonymous(frame: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The ratings for publication: under pseudonyms, without the moments, by which somebody could be known, and without
    what was found of their colour vision."""
    return with_pseudonyms(frame, study).drop(columns=[*TIMES, "colour_vision"])


def objective_scores(
    study: Study, images: Collection[int] | None = None, names: Collection[str] | None = None
) -> Objective:
    """PSNR and SSIM of every image to be rated, by the recipe `paper`, and the study's further metrics; those of one
    source side by side. `images`, by their keys, and `names` of metrics: of these alone.

    PSNR of the reference is inf; NaN is what is not measured, or cannot be.
    """
    known = [metric for metric in chosen(study) if names is None or metric.name in names]
    images = {stimulus for stimulus, *_ in rated_keys(study)} if images is None else images
    further: dict[int, dict[str, float | None]] = defaultdict(dict)
    asked = MetricValue.objects.filter(metric__in=[metric.name for metric in known], stimulus__in=images)
    for pk, name, value in asked.values_list("stimulus_id", "metric", "value"):
        further[pk][name] = value
    rows = Stimulus.objects.filter(pk__in=images).order_by("source_id", "pk")
    found = rows.values_list(_benchmark("source__benchmark"), "source__name", "method__name", "pk", "psnr", "ssim")
    metrics = tuple(Metric(m.name, m.better, m.unit, m.decimals) for m in known)
    columns = [metric.name for metric in metrics]
    told = [
        {**dict(zip(STIMULUS, place, strict=True)), "psnr": psnr, "ssim": ssim, **further[pk]}
        for *place, pk, psnr, ssim in found
    ]
    frame = pd.DataFrame.from_records(told, columns=[*STIMULUS, *columns])
    return Objective(frame.astype(dict.fromkeys(columns, "float64")), metrics)


def objective_frame(
    study: Study, images: Collection[int] | None = None, names: Collection[str] | None = None
) -> pd.DataFrame:
    """`objective_scores` as the long table that says direction, unit and decimals of each metric: LONG_COLUMNS."""
    return long_table(objective_scores(study, images, names))


CONSENT = (
    "Before the first image each rater read the instructions and then pressed “I have read this and agree to take "
    "part”. The page says how long it takes, what raters are given, who does the study, what is stored (the ratings, "
    "how long each took, the sizes of screen and window, the language; no name or address), and that a rater can stop "
    "at any time, and withdraw, which erases the ratings. What was agreed to is stored with each rater, word by word."
)


def protocol_json(study: Study) -> bytes:
    """How the study was run, as JSON (UTF-8): name, title, seed, each field of its protocol by its name; consent.

    `images_of` is the study whose images a clone has, where that is so.
    """
    told = {"name": study.name, "title": study.title, "seed": study.seed, **study.protocol()}
    if study.task not in OF_PAIRS:
        told = {name: value for name, value in told.items() if name not in Study.OF_PAIRS}
    if study.simulated:
        told["simulated"] = True
    if study.images_of:
        told["images_of"] = study.images_of.name
    if event := study.events.filter(kind="stop rule").first():
        told["ended_by"] = event.detail["because"]
    told["calibration"] = [str(source) for source in study.calibration.select_related("benchmark")]
    told["regions"] = [_region(region) for region in study.regions.select_related("source__benchmark")]
    told["metrics_measured_on"] = "whole images"
    if seen := {image.method.name: image.sees for image in rated_images(study) if image.sees}:
        told["networks_see"] = seen  # of other projects' networks, whose pixels may depend on it
    told |= {moment: getattr(study, moment) for moment in ("launched_at", "closed_at")} | {"consent": CONSENT}
    told["consent_texts"] = list(study.consent_texts.order_by("version").values("version", "written_at", "texts"))
    return json.dumps(told, default=_plain, ensure_ascii=False, indent=2).encode() + b"\n"


def _region(region: StudyRegion) -> dict[str, object]:
    """With how it came about: its seed is empty where it was set by hand."""
    at = {field: getattr(region, field) for field in ("left", "top", "width", "height", "seed")}
    whole = {"source_width": region.source.width, "source_height": region.source.height}
    return {"benchmark": str(region.source.benchmark), "source": region.source.name, **at, **whole}


def _plain(value: object) -> object:
    return value.to_dict() if isinstance(value, Scale) else str(value)


def serialise(frame: pd.DataFrame, *, kind: Kind) -> bytes:
    """The table as a CSV file (UTF-8, times in ISO 8601 UTC, nothing a spreadsheet would run) or a Parquet file."""
    if kind == "parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()
    return csv_of(frame)


def csv_of(frame: pd.DataFrame, *, head: bool = True) -> bytes:
    """As `serialise` has it, or without the line that heads the table."""
    table = frame.copy()
    for moment in table.select_dtypes("datetimetz").columns:
        table[moment] = [_iso(time) for time in table[moment]]
    return defused(table).to_csv(index=False, header=head, lineterminator="\n").encode()


def _iso(time: pd.Timestamp) -> str:
    return "" if pd.isna(time) else time.astimezone(UTC).isoformat(timespec="milliseconds")
