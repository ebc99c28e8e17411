import os
import signal
from pathlib import Path

import pytest
from django.db.backends.sqlite3.base import DatabaseOperations

# Whoever starts the tests with nohup or in the background has them ignore these, and what they start would too.
for number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real benchmarks, ratings and photographs; a user of the project has none of it."""
    path = Path(os.environ.get("MOSWEB_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing, and in CI no test that needs it may skip")
        pytest.skip(f"needs the real data in {path}; set MOSWEB_SHARED to where they are")
    return path


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
