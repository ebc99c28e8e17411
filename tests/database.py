"""What the tests' database needs; a pytest plugin, for where Django is installed."""

import os

import django
import pytest
from django.db.backends.sqlite3.base import DatabaseOperations

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosweb.settings")
django.setup()  # pytest-django looks for settings only before the conftest that names this plugin


@pytest.fixture(autouse=True, scope="session")
def _flush_past_the_triggers():
    """Let the tests' clean-up empty SQLite, whose triggers forbid deleting a launched study. PostgreSQL truncates."""
    flush = DatabaseOperations.sql_flush

    def without_triggers(self, style, tables, **options):
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
        drop = [f"DROP TRIGGER {name}" for name, _ in triggers]
        return [*drop, *flush(self, style, tables, **options), *(sql for _, sql in triggers)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", without_triggers)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, tmp_path_factory):
    """SQLite in a file, as users have it: the one in memory locks by table and knows no WAL."""
    from django.db import connections

    if connections["default"].vendor == "sqlite":
        connections["default"].settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("db") / "test.sqlite3")
