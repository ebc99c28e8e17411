"""The database's rows as text that both databases understand, of one moment, whatever migrations it is at.

The models are those of the migrations that the database has, not today's: a backup is made before an update's
migrations run, and is restored into a later version.
"""

import base64
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.apps.registry import Apps
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.migrations.loader import MigrationLoader

from studies.safekeeping.errors import SafekeepingError

Migration = tuple[str, str]
Model = type[models.Model]
# Logins, failed logins with their addresses, which worker lives, and what browsers are sending (whoever sends it has
# it): of the moment, and no part of the studies. Nor is what workers compute of the ratings: they do it again.
LEFT_OUT = ("sessions.", "axes.", "studies.worker", "studies.import", "studies.tally", "studies.raternumbers")
_BATCH = 1000


class Snapshot:
    """The database as it was at one moment; reading it keeps nobody from writing."""

    def __init__(self, cursor: Callable[[], Any]) -> None:
        self._cursor = cursor

    def migrations(self) -> list[Migration]:
        """The migrations that it has, in the order in which they were applied."""
        cursor = self._cursor()
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY id")
        return [tuple(row) for row in cursor.fetchall()]

    def rows(self, model: Model) -> Iterator[str]:
        """Each row as a line of JSON: the values in the order of `columns`."""
        quote = connection.ops.quote_name
        fields = model._meta.local_concrete_fields
        names = ", ".join(map(quote, columns(model)))
        key = quote(model._meta.pk.attname)
        cursor = self._cursor()
        cursor.execute(f"SELECT {names} FROM {quote(model._meta.db_table)} ORDER BY {key}")  # noqa: S608
        readers = [_reader(field) for field in fields]
        while found := cursor.fetchmany(_BATCH):
            for row in found:
                values = [read(value) for read, value in zip(readers, row, strict=True)]
                yield json.dumps(values, default=_as_text, ensure_ascii=False)

    def values(self, model: Model, field: "models.Field[Any, Any]") -> Iterator[str]:
        """A text column's values that are not empty."""
        quote = connection.ops.quote_name
        cursor = self._cursor()
        cursor.execute(f"SELECT {quote(str(field.column))} FROM {quote(model._meta.db_table)}")  # noqa: S608
        while found := cursor.fetchmany(_BATCH):
            yield from (value for (value,) in found if value)


@contextmanager
def snapshot() -> Iterator[Snapshot]:
    """The database of now: a copy by SQLite's backup API, or one repeatable-read transaction of PostgreSQL."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        # Without a name: in a temporary file that nobody sees and that is gone with this process, however it ends.
        copy = sqlite3.connect("")
        try:
            connection.connection.backup(copy)
            yield Snapshot(copy.cursor)
        finally:
            copy.close()
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield Snapshot(connection.chunked_cursor)


def apps_at(migrations: Sequence[Migration]) -> Apps:
    """The models as they are after these migrations. Raises SafekeepingError where one is not known here."""
    loader = MigrationLoader(connection)
    unknown = [f"{app}.{name}" for app, name in migrations if (app, name) not in loader.disk_migrations]
    if unknown:
        raise SafekeepingError(
            f"It is of a newer version of mosweb: migration {unknown[-1]} is not known here. Update mosweb first."
        )
    return loader.project_state([node for node in migrations if node in loader.graph.nodes]).apps


def kept_models(apps: Apps) -> list[Model]:
    """The models whose rows are kept, many-to-many tables too, sorted by table."""
    return sorted(
        (
            model
            for model in apps.get_models(include_auto_created=True)
            if model._meta.managed and not model._meta.proxy and not model._meta.label_lower.startswith(LEFT_OUT)
        ),
        key=lambda model: model._meta.db_table,
    )


def columns(model: Model) -> list[str]:
    return [str(field.column) for field in model._meta.local_concrete_fields]


def file_fields(model: Model) -> list[models.FileField]:
    return [field for field in model._meta.local_concrete_fields if isinstance(field, models.FileField)]


def fill(model: Model, found: Sequence[str], lines: Iterable[str]) -> None:
    """Replace the table's rows by these lines, whose values are those of the columns `found`.

    Triggers and constraints are the caller's business.
    """
    by_column = {field.column: field for field in model._meta.local_concrete_fields}
    writers = [_writer(by_column[column]) for column in found]
    quote = connection.ops.quote_name
    table, names = quote(model._meta.db_table), ", ".join(quote(column) for column in found)
    places = ", ".join(["%s"] * len(found))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")  # noqa: S608
        for batch in batched_lines(lines):
            rows = [[write(value) for write, value in zip(writers, row, strict=True)] for row in batch]
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)  # noqa: S608


def batched_lines(lines: Iterable[str]) -> Iterator[list[list[Any]]]:
    batch: list[list[Any]] = []
    for line in lines:
        batch.append(json.loads(line))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def without_triggers(filled: Sequence[Model]) -> Iterator[None]:
    """Launched studies take no images, say the triggers; here they are filled in. Foreign keys count at the end."""
    tables = [model._meta.db_table for model in filled]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(name)}")
            yield
            for _, sql in triggers:
                cursor.execute(sql)
            connection.check_constraints()
            return
        for table in tables:
            cursor.execute(f"ALTER TABLE {connection.ops.quote_name(table)} DISABLE TRIGGER USER")
        # Migrations in the same transaction have made them immediate.
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {connection.ops.quote_name(table)} ENABLE TRIGGER USER")
        for sql in connection.ops.sequence_reset_sql(no_style(), filled):
            cursor.execute(sql)


def _reader(field: "models.Field[Any, Any]") -> Callable[[Any], Any]:
    if isinstance(field, models.JSONField):
        return lambda value: value  # both databases hand out its text
    column = field.get_col(field.model._meta.db_table)
    steps = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]

    def read(value: Any) -> Any:
        for step in steps:
            value = step(value, column, connection)
        return value

    return read


def _writer(field: "models.Field[Any, Any]") -> Callable[[Any], Any]:
    if isinstance(field, models.JSONField):
        return lambda value: value
    return lambda value: field.get_db_prep_save(field.to_python(value), connection)


def _as_text(value: Any) -> str:
    """What `to_python` of the value's field reads."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be kept in a backup")
