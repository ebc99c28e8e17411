from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studies.content.benchmarks import ImportRefused
from studies.content.bringing import Look, look, said, take, touched


class Command(BaseCommand):
    help = (
        "Look at a method's result images for every picture of a benchmark, matched by name, and take them. All or "
        "nothing. The method may be one of the built-in ones or a new one. What is strange about a file (far under "
        "bicubic, swapped, channels exchanged, ...) is said, and must be confirmed."
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
        parser.add_argument("--look", action="store_true", help="only look: import nothing")
        parser.add_argument("--confirm", action="store_true", help="the warnings have been read, take the images")

    def handle(self, *args: Any, **options: Any) -> None:
        keys = ("method", "benchmark", "path", "display_name", "suffix", "mapping")
        try:
            seen = look(**{key: options[key] for key in keys})
            self._tell(seen, whole=options["look"])
            if options["look"]:
                return
            if seen.all_warnings and not seen.problems and not options["confirm"]:
                raise CommandError("Nothing was imported: look at the warnings, then say --confirm.")
            take(seen)
        except ImportRefused as refused:
            raise CommandError(f"{refused}\nNothing was imported.") from refused
        self.stdout.write(said(seen))

    def _tell(self, seen: Look, *, whole: bool) -> None:
        if seen.pattern:
            self.stdout.write(f"The files are named {seen.pattern}.")
        for line in seen.lines if whole else ():
            if line.looked and line.file:
                what = ", ".join([f"{line.width} x {line.height} {line.mode}", *line.done, line.fate])
                score = f"{line.looked.psnr:.2f} dB (bicubic {line.looked.bicubic:.2f})"
                self.stdout.write(f"{line.source.name}: {line.file.name}, {what}, {score}")
        for text in [*(seen.problems if whole else ()), *seen.all_warnings]:
            self.stderr.write(text)
        for study, what in touched(seen):
            self.stdout.write(f"In the study {study.name}: {what}.")
