from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from srcore.scale import SCALE, SCALES
from studies.content.benchmarks import ImportRefused, import_benchmark, said


class Command(BaseCommand):
    help = (
        "Import a folder as a benchmark: NAME_HR.png files with or without NAME_LR.png, or plain photographs. "
        "HR is cut to multiples of the scale, a missing LR is made. All or nothing; done twice, it changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the benchmark's name, such as Set5")
        parser.add_argument("path", type=Path, help="the folder with the pictures")
        parser.add_argument(
            "--scale", type=int, choices=SCALES, help=f"how many times larger HR is than LR ({SCALE} for a new one)"
        )
        parser.add_argument("--lr", type=Path, metavar="FOLDER", help="the LR pictures, such as LR_bicubic/X2")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seen = import_benchmark(**{key: options[key] for key in ("name", "path", "scale", "lr")})
        except ImportRefused as refused:
            raise CommandError(f"{refused}\nNothing was imported.") from refused
        self.stdout.write(said(seen))
