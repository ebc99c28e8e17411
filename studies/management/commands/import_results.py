from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studies.content.benchmarks import ImportRefused
from studies.content.supplied import import_results


class Command(BaseCommand):
    help = (
        "Import a method's result images for every picture of a benchmark, matched by name. All or nothing. "
        "The method may be one of the built-in ones or a new one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("method", help="the method's name, such as srgan-vgg54, or a new one")
        parser.add_argument("benchmark", help="the name of an imported benchmark")
        parser.add_argument("path", type=Path, help="the folder with the results")
        parser.add_argument("--display-name", default="", help="what pages, exports and reports call a new method")
        parser.add_argument(
            "--suffix", default="", help="take only files whose name ends so, where a folder holds several methods'"
        )
        parser.add_argument("--mapping", type=Path, help="CSV with columns name, file, where names do not tell")

    def handle(self, *args: Any, **options: Any) -> None:
        keys = ("method", "benchmark", "path", "display_name", "suffix", "mapping")
        try:
            report = import_results(**{key: options[key] for key in keys})
        except ImportRefused as refused:
            raise CommandError(f"{refused}\nNothing was imported.") from refused
        self.stdout.write(
            f"{options['method']} on {options['benchmark']}: {len(report.added)} images imported, "
            f"{len(report.unchanged)} were there already."
        )
        if report.pattern:
            self.stdout.write(f"The files are named {report.pattern}.")
