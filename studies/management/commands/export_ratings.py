from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from srcore.files import whole_file
from studies.models import Study
from studies.research.export import KINDS, objective_frame, protocol_json, ratings_frame, serialise


class Command(BaseCommand):
    help = "Write a study's ratings, and on request its objective scores, as CSV or Parquet (by the file's ending)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name")
        parser.add_argument("--out", type=Path, required=True, help="file for the ratings")
        parser.add_argument("--objective", type=Path, help="file for PSNR and SSIM of every stimulus")

        parser.add_argument("--protocol", type=Path, help="JSON file for how the study was run")

    def handle(
        self, *, study: str, out: Path, objective: Path | None, protocol: Path | None = None, **options: Any
    ) -> None:
        found = Study.objects.filter(name=study).first()
        if found is None:
            known = ", ".join(Study.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no study called {study!r}. Studies: {known}.")
        for path in filter(None, (out, objective)):
            if path.suffix[1:] not in KINDS:
                raise CommandError(f"{path}: the ending must be .csv or .parquet.")
        ratings = ratings_frame(found)
        write(out, serialise(ratings, kind=KINDS[out.suffix[1:]]))
        self.stdout.write(f"{len(ratings)} ratings -> {out}")
        if objective:
            table = objective_frame(found)
            write(objective, serialise(table, kind=KINDS[objective.suffix[1:]]))
            self.stdout.write(f"{len(table)} objective scores -> {objective}")
        if protocol:
            write(protocol, protocol_json(found))
            self.stdout.write(f"protocol -> {protocol}")


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
