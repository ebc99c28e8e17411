"""A backup as a file: a zip of tables and files, each with its sha256 in the manifest, which is written last."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, BinaryIO

from studies.safekeeping.errors import SafekeepingError

FORMAT = 1
MANIFEST = "manifest.json"
SECRET_KEY = "secret_key"  # noqa: S105


@dataclass
class Table:
    columns: list[str]
    rows: int = 0
    sha256: str = ""


@dataclass
class Manifest:
    """What a backup holds. `files` maps names in the storage to the sha256 of what is in them."""

    made_at: str
    version: str
    database: str
    migrations: list[tuple[str, str]]
    format: int = FORMAT
    tables: dict[str, Table] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    # Named by rows, and not in the storage when the backup was made.
    missing: list[str] = field(default_factory=list)
    # Where the database is older than its own keys: those that its migration would make there.
    site_keys: dict[str, str] = field(default_factory=dict)
    has_secret_key: bool = False


class Writer:
    """Adds tables and files to a zip; `finish` adds the manifest, without which it is no backup."""

    def __init__(self, file: BinaryIO, manifest: Manifest) -> None:
        self.manifest = manifest
        self._zip = zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED)
        self._known: set[str] = set()

    def add_table(self, name: str, *, columns: Sequence[str], lines: Iterable[str]) -> None:
        table = self.manifest.tables[name] = Table(list(columns))
        digest = hashlib.sha256()
        with self._zip.open(f"tables/{name}.jsonl", "w", force_zip64=True) as entry:
            for line in lines:
                encoded = line.encode() + b"\n"
                digest.update(encoded)
                entry.write(encoded)
                table.rows += 1
        table.sha256 = digest.hexdigest()

    def add_file(self, name: str, content: bytes) -> None:
        """What several names hold is stored once."""
        sha256 = self.manifest.files[name] = hashlib.sha256(content).hexdigest()
        if sha256 not in self._known:
            self._known.add(sha256)
            # PNG and zip are compressed already.
            self._zip.writestr(f"files/{sha256}", content, compress_type=zipfile.ZIP_STORED)

    def add_secret_key(self, key: str) -> None:
        self.manifest.has_secret_key = True
        self._zip.writestr(SECRET_KEY, key)

    def finish(self) -> None:
        self._zip.writestr(MANIFEST, json.dumps(asdict(self.manifest), indent=1))
        self._zip.close()


class Reader:
    """A backup to restore from. Raises SafekeepingError where the file is none, or is cut off."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
            self.manifest = _manifest(json.loads(self._zip.read(MANIFEST)))
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
            raise SafekeepingError(f"This is not a backup, or it is cut off or damaged ({error}).") from error

    def check(self) -> None:
        """Read everything and compare it with the manifest. Raises SafekeepingError naming what differs."""
        wanted = {f"tables/{name}.jsonl": table.sha256 for name, table in self.manifest.tables.items()}
        wanted |= {f"files/{sha256}": sha256 for sha256 in self.manifest.files.values()}
        for entry, sha256 in wanted.items():
            try:
                with self._zip.open(entry) as opened:
                    found = _sha256(opened)
            except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
                raise SafekeepingError(f"This backup is damaged: {entry} cannot be read ({error}).") from error
            if found != sha256:
                raise SafekeepingError(f"This backup is damaged: {entry} is not what was written.")

    def lines(self, table: str) -> Iterator[str]:
        with self._zip.open(f"tables/{table}.jsonl") as entry:
            yield from io.TextIOWrapper(entry, encoding="utf-8")

    def file(self, name: str) -> bytes:
        return self._zip.read(f"files/{self.manifest.files[name]}")

    def secret_key(self) -> str:
        return self._zip.read(SECRET_KEY).decode()


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def _manifest(found: dict[str, Any]) -> Manifest:
    if found["format"] != FORMAT:
        raise SafekeepingError(f"This backup has format {found['format']}, and this version reads {FORMAT}. Update it.")
    tables = {name: Table(**table) for name, table in found.pop("tables").items()}
    migrations = [(app, name) for app, name in found.pop("migrations")]
    return Manifest(**found, tables=tables, migrations=migrations)
