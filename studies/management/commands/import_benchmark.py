from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studies.content.benchmarks import ImportRefused, import_benchmark


class Command(BaseCommand):
    help = (
        "Import a folder as a benchmark: NAME_HR.png files with or without NAME_LR.png, or plain photographs. "
        "HR is cut to multiples of 4, a missing LR is made. All or nothing; done twice, it changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the benchmark's name, such as Set5")
        parser.add_argument("path", type=Path, help="the folder with the pictures")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_benchmark(name=options["name"], path=options["path"])
        except ImportRefused as refused:
            raise CommandError(f"{refused}\nNothing was imported.") from refused
        self.stdout.write(
            f"{options['name']}: {len(report.added)} images imported, {len(report.unchanged)} were there already."
        )
