import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.nights import DOCS

from . import world


@pytest.fixture(scope="package", autouse=True)
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The program `tiny`, and what a night finds in its environment."""
    dags = tmp_path_factory.mktemp("dags")
    world.write_program(dags)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_DAGS", str(dags))
        environment.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key of the tests alone")
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    """A warehouse in which three days have landed and no night has run."""
    world.land_all(tmp_path)
    return tmp_path


@pytest.fixture(scope="package")
def three_nights(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    """A warehouse after three nights, each run once, in order. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("three")
    world.land_all(home)
    for day in world.DAYS:
        world.run_night(home, day, but=DOCS if day < world.DAYS[-1] else ())
    return home


@pytest.fixture
def copied(three_nights: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes copies of `three_nights` that a test may change."""

    def copy() -> Path:
        home = tmp_path / "home"
        shutil.copytree(three_nights, home)
        relocate(home, three_nights)
        return home

    return copy


def relocate(home: Path, old: Path) -> None:
    """MLflow's store names the folder of its artifacts; make that the copy's."""
    import sqlite3

    with sqlite3.connect(home / "mlflow.db") as store:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
        ):
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(old), str(home)))  # noqa: S608
