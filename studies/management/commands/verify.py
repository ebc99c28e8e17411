from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from studies.safekeeping.verify import SETTLED, Found, Problem, repair, verify
from studies.storage.guard import StorageUnavailable


class Command(BaseCommand):
    help = (
        "Compare rows and files: rows without files, files without rows, pixels that are others than the row's hash "
        "says, leftovers of writers that were killed, jobs that nobody holds. Exit code 1 while something is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="mend what can be mended without losing anything")
        parser.add_argument(
            "--settled",
            type=float,
            default=SETTLED / timedelta(hours=1),
            metavar="HOURS",
            help="files without rows count once the youngest is older than this, for a running import writes its rows "
            "last; 0 where you know that none runs. Default %(default)g",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(timedelta(hours=options["settled"]), mend=options["repair"])
        except StorageUnavailable as error:
            raise CommandError(str(error)) from error

    def _run(self, settled: timedelta, *, mend: bool) -> None:
        found = verify(now=timezone.now(), settled=settled)
        for problem in found.problems:
            self.stdout.write(f"{problem.kind}: {problem.what}")
        if found.young:
            self.stdout.write(
                f"{len(found.young)} files without rows are too young to judge, as an import may be running."
            )
        left = found.problems
        if mend:
            left = repair(found)
            self.stdout.write(f"{len(found.problems) - len(left)} mended.")
        self._say_what_is_left(found, left, mended=mend)

    def _say_what_is_left(self, found: Found, left: list[Problem], *, mended: bool) -> None:
        counts = ", ".join(f"{number} x {kind}" for kind, number in Counter(p.kind for p in left).items())
        if left:
            hint = (
                "Restore these files from a backup, or import them again."
                if mended
                else "manage.py verify --repair mends what can be mended."
            )
            raise CommandError(f"{found.files} files, {len(left)} problems: {counts}. {hint}")
        self.stdout.write(f"{found.files} files: all is well.")
