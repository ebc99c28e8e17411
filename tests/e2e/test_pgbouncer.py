"""The site through a real PgBouncer in transaction mode, with fewer connections to PostgreSQL than it has threads."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.e2e.plant import program, wait_for
from tests.e2e.scripted import Rater, Site, all_go, check
from tests.process_tools import free_ports

CONNECTIONS = 3
INI = """
[databases]
postgres = host={folder} dbname=postgres user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
logfile = {log}
"""


@pytest.fixture
def bouncer(own_postgresql):
    """The URL of the pooler, and the database behind it."""
    path = program("pgbouncer")
    folder, port = Path(own_postgresql.query("SHOW unix_socket_directories")[0][0]), *free_ports(1)
    text = INI.format(folder=folder, port=port, connections=CONNECTIONS, log=folder / "bouncer.log")
    (folder / "bouncer.ini").write_text(text)
    # It refuses to run as root, as PostgreSQL does.
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    if user:
        shutil.chown(folder / "bouncer.ini", **user)
    process = subprocess.Popen([path, folder / "bouncer.ini"], stderr=subprocess.DEVNULL, cwd=folder, **user)
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    try:
        wait_for(lambda: _answers(url), seconds=20, what="PgBouncer answers")
        yield url, own_postgresql
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, prepare_threshold=None).close()
    except psycopg.OperationalError:
        return False
    return True


class Behind:
    """A database that the site reaches at another address."""

    def __init__(self, url, database):
        self.url, self.query = url, database.query


def test_raters_rate_through_a_pooler_in_transaction_mode_without_one_failure(bouncer, tmp_path):
    url, database = bouncer
    site = Site(tmp_path, Behind(url, database))
    site.start()
    try:
        raters = [Rater(site.port, link) for link in site.links]
        asyncio.run(asyncio.wait_for(all_go(raters), timeout=120))
        site.manage("export_ratings", "study", "--out", str(tmp_path / "ratings.csv"))
    finally:
        site.kill()
    check(site, raters, "through PgBouncer")
    # Until the server listens a request may be sent again; the site itself answers none with an error.
    said = site.log.read_text()
    assert not re.search("ERROR|Traceback|prepared statement|cursor .* does not exist", said)
    assert len((tmp_path / "ratings.csv").read_text().splitlines()) == 1 + sum(len(r.acknowledged) for r in raters)
    used = int(database.query("SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres'")[0][0])
    assert used <= CONNECTIONS + 1  # and the one that asks
