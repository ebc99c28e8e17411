"""Opening a backup, encrypted or not."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studies.safekeeping.archive import Reader
from studies.safekeeping.passphrase import known_passphrase
from studies.safekeeping.sealing import is_sealed, unseal


@contextmanager
def opened(path: Path, *, passphrase_file: Path | None = None) -> Iterator[Reader]:
    """The backup in `path`. Raises SafekeepingError where it is none, and OSError where it cannot be read."""
    with path.open("rb") as file:
        if not is_sealed(file):
            yield Reader(file)
            return
        # Without a name, and gone with this process.
        with tempfile.TemporaryFile() as plain:
            unseal(file, plain, passphrase=known_passphrase(passphrase_file))
            yield Reader(plain)
