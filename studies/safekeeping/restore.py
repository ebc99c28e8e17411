"""Restoring a backup on an empty site: everything of it or nothing."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from studies.content.erased import fingerprint, note_erased, noted_in_storage
from studies.models import Rater, SiteKey
from studies.rating.withdrawal import withdraw
from studies.safekeeping.archive import Manifest, Reader
from studies.safekeeping.errors import SafekeepingError
from studies.safekeeping.tables import apps_at, fill, kept_models, without_triggers
from studies.safekeeping.whole import whole_file
from studies.storage.marker import NotTheStorage, mark

logger = logging.getLogger(__name__)

# What migrations, workers and logins write by themselves.
NOT_DATA = frozenset(
    {"django_migrations", "django_content_type", "auth_permission", "django_session", "studies_method",
     "studies_backup", "studies_installation", "studies_sitekey", "studies_worker"}
)  # fmt: skip


@dataclass(frozen=True)
class Restored:
    """What was restored; `erased`: how many raters' data was erased again; `secret_key`: what became of it."""

    manifest: Manifest
    rows: int
    files: int
    erased: int
    secret_key: str


def restore(reader: Reader, *, erased: Mapping[str, datetime]) -> Restored:
    """Bring a checked backup back, in today's version, and erase again whom `erased` or the storage names.

    The rows appear all at once at the end. Stopped or killed before, the site is as empty as it was; files that were
    written already are written again by the next try. Raises SafekeepingError where there is data already.
    """
    manifest = reader.manifest
    apps = apps_at(manifest.migrations)
    require_empty()
    reader.check()
    for name in manifest.files:
        _restore_file(name, reader.file(name))
    with _fresh_database():
        executor = MigrationExecutor(connection)
        executor.migrate([node for node in manifest.migrations if node in executor.loader.graph.nodes])
        filled = [model for model in kept_models(apps) if model._meta.db_table in manifest.tables]
        with transaction.atomic(), without_triggers(filled):
            for model in filled:
                table = manifest.tables[model._meta.db_table]
                fill(model, table.columns, reader.lines(model._meta.db_table))
        call_command("migrate", verbosity=0, interactive=False)
        for name, value in manifest.site_keys.items():
            SiteKey.objects.update_or_create(name=name, defaults={"value": value})
        _mark_storage()
        count = _erase_again({**noted_in_storage(), **erased})
    rows = sum(table.rows for table in manifest.tables.values())
    return Restored(manifest, rows, len(manifest.files), count, _restore_secret_key(reader))


def require_empty() -> None:
    """Raises SafekeepingError where the database holds data: a restore never mixes two sites."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            if table in NOT_DATA or table.startswith("axes_"):
                continue
            cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608
            if cursor.fetchone():
                raise SafekeepingError(
                    f"There is data here already (in {table}), and a restore never replaces any. Restore into an empty "
                    "site: another folder in MOSWEB_VAR, another database in DATABASE_URL."
                )


def _restore_file(name: str, content: bytes) -> None:
    """Write the file unless it is there as it should be; a file of that name with other bytes is replaced."""
    if default_storage.exists(name):
        with default_storage.open(name) as there:
            if there.read() == content:
                return
        default_storage.delete(name)
    saved = default_storage.save(name, ContentFile(content))
    if saved != name:
        default_storage.delete(saved)
        raise SafekeepingError(f"The image storage calls {name} {saved}; give it options that keep names.")


@contextmanager
def _fresh_database() -> Iterator[None]:
    """An empty database to fill, which takes the site's place when the block ends well, and not before."""
    if connection.vendor != "sqlite":
        with transaction.atomic():
            _drop_tables()
            yield
        return
    place = Path(connection.settings_dict["NAME"])
    draft = place.with_name(f".{place.name}.restoring")
    for left in _with_companions(draft):
        left.unlink(missing_ok=True)
    connection.close()
    connection.settings_dict["NAME"] = str(draft)
    try:
        yield
        connection.close()  # the last one to leave folds the write-ahead log into the file
        draft.chmod(0o600)
        for companion in _with_companions(place)[1:]:
            companion.unlink(missing_ok=True)
        draft.replace(place)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = str(place)
        for left in _with_companions(draft):
            left.unlink(missing_ok=True)


def _with_companions(database: Path) -> list[Path]:
    return [database, *(database.with_name(database.name + ending) for ending in ("-wal", "-shm", "-journal"))]


def _drop_tables() -> None:
    """PostgreSQL's tables, empty as they are, with the functions of their triggers; in the caller's transaction."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        cursor.execute(
            "SELECT DISTINCT t.tgfoid::regprocedure::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE NOT t.tgisinternal AND c.relname = ANY(%s)",
            [tables],
        )
        functions = [name for (name,) in cursor.fetchall()]
        for table in tables:
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)} CASCADE")
        for function in functions:
            cursor.execute(f"DROP FUNCTION {function}")


def _mark_storage() -> None:
    """This storage is the site's from now on, as its workers check. Raises SafekeepingError where it is another's."""
    try:
        mark()
    except NotTheStorage as error:
        raise SafekeepingError(str(error)) from error


def _erase_again(erased: Mapping[str, datetime]) -> int:
    """Withdraw everybody who is on the list and in the backup not yet withdrawn."""
    count = 0
    for rater in Rater.objects.select_related("study").filter(withdrawn_at=None):
        when = erased.get(fingerprint(rater.token))
        if when is not None:
            withdraw(rater=rater, now=when)
            count += 1
    for rater in Rater.objects.exclude(withdrawn_at=None):
        if fingerprint(rater.token) not in erased:
            note_erased(rater.token, rater.withdrawn_at or timezone.now())
    return count


def _restore_secret_key(reader: Reader) -> str:
    """What became of SECRET_KEY, for the person who restores."""
    if not reader.manifest.has_secret_key:
        return "The backup is without SECRET_KEY, as it is not encrypted: staff log in again, raters open their links."
    key = reader.secret_key()
    if key == settings.SECRET_KEY:
        return "SECRET_KEY is the backup's."
    path = Path(settings.SECRET_KEY_FILE)
    with whole_file(path) as file:
        file.write(key.encode() + b"\n")
    if settings.SECRET_KEY_FROM_ENVIRONMENT:
        return (
            f"The environment sets another SECRET_KEY than the backup's, which is now in {path}: "
            "unset SECRET_KEY, or add the backup's to SECRET_KEY_FALLBACKS, and raters' cookies count."
        )
    return f"SECRET_KEY is the backup's, in {path}."
