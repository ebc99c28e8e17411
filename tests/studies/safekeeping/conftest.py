import itertools
import os

import psycopg
import pytest

from tests.e2e.plant import Sqlite, cluster, postgresql_programs
from tests.studies.safekeeping.installations import Installation


class PostgresqlDatabase:
    def __init__(self, server, name):
        self._server, self._name = server, name
        server.query(f"CREATE DATABASE {name}")
        self.url = server.url.rpartition("/")[0] + f"/{name}"

    def query(self, sql):
        with psycopg.connect(
            host=str(self._server._folder), user=self._server.user, dbname=self._name, autocommit=True
        ) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def _server():
    if postgresql_programs() is None:
        missing = "needs PostgreSQL's server programs (Debian: apt-get install postgresql)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with cluster() as server:
        yield server


_numbers = itertools.count(1)


@pytest.fixture
def install(request, tmp_path):
    """Makes an installation without any table: install("sqlite", "name") or install("postgresql", "name")."""

    def make(kind, name, *, secret="one key"):
        var = tmp_path / name
        if kind == "sqlite":
            database = Sqlite(var / "db.sqlite3")
        else:
            database = PostgresqlDatabase(request.getfixturevalue("_server"), f"d{next(_numbers)}")
        return Installation(var, database, secret=secret)

    return make
