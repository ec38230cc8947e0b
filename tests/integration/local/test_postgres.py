"""A real PostgreSQL: private, restartable, and back after a crash."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from nightslate.local.postgres import Postgres
from nightslate.local.site import free_port


@pytest.fixture
def database() -> Iterator[Postgres]:
    """A server below a folder of its own: every pytest that starts closes tmp_path to PostgreSQL's user."""
    with tempfile.TemporaryDirectory(prefix="nightslate-") as folder:
        server = Postgres(Path(folder), free_port(0), "right")
        yield server
        server.stop()


def query(database: Postgres, password: str, statement: str) -> object:
    connection = psycopg2.connect(
        host="127.0.0.1", port=database.port, user="postgres", password=password, dbname="postgres"
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


def test_it_keeps_its_rows_over_a_stop_and_a_crash_and_asks_for_its_password(database: Postgres) -> None:
    database.start()
    query(database, "right", "create table nights as select 3 as n")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(database, "wrong", "select 1")

    database.stop()
    assert not database.is_running()
    database.start()
    assert query(database, "right", "select n from nights") == (3,)

    postmaster = int((database.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    while database.is_running():  # a signal takes a moment to arrive
        time.sleep(0.02)
    database.start()
    assert query(database, "right", "select n from nights") == (3,)


def test_stopping_what_does_not_run_is_fine(database: Postgres) -> None:
    database.stop()
    assert not database.is_running()


def test_the_password_stays_out_of_the_folder(database: Postgres) -> None:
    database.start()
    assert not (database.folder / "postgres-password").exists()
