from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.template.defaultfilters import filesizeformat

from studies.safekeeping.backup import ERASED, back_up, back_up_and_rotate
from studies.safekeeping.errors import SafekeepingError
from studies.safekeeping.passphrase import add_passphrase_option, new_passphrase
from studies.storage.guard import StorageUnavailable


class Command(BaseCommand):
    help = (
        "Write one file with the whole site as it is at this moment: database, images, keys. The site may run. "
        "manage.py restore brings it back. It holds the raters' links: keep it as you keep the site."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the file to write; with --keep, the folder")
        parser.add_argument(
            "--keep", type=int, help="for a schedule: the file is named after the time, the newest KEEP stay"
        )
        parser.add_argument("--encrypt", action="store_true", help="under a passphrase; SECRET_KEY is then in it too")
        add_passphrase_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path, keep = options["path"], options["keep"]
        try:
            passphrase = new_passphrase(options["passphrase_file"]) if options["encrypt"] else ""
            if keep is None:
                made = back_up(path, passphrase=passphrase)
            else:
                made = back_up_and_rotate(path, keep=keep, passphrase=passphrase)
        except SafekeepingError as error:
            raise CommandError(str(error)) from error
        except (StorageUnavailable, OSError, DatabaseError) as error:
            raise CommandError(f"The backup was not made: {error}") from error
        self.stdout.write(f"{made.path}: {filesizeformat(made.size)}. Who has withdrawn: {made.path.parent / ERASED}.")
        if not passphrase:
            self.stdout.write("It is without SECRET_KEY, which only encrypted backups hold (--encrypt).")
        if made.missing:
            self.stderr.write(
                f"{len(made.missing)} files are in no storage and not in the backup either, {made.missing[0]} for one. "
                "manage.py verify lists them."
            )
