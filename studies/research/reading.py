"""A study's ratings as columns of numbers, read piece by piece: a million of them fit where as many tuples do not."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
import pandas as pd
from django.db.models import Case, IntegerField, QuerySet, Value, When
from numpy.typing import NDArray

from analysis.schema import CHECKS, scale_columns
from studies.models import Benchmark, Rating, Stimulus, Study, StudyImage, Task, Trial
from studies.research.export import counted_ratings

PIECE = 20_000
T = TypeVar("T")
_KEYS = {
    "rater": "trial__session__rater_id",
    "stimulus": "trial__stimulus_id",
    "repeat": "trial__repeat",
    "score": "score",
}
_OF_RATERS = _KEYS | {
    "position": "trial__position",
    "expected": "trial__expected",
    "response_ms": "response_ms",
    "possible_ms": "possible_ms",
    "waited_ms": "waited_ms",
    "phase_number": "phase_number",
}
PHASES = list(Trial.Phase.values)
_PHASE = Case(
    *(When(trial__phase=phase, then=Value(number)) for number, phase in enumerate(PHASES)),
    output_field=IntegerField(),
)


def in_pieces(rows: Iterable[T], each: int) -> Iterator[list[T]]:
    """So many at a time, the last ones fewer."""
    rest = iter(rows)
    while piece := list(islice(rest, each)):
        yield piece


def counted_scores(study: Study) -> pd.DataFrame:
    """What `analysis.schema.counted` leaves of the ratings, by the names of `export.ratings_frame`: rater, benchmark,
    source, method, repeat, score, and the scale's columns."""
    rows = counted_ratings(study).filter(trial__phase=Trial.Phase.RATED, trial__session__rater__excluded="")
    table = _read(rows, _KEYS | _beside(study))
    raters = dict(study.raters.filter(is_preview=False).values_list("pk", "label"))
    images = _named_images(study)
    columns: dict[str, object] = {"rater": _named(table["rater"], raters)}
    for place, name in enumerate(("benchmark", "source", "method")):
        columns[name] = _named(table["stimulus"], {key: names[place] for key, names in images.items()})
    repeat = table["repeat"].astype(np.int64)
    return pd.DataFrame(columns | {"repeat": repeat, "score": table["score"]}).assign(**scale_columns(study.scale))


def compact(study: Study) -> pd.DataFrame:
    """The ratings with the columns that judge raters and give MOS; keys of rows, as text, in place of names."""
    table = _read(counted_ratings(study).annotate(phase_number=_PHASE), _OF_RATERS | _beside(study))
    excluded = dict(study.raters.exclude(excluded="").values_list("pk", "excluded"))
    keys = {pk: of for pk, *of in _images(study).values_list("pk", "source__benchmark_id", "source_id", "method_id")}
    phase = np.array(PHASES, dtype=object)[table["phase_number"].astype(np.int64)]
    numbers = ("position", "repeat")
    return pd.DataFrame(
        {
            "rater": pd.Series(table["rater"].astype(np.int64)).astype(str),
            "excluded": _named(table["rater"], excluded, other=""),
            **{
                name: _named(table["stimulus"], {stimulus: str(of[place]) for stimulus, of in keys.items()})
                for place, name in enumerate(("benchmark", "source", "method"))
            },
            **{name: table[name].astype(np.int64) for name in numbers},
            **{name: table[name] for name in ("expected", "score", "response_ms", "possible_ms", "waited_ms")},
            "check": np.where(np.isin(phase, CHECKS), phase, ""),
            "stabilising": (phase == Trial.Phase.STABILISING).astype(np.int64),
        }
    ).assign(**scale_columns(study.scale))


def _beside(study: Study) -> dict[str, str]:
    """Where the image that is rated stands beside its original."""
    return {"stimulus": "trial__right_id"} if study.task == Task.DEGRADATION else {}


def _images(study: Study) -> "QuerySet[Stimulus]":
    """Of a launched study; raters rate no other."""
    return Stimulus.objects.filter(pk__in=StudyImage.objects.filter(study=study).values("stimulus")).order_by()


def _named_images(study: Study) -> dict[int, tuple[str, str, str]]:
    """(benchmark, source, method) of each of its images, as exports name them."""
    benchmarks = {benchmark.pk: str(benchmark) for benchmark in Benchmark.objects.all()}
    rows = _images(study).values_list("pk", "source__benchmark_id", "source__name", "method__name")
    return {pk: (benchmarks[benchmark], source, method) for pk, benchmark, source, method in rows}


def _named(keys: NDArray[np.float64], names: dict[int, str], other: str | None = None) -> NDArray[np.object_]:
    """The name of each key, each key looked up once."""
    present, places = np.unique(keys.astype(np.int64), return_inverse=True)
    found = [names[key] if other is None else names.get(key, other) for key in present.tolist()]
    return np.array(found, dtype=object)[places]


def _read(rows: "QuerySet[Rating]", fields: dict[str, str]) -> dict[str, NDArray[np.float64]]:
    """Each field as an array of float64, NaN where it is empty."""
    found = rows.order_by().values_list(*fields.values()).iterator(chunk_size=PIECE)
    pieces = [np.array(piece, dtype=np.float64) for piece in in_pieces(found, PIECE)]
    whole = np.concatenate(pieces) if pieces else np.empty((0, len(fields)))
    return dict(zip(fields, whole.T, strict=True))
