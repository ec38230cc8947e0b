import sqlite3
from collections.abc import Iterator

import pytest
from mlflow.store.db import utils as stores
from sqlalchemy import Engine, event


@pytest.fixture(scope="session", autouse=True)
def mlflow_stores() -> Iterator[None]:
    """MLflow makes the tables of a new store by all of its migrations: seconds, and more than a hundred
    commits that wait for the disk. The first store is made so, and later ones begin as copies of it; what
    they commit outlives a process that is killed, not a machine."""
    migrate = stores._initialize_tables
    tables = sqlite3.connect(":memory:", check_same_thread=False)

    def migrate_or_copy(engine: Engine) -> None:
        store = engine.raw_connection()
        if tables.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            migrate(engine)
            store.driver_connection.backup(tables)
        else:
            tables.backup(store.driver_connection)
        store.close()

    def leave_it_to_the_system(store: sqlite3.Connection, _: object) -> None:
        store.execute("PRAGMA synchronous = OFF")

    with pytest.MonkeyPatch.context() as ours:
        ours.setattr(stores, "_initialize_tables", migrate_or_copy)
        event.listen(Engine, "connect", leave_it_to_the_system)
        yield
        event.remove(Engine, "connect", leave_it_to_the_system)
    tables.close()
