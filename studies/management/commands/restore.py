from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from studies.content.erased import Erased, read_text
from studies.safekeeping.backup import ERASED
from studies.safekeeping.errors import SafekeepingError
from studies.safekeeping.passphrase import add_passphrase_option
from studies.safekeeping.reading import opened
from studies.safekeeping.restore import restore
from studies.storage.guard import StorageUnavailable


class Command(BaseCommand):
    help = (
        "Bring a backup back into an empty site, in this version of mosweb, on SQLite or PostgreSQL. Stop the site "
        "first. Who withdrew after the backup, by erased.txt beside it or --erased, is erased again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the backup")
        parser.add_argument(
            "--erased", type=Path, help=f"the list of who has withdrawn; default {ERASED} beside the backup"
        )
        parser.add_argument("--check", action="store_true", help="only read the backup and say whether it is whole")
        add_passphrase_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["path"]
        try:
            erased = self._erased(path, options["erased"])
            with opened(path, passphrase_file=options["passphrase_file"]) as reader:
                manifest = reader.manifest
                of = f"{path} of {manifest.made_at}, mosweb {manifest.version} on {manifest.database}"
                if options["check"]:
                    reader.check()
                    self.stdout.write(f"{of}: whole.")
                    return
                done = restore(reader, erased=erased)
        except (SafekeepingError, StorageUnavailable, OSError, DatabaseError) as error:
            raise CommandError(f"{error}\nNothing was restored.") from error
        self.stdout.write(
            f"Restored {of}: {done.rows} rows, {done.files} files; {done.erased} raters who withdrew later "
            "erased again.\n" + done.secret_key
        )
        if manifest.missing:
            self.stderr.write(f"{len(manifest.missing)} files were missing when it was made: manage.py verify.")

    def _erased(self, backup: Path, named: Path | None) -> Erased:
        path = named or backup.with_name(ERASED)
        if named is None and not path.exists():
            self.stderr.write(f"No list of who withdrew since ({path}); if you have one, name it with --erased.")
            return {}
        try:
            return read_text(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SafekeepingError(f"{path} cannot be read as a list of who has withdrawn: {error}.") from error
