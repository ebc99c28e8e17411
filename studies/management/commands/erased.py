from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studies.content.erased import as_text, erased_here
from studies.safekeeping.backup import update_list
from studies.safekeeping.errors import SafekeepingError


class Command(BaseCommand):
    help = (
        "List who has withdrawn, as fingerprints without data, for manage.py restore --erased: what was erased does "
        "not come back with an older backup. Keep the list apart from the site."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, help="add to this file instead of printing")

    def handle(self, *args: Any, **options: Any) -> None:
        out: Path | None = options["out"]
        if out is None:
            self.stdout.write(as_text(erased_here()), ending="")
            return
        try:
            count = update_list(out)
        except (OSError, ValueError, SafekeepingError) as error:
            raise CommandError(f"{out} cannot be brought up to date: {error}") from error
        self.stdout.write(f"{out}: {count} withdrawals.")
