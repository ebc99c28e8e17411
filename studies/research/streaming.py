"""Exports piece by piece: some raters' rows, or images', at a time, so that a table of any length needs the memory of a
short one.

The pieces together are the file that the whole table would give, but for how a Parquet file is cut into row groups.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import F, prefetch_related_objects
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from studies.generation.metrics import chosen
from studies.models import Session, Study
from studies.protocol.slots import rated_keys
from studies.research.answers import answers_frame
from studies.research.export import Kind, csv_of, objective_frame, pseudonym_of, ratings_frame, with_pseudonyms
from studies.research.pair_export import pairs_frame
from studies.research.reading import in_pieces

ROWS, RATERS = 4_000, 500
"""So many rows are in one piece, or one rater's; and of a table with few rows a rater so many raters."""
ROWS_A_GROUP = 40_000
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

Table = Callable[[Sequence[int] | None], pd.DataFrame]
"""The rows of these raters, by their keys; of all for None, and of nobody for none of them."""

TABLES = ("ratings", "pairs", "objective", "answers")


def table_file(
    study: Study, table: str, *, kind: Kind, free_texts: bool = False, pseudonyms: bool = False
) -> Iterator[bytes]:
    """One of the study's TABLES as a file. `free_texts`: in answers, those too, which can say who wrote them."""
    if table == "objective":
        return as_file(objective_pieces(study), kind=kind)
    tables: dict[str, Table] = {
        "ratings": partial(ratings_frame, study),
        "pairs": partial(pairs_frame, study),
        "answers": partial(answers_frame, study, free_texts=free_texts),
    }
    return as_file(pieces_of(study, tables[table], pseudonyms=pseudonyms), kind=kind)


def is_long(study: Study, table: str) -> bool:
    """Whether the table has more than one piece."""
    if table == "objective":
        return len({stimulus for stimulus, *_ in rated_keys(study)}) > ROWS
    return len(list(islice(_packed(_raters(study)), 2))) > 1


def pieces_of(study: Study, table: Table, *, pseudonyms: bool = False) -> Iterator[pd.DataFrame]:
    """The table, some raters at a time; one piece without rows where nobody has any."""
    found = _raters(study)
    if pseudonyms:
        found = sorted(found, key=lambda one: pseudonym_of(one[1], study))
    sessions, is_empty = 0, True
    for raters in _packed(found):
        piece = table(raters)
        if piece.empty:
            continue
        if pseudonyms:
            piece = with_pseudonyms(piece, study, after=sessions)
            sessions += piece["session"].nunique() if "session" in piece else 0
        is_empty = False
        yield piece
    if is_empty:
        yield table([])


def objective_pieces(study: Study) -> Iterator[pd.DataFrame]:
    """`export.objective_frame`, some images at a time: each metric of all of them, then the next one's."""
    prefetch_related_objects([study], "metrics")
    images = [stimulus for _, stimulus in sorted({(source, stimulus) for stimulus, source, _ in rated_keys(study)})]
    asked = [(some, metric) for metric in chosen(study) for some in in_pieces(images, ROWS)]
    pieces = (objective_frame(study, some, [metric.name]) for some, metric in asked)
    is_empty = True
    for piece in pieces:
        if len(piece):
            is_empty = False
            yield piece
    if is_empty:
        yield objective_frame(study, [])


def _raters(study: Study) -> list[tuple[int, str, int]]:
    """(key, label, ratings) of each who has begun, in the order of the table."""
    begun = Session.objects.filter(rater__study=study, rater__is_preview=False).order_by("rater_id")
    rated = F("next_position") - 1 - F("calibration_trials")
    return list(begun.annotate(given=rated).values_list("rater_id", "rater__label", "given"))


def _packed(raters: Iterable[tuple[int, str, int]]) -> Iterator[list[int]]:
    pack: list[int] = []
    rows = 0
    for rater, _, given in raters:
        if pack and (rows + given > ROWS or len(pack) == RATERS):
            yield pack
            pack, rows = [], 0
        pack.append(rater)
        rows += max(given, 0)
    if pack:
        yield pack


def as_file(pieces: Iterator[pd.DataFrame], *, kind: Kind) -> Iterator[bytes]:
    """The pieces as one CSV or Parquet file."""
    return _parquet(pieces) if kind == "parquet" else _csv(pieces)


def _csv(pieces: Iterable[pd.DataFrame]) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        yield csv_of(piece, head=number == 0)


class _Sink:
    """A file that is only written, and gives away what was."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _parquet(pieces: Iterable[pd.DataFrame]) -> Iterator[bytes]:
    rest = iter(pieces)
    first = pa.Table.from_pandas(next(rest), preserve_index=False)
    schema = first.schema
    for place, column in enumerate(schema):
        if pa.types.is_null(column.type):  # nobody in the first piece has any: the next may
            schema = schema.set(place, column.with_type(pa.string()))
    sink, group = _Sink(), [first.cast(schema)]
    with pq.ParquetWriter(sink, schema) as writer:
        for piece in rest:
            group.append(pa.Table.from_pandas(piece, schema=schema, preserve_index=False))
            if sum(one.num_rows for one in group) >= ROWS_A_GROUP:
                writer.write_table(pa.concat_tables(group))
                group = []
                yield sink.take()
        if group:
            writer.write_table(pa.concat_tables(group))
    yield sink.take()


def download(content: Iterator[bytes], *, name: str, kind: str) -> HttpResponseBase:
    """What is short goes out whole, with its length. What is wrong with the first piece is said before anything is
    sent."""
    first, second = next(content), next(content, None)
    response: HttpResponseBase
    if second is None:
        response = HttpResponse(first, content_type=CONTENT_TYPES[kind])
    else:
        response = StreamingHttpResponse(chain([first, second], content), content_type=CONTENT_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response
