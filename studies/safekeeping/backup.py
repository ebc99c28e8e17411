"""Making a backup of the running site: one moment of the database, with every file that it names."""

import hashlib
import logging
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.utils import timezone

from studies.content import erased
from studies.models import Backup
from studies.safekeeping.archive import Manifest, Writer
from studies.safekeeping.errors import SafekeepingError
from studies.safekeeping.sealing import seal
from studies.safekeeping.tables import Model, Snapshot, apps_at, columns, file_fields, kept_models, snapshot
from studies.safekeeping.whole import draft_of, whole_file

logger = logging.getLogger(__name__)

ERASED = "erased.txt"
_SCHEDULED = re.compile(r"mosweb-\d{8}-\d{6}\.(zip|sealed)")


@dataclass(frozen=True)
class Made:
    """A backup's file, and the names of files that rows name and the storage lacks."""

    path: Path
    size: int
    missing: list[str]


def back_up(path: Path, *, passphrase: str = "") -> Made:
    """Write a backup to `path`, mode 0600, whole or not at all; encrypted, and with SECRET_KEY, given a passphrase.

    Beside it, erased.txt is brought up to date. Raises SafekeepingError where something of that name is there.
    """
    if path.exists():
        raise SafekeepingError(f"{path} is there already; name another file.")
    if not path.parent.is_dir():
        raise SafekeepingError(f"There is no folder {path.parent}.")
    made_at = timezone.now()
    with whole_file(path) as file:
        if passphrase:
            # The plain one has no name and is gone with this process, however it ends.
            with tempfile.TemporaryFile(dir=path.parent) as plain:
                missing = _write(plain, made_at, with_secret_key=True)
                plain.seek(0)
                seal(plain, file, passphrase=passphrase)
        else:
            missing = _write(file, made_at, with_secret_key=False)
    size = path.stat().st_size
    _note(Backup(made_at=made_at, file_name=path.name, size=size, encrypted=bool(passphrase)), path.parent)
    return Made(path, size, missing)


def back_up_and_rotate(folder: Path, *, keep: int, passphrase: str = "") -> Made:
    """Write a backup into `folder` under a name with the time, then remove all but the newest `keep` of these.

    For a schedule. What an earlier run left that was killed is removed; other files of the folder are left alone.
    """
    if keep < 1:
        raise SafekeepingError("Keep at least one backup.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"mosweb-{timezone.now():%Y%m%d-%H%M%S}.{'sealed' if passphrase else 'zip'}"
    made = back_up(folder / name, passphrase=passphrase)
    found = sorted((p for p in folder.iterdir() if _SCHEDULED.fullmatch(p.name)), reverse=True)
    for old in found[keep:]:
        old.unlink()
    for left in folder.glob(".mosweb-*.part"):
        # One that is still being written is newer than the backup that was just finished.
        if left.name < draft_of(made.path).name:
            left.unlink()
    return made


def _write(file: BinaryIO, made_at: datetime, *, with_secret_key: bool) -> list[str]:
    with snapshot() as moment:
        migrations = moment.migrations()
        if not migrations:
            raise SafekeepingError("There is no site here to back up: no migration was ever run.")
        manifest = Manifest(made_at.isoformat(), settings.VERSION, connection.vendor, migrations)
        writer = Writer(file, manifest)
        models = kept_models(apps_at(migrations))
        for model in models:
            writer.add_table(model._meta.db_table, columns=columns(model), lines=moment.rows(model))
        names = sorted({name for model in models for name in _file_names(model, moment)})
    _add_keys(writer, with_secret_key=with_secret_key)
    for name in names:
        try:
            with default_storage.open(name) as opened:
                content = opened.read()
        except FileNotFoundError:
            manifest.missing.append(name)
        else:
            writer.add_file(name, content)
    writer.finish()
    return manifest.missing


def _file_names(model: Model, moment: Snapshot) -> Iterator[str]:
    for field in file_fields(model):
        yield from moment.values(model, field)


def _add_keys(writer: Writer, *, with_secret_key: bool) -> None:
    if "studies_sitekey" not in writer.manifest.tables:
        # As migration 0008 will make it: what browsers hold now is kept under a name that follows from it.
        secret = b"studies.outbox" + settings.SECRET_KEY.encode()
        writer.manifest.site_keys["outbox"] = hashlib.sha1(secret).hexdigest()  # noqa: S324
    if with_secret_key:
        writer.add_secret_key(settings.SECRET_KEY)


def _note(row: Backup, folder: Path) -> None:
    """For staff to see; and who has withdrawn so far, beside it. Neither makes a whole backup a failed one."""
    try:
        row.save()
    except DatabaseError as error:
        logger.warning("the backup is whole, but staff do not see it (%s); are there migrations to run?", error)
    try:
        update_list(folder / ERASED)
    except (OSError, ValueError, DatabaseError) as error:
        logger.warning("%s cannot be brought up to date (%s)", folder / ERASED, error)


def update_list(path: Path) -> int:
    """Add to the list in `path` everybody who has withdrawn here; returns how many it has."""
    known = erased.read_text(path.read_text(encoding="utf-8")) if path.exists() else {}
    known |= erased.erased_here()
    with whole_file(path) as file:
        file.write(erased.as_text(known).encode())
    return len(known)
