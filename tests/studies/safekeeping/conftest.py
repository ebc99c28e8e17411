import itertools
import os
import shutil

import psycopg
import pytest

from tests.e2e.plant import Sqlite, cluster, postgresql_programs
from tests.studies.safekeeping.installations import Installation


class PostgresqlDatabase:
    def __init__(self, server, name, *, template="template1"):
        self._server, self.name = server, name
        server.query(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.url = server.url.rpartition("/")[0] + f"/{name}"

    def query(self, sql):
        with psycopg.connect(
            host=str(self._server._folder), user=self._server.user, dbname=self.name, autocommit=True
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
    """Makes an installation without any table: install("sqlite", "name") or install("postgresql", "name"). Or one that
    has what `like` has, which no process is connected to."""

    def make(kind, name, *, secret="one key", like=None):
        var = tmp_path / name
        if like:
            shutil.copytree(like.var, var)
        if kind == "sqlite":
            database = Sqlite(var / "db.sqlite3")
        else:
            template = like.database.name if like else "template1"
            database = PostgresqlDatabase(request.getfixturevalue("_server"), f"d{next(_numbers)}", template=template)
        return Installation(var, database, secret=secret)

    return make
