"""Where a passphrase comes from: a file, or the person at the terminal."""

import sys
from getpass import getpass
from pathlib import Path

from django.core.management.base import CommandParser

from studies.safekeeping.errors import SafekeepingError

# Guessing costs a quarter of a second each; four words from a list of dice are this long.
SHORTEST = 12


def add_passphrase_option(parser: CommandParser) -> None:
    parser.add_argument("--passphrase-file", type=Path, help="read the passphrase from this file instead of asking")


def new_passphrase(file: Path | None) -> str:
    """For a new backup, asked twice. Raises SafekeepingError for a short one, or where nobody can be asked."""
    passphrase = known_passphrase(file)
    if len(passphrase) < SHORTEST:
        raise SafekeepingError(f"A passphrase has at least {SHORTEST} characters.")
    if file is None and getpass("Again: ") != passphrase:
        raise SafekeepingError("The two passphrases differ.")
    return passphrase


def known_passphrase(file: Path | None) -> str:
    """As it was given when the backup was made. Raises SafekeepingError."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SafekeepingError(f"The passphrase cannot be read from {file}: {error}.") from error
    if not sys.stdin.isatty():
        raise SafekeepingError("There is nobody to ask for the passphrase; name its file with --passphrase-file.")
    return getpass("Passphrase: ")
