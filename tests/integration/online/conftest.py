import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.pipeline.conftest import relocate

from . import assisted


@pytest.fixture(scope="package", autouse=True)
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The program `assisted`, and what a night finds in its environment."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_DAGS", str(tmp_path_factory.mktemp("dags")))
        environment.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key of the tests alone")
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        assisted.write_program()
        yield


@pytest.fixture(scope="package")
def three_nights(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    """A warehouse after the nights before the app begins. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("assisted") / "home"
    assisted.nights_before(home)
    return home


@pytest.fixture
def home(three_nights: Path, tmp_path: Path) -> Path:
    shutil.copytree(three_nights, tmp_path / "home")
    relocate(tmp_path / "home", three_nights)
    return tmp_path / "home"


@pytest.fixture
def written(program: None) -> Iterator[Callable[[str], None]]:
    """Writes another program; the usual one is back after the test."""
    yield assisted.write_program
    assisted.write_program()
