from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from django.core.management.base import BaseCommand, CommandError

from srcore.files import whole_file
from studies.models import OF_PAIRS, Study, tell
from studies.research.answers import answers_frame
from studies.research.export import KINDS, protocol_json, ratings_frame
from studies.research.pair_export import pairs_frame
from studies.research.streaming import as_file, objective_pieces, pieces_of


class Command(BaseCommand):
    help = (
        "Write a study's ratings, or choices between two, and on request its objective scores, as CSV or Parquet (by "
        "the file's ending)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name")
        parser.add_argument("--out", type=Path, required=True, help="file for the ratings")
        parser.add_argument("--objective", type=Path, help="file for PSNR and SSIM of every stimulus")
        parser.add_argument("--answers", type=Path, help="file for the answers to the study's questions")
        parser.add_argument("--free-texts", action="store_true", help="with free texts, which can say who wrote them")
        parser.add_argument("--pseudonyms", action="store_true", help="raters under other names than their labels")
        parser.add_argument("--protocol", type=Path, help="JSON file for how the study was run")

    def handle(
        self, *, study: str, out: Path, objective: Path | None, protocol: Path | None = None, **options: Any
    ) -> None:
        found = Study.objects.filter(name=study).first()
        if found is None:
            known = ", ".join(Study.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no study called {study!r}. Studies: {known}.")
        answers: Path | None = options.get("answers")
        for path in filter(None, (out, objective, answers)):
            if path.suffix[1:] not in KINDS:
                raise CommandError(f"{path}: the ending must be .csv or .parquet.")
        is_pair, pseudonyms = found.task in OF_PAIRS, bool(options.get("pseudonyms"))
        table = partial(pairs_frame if is_pair else ratings_frame, found)
        number = write_table(out, pieces_of(found, table, pseudonyms=pseudonyms))
        self.stdout.write(f"{number} {'choices' if is_pair else 'ratings'} -> {out}")
        what = "ratings and answers" if answers else "ratings"
        tell(found, "downloaded", detail={"what": what, "pseudonyms": pseudonyms})
        if objective:
            number = write_table(objective, objective_pieces(found))
            self.stdout.write(f"{number} objective scores -> {objective}")
        if answers:
            table = partial(answers_frame, found, free_texts=bool(options.get("free_texts")))
            number = write_table(answers, pieces_of(found, table, pseudonyms=pseudonyms))
            self.stdout.write(f"answers of {number} raters -> {answers}")
        if protocol:
            write(protocol, [protocol_json(found)])
            self.stdout.write(f"protocol -> {protocol}")


def write_table(path: Path, pieces: Iterator[pd.DataFrame]) -> int:
    """Write a table piece by piece, in the format of the file's ending; returns how many rows it has."""
    rows = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal rows
        for piece in pieces:
            rows += len(piece)
            yield piece

    write(path, as_file(counted(), kind=KINDS[path.suffix[1:]]))
    return rows


def write(path: Path, content: Iterable[bytes]) -> None:
    """Write a file whole or not at all."""
    try:
        with whole_file(path) as file:
            file.writelines(content)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
