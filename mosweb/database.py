"""How the site connects to its database, whichever it is."""

from collections.abc import Mapping
from typing import Any

SQLITE: dict[str, Any] = {
    # A deferred transaction that turns into a write fails at once when another one writes; with IMMEDIATE it waits.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    # FULL: a rating that was acknowledged survives a power cut.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000;",
}
# A pooler such as PgBouncer gives each transaction another connection, which knows nothing of statements prepared on
# the last one. So none is prepared and no cursor is kept open in the server, unless asked for (prepare_threshold).
POSTGRESQL: dict[str, Any] = {"server_side_binding": True, "prepare_threshold": None}
DEFAULTS = {"django.db.backends.sqlite3": SQLITE, "django.db.backends.postgresql": POSTGRESQL}


def configuration(url: Mapping[str, Any], *, given: Mapping[str, Any]) -> dict[str, Any]:
    """Django's settings for the database that DATABASE_URL names, as dj_database_url has read it.

    Options in the URL win over those of MOSWEB_DB_OPTIONS (`given`), and those over ours.
    """
    options = {**DEFAULTS.get(url["ENGINE"], {}), **given, **url.get("OPTIONS", {})}
    # A URL can only write it as a word.
    options = {name: None if value in ("none", "None", "null") else value for name, value in options.items()}
    return {**url, "OPTIONS": options, "DISABLE_SERVER_SIDE_CURSORS": options.get("prepare_threshold") is None}
